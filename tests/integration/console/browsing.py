"""A real browser before the console: it is started, the console is served to it, somebody signs in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import uvicorn
from playwright.async_api import Browser, ConsoleMessage, Page

from bot.domain.clock import SystemClock
from bot.domain.ids import ConversationId
from bot.engine.live import conversation_topic
from tests.chromium import awaited_chromium
from tests.integration.console.shop import PASSWORDS, Shop
from tests.unit.channels.doubles import eventually

SUPERSEDED = ("htmx:afterRequest", "htmx:sendAbort")
"""What htmx writes when it drops a request for a newer one; of one that failed it writes another word as well."""


@pytest.fixture
async def address(shop: Shop) -> AsyncIterator[str]:
    """Serve the shop's console on a free port."""
    shop.clock.now = SystemClock().now  # type: ignore[method-assign]
    config = uvicorn.Config(shop.application, port=0, log_level="warning", ws="none", lifespan="off")
    server = uvicorn.Server(config)
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(server, "capture_signals", contextlib.nullcontext)
        serving = asyncio.create_task(server.serve())
        await eventually(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/console"
        server.should_exit = True
        server.force_exit = True
        await serving


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Start Chromium."""
    async with awaited_chromium() as started:
        yield started


async def signed_in(browser: Browser, address: str, login: str, **context: object) -> Page:
    """Open a page signed in."""
    page = await (await browser.new_context(**context)).new_page()  # type: ignore[arg-type]
    role = {"li": "agent", "wang": "agent", "root": "admin"}[login]
    await page.goto(f"{address}/login")
    await page.fill("#login", login)
    await page.fill("#password", PASSWORDS[role])
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/inbox")
    return page


def complaints_of(page: Page) -> list[str]:
    """Give what the browser will complain about; that a newer renewal took the place of an older one is none."""
    complaints: list[str] = []

    def told(message: ConsoleMessage) -> None:
        if message.type == "error" and message.text not in SUPERSEDED:
            complaints.append(message.text)

    page.on("console", told)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


async def heard_by_a_page(shop: Shop, conversation: ConversationId) -> None:
    """Wait until the open page of a conversation hears of it; of what happens before that it learns a minute later."""
    await eventually(lambda: shop.live.is_followed(conversation_topic(conversation)))
