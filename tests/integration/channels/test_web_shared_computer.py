"""The widget where several people share a computer, a browser or a page: nobody gets what is another's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from bot.channels.web.routes import WidgetPorts, WidgetSettings, build_router
from tests.chromium import awaited_chromium
from tests.integration.channels.test_web_widget import Chat, Shop
from tests.unit.channels.doubles import serving
from tests.unit.channels.test_web_identity import claims, jwt, logins

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PAGE = """<!doctype html><html lang="zh"><head><title>店</title></head><body><h1>店</h1>
<script>const who = new URLSearchParams(location.search).get("who");
const word = (name) => () => fetch(`/word?who=${name}`).then((answer) => answer.text());
if (who) window.xiaoer = { identity: word(who) };</script>
<script src="/widget/widget.js" data-locale="zh" data-open="true"></script></body></html>"""


class Site(Shop):
    """A shop whose own site vouches for its customers."""

    def __init__(self) -> None:
        super().__init__()
        self.app.router.routes.clear()
        settings = WidgetSettings(ping_s=1)
        ports = WidgetPorts(self._on_messages, self.stream, self.live, self.clock)
        ports = replace(ports, logins=logins(self.clock))
        self.app.include_router(build_router(settings, ports, self.tokens))
        self.app.router.routes += [Route("/site", self._page), Route("/word", self._word)]
        self._words = 0

    async def _page(self, _request: Request) -> HTMLResponse:
        return HTMLResponse(PAGE)

    async def _word(self, request: Request) -> PlainTextResponse:
        self._words += 1
        return PlainTextResponse(jwt(claims(sub=request.query_params["who"], jti=f"nonce-{self._words:04}")))

    def said_by(self, text: str) -> str:
        """Tell as whom something was said; empty when it was not."""
        said = [one.sender.channel_user_id for one in self.inbox.messages if one.text == text]
        assert len(said) <= 1
        return said[0] if said else ""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with awaited_chromium() as started:
        yield started


@asynccontextmanager
async def computer(browser: Browser, site: Site) -> AsyncIterator[tuple[BrowserContext, str]]:
    """Give a browser of its own and the address of the site."""
    async with serving(site.app) as base:
        context = await browser.new_context(locale="zh-CN")
        yield context, f"{base}/site"
        await context.close()


async def opened(page: Page, address: str) -> Chat:
    """Load the page; the chat opens by itself."""
    await page.goto(address)
    chat = Chat(page)
    await expect(chat.rows.first).to_be_visible()
    return chat


async def stored(page: Page) -> str:
    """Give all that the page has left in the browser's storage."""
    return str(await page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])"))


async def said(chat: Chat, text: str) -> None:
    """Say something and see the answer."""
    await chat.say(text)
    await expect(chat.log).to_contain_text(f"收到：{text}")


async def test_next_customer_in_the_same_tab_gets_nothing_of_the_one_before(browser: Browser):
    """A signs out with words unsent, B signs in: A's words are neither shown nor sent, no token of A's is left."""
    site = Site()
    async with computer(browser, site) as (context, address):
        page = await context.new_page()
        chat = await opened(page, f"{address}?who=anna")
        await said(chat, "安娜的地址")
        await page.route("**/widget/messages", lambda route: route.abort())
        await chat.say("安娜没发出去的话")
        await expect(page.get_by_role("button", name="重试")).to_be_visible()
        await page.unroute("**/widget/messages")
        token = site.tokens.known("anna").visitor_id
        assert f"{token}~" not in await stored(page)
        assert f"{token}." not in await stored(page)
        chat = await opened(page, f"{address}?who=bert")
        await said(chat, "我是伯特")
        await expect(chat.log).not_to_contain_text("安娜")
        chat = await opened(page, address)
        await said(chat, "我谁也不是")
        await expect(chat.log).not_to_contain_text("安娜")
        await expect(chat.log).not_to_contain_text("伯特")
    assert site.said_by("安娜没发出去的话") == ""
    whos = [site.said_by(text) for text in ("安娜的地址", "我是伯特", "我谁也不是")]
    assert len(set(whos)) == 3
    assert [who[0] for who in whos] == ["k", "k", "v"]


async def test_page_that_changes_its_customer_without_loading_says_so(browser: Browser):
    """``xiaoer:identity``: what stood there is gone at once, and the next words are the new customer's."""
    site = Site()
    async with computer(browser, site) as (context, address):
        page = await context.new_page()
        chat = await opened(page, f"{address}?who=anna")
        await said(chat, "安娜的地址")
        await chat.box.fill("安娜还没写完")
        change = "window.xiaoer = {window}; document.dispatchEvent(new Event('xiaoer:identity'))"
        await page.evaluate(change.format(window="{ identity: word('bert') }"))
        await expect(chat.log).not_to_contain_text("安娜")
        await expect(chat.box).to_have_value("")
        await said(chat, "我是伯特")
        await page.evaluate(change.format(window="undefined"))
        await expect(chat.log).not_to_contain_text("伯特")
        await said(chat, "我谁也不是")
        await page.evaluate(change.format(window="{ identity: word('anna') }"))
        await expect(chat.log).to_contain_text("安娜的地址")
    assert site.said_by("我是伯特") == site.tokens.known("bert").visitor_id
    assert site.said_by("我谁也不是").startswith("v")


async def test_tab_of_one_customer_stays_his_while_another_signs_in_beside_it(browser: Browser):
    """Two tabs, two customers: each tab speaks as whom it shows."""
    site = Site()
    async with computer(browser, site) as (context, address):
        anna = await opened(await context.new_page(), f"{address}?who=anna")
        await said(anna, "安娜一")
        bert = await opened(await context.new_page(), f"{address}?who=bert")
        await said(bert, "伯特一")
        await said(anna, "安娜二")
        await expect(anna.log).not_to_contain_text("伯特")
        await expect(bert.log).not_to_contain_text("安娜")
    assert site.said_by("安娜二") == site.said_by("安娜一") == site.tokens.known("anna").visitor_id


async def test_tabs_opened_together_are_one_visitor(browser: Browser):
    """Two tabs that both begin without a token share one, and both see the answers."""
    site = Site()
    async with computer(browser, site) as (context, address):
        pages = [await context.new_page() for _ in range(2)]
        for page in pages:
            await page.goto(address, wait_until="commit")
        chats = [Chat(page) for page in pages]
        for number, chat in enumerate(chats):
            await expect(chat.rows.first).to_be_visible()
            await said(chat, f"标签{number}")
        await expect(chats[0].log).to_contain_text("收到：标签1")
    assert site.said_by("标签0") == site.said_by("标签1")


async def test_stranger_who_signs_in_keeps_what_he_sees(browser: Browser):
    """His talk stays on the page, his token leaves the computer."""
    site = Site()
    async with computer(browser, site) as (context, address):
        page = await context.new_page()
        chat = await opened(page, address)
        await said(chat, "有货吗")
        await page.evaluate(
            "window.xiaoer = { identity: word('anna') }; document.dispatchEvent(new Event('xiaoer:identity'))"
        )
        await said(chat, "我登录了")
        await expect(chat.log).to_contain_text("有货吗")
        left: Any = await page.evaluate("() => Object.keys(localStorage).filter((key) => key.endsWith(':token'))")
        assert left == []
    assert site.said_by("有货吗").startswith("v")
    assert site.said_by("我登录了") == site.tokens.known("anna").visitor_id


async def test_page_that_comes_back_from_before_a_sign_out_is_asked_anew(browser: Browser):
    """The button "back" shows a page as it stood; by then another customer is logged in."""
    site = Site()
    async with computer(browser, site) as (context, address):
        page = await context.new_page()
        chat = await opened(page, f"{address}?who=anna")
        await said(chat, "安娜的地址")
        await page.route(
            "**/word?who=anna", lambda route: route.continue_(url=route.request.url.replace("anna", "bert"))
        )
        await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        await expect(chat.log).not_to_contain_text("安娜")
        await said(chat, "我是伯特")
    assert site.said_by("我是伯特") == site.tokens.known("bert").visitor_id


async def test_site_that_no_longer_vouches_shows_nothing_of_the_customer(browser: Browser):
    """Signed out in another tab: the site answers with a page instead of a word, and the chat says what is wrong."""
    site = Site()
    async with computer(browser, site) as (context, address):
        page = await context.new_page()
        chat = await opened(page, f"{address}?who=anna")
        await said(chat, "安娜的地址")
        await page.route("**/word?who=anna", lambda route: route.fulfill(status=200, body="<html>sign in</html>"))
        await page.evaluate("document.dispatchEvent(new Event('xiaoer:identity'))")
        await expect(chat.log).not_to_contain_text("安娜")
        await chat.say("还在吗")
        await expect(chat.log).to_contain_text("网站没能证明您的登录身份")
    assert site.said_by("还在吗") == ""
