"""Buttons that are pressed while the page renews itself, in a real browser; and the keys that press one."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from bot.domain.ids import ConversationId
from bot.domain.people import Role
from bot.domain.ports import LiveEvent
from bot.engine.live import conversation_topic
from storage.database import Database
from tests.integration.console.browsing import heard_by_a_page, signed_in
from tests.integration.console.media_shop import MediaShop

pytestmark = pytest.mark.browser

ENDLESS = "const soon = setTimeout; window.setTimeout = (run, ms) => (ms >= 1000 ? 1e9 : soon(run, ms))"
"""Makes every wait of a second and more last for ever, so that the machine may be slow."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Give SQLite alone: the browser does not see the database."""
    return sqlite_url


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> MediaShop:
    """Give a shop with an agent, where files can be sent."""
    shop = MediaShop(database, tmp_path / "media")
    await shop.hire("li", "Li", Role.AGENT)
    return shop


@pytest.fixture
async def waiting(shop: MediaShop) -> ConversationId:
    """Give a conversation that waits."""
    return await shop.exchange("lin", "a human please", "one moment", handoff=("asked", "", ""))


async def opened(browser: Browser, address: str, conversation: ConversationId) -> Page:
    """Open the conversation as Li."""
    page = await signed_in(browser, address, "li")
    await page.goto(f"{address}/conversations/{conversation}")
    return page


async def test_button_under_the_mouse_stays_until_it_is_released(
    shop: MediaShop, browser: Browser, address: str, waiting: ConversationId
):
    """What is renewed meanwhile neither swallows the click nor is lost."""
    page = await opened(browser, address, waiting)
    await heard_by_a_page(shop, waiting)
    take = page.get_by_role("button", name="Take", exact=True)
    await take.hover()
    await page.evaluate(ENDLESS)
    await take.evaluate("button => { button.dataset.mark = 'same' }")
    await page.mouse.down()
    await shop.exchange("lin", "are you there?")
    async with page.expect_response(lambda answer: answer.url.endswith("/thread")) as renewed:
        await shop.live.publish(LiveEvent(conversation_topic(waiting), "changed"))
    await (await renewed.value).finished()
    assert await take.get_attribute("data-mark") == "same"
    await page.mouse.up()
    await expect(page.locator("#state")).to_contain_text("With me")
    await expect(page.locator("#lines")).to_contain_text("are you there?")


async def test_part_is_renewed_though_nobody_tells_that_the_button_is_up(
    shop: MediaShop, browser: Browser, address: str, waiting: ConversationId
):
    """As on a scroll bar: after a moment the page goes on."""
    page = await opened(browser, address, waiting)
    await heard_by_a_page(shop, waiting)
    await page.locator("#lines").hover()
    await page.mouse.down()
    await shop.exchange("lin", "are you there?")
    await shop.live.publish(LiveEvent(conversation_topic(waiting), "changed"))
    await expect(page.locator("#lines")).to_contain_text("are you there?")


async def test_keys_send_the_words_where_files_can_be_sent_too(
    browser: Browser, address: str, shop: MediaShop, waiting: ConversationId
):
    """Ctrl+Enter is the button that sends, not the first one there is."""
    await shop.desk.actions.take(waiting, shop.agents["li"])
    page = await opened(browser, address, waiting)
    await expect(page.locator("#attach-button")).to_be_visible()
    await page.fill("#text", "on its way")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".said-agent .words")).to_have_text("on its way")
