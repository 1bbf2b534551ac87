"""Every adapter fetches what its platform keeps, and nothing else; and sends files where it says it can."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from bot.channels._meta.settings import MetaSettings
from bot.channels.line.send import LineAdapter, LineSettings
from bot.channels.messenger.send import Disclosure, MessengerAdapter
from bot.channels.telegram.parse import TelegramSettings
from bot.channels.telegram.send import TelegramAdapter
from bot.channels.wechat_oa.send import WechatOaAdapter
from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.channels.wecom_kf.client import KfClient
from bot.channels.wecom_kf.settings import WecomKfSettings
from bot.channels.whatsapp.send import WhatsappAdapter
from bot.desk.presence import MemoryFirstMark
from bot.domain.channel_ports import Addressee, Failed, Refused, Sent
from bot.domain.clock import ManualClock
from bot.domain.errors import NotFound
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.media import MediaFault, MediaRefused, OutgoingFile, PublicFile
from bot.domain.messages import Attachment, MessageKind, OutboundMessage
from bot.simulators.line.server import LineServer
from bot.simulators.media import (
    HeldFile,
    MediaHold,
    WithMedia,
    graph_media,
    line_media,
    telegram_media,
    tencent_media,
)
from bot.simulators.messenger.server import MessengerServer
from bot.simulators.meta.graph import MetaApp
from bot.simulators.network import SimulatedNetwork
from bot.simulators.telegram.server import TelegramServer
from bot.simulators.wechat_oa.server import WechatServer
from bot.simulators.wecom_kf.server import KfServer
from bot.simulators.whatsapp.server import WhatsappServer
from tests.unit.channels.doubles import MemoryInbox, MemoryReplyTokens

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40
TOKEN = "123456:token"
NUMBER, SHOPPER = "1013859600285441", "7295384610293847"
KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
METADATA = "http://169.254.169.254/latest/meta-data/"


class Recorded(httpx.AsyncBaseTransport):
    """A network that notes which hosts are asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._inner = SimulatedNetwork(app)
        self.hosts: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on."""
        self.hosts.append(request.url.host)
        return await self._inner.handle_async_request(request)


@dataclass
class Side:
    """One adapter over its platform; ``reference`` names the held file as the webhook would."""

    adapter: Any
    hold: MediaHold
    network: Recorded
    reference: str

    async def load(self, reference: str = "", most: int = 100_000) -> bytes:
        """Fetch a file."""
        wanted = Attachment(MessageKind.IMAGE, reference or self.reference)
        body = b""
        async with self.adapter.download("main", wanted, most) as chunks:
            async for chunk in chunks:
                body += chunk
        return body


def meta(channel: str) -> MetaSettings:
    """Set a Meta channel up."""
    return MetaSettings(channel, "682498302938465", "token", "secret", "verify")


def telegram(hold: MediaHold, clock: ManualClock) -> tuple[Any, Recorded, str]:
    """Make Telegram's adapter, and somebody who has started the bot."""
    server = TelegramServer(TOKEN, clock, hold=hold)
    server.chats |= {77: "Ann", int(SHOPPER): "Ann"}
    network = Recorded(WithMedia(server, telegram_media(hold, TOKEN)))
    return TelegramAdapter(TelegramSettings(TOKEN), network), network, NUMBER


def line(hold: MediaHold, clock: ManualClock) -> tuple[Any, Recorded, str]:
    """Make LINE's adapter."""
    network = Recorded(WithMedia(LineServer("token", clock), line_media(hold, "token")))
    tokens = MemoryReplyTokens(MemoryInbox())
    return LineAdapter(LineSettings("secret", "token"), tokens, clock, network), network, NUMBER


def whatsapp(hold: MediaHold, clock: ManualClock) -> tuple[Any, Recorded, str]:
    """Make WhatsApp's adapter."""
    settings = meta("whatsapp")
    server = WhatsappServer(MetaApp("token", "secret", "verify"), settings.node, clock, hold)
    server.customers[SHOPPER] = NOW
    network = Recorded(WithMedia(server, graph_media(hold, "token", settings.node)))
    return WhatsappAdapter(settings, network), network, NUMBER


def messenger(hold: MediaHold, clock: ManualClock) -> tuple[Any, Recorded, str]:
    """Make Messenger's adapter."""
    settings = meta("messenger")
    server = MessengerServer(MetaApp("token", "secret", "verify"), settings.node, clock, hold=hold)
    server.people[SHOPPER] = NOW
    network = Recorded(WithMedia(server, graph_media(hold, "token", settings.node)))
    adapter = MessengerAdapter(settings, Disclosure(MemoryFirstMark(clock)), network)
    return adapter, network, f"https://lookaside.fbsbx.com/ig_messaging_cdn/{NUMBER}"


def wechat_oa(hold: MediaHold, clock: ManualClock) -> tuple[Any, Recorded, str]:
    """Make the Official Account's adapter."""
    server = WechatServer("wx1", "secret", clock)
    network = Recorded(WithMedia(server, tencent_media(hold, server)))
    return WechatOaAdapter(WechatOaSettings("wx1", "secret", "token", ""), clock, network), network, NUMBER


class Kf:
    """WeCom's client as an adapter for downloads."""

    def __init__(self, client: KfClient) -> None:
        self.client = client
        self.download = client.media.download
        self.close = client.close


def wecom_kf(hold: MediaHold, clock: ManualClock) -> tuple[Any, Recorded, str]:
    """Make customer service's client."""
    settings = WecomKfSettings("ww1", "secret", "token", KEY)
    server = KfServer("ww1", "secret", clock)
    network = Recorded(WithMedia(server, tencent_media(hold, server)))
    return Kf(KfClient(settings, clock, network)), network, NUMBER


MAKERS: tuple[Callable[[MediaHold, ManualClock], tuple[Any, Recorded, str]], ...] = (
    telegram, line, whatsapp, messenger, wechat_oa, wecom_kf,
)  # fmt: skip


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.__name__)
async def side(request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    """Give each adapter over a platform that holds one picture."""
    hold = MediaHold()
    hold.hold(NUMBER, HeldFile(PICTURE))
    adapter, network, reference = request.param(hold, ManualClock(NOW))
    yield Side(adapter, hold, network, reference)
    await adapter.close()


async def test_media_is_fetched_as_a_stream(side: Side):
    """The bytes are those the platform holds."""
    assert await side.load() == PICTURE


async def test_expired_media_is_gone_for_good(side: Side):
    """An id that the platform has dropped is not asked for again and again."""
    side.hold.expired.add(NUMBER)
    with pytest.raises(MediaFault) as fault:
        await side.load()
    assert fault.value.lasting


async def test_media_beyond_the_limit_is_refused(side: Side):
    """However it is served, no more than the limit is taken."""
    with pytest.raises(MediaRefused, match="larger"):
        await side.load(most=1000)


async def test_redirect_to_the_metadata_service_reaches_nobody(side: Side):
    """A platform (or who speaks for it) that leads inside is not followed."""
    side.hold.redirect_to = METADATA
    with pytest.raises(MediaRefused):
        await side.load()
    assert "169.254.169.254" not in side.network.hosts


@pytest.mark.parametrize("reference", ["../../etc/passwd", METADATA, "http://127.0.0.1:22/", "x\r\nHost: evil"])
async def test_reference_that_is_no_reference_reaches_nobody_else(side: Side, reference: str):
    """An id with a path or an address in it asks no other host than the platform's."""
    known = set(side.network.hosts)
    with pytest.raises(MediaFault):
        await side.load(reference)
    hosts = set(side.network.hosts) - known
    assert not {host for host in hosts if host in {"169.254.169.254", "127.0.0.1", "evil"}}


@pytest.mark.parametrize("maker", [wechat_oa, wecom_kf], ids=lambda maker: maker.__name__)
async def test_expired_token_is_renewed_for_media(maker: Callable[..., Any]):
    """The first refusal of a token renews it; the file comes all the same."""
    hold = MediaHold(refuse_tokens=1)
    hold.hold(NUMBER, HeldFile(PICTURE))
    adapter, network, reference = maker(hold, ManualClock(NOW))
    assert await Side(adapter, hold, network, reference).load() == PICTURE
    await adapter.close()


def outgoing(mime: str) -> Callable[[Attachment], Awaitable[OutgoingFile]]:
    """Lend a file to an adapter."""

    async def read(attachment: Attachment) -> OutgoingFile:
        return OutgoingFile(attachment.name, mime, PICTURE)

    return read


@pytest.mark.parametrize("maker", [telegram, whatsapp, messenger], ids=lambda maker: maker.__name__)
@pytest.mark.parametrize("mime", ["image/jpeg", "application/pdf"])
async def test_file_of_an_agent_is_sent(maker: Callable[..., Any], mime: str):
    """Pictures and files arrive with their bytes and names; without anybody to read them it says so."""
    hold = MediaHold()
    adapter, _, _ = maker(hold, ManualClock(NOW))
    to = Addressee("main", SHOPPER, ConversationId("c"), "agent")
    message = OutboundMessage("", attachments=(Attachment(MessageKind.FILE, "m1", mime, "receipt.bin"),))
    assert isinstance(await adapter.send(to, message, OutboxId(1)), Failed)
    adapter.files = outgoing(mime)
    assert isinstance(await adapter.send(to, message, OutboxId(2)), Sent)
    assert [(one.data, one.name) for one in hold.uploaded] == [(PICTURE, "receipt.bin")]
    await adapter.close()


async def test_telegram_tells_the_id_of_a_sent_photo():
    """The record has what Telegram calls it."""
    hold = MediaHold()
    adapter, _, _ = telegram(hold, ManualClock(NOW))
    adapter.files = outgoing("image/png")
    to = Addressee("main", "77", ConversationId("c"), "agent")
    message = OutboundMessage("", attachments=(Attachment(MessageKind.IMAGE, "m1", "image/png", "a.png"),))
    assert await adapter.send(to, message, OutboxId(1)) == Sent("1")
    await adapter.close()


def instagram(server: MessengerServer) -> MessengerAdapter:
    """Make Instagram's adapter over its platform."""
    return MessengerAdapter(meta("instagram"), Disclosure(MemoryFirstMark(ManualClock(NOW))), SimulatedNetwork(server))


def shows(mime: str = "image/png", size: int = 1000) -> Callable[[Attachment], Awaitable[PublicFile]]:
    """Give pictures an address."""

    async def show(attachment: Attachment) -> PublicFile:
        return PublicFile(f"https://chat.shop.example/shown/{attachment.reference}.png", mime, size)

    return show


PHOTO = OutboundMessage("", attachments=(Attachment(MessageKind.IMAGE, "m1", "image/png", "a.png"),))


@pytest.mark.parametrize("name", ["LINE", "Instagram"])
async def test_channel_without_a_public_address_refuses_pictures(name: str):
    """A file on its way there is refused with what to do, and never counted as sent."""
    platform = LineServer("token", ManualClock(NOW)) if name == "LINE" else _instagram_server()
    adapter = _reaching(platform)
    answer = await adapter.send(Addressee("main", "U1", ConversationId("c"), "agent"), PHOTO, OutboxId(1))
    assert answer == Refused(f"{name} takes pictures only from a public address; set server.public_url, or send words")
    assert platform.shown == []
    await adapter.close()


async def test_line_is_given_the_address_of_a_picture():
    """Picture and preview, with the words behind it; a repeat makes the same call."""
    server = LineServer("token", ManualClock(NOW))
    server.friends.add("U1")
    adapter = _reaching(server)
    adapter.shown = shows()
    to = Addressee("main", "U1", ConversationId("c"), "agent")
    assert isinstance(await adapter.send(to, PHOTO, OutboxId(1)), Sent)
    assert isinstance(await adapter.send(to, replace(PHOTO, text="look"), OutboxId(2)), Sent)
    address = "https://chat.shop.example/shown/m1.png"
    seen = [(each.message.picture, each.message.text) for each in server.shown]
    assert seen == [(address, ""), (address, ""), ("", "look")]
    await adapter.close()


@pytest.mark.parametrize("hours", [1, 30])
async def test_instagram_is_given_the_address_of_a_picture(hours: int):
    """Also beyond a day after the shopper's last word, as what a person writes may go out."""
    server = _instagram_server()
    server.people["U1"] = NOW - timedelta(hours=hours)
    adapter = instagram(server)
    adapter.shown = shows()
    to = Addressee("main", "U1", ConversationId("c"), "agent")
    assert isinstance(await adapter.send(to, PHOTO, OutboxId(1)), Sent)
    assert [(each.text, each.tag) for each in server.shown] == [
        ("https://chat.shop.example/shown/m1.png", "HUMAN_AGENT" if hours > 24 else "")
    ]
    await adapter.close()


@pytest.mark.parametrize("name", ["LINE", "Instagram"])
@pytest.mark.parametrize(("mime", "size"), [("image/webp", 1000), ("image/png", 9 * 1024 * 1024)])
async def test_picture_the_platform_would_not_take_is_refused_with_what_to_do(name: str, mime: str, size: int):
    """By its type or its size; the platform would only say later that it could not be fetched."""
    platform = LineServer("token", ManualClock(NOW)) if name == "LINE" else _instagram_server()
    adapter = _reaching(platform)
    adapter.shown = shows(mime, size)
    answer = await adapter.send(Addressee("main", "U1", ConversationId("c"), "agent"), PHOTO, OutboxId(1))
    assert isinstance(answer, Refused)
    assert "; send" in answer.reason
    assert platform.shown == []
    await adapter.close()


async def test_erased_picture_on_its_way_is_given_up():
    """What is gone when its turn comes is not tried again."""

    async def gone(attachment: Attachment) -> PublicFile:
        raise NotFound(f"there is no attachment {attachment.reference!r}")

    adapter = _reaching(LineServer("token", ManualClock(NOW)))
    adapter.shown = gone
    answer = await adapter.send(Addressee("main", "U1", ConversationId("c"), "agent"), PHOTO, OutboxId(1))
    assert answer == Failed("there is no attachment 'm1'", retryable=False)
    await adapter.close()


def _instagram_server() -> MessengerServer:
    settings = meta("instagram")
    return MessengerServer(MetaApp("token", "secret", "verify"), settings.node, ManualClock(NOW), "instagram")


def _reaching(platform: LineServer | MessengerServer) -> Any:
    if isinstance(platform, MessengerServer):
        return instagram(platform)
    tokens = MemoryReplyTokens(MemoryInbox())
    return LineAdapter(LineSettings("secret", "token"), tokens, ManualClock(NOW), SimulatedNetwork(platform))


async def test_account_that_may_not_send_by_itself_refuses_a_picture():
    """It cannot wait for the customer's next word, for all that comes after would wait with it."""
    hold, clock = MediaHold(), ManualClock(NOW)
    server = WechatServer("wx1", "secret", clock)
    server.knobs.permission = False
    network = Recorded(WithMedia(server, tencent_media(hold, server)))
    adapter = WechatOaAdapter(WechatOaSettings("wx1", "secret", "token", ""), clock, network)
    adapter.files = outgoing("image/png")
    message = OutboundMessage("", attachments=(Attachment(MessageKind.IMAGE, "m1", "image/png", "a.png"),))
    answer = await adapter.send(Addressee("shop", "o1", ConversationId("c"), "agent"), message, OutboxId(1))
    assert isinstance(answer, Refused)
    assert [one.data for one in hold.uploaded] == [PICTURE]
    await adapter.close()
