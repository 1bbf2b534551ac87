"""The browser of the tests: where it is, how it is started, and how long what it shows is waited for."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator

from playwright import async_api, sync_api

from tests.conftest import missing_part

PATIENCE_MS = 60_000
"""Playwright waits 5 s for what is to be seen, a bet on the machine; a renewal that was missed comes after 30 s."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium(driver: sync_api.Playwright) -> Iterator[sync_api.Browser]:
    """Start Chromium for a test that does not await."""
    sync_api.expect.set_options(timeout=PATIENCE_MS)
    started = driver.chromium.launch(executable_path=_path(), args=FLAGS)
    yield started
    started.close()


@contextlib.asynccontextmanager
async def awaited_chromium() -> AsyncIterator[async_api.Browser]:
    """Start Chromium for a test that awaits."""
    async_api.expect.set_options(timeout=PATIENCE_MS)
    async with async_api.async_playwright() as driver:
        started = await driver.chromium.launch(executable_path=_path(), args=FLAGS)
        yield started
        await started.close()


def _path() -> str:
    """Find Chromium; without one the run fails, or skips loudly where that was allowed."""
    path = next((found for name in NAMES if (found := shutil.which(name))), "")
    if not path:
        missing_part("chromium", "no Chromium on PATH (Debian: apt-get install chromium)")
    return path
