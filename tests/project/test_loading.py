"""A channel that is switched off costs nothing: its code and its libraries are not loaded."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CHANNELS = ("telegram", "wechat_oa", "wecom_kf", "line", "whatsapp", "messenger", "instagram")
_OPEN = """
import asyncio, json, sys, tempfile
from bot.app import make_routers, migrate, open_house
from bot.commands import serve
from bot.config import Secrets, parse
from bot.domain.clock import SystemClock

async def look(name, folder):
    shop = {"database": {"url": f"sqlite:///{folder}/loading.db"}, "data_dir": folder}
    settings = {name: {"enabled": True, **json.loads(sys.argv[2])}} if name else {}
    config = parse({"xiaoer": {**shop, "channels": settings}}, "test")
    secrets = Secrets(secret_key="k" * 40, telegram_token="1:a", telegram_secret="s" * 20)
    migrate(config, secrets)
    async with open_house(config, secrets, SystemClock(), recogniser=object()) as house:
        routers = list(make_routers(house))
        print(json.dumps([sorted(house.channels), sorted(sys.modules)]))

with tempfile.TemporaryDirectory() as folder:
    asyncio.run(look(sys.argv[1], folder))
"""


def _loaded(name: str = "", **settings: str) -> tuple[list[str], set[str]]:
    """Open a house with one more channel, in a process of its own; its channels and its modules."""
    command = [sys.executable, "-W", "ignore", "-c", _OPEN, name, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    channels, modules = json.loads(done.stdout)
    return channels, set(modules)


@pytest.fixture(scope="module")
def plain() -> tuple[list[str], set[str]]:
    return _loaded()


@pytest.mark.parametrize("library", ["telegram", "wechatpy", "redis", "taskiq", "psycopg", "bot.simulators"])
def test_library_of_what_is_off_is_not_loaded(plain: tuple[list[str], set[str]], library: str) -> None:
    """The embedded default loads no platform's library, no broker, no second database's driver, no simulator."""
    assert library not in plain[1]


def test_channel_that_is_off_loads_no_module(plain: tuple[list[str], set[str]]) -> None:
    """Not even its own few lines."""
    channels, modules = plain
    assert channels == ["terminal", "web"]
    assert not [one for one in modules if any(one.startswith(f"bot.channels.{name}.") for name in CHANNELS)]


def test_channel_that_is_on_is_loaded() -> None:
    """The look itself would find one."""
    channels, modules = _loaded("telegram", username="shop_bot")
    assert "telegram" in channels
    assert {"telegram", "bot.channels.telegram.send", "bot.channels.telegram.webhook"} <= modules
    assert "wechatpy" not in modules
