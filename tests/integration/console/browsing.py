"""A real browser before the console: it is started, the console is served to it, somebody signs in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import uvicorn
from playwright.async_api import Browser, Page

from bot.domain.clock import SystemClock
from tests.chromium import awaited_chromium
from tests.integration.console.shop import PASSWORDS, Shop


@pytest.fixture
async def address(shop: Shop) -> AsyncIterator[str]:
    """Serve the shop's console on a free port."""
    shop.clock.now = SystemClock().now  # type: ignore[method-assign]
    config = uvicorn.Config(shop.application, port=0, log_level="warning", ws="none", lifespan="off")
    server = uvicorn.Server(config)
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(server, "capture_signals", contextlib.nullcontext)
        serving = asyncio.create_task(server.serve())
        async with asyncio.timeout(20):
            while not server.started:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.02)
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
    """Open a page signed in; whatever the browser complains about fails the test at the end."""
    page = await (await browser.new_context(**context)).new_page()  # type: ignore[arg-type]
    role = {"li": "agent", "wang": "agent", "root": "admin"}[login]
    await page.goto(f"{address}/login")
    await page.fill("#login", login)
    await page.fill("#password", PASSWORDS[role])
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/inbox")
    return page
