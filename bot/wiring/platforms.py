"""The platforms' channels: one line each, loaded only when it is switched on or looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from bot.channels.plug import Lent, Plug, Setup
from bot.channels.terminal.adapter import TerminalAdapter
from bot.channels.web.adapter import WebAdapter
from bot.config import Config, Secrets
from bot.domain.channel_ports import ChannelAdapter

PLATFORMS: Mapping[str, str] = {
    "telegram": "bot.channels.telegram.webhook:TelegramPlug",
    "wechat_oa": "bot.channels.wechat_oa.webhook:WechatOaPlug",
    "wecom_kf": "bot.channels.wecom_kf.webhook:WecomKfPlug",
    "line": "bot.channels.line.webhook:LinePlug",
    "whatsapp": "bot.channels.whatsapp.webhook:WhatsappPlug",
    "messenger": "bot.channels.messenger.webhook:MessengerPlug",
    "instagram": "bot.channels.messenger.webhook:MessengerPlug",
}
"""The class that plugs a channel in, by the channel's name."""


@dataclass(frozen=True, slots=True)
class OpenChannels:
    """The adapters of the channels that are on, by name, and the plugs of those that are platforms."""

    adapters: Mapping[str, ChannelAdapter]
    plugs: Mapping[str, Plug[Any]]


def plug_of(config: Config, secrets: Secrets, name: str) -> Plug[Any]:
    """Load a platform's channel and set it up; ConfigError names what is missing."""
    section = getattr(config.channels, name)
    seen = secrets.of(name, section)
    return plug_class(name)(Setup(name, section, seen))


def plug_class(name: str) -> type[Plug[Any]]:
    """Load what plugs a platform's channel in."""
    module, _, plug = PLATFORMS[name].partition(":")
    made: type[Plug[Any]] = getattr(import_module(module), plug)
    return made


@asynccontextmanager
async def open_channels(config: Config, secrets: Secrets, lent: Lent) -> AsyncIterator[OpenChannels]:
    """Open the channels that are on, and the terminal; their connections close at the end."""
    adapters: dict[str, ChannelAdapter] = {"terminal": TerminalAdapter()}
    if config.channels.web.enabled:
        adapters["web"] = WebAdapter()
    plugs = {name: plug_of(config, secrets, name) for name in config.channels.platforms()}
    async with AsyncExitStack() as stack:
        for name, plug in plugs.items():
            adapter = plug.adapter(lent)
            stack.push_async_callback(adapter.close)
            adapters[name] = cast("ChannelAdapter", adapter)
        yield OpenChannels(adapters, plugs)
