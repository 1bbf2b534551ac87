"""A window that closes under an agent's hands, in a real browser: what was typed stays, waits or goes along."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from bot.domain.ids import ConversationId
from bot.domain.ports import LiveEvent
from storage.tables import IDENTITIES
from tests.contract.line import Line
from tests.integration.console.browsing import heard_by_a_page, signed_in
from tests.integration.console.shop import Shop

pytestmark = pytest.mark.browser

WIDTHS = (390, 768, 1280)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Give SQLite alone: the browser does not see the database."""
    return sqlite_url


async def elapse(shop: Shop, conversation: ConversationId) -> None:
    """Let three days go by for every window."""
    earlier = "UPDATE windows SET opened_at = replace(opened_at, substr(opened_at, 1, 4), '2020')"
    await shop.database.run(lambda on: on.exec_driver_sql(earlier) and None)
    await shop.live.publish(LiveEvent(f"conversation:{conversation}", "changed"))


async def linked(shop: Shop) -> ConversationId:
    """Let Li hold the WhatsApp conversation of somebody who is known on the web as well."""
    here = await shop.exchange("8613800000001", "在吗", "您好", channel="whatsapp", name="王芳")
    await shop.exchange("fang", "hi", "hello", name="Fang")
    ids = {row["channel_user_id"]: row for row in await Line(shop.database).rows(IDENTITIES)}
    one = ids["8613800000001"]["customer_id"]
    for table, name in (("identities", "id"), ("conversations", "identity_id")):
        move = f"UPDATE {table} SET customer_id='{one}' WHERE {name}='{ids['fang']['id']}'"  # noqa: S608
        await shop.database.run(lambda on, each=move: on.exec_driver_sql(each) and None)
    await shop.stores.ownership.take(here, shop.agents["li"], shop.clock.now())
    return here


async def test_window_closes_while_typing_and_the_words_wait(shop: Shop, browser: Browser, address: str):
    """The button changes under his hands, nothing typed is lost, and what he sends is kept for the shopper."""
    here = await linked(shop)
    page = await signed_in(browser, address, "li")
    await page.goto(f"{address}/conversations/{here}")
    await page.fill("#text", "明天到货")
    await expect(page.locator(".send-reply")).to_have_text("Send")
    await heard_by_a_page(shop, here)
    await elapse(shop, here)
    await expect(page.locator(".send-reply")).to_have_text("Send when they write")
    assert await page.input_value("#text") == "明天到货"
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#lines")).to_contain_text("Waits; goes out as soon as the shopper writes")
    await expect(page.locator("#text")).to_have_value("")
    await page.get_by_role("button", name="Do not send").click()
    await expect(page.locator("#lines")).to_contain_text("Not sent")


async def test_words_go_along_to_the_customers_other_channel(shop: Shop, browser: Browser, address: str):
    """What was typed stands in the composer there, once; here it is gone, and a reload brings nothing twice."""
    here = await linked(shop)
    await elapse(shop, here)
    page = await signed_in(browser, address, "li")
    await page.goto(f"{address}/conversations/{here}")
    await page.fill("#text", "到货了\n请查收")
    await page.locator("#ways").get_by_role("button", name="Write on Web").click()
    await expect(page.locator(".thread-who")).to_contain_text("Web")
    await expect(page.locator("#text")).to_have_value("到货了\n请查收")
    await expect(page.locator("#mode-reply")).to_be_checked()
    await expect(page).not_to_have_url(re.compile("carried"))
    await page.reload()
    assert await page.input_value("#text") == "到货了\n请查收"
    await page.click(".send-reply")
    await expect(page.locator("#lines")).to_contain_text("请查收")
    await expect(page.locator("#text")).to_have_value("")
    await page.reload()
    assert await page.input_value("#text") == ""
    await page.goto(f"{address}/conversations/{here}")
    assert await page.input_value("#text") == ""


async def test_refused_words_go_along_and_never_go_out_twice(shop: Shop, browser: Browser, address: str):
    """They stand in the composer there, and here they wait for nothing any more."""
    here = await linked(shop)
    page = await signed_in(browser, address, "li")
    await page.goto(f"{address}/conversations/{here}")
    await page.fill("#text", "到货了")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".said-agent")).to_contain_text("到货了")
    refused = "UPDATE outbox SET state='refused', refusal='window', done_at=due_at WHERE sender='agent'"
    await shop.database.run(lambda on: on.exec_driver_sql(refused) and None)
    await heard_by_a_page(shop, here)
    await elapse(shop, here)
    await page.locator(".kept-back").get_by_role("button", name="Write on Web").click()
    await expect(page.locator(".thread-who")).to_contain_text("Web")
    await expect(page.locator("#text")).to_have_value("到货了")
    await page.goto(f"{address}/conversations/{here}")
    await expect(page.locator("#lines")).to_contain_text("Not sent")
    await expect(page.locator(".kept-back")).to_have_count(0)


async def test_pages_of_windows_and_people_fit_and_are_readable(shop: Shop, browser: Browser, address: str):
    """Phone, tablet and desk: nothing scrolls sideways; light and dark: the accessibility rules hold."""
    here = await linked(shop)
    await shop.stores.ownership.reply(here, shop.agents["li"], "明天到货", shop.clock.now(), "c1")
    refused = "UPDATE outbox SET state='refused', refusal='window', done_at=due_at WHERE sender='agent'"
    await shop.database.run(lambda on: on.exec_driver_sql(refused) and None)
    await elapse(shop, here)
    paths = [f"/conversations/{here}", f"/conversations/{here}/history", f"/conversations/{here}/person"]
    for width in WIDTHS:
        page = await signed_in(browser, address, "li", viewport={"width": width, "height": 800})
        for path in paths:
            await page.goto(f"{address}{path}")
            beyond = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert beyond <= 0, f"{path} at {width}"
        await page.context.close()
    page = await signed_in(browser, address, "li")
    await readable(page, address, paths)


async def readable(page: Page, address: str, paths: list[str]) -> None:
    """Check the accessibility rules."""
    axe = Axe()
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for path in paths:
            await page.goto(f"{address}{path}")
            found = (await axe.run(page)).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], f"{path}, {scheme}"
