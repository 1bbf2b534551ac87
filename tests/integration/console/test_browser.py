"""The console in a real browser: live without losing what is typed, usable by keys, readable by everyone."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from bot.domain.ids import ConversationId
from bot.domain.ports import LiveEvent
from tests.integration.console.browsing import complaints_of, heard_by_a_page, signed_in
from tests.integration.console.shop import Shop, ticket

pytestmark = pytest.mark.browser

WIDTHS = (390, 768, 1280)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Give SQLite alone: the browser does not see the database."""
    return sqlite_url


@pytest.fixture
async def waiting(shop: Shop) -> ConversationId:
    """Give a conversation that waits, with all a page can show."""
    draft = ticket("TK12345678", "壶嘴裂了，" * 20, details={"story": "x" * 300, "wish": "refund"})
    return await shop.exchange(
        "visitor",
        "https://example.com/" + "x" * 200,
        "请稍等",
        name="陈小雨",
        tickets=(draft,),
        handoff=("angry", "裂了", "urgent"),
    )


async def test_live_update_keeps_what_is_typed(shop: Shop, browser: Browser, address: str, waiting: ConversationId):
    """The shopper's next words and another agent's take appear by themselves; the half-written text stays."""
    page = await signed_in(browser, address, "li")
    complaints = complaints_of(page)
    await page.goto(f"{address}/conversations/{waiting}")
    await page.fill("#text", "half a sentence")
    await heard_by_a_page(shop, waiting)
    await shop.exchange("visitor", "are you there?", name="陈小雨")
    for topic in (f"conversation:{waiting}", "desk"):
        await shop.live.publish(LiveEvent(topic, "changed"))
    await expect(page.locator("#lines")).to_contain_text("are you there?")
    await expect(page.locator("#inbox-list")).to_contain_text("are you there?")
    await shop.desk.actions.take(waiting, shop.agents["wang"])
    await expect(page.locator("#state")).to_contain_text("With Wang")
    await expect(page.locator("#why-not")).to_have_text("Only Wang, who has it, replies")
    assert await page.input_value("#text") == "half a sentence"
    assert await page.evaluate("document.activeElement.id") == "text"
    await page.reload()
    assert await page.input_value("#text") == "half a sentence"
    assert complaints == []


async def test_keys_take_an_agent_through(shop: Shop, browser: Browser, address: str, waiting: ConversationId):
    """Moving with j opens nothing, Enter opens, Ctrl+Enter sends once, the composer is empty and has the focus."""
    page = await signed_in(browser, address, "li")
    await page.keyboard.press("j")
    assert await page.evaluate("document.activeElement.id") == f"row-{waiting}"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/conversations/**")
    await page.get_by_role("button", name="Take", exact=True).click()
    await expect(page.locator("#mode-reply")).to_be_checked()
    await page.fill("#text", "Hello <b>there</b>")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".said-agent .words")).to_have_text("Hello <b>there</b>")
    await expect(page.locator("#text")).to_have_value("")
    assert await page.evaluate("document.activeElement.id") == "text"
    assert await page.title() != ""


async def test_loser_of_a_race_is_told_on_the_same_page(
    shop: Shop, browser: Browser, address: str, waiting: ConversationId
):
    """The page says who has it and what was written stays."""
    page = await signed_in(browser, address, "li")
    await page.goto(f"{address}/conversations/{waiting}")
    await page.fill("#text", "mine")
    await shop.stores.ownership.take(waiting, shop.agents["wang"], shop.clock.now())
    await page.get_by_role("button", name="Take", exact=True).click()
    await expect(page.locator("#flash")).to_contain_text("Wang already has this conversation")
    assert await page.input_value("#text") == "mine"


async def test_no_page_is_wider_than_the_screen(shop: Shop, browser: Browser, address: str, waiting: ConversationId):
    """Phone, tablet and desk, in both languages, with long words: nothing scrolls sideways."""
    for width in WIDTHS:
        page = await signed_in(browser, address, "root", viewport={"width": width, "height": 800})
        for path in pages(waiting):
            await page.goto(f"{address}{path}")
            beyond = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert beyond <= 0, f"{path} at {width}"
        await page.context.close()


async def test_pages_pass_the_accessibility_rules(shop: Shop, browser: Browser, address: str, waiting: ConversationId):
    """Contrast, names, landmarks, light and dark."""
    page = await signed_in(browser, address, "root")
    axe = Axe()
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for path in pages(waiting):
            await page.goto(f"{address}{path}")
            found = (await axe.run(page)).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], f"{path}, {scheme}"


def pages(conversation_id: ConversationId) -> tuple[str, ...]:
    """List a page of every kind."""
    return (
        "/inbox",
        "/inbox?view=all",
        f"/conversations/{conversation_id}",
        "/tickets?state=any",
        "/tickets/TK12345678",
        "/transcripts",
        "/figures",
        f"/transcripts/{conversation_id}",
        "/people",
        "/settings",
        "/nowhere",
    )
