"""A running shop and a real browser, once for all browser tests."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from tests.chromium import chromium
from tests.conversations.conftest import model_folder
from tests.ports import free_port

__all__ = ["model_folder"]

READY_WITHIN_S = 240
CONFIG = """
xiaoer:
  data_dir: "{folder}"
  server: {{port: {port}}}
  database: {{url: "sqlite:///{folder}/shop.db"}}
  shop: {{opens: "00:00", closes: "23:59"}}
  turns: {{quiet_time_s: 0.05}}
"""


@dataclass(frozen=True)
class Shop:
    """Where the shop is and the demo's passwords by login."""

    address: str
    logins: dict[str, str]


@pytest.fixture(scope="session")
def shop(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Start a demo shop in a process of its own."""
    folder = tmp_path_factory.mktemp("browser shop")
    shutil.copytree(model_folder, folder / "model")
    port = free_port()
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))
    log = folder / "output.txt"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "bot", "serve", "--demo", "--config", str(folder / "config.yml")]
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_until_ready(server, address, log)
            yield Shop(address, dict(re.findall(r"login (\w+)\s+password (\S+)", log.read_text())))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=120)


def _wait_until_ready(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(f"{address}/shop", timeout=2).is_success and "Ctrl-C" in log.read_text():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"the shop was not ready within {READY_WITHIN_S} s: {log.read_text()[-3000:]}")


@pytest.fixture
def playwright() -> Iterator[Playwright]:
    """Start the driver for one test: its running loop would be in the way of every asynchronous test after it."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Start Chromium."""
    with chromium(playwright) as started:
        yield started


@pytest.fixture
def shopper(browser: Browser) -> Iterator[BrowserContext]:
    """Give a shopper's own browser, in Chinese, on a phone."""
    context = browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai", viewport={"width": 390, "height": 780})
    yield context
    context.close()


@pytest.fixture
def staff(browser: Browser) -> Iterator[BrowserContext]:
    """Give an agent's own browser, in Chinese, on a desk."""
    context = browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai", viewport={"width": 1280, "height": 860})
    yield context
    context.close()
