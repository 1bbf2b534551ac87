"""The widget's own behaviour in a real browser, against a small server with doubles behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from bot.channels.web.routes import WidgetPorts, WidgetSettings, build_router
from bot.domain.line_ports import Accepted
from bot.domain.messages import Button, InboundMessage
from bot.domain.ports import LiveEvent
from tests.chromium import awaited_chromium
from tests.integration.channels.test_web_routes import Room
from tests.unit.channels.doubles import serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

CHOICES = (Button("质量问题", "=quality"), Button("转人工", "/request_human"))
HOSTILE = """<!doctype html><html lang="zh"><head><title>别人的店</title></head><body><h1>别人的店</h1>
<script src="{base}/widget/widget.js" data-locale="zh" data-title="客服 &lt;b&gt;" async></script></body></html>"""


class Shop(Room):
    """A widget whose bot repeats what was said, and can be told to fail."""

    def __init__(self, settings: WidgetSettings | None = None) -> None:
        super().__init__(settings or WidgetSettings(ping_s=1))
        self.app.router.routes.clear()
        ports = WidgetPorts(self._on_messages, self.stream, self.live, self.clock)
        self.app.include_router(build_router(settings or WidgetSettings(ping_s=1), ports, self.tokens))
        self.buttons: tuple[Button, ...] = ()
        self.silent = False

    async def _on_messages(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        accepted = await self.inbox(messages)
        for message, taken in zip(messages, accepted, strict=True):
            if not taken.duplicate:
                await self.stream.say(message.sender, "customer", message.text, client_key=message.dedupe_key)
                if not self.silent:
                    await self.stream.say(message.sender, "bot", f"收到：{message.text}", buttons=self.buttons)
        return accepted

    @property
    def visitor(self) -> Any:
        """Give the sender of the last message."""
        return self.inbox.messages[-1].sender


class Chat:
    """The widget on a page, used by its visible names."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.launcher = page.locator("#xiaoer-widget .launcher")
        self.box = page.get_by_role("textbox", name="输入消息")
        self.log = page.get_by_role("log")
        self.rows = page.locator("#xiaoer-widget li")

    async def open(self) -> None:
        """Open the chat and wait for its greeting."""
        await self.launcher.click()
        await expect(self.rows.first).to_be_visible()

    async def say(self, text: str) -> None:
        """Type and press Enter."""
        await self.box.fill(text)
        await self.box.press("Enter")

    async def focused(self) -> str:
        """Name what has the focus inside the widget."""
        script = "() => { const e = document.querySelector('#xiaoer-widget').shadowRoot.activeElement;"
        return str(await self.page.evaluate(script + " return e ? (e.ariaLabel || e.textContent || e.tagName) : '' }"))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Start Chromium once."""
    async with awaited_chromium() as started:
        yield started


@asynccontextmanager
async def visiting(browser: Browser, shop: Shop, **context: Any) -> AsyncIterator[Chat]:
    """Open the shop page as a new visitor; no script error is allowed."""
    options = {"viewport": {"width": 1280, "height": 800}, "locale": "zh-CN", "timezone_id": "Asia/Shanghai"}
    async with serving(shop.app) as base:
        visitor = await browser.new_context(**(options | context))
        page = await visitor.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"{base}/shop?lang=zh")
        yield Chat(page)
        await visitor.close()
        assert errors == []


async def test_words_go_out_and_answers_with_quick_replies_come_in(browser: Browser):
    """An answer shows its choices; a pressed one is sent with its payload and the choices are gone."""
    shop = Shop()
    shop.buttons = CHOICES
    async with visiting(browser, shop) as chat:
        await chat.open()
        await chat.say("我要投诉")
        await expect(chat.log).to_contain_text("收到：我要投诉")
        shop.buttons = ()
        await chat.page.get_by_role("button", name="质量问题").click()
        await expect(chat.log).to_contain_text("收到：质量问题")
        await expect(chat.page.get_by_role("button", name="质量问题")).to_have_count(0)
    assert [message.payload for message in shop.inbox.messages] == ["", "=quality"]


async def test_choice_stays_under_the_mouse_until_it_is_released(browser: Browser):
    """The answer may be there before the server has said that it took the question; the chat is drawn anew then."""
    shop = Shop()
    shop.buttons = CHOICES
    taken = asyncio.Event()

    async def late(route: Any) -> None:
        answer = await route.fetch()
        await taken.wait()
        await route.fulfill(response=answer)

    async with visiting(browser, shop) as chat:
        await chat.open()
        await chat.page.route("**/widget/messages", late)
        await chat.say("我要投诉")
        await chat.page.get_by_role("button", name="质量问题").hover()
        await chat.page.mouse.down()
        shop.buttons = ()
        async with chat.page.expect_response("**/widget/messages") as answer:
            taken.set()
        await (await answer.value).finished()
        await chat.page.evaluate("new Promise((next) => setTimeout(next, 50))")
        await chat.page.mouse.up()
        await expect(chat.log).to_contain_text("收到：质量问题")
    assert [message.payload for message in shop.inbox.messages] == ["", "=quality"]


async def test_offline_message_waits_and_goes_out_once(browser: Browser):
    """Without a network the message is marked and kept; back online it arrives exactly once."""
    shop = Shop()
    async with visiting(browser, shop) as chat:
        await chat.open()
        await chat.say("在吗")
        await expect(chat.log).to_contain_text("收到：在吗")
        await chat.page.context.set_offline(True)
        await chat.say("断网了")
        await expect(chat.page.get_by_text("未发送", exact=True)).to_be_visible()
        await expect(chat.page.get_by_text("您已离线。")).to_be_visible()
        await chat.page.context.set_offline(False)
        await expect(chat.log).to_contain_text("收到：断网了")
        await expect(chat.page.get_by_text("您已离线。")).to_be_hidden()
    assert [message.text for message in shop.inbox.messages] == ["在吗", "断网了"]


async def test_unsent_message_survives_a_reload(browser: Browser):
    """What could not be sent is sent after the page was loaded again."""
    shop = Shop()
    async with visiting(browser, shop) as chat:
        await chat.open()
        await chat.say("在吗")
        await expect(chat.log).to_contain_text("收到：在吗")
        await chat.page.route("**/widget/messages", lambda route: route.abort())
        await chat.say("别丢")
        await expect(chat.page.get_by_role("button", name="重试")).to_be_visible()
        await chat.page.unroute("**/widget/messages")
        await chat.page.reload()
        await expect(chat.log).to_contain_text("收到：别丢")
        await expect(chat.log).to_contain_text("收到：在吗")
    assert [message.text for message in shop.inbox.messages] == ["在吗", "别丢"]


async def test_retry_button_sends_the_same_message(browser: Browser):
    """Pressing 重试 sends it again under its own id."""
    shop = Shop()
    async with visiting(browser, shop) as chat:
        await chat.open()
        await chat.page.route("**/widget/messages", lambda route: route.fulfill(status=503, json={"message": "忙"}))
        await chat.say("你好")
        retry = chat.page.get_by_role("button", name="重试")
        await expect(retry).to_be_visible()
        await expect(chat.log).to_contain_text("忙")
        await chat.page.unroute("**/widget/messages")
        await retry.click()
        await expect(chat.log).to_contain_text("收到：你好")
        await expect(retry).to_be_hidden()


async def test_declined_message_shows_the_servers_sentence(browser: Browser):
    """A message that can never be taken says why and offers no retry."""
    shop = Shop()
    async with visiting(browser, shop) as chat:
        await chat.open()
        await chat.page.route(
            "**/widget/messages", lambda route: route.fulfill(status=413, json={"message": "消息太长了。"})
        )
        await chat.say("很长")
        await expect(chat.log).to_contain_text("消息太长了。")
        await expect(chat.page.get_by_role("button", name="重试")).to_be_hidden()


async def test_forged_token_in_the_browser_is_replaced(browser: Browser):
    """A visitor whose stored token is worthless gets a new one and can go on."""
    shop = Shop()
    async with visiting(browser, shop) as chat:
        forge = "for (const k of Object.keys(localStorage)) if (k.endsWith(':token')) localStorage[k] = 'forged.a.b'"
        await chat.open()
        await chat.page.evaluate(forge)
        await chat.page.reload()
        await chat.say("还能聊吗")
        await expect(chat.log).to_contain_text("收到：还能聊吗")


async def test_typing_agent_name_and_hostile_text(browser: Browser):
    """Dots while somebody writes; an agent by name; markup in words stays words."""
    shop = Shop()
    shop.silent = True
    async with visiting(browser, shop) as chat:
        await chat.open()
        await chat.say("转人工")
        await expect(chat.page.locator("#xiaoer-widget li.customer:not(.sending)")).to_have_count(1)
        topic = f"shopper:web:shop:{shop.visitor.channel_user_id}"
        await shop.live.publish(LiveEvent(topic, "typing"))
        await expect(chat.page.get_by_text("对方正在输入")).to_be_visible()
        hostile = "<img src=x onerror=\"document.title='x'\"> </script>"
        await shop.stream.say(shop.visitor, "agent", hostile, agent_name="林晓")
        await expect(chat.log).to_contain_text(hostile)
        await expect(chat.log).to_contain_text("林晓 · 人工客服")
        await expect(chat.page.get_by_text("对方正在输入")).to_be_hidden()
        assert await chat.page.locator("#xiaoer-widget img").count() == 0
        assert "小二好物" in await chat.page.title()


async def test_addresses_can_be_followed_and_nothing_else_is_a_link(browser: Browser):
    """What the shop says links to the web without telling where from; scripts, files and markup stay words."""
    shop = Shop()
    shop.silent = True
    hostile = "javascript:alert(1) data:text/html,x file:///etc/passwd <a href=https://evil.example>x</a> HTTPS://"
    async with visiting(browser, shop) as chat:
        await chat.open()
        await chat.say("我的 https://mine.example/x")
        await expect(chat.log).to_contain_text("mine.example")
        await expect(chat.page.locator("#xiaoer-widget li.customer:not(.sending)")).to_have_count(1)
        said = f"物流见 https://track.example/p?no=1&x=2。(or http://b.example/a_b). {hostile}"
        await shop.stream.say(shop.visitor, "agent", said, agent_name="林晓")
        links = chat.page.locator("#xiaoer-widget .bubble a")
        await expect(links).to_have_count(3)
        script = "all => all.map(one => [one.getAttribute('href'), one.target, one.rel])"
        away = ["_blank", "noopener noreferrer nofollow"]
        assert await links.evaluate_all(script) == [
            ["https://track.example/p?no=1&x=2", *away],
            ["http://b.example/a_b", *away],
            ["https://evil.example", *away],
        ]
        assert await chat.page.locator("#xiaoer-widget .row.agent .bubble").text_content() == said


async def test_closed_chat_counts_new_messages_and_forgets_them_when_opened(browser: Browser):
    """The launcher tells how many, to eyes and to screen readers."""
    shop = Shop()
    async with visiting(browser, shop) as chat:
        await chat.open()
        await chat.say("在吗")
        await expect(chat.log).to_contain_text("收到：在吗")
        await chat.box.press("Escape")
        await expect(chat.launcher).to_be_focused()
        for text in ("一", "二"):
            await shop.stream.say(shop.visitor, "agent", text, agent_name="林晓")
        await expect(chat.launcher).to_have_attribute("aria-label", "咨询小二 · 打开客服聊天 · 2 条新消息")
        await chat.launcher.click()
        await expect(chat.box).to_be_focused()
        await chat.box.press("Escape")
        await expect(chat.launcher).to_have_attribute("aria-label", "咨询小二 · 打开客服聊天")


async def test_stream_comes_back_after_it_was_cut(browser: Browser):
    """When the connection drops the chat says so, reconnects, and shows what it missed."""
    shop = Shop()
    async with visiting(browser, shop) as chat:
        await chat.open()
        await chat.say("在吗")
        await expect(chat.log).to_contain_text("收到：在吗")
        await chat.page.context.set_offline(True)
        await asyncio.sleep(0)
        await shop.stream.say(shop.visitor, "agent", "您还在吗", agent_name="林晓")
        await chat.page.context.set_offline(False)
        await expect(chat.log).to_contain_text("您还在吗")


async def test_phone_is_full_screen_and_keeps_the_focus_inside(browser: Browser):
    """At 390 pixels the chat is the page, modal, and Tab stays within it."""
    shop = Shop()
    async with visiting(browser, shop, viewport={"width": 390, "height": 780}) as chat:
        await chat.open()
        panel = chat.page.get_by_role("dialog")
        await expect(panel).to_have_attribute("aria-modal", "true")
        # Once it has slid in.
        settled = (
            "panel => Promise.all(panel.getAnimations({subtree: true}).map(each => each.finished)).then(() => null)"
        )
        await panel.evaluate(settled)
        assert await panel.bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 780}
        seen = set()
        for _ in range(12):
            await chat.page.keyboard.press("Tab")
            seen.add(await chat.focused())
        assert "" not in seen
        assert "关闭聊天" in seen
        width = await chat.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1]


async def test_keyboard_of_a_phone_covers_nothing(browser: Browser):
    """The keyboard lies over the page and only the visual viewport tells of it: what is written in stays above."""
    viewport = "Object.assign(new EventTarget(), { height: 780, offsetTop: 0, scale: 1 })"
    fake = f"Object.defineProperty(window, 'visualViewport', {{ value: {viewport} }})"
    shop = Shop()
    async with visiting(browser, shop, viewport={"width": 390, "height": 780}) as chat:
        await chat.page.add_init_script(fake)
        await chat.page.reload()
        await chat.open()
        type_on = "seen => { Object.assign(visualViewport, seen); visualViewport.dispatchEvent(new Event('resize')) }"
        for height, top in ((420, 60), (780, 0)):
            await chat.page.evaluate(type_on, {"height": height, "offsetTop": top})
            panel = chat.page.get_by_role("dialog")
            await panel.evaluate("panel => Promise.all(panel.getAnimations().map(each => each.finished))")
            assert await panel.bounding_box() == {"x": 0, "y": top, "width": 390, "height": height}
            box = await chat.box.bounding_box()
            assert box
            assert box["y"] + box["height"] <= top + height


@pytest.mark.parametrize("width", [360, 768, 1280])
async def test_long_names_and_words_stay_inside(browser: Browser, width: int):
    """Words and names without a space break; nothing has to be scrolled sideways."""
    shop = Shop()
    shop.buttons = (Button("很长的选项" * 12, "=long"), Button("x" * 90, "/x"))
    async with visiting(browser, shop, viewport={"width": width, "height": 720}) as chat:
        await chat.open()
        await chat.say("https://track.example/" + "0123456789" * 12)
        await expect(chat.log).to_contain_text("收到")
        await shop.stream.say(shop.visitor, "agent", "您好", agent_name="名字" * 10 + "x" * 80)
        await expect(chat.log).to_contain_text("您好")
        sizes = await chat.log.evaluate("log => [log.scrollWidth, log.clientWidth]")
        assert sizes[0] <= sizes[1]


async def test_foreign_page_with_a_strict_policy_can_carry_the_widget(browser: Browser):
    """On another origin, under a policy that allows no inline styles, all works and is styled."""
    settings = WidgetSettings(origins=("*",))
    shop = Shop(settings)
    async with serving(shop.app) as base:
        policy = f"default-src 'none'; script-src {base}; connect-src {base}"

        async def page_of_another(_request: Request) -> HTMLResponse:
            return HTMLResponse(HOSTILE.format(base=base), headers={"Content-Security-Policy": policy})

        async with serving(Starlette(routes=[Route("/", page_of_another)])) as foreign:
            page = await (await browser.new_context(locale="zh-CN")).new_page()
            told: list[str] = []
            page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
            await page.goto(foreign)
            chat = Chat(page)
            await chat.open()
            await chat.say("隔壁店来的")
            await expect(chat.log).to_contain_text("收到：隔壁店来的")
            await expect(page.get_by_role("heading", name="客服 <b>")).to_be_visible()
            colour = await page.locator("#xiaoer-widget .top").evaluate("e => getComputedStyle(e).backgroundColor")
            assert colour == "rgb(29, 107, 91)"
            assert [text for text in told if "favicon" not in text] == []


@pytest.mark.parametrize("width", [390, 1280])
async def test_page_and_chat_have_no_accessibility_violation(browser: Browser, width: int):
    """The rules of axe hold for the closed page and the open chat."""
    shop = Shop()
    shop.buttons = CHOICES
    async with visiting(browser, shop, viewport={"width": width, "height": 800}, reduced_motion="reduce") as chat:
        await expect(chat.launcher).to_be_visible()
        closed = await Axe().run(chat.page)
        await chat.open()
        await chat.say("我要投诉")
        await expect(chat.log).to_contain_text("收到：我要投诉")
        await shop.stream.say(shop.visitor, "agent", "我来了", agent_name="林晓")
        await shop.stream.say(shop.visitor, "notice", "工单 TK12345678 已处理")
        await expect(chat.log).to_contain_text("TK12345678")
        opened = await Axe().run(chat.page)
        for result in (closed, opened):
            assert [violation["id"] for violation in result.response["violations"]] == []
