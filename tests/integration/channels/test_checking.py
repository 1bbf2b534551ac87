"""`check_channel` and `connect_channel` as the command calls them: configuration and secrets in, findings out."""

from __future__ import annotations

from typing import Any

import pytest

from bot.app import channels_on, check_channel, connect_channel
from bot.config import Config, Secrets, parse
from bot.domain.clock import SystemClock
from bot.domain.errors import ConfigError
from tests.integration.channels.platforms import SECRETS, SHOPPERS, simulated
from tests.unit.channels.doubles import serving

CONNECTED = ("telegram", "line", "whatsapp", "messenger", "instagram")


def configured(public_url: str = "", **sections: Any) -> Config:
    """Read a configuration with these channels."""
    server = {"server": {"public_url": public_url}} if public_url else {}
    return parse({"xiaoer": server | {"channels": sections}}, "test")


@pytest.mark.parametrize("name", SHOPPERS)
async def test_channel_that_is_set_up_right_lacks_only_its_address(name: str) -> None:
    """The simulated platform takes token, id and permissions; http is no address that it would call."""
    platform = simulated(name, SystemClock())
    async with serving(platform) as base:
        config = configured("http://shop.example", **{name: platform.section(base)})
        found = await check_channel(config, SECRETS, name)
    left = [finding.what for finding in found if not finding.good]
    assert left
    assert all("is not https" in what for what in left)
    assert found[0].good
    assert platform.asked


@pytest.mark.parametrize("name", CONNECTED)
async def test_platform_is_told_our_address(name: str) -> None:
    """What it has on record afterwards is our webhook; nothing is to be told where there is no address."""
    platform = simulated(name, SystemClock())
    async with serving(platform) as base:
        section = {name: platform.section(base)}
        address = await connect_channel(configured("https://shop.example/", **section), SECRETS, name)
        with pytest.raises(ConfigError, match=r"xiaoer\.server\.public_url"):
            await connect_channel(configured(**section), SECRETS, name)
    assert address == f"https://shop.example/webhooks/{name}"
    on_record = getattr(platform.server, "webhook", None) or platform.server.dashboard.callbacks
    assert address in str(on_record)


@pytest.mark.parametrize("name", SHOPPERS)
async def test_channel_without_its_secrets_asks_nobody(name: str) -> None:
    """The variables are named, and that it is off; no call is made."""
    platform = simulated(name, SystemClock())
    async with serving(platform) as base:
        config = configured(**{name: platform.section(base) | {"enabled": False}})
        off, missing = await check_channel(config, Secrets(), name)
    assert "switched off" in off.what
    assert f"XIAOER_{name.upper()}_" in missing.what
    assert platform.asked == []
    assert not channels_on(config)[name]
