"""WeChat Official Account and WeCom customer service: each is loaded only when it is switched on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, cast

from fastapi import APIRouter

from bot.config import Config, Secrets
from bot.domain.channel_ports import ChannelAdapter, OnMessages
from bot.domain.clock import Clock
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from bot.domain.messages import Sender
from bot.domain.ports import Dispatcher, LiveFeed
from bot.domain.shared_ports import TokenShelf
from bot.domain.staff import StaffWords
from bot.engine import live
from bot.engine.intake import Intake, PulledIntake
from bot.wiring.leading import Leads
from storage.exchanges import SqlExchanges
from storage.platform_moves import SqlPlatformMoves
from storage.platform_sessions import SqlPlatformSessions
from storage.windows import SqlWindowLedger

if TYPE_CHECKING:
    from bot.channels.wechat_oa.passive import PassiveReplies
    from bot.channels.wechat_oa.send import WechatOaAdapter
    from bot.channels.wechat_oa.settings import WechatOaSettings
    from bot.channels.wecom_kf.parse import SendFailure, SessionChange
    from bot.channels.wecom_kf.pull import KfPuller
    from bot.channels.wecom_kf.send import WecomKfAdapter
    from bot.channels.wecom_kf.settings import WecomKfSettings
    from bot.wiring.stores import Stores

OA, KF = "wechat_oa", "wecom_kf"


class Rooms(Protocol):
    """What is used here of the open house."""

    @property
    def config(self) -> Config:
        """The configuration."""

    @property
    def secrets(self) -> Secrets:
        """What stands in no file."""

    @property
    def clock(self) -> Clock:
        """The time."""

    @property
    def stores(self) -> Stores:
        """What is remembered."""

    @property
    def intake(self) -> Intake:
        """Where messages come in."""

    @property
    def dispatcher(self) -> Dispatcher:
        """Who wakes the engine."""

    @property
    def live(self) -> LiveFeed:
        """Who tells open pages."""

    @property
    def channels(self) -> Mapping[str, ChannelAdapter]:
        """The adapters by name."""


def wechat_oa_settings(config: Config, secrets: Secrets) -> WechatOaSettings:
    """Give what the WeChat channel is set up with; ConfigError names the secrets that are missing."""
    from bot.channels.wechat_oa.settings import WechatOaSettings  # noqa: PLC0415 - loaded only when configured

    channel = config.channels.wechat_oa
    wanted = ["wechat_oa_token"] if channel.replies == "passive" else ["wechat_oa_token", "wechat_oa_app_secret"]
    secrets.require(OA, *wanted)
    return WechatOaSettings(
        app_id=channel.app_id,
        app_secret=secrets.wechat_oa_app_secret,
        token=secrets.wechat_oa_token,
        encoding_aes_key=secrets.wechat_oa_aes_key,
        account=channel.account,
        api_url=channel.api_base,
        replies=channel.replies,
    )


def wecom_kf_settings(config: Config, secrets: Secrets) -> WecomKfSettings:
    """Give what WeCom customer service is set up with; ConfigError names the secrets that are missing."""
    from bot.channels.wecom_kf.settings import WecomKfSettings  # noqa: PLC0415 - as above

    secrets.require(KF, "wecom_kf_secret", "wecom_kf_token", "wecom_kf_aes_key")
    channel = config.channels.wecom_kf
    return WecomKfSettings(
        corp_id=channel.corp_id,
        secret=secrets.wecom_kf_secret,
        token=secrets.wecom_kf_token,
        encoding_aes_key=secrets.wecom_kf_aes_key,
        accounts=channel.accounts,
        humans=channel.humans,
        api_url=channel.api_base,
    )


def make_wechat_oa(config: Config, secrets: Secrets, clock: Clock, shelf: TokenShelf | None) -> WechatOaAdapter:
    """Make the Official Account's adapter."""
    from bot.channels.wechat_oa.send import WechatOaAdapter  # noqa: PLC0415 - as above

    return WechatOaAdapter(wechat_oa_settings(config, secrets), clock, shelf=shelf)


def make_wecom_kf(
    config: Config, secrets: Secrets, clock: Clock, shelf: TokenShelf | None, stores: Stores
) -> WecomKfAdapter:
    """Make the customer service's adapter, which asks the stores who owns a conversation."""
    from bot.channels.wecom_kf.client import KfClient  # noqa: PLC0415 - as above
    from bot.channels.wecom_kf.send import KfPorts, WecomKfAdapter  # noqa: PLC0415 - as above

    async def owner_of(conversation_id: ConversationId) -> Owner:
        return (await stores.desk.conversations.get(conversation_id)).owner

    settings = wecom_kf_settings(config, secrets)
    ports = KfPorts(owner_of, SqlWindowLedger(stores.database))
    return WecomKfAdapter(settings, KfClient(settings, clock, shelf=shelf), ports, clock)


def make_tencent_routers(opened: Rooms, accept: OnMessages, puller: KfPuller | None) -> Iterator[APIRouter]:
    """Make the callbacks of the two that are switched on."""
    config, secrets = opened.config, opened.secrets
    if config.channels.wechat_oa.enabled:
        from bot.channels.wechat_oa.webhook import build_router as build_oa  # noqa: PLC0415 - as above

        settings = wechat_oa_settings(config, secrets)
        yield build_oa(settings, accept, opened.clock, passive=_passive(opened))
    if puller is not None:
        from bot.channels.wecom_kf.webhook import build_router as build_kf  # noqa: PLC0415 - as above

        yield build_kf(wecom_kf_settings(config, secrets), puller.ring, opened.clock)


def _passive(opened: Rooms) -> PassiveReplies | None:
    from bot.channels.wechat_oa.passive import PassivePorts, PassiveReplies  # noqa: PLC0415 - as above

    if opened.config.channels.wechat_oa.replies == "service":
        return None

    async def ring(conversation_id: ConversationId) -> None:
        for bell in live.changed(conversation_id):
            await opened.live.publish(bell)
        await opened.dispatcher.ring(conversation_id, 0)

    ports = PassivePorts(SqlExchanges(opened.stores.database), opened.live, opened.clock, ring)
    return PassiveReplies(ports, cast("WechatOaAdapter", opened.channels[OA]).is_alone)


@asynccontextmanager
async def pulling(puller: KfPuller | None) -> AsyncIterator[None]:
    """Pull customer service's messages as long as the house is open, where it is switched on."""
    if puller is None:
        yield
        return
    await puller.start()
    following = asyncio.create_task(puller.follower.run(), name="follow-sessions") if puller.follower else None
    try:
        yield
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await puller.stop()


def make_puller(opened: Rooms, leads: Leads) -> KfPuller | None:
    """Make what pulls customer service's messages, where it is switched on; ``leads``: this process polls."""
    adapter = cast("WecomKfAdapter | None", opened.channels.get(KF))
    if adapter is None:
        return None
    from bot.channels.wecom_kf.following import SessionFollower  # noqa: PLC0415 - as above
    from bot.channels.wecom_kf.pull import KfPuller, PullPorts  # noqa: PLC0415 - as above

    moves, outbox, clock = SqlPlatformMoves(opened.stores.database), opened.stores.outbox, opened.clock

    async def failed(failure: SendFailure) -> None:
        refusal = (failure.reason, failure.kind.value)
        await outbox.mark_undelivered(KF, failure.platform_id, clock.now(), refusal)

    async def changed(change: SessionChange) -> None:
        adapter.forget(change.open_kfid, change.customer)
        sender = Sender(KF, change.open_kfid, change.customer)
        moved = await moves.move(sender, change.owner, f"{KF}:{change.by}", clock.now())
        for bell in live.changed(moved) if moved else ():
            await opened.live.publish(bell)

    async def said(words: StaffWords) -> None:
        conversation = await moves.said(words, clock.now())
        for bell in live.changed(conversation) if conversation else ():
            await opened.live.publish(bell)

    pulled = PulledIntake(opened.intake, opened.stores.inbox, clock)
    ports = PullPorts(pulled, opened.intake.accept, failed, changed, leads, said)
    settings = wecom_kf_settings(opened.config, opened.secrets)
    puller = KfPuller(settings, adapter.client, ports, clock, opened.config.channels.wecom_kf.poll_s)
    puller.follower = SessionFollower(adapter, SqlPlatformSessions(opened.stores.database), clock)
    return puller
