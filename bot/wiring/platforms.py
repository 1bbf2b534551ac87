"""LINE, WhatsApp, Messenger and Instagram: each is loaded only when it is switched on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, cast

from fastapi import APIRouter

from bot.config import Config, Secrets
from bot.domain.channel_ports import ChannelAdapter, OnMessages
from bot.domain.clock import Clock
from bot.domain.receipts import Receipt
from bot.domain.shared_ports import FirstMark
from bot.domain.staff import StaffWords, ThreadMove

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.channels._meta.settings import MetaSettings
    from bot.channels.line.send import LineAdapter, LineSettings

MetaName = Literal["whatsapp", "messenger", "instagram"]
META: tuple[MetaName, ...] = ("whatsapp", "messenger", "instagram")


class Closing(ChannelAdapter, Protocol):
    """An adapter with connections of its own."""

    async def close(self) -> None:
        """Close the connections."""
        ...


class Told(Protocol):
    """Takes what platforms tell after a message."""

    async def on_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Keep receipts."""
        ...

    async def on_staff(self, words: StaffWords) -> None:
        """Keep what the shop's people wrote in another app."""
        ...

    async def on_move(self, move: ThreadMove) -> None:
        """Follow a thread that changed hands at its platform."""
        ...


def make_adapters(config: Config, secrets: Secrets, clock: Clock, marks: FirstMark) -> Iterator[Closing]:
    """Make the adapters of the platforms that are switched on; ``marks`` tells where the bot said what it is."""
    channels = config.channels
    if channels.line.enabled:
        from bot.channels.line.send import LineAdapter  # noqa: PLC0415 - loaded only when configured

        yield LineAdapter(line_settings(config, secrets), clock)
    if channels.whatsapp.enabled:
        from bot.channels.whatsapp.send import WhatsappAdapter  # noqa: PLC0415 - as above

        yield WhatsappAdapter(meta_settings(config, secrets, "whatsapp"))
    for name, section in (("messenger", channels.messenger), ("instagram", channels.instagram)):
        if section.enabled:
            from bot.channels.messenger.send import Disclosure, MessengerAdapter  # noqa: PLC0415 - as above

            settings = meta_settings(config, secrets, cast("MetaName", name))
            yield MessengerAdapter(settings, Disclosure(marks, section.disclose))


def make_platform_routers(
    config: Config,
    secrets: Secrets,
    channels: Mapping[str, ChannelAdapter],
    accept: OnMessages,
    after: Told,
) -> Iterator[APIRouter]:
    """Make the webhooks of the platforms that are switched on."""
    if config.channels.line.enabled:
        from bot.channels.line.webhook import build_router  # noqa: PLC0415 - as above

        line = cast("LineAdapter", channels["line"])
        yield build_router(line.settings, line.tokens, accept)
    wanted = [name for name in META if getattr(config.channels, name).enabled]
    if wanted:
        yield from _meta_routers(config, secrets, wanted, accept, after)


def _meta_routers(
    config: Config, secrets: Secrets, names: list[MetaName], accept: OnMessages, after: Told
) -> Iterator[APIRouter]:
    from bot.channels._meta.webhook import MetaPorts  # noqa: PLC0415 - as above
    from bot.channels.messenger.webhook import build_router as build_messenger_router  # noqa: PLC0415 - as above
    from bot.channels.whatsapp.webhook import build_router as build_whatsapp_router  # noqa: PLC0415 - as above

    ports = MetaPorts(accept, after.on_receipts, after.on_staff, after.on_move)
    for name in names:
        build = build_whatsapp_router if name == "whatsapp" else build_messenger_router
        yield build(meta_settings(config, secrets, name), ports)


def line_settings(config: Config, secrets: Secrets) -> LineSettings:
    """Give what the LINE channel is set up with; ConfigError names the secrets that are missing."""
    from bot.channels.line.send import LineSettings  # noqa: PLC0415 - as above

    secrets.require("line", "line_channel_secret", "line_token")
    channel = config.channels.line
    return LineSettings(secrets.line_channel_secret, secrets.line_token, channel.account, channel.api_base)


def meta_settings(config: Config, secrets: Secrets, name: MetaName) -> MetaSettings:
    """Give what a channel of the Meta app is set up with; ConfigError names what is missing."""
    from bot.channels._meta.settings import MetaSettings  # noqa: PLC0415 - as above

    secrets.require(name, f"{name}_token", "meta_app_secret", "meta_verify_token")
    channels = config.channels
    nodes: dict[MetaName, str] = {
        "whatsapp": channels.whatsapp.phone_number_id,
        "messenger": channels.messenger.page_id,
        "instagram": channels.instagram.user_id,
    }
    section = getattr(channels, name)
    return MetaSettings(
        channel=name,
        node=nodes[name],
        token=getattr(secrets, f"{name}_token"),
        app_secret=secrets.meta_app_secret,
        verify_token=secrets.meta_verify_token,
        account=section.account,
        api_url=section.api_base,
    )
