"""The adapters of the enabled channels."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from bot.channels.terminal.adapter import TerminalAdapter
from bot.channels.web.adapter import WebAdapter
from bot.config import Config, Secrets
from bot.desk.presence import MemoryFirstMark
from bot.domain.channel_ports import ChannelAdapter
from bot.domain.clock import Clock
from bot.domain.shared_ports import FirstMark, TokenShelf
from bot.wiring.platforms import make_adapters
from bot.wiring.tencent import make_wechat_oa

if TYPE_CHECKING:
    from bot.channels.telegram.parse import TelegramSettings


@asynccontextmanager
async def open_channels(
    config: Config,
    secrets: Secrets,
    clock: Clock,
    tokens: TokenShelf | None = None,
    marks: FirstMark | None = None,
) -> AsyncIterator[Mapping[str, ChannelAdapter]]:
    """Open the adapters of the enabled channels, and the terminal; their connections close at the end."""
    channels: dict[str, ChannelAdapter] = {"terminal": TerminalAdapter()}
    async with AsyncExitStack() as stack:
        if config.channels.web.enabled:
            channels["web"] = WebAdapter()
        if config.channels.telegram.enabled:
            from bot.channels.telegram.send import TelegramAdapter  # noqa: PLC0415 - loaded only when configured

            telegram = TelegramAdapter(telegram_settings(config, secrets))
            stack.push_async_callback(telegram.close)
            channels["telegram"] = telegram
        if config.channels.wechat_oa.enabled:
            wechat_oa = make_wechat_oa(config, secrets, clock, tokens)
            stack.push_async_callback(wechat_oa.close)
            channels["wechat_oa"] = wechat_oa
        for adapter in make_adapters(config, secrets, clock, marks or MemoryFirstMark(clock)):
            stack.push_async_callback(adapter.close)
            channels[adapter.name] = adapter
        yield channels


def telegram_settings(config: Config, secrets: Secrets) -> TelegramSettings:
    """Give what the Telegram channel is set up with; ConfigError names the secrets that are missing."""
    from bot.channels.telegram.parse import TelegramSettings  # noqa: PLC0415 - as above

    secrets.require("telegram", "telegram_token", "telegram_secret")
    channel = config.channels.telegram
    return TelegramSettings(secrets.telegram_token, channel.username, channel.account, channel.api_base)
