"""WeChat Official Account over its simulator: message in, reply out, and everything that goes wrong between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.channels.vault import MemoryTokenShelf
from bot.channels.wechat_oa.send import WechatOaAdapter
from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.channels.wechat_oa.webhook import build_router
from bot.domain.channel_ports import Addressee, Deferred, Delivery, Failed, Refused, Sent, Unclear
from bot.domain.clock import ManualClock
from bot.domain.errors import ConfigError, StorageError
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import Accepted
from bot.domain.media import OutgoingFile
from bot.domain.messages import Attachment, Button, InboundMessage, MessageKind, OutboundMessage
from bot.simulators.media import Answer, MediaHold, WithMedia, tencent_media
from bot.simulators.network import SimulatedNetwork
from bot.simulators.wechat_oa.people import WechatPeople, to_xml
from bot.simulators.wechat_oa.server import FORCED_A_DAY, WechatServer
from tests.unit.channels.doubles import NOON, MemoryInbox

APP = "wxdemo0000000001"
SECRET = "app-secret-for-tests"
TOKEN = "callbacktoken"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
LI = "oLi_0000000000000000000000001"
HOOK = "/webhooks/wechat_oa"
PICTURE = OutboundMessage("", attachments=(Attachment(MessageKind.IMAGE, "p1"),))
BOTH = OutboundMessage("您看", attachments=PICTURE.attachments)


class Town:
    """A simulated WeChat, our callback, and a shop hand with prepared replies."""

    def __init__(self, encoding_aes_key: str = "") -> None:
        self.clock = ManualClock(NOON)
        self.server = WechatServer(APP, SECRET, self.clock)
        self.settings = WechatOaSettings(APP, SECRET, TOKEN, encoding_aes_key)
        self.adapter = WechatOaAdapter(self.settings, self.clock, SimulatedNetwork(self.server))
        self.inbox = MemoryInbox()
        self.replies: list[OutboundMessage] = []
        app = FastAPI()
        app.include_router(build_router(self.settings, self._on_messages, self.clock))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example")
        self.people = WechatPeople(self.server, self.http, HOOK, TOKEN, encoding_aes_key)

    async def _on_messages(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        accepted = await self.inbox(messages)
        for message, taken in zip(messages, accepted, strict=True):
            if self.replies and not taken.duplicate:
                await self.send(self.replies.pop(0), message.sender.channel_user_id)
        return accepted

    async def send(self, message: OutboundMessage, to: str = LI, outbox: int = 1) -> Delivery:
        """Send as the delivery does."""
        return await self.adapter.send(Addressee("shop", to, ConversationId("c")), message, OutboxId(outbox))


@pytest.fixture(params=["", AES_KEY], ids=["plain", "safe"])
async def town(request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    made = Town(request.param)
    yield made
    await made.http.aclose()
    await made.adapter.close()


@pytest.fixture
async def plain() -> AsyncIterator[Town]:
    made = Town()
    yield made
    await made.http.aclose()
    await made.adapter.close()


@pytest.fixture
async def safe() -> AsyncIterator[Town]:
    made = Town(AES_KEY)
    yield made
    await made.http.aclose()
    await made.adapter.close()


def declined(answer: httpx.Response, town: Town, status: int, words: str) -> None:
    """The caller gets this sentence, and nothing is stored."""
    assert answer.status_code == status
    assert words in answer.json()["message"]
    assert town.inbox.calls == 0


async def test_round_trip_from_words_to_numbered_choices(town: Town):
    """A follower writes; the answer comes with its buttons as numbers; the bare number comes in as text."""
    choices = (Button("质量问题", "=quality"), Button("转人工", "/request_human"))
    town.replies.append(OutboundMessage("请问是哪一类？", choices))
    answer = await town.people.say(LI, "我要投诉 ]]> <b>&amp;")
    assert (answer.status_code, answer.text) == (200, "success")
    assert town.people.screen(LI) == ["请问是哪一类？\n\n1. 质量问题\n2. 转人工\n（回复数字即可选择）"]
    await town.people.say(LI, "2")
    first, second = town.inbox.messages
    assert (first.kind, first.text, first.sent_at) == (MessageKind.TEXT, "我要投诉 ]]> <b>&amp;", NOON)
    assert (second.text, second.sender.channel_user_id, second.sender.channel) == ("2", LI, "wechat_oa")
    assert town.people.notices == []


async def test_console_check_is_echoed_only_when_signed(plain: Town):
    """The platform's console gets its echo; anybody else gets a sentence."""
    query = plain.people.signed() | {"echostr": "4242"}
    right = await plain.http.get(HOOK, params=query)
    assert (right.text, right.headers["content-type"]) == ("4242", "text/plain; charset=utf-8")
    wrong = await plain.http.get(HOOK, params=query | {"nonce": "1"})
    declined(wrong, plain, 401, "the callback's signature is wrong; check that the token is the one set in the console")


async def test_event_that_comes_with_another_number_is_the_same(town: Town):
    """Events are told apart by who, when and what; a number some carry is not theirs."""
    for number in ("1", "2"):
        await town.people.event(LI, "CLICK", EventKey="/track_order", MsgId=number)
    assert len(town.inbox.messages) == 1


@pytest.mark.parametrize("event", ["scancode_push", "scancode_waitmsg"])
async def test_scanning_by_the_menu_is_pressing_it(town: Town, event: str):
    """These entries open the menu's window as a click does; the phone waits for an answer."""
    await town.people.event(LI, event, EventKey="track_order")
    (kept,) = town.inbox.messages
    assert (kept.kind, kept.payload) == (MessageKind.BUTTON, "/track_order")


async def test_redelivered_message_and_event_are_one_each(town: Town):
    """The same MsgId, and for events the same sender, time and event, are kept once."""
    await town.people.say(LI, "在吗")
    await town.people.deliver_again()
    await town.people.event(LI, "CLICK", EventKey="/track_order")
    await town.people.deliver_again()
    await town.people.event(LI, "CLICK", EventKey="/request_human")
    kinds = [(message.kind, message.payload) for message in town.inbox.messages]
    assert kinds == [
        (MessageKind.TEXT, ""),
        (MessageKind.BUTTON, "/track_order"),
        (MessageKind.BUTTON, "/request_human"),
    ]


@pytest.mark.parametrize(
    ("kind", "fields", "expected", "text"),
    [
        ("image", {"PicUrl": "http://x/p", "MediaId": "m1"}, MessageKind.IMAGE, ""),
        ("voice", {"MediaId": "m1", "Format": "amr", "Recognition": "我的单到哪了"}, MessageKind.VOICE, "我的单到哪了"),
        ("video", {"MediaId": "m1", "ThumbMediaId": "t"}, MessageKind.VIDEO, ""),
        ("shortvideo", {"MediaId": "m1", "ThumbMediaId": "t"}, MessageKind.VIDEO, ""),
        ("location", {"Location_X": "30.2", "Location_Y": "120.1", "Scale": "15", "Label": "杭州"},
         MessageKind.LOCATION, "30.2,120.1 杭州"),
        ("link", {"Title": "茶壶", "Description": "d", "Url": "https://shop.example/1"}, MessageKind.TEXT,
         "茶壶\nhttps://shop.example/1"),
        ("hologram", {"MediaId": "m1"}, MessageKind.UNKNOWN, ""),
    ],
)  # fmt: skip
async def test_each_type_of_message_has_its_kind(
    town: Town, kind: str, fields: dict[str, str], expected: MessageKind, text: str
):
    """Media by its id, voice by its recognised words, a type newer than the code as UNKNOWN; always acknowledged."""
    answer = await town.people.message(LI, kind, **fields)
    assert answer.text == "success"
    (kept,) = town.inbox.messages
    assert (kept.kind, kept.text) == (expected, text)
    assert [attachment.reference for attachment in kept.attachments] == (
        ["m1"] if expected in {MessageKind.IMAGE, MessageKind.VOICE, MessageKind.VIDEO} else []
    )


async def test_events_follow_unfollow_unknown_and_silent(town: Town):
    """Following is heard, a new kind of event recorded, and what nobody said is only acknowledged."""
    await town.people.follow(LI)
    await town.people.event(LI, "subscribe", EventKey="qrscene_7")
    await town.people.event(LI, "TEMPLATESENDJOBFINISH", Status="success")
    await town.people.event(LI, "LOCATION", Latitude="1", Longitude="2", Precision="3")
    await town.people.event(LI, "telepathy")
    await town.people.unfollow(LI)
    kinds = [message.kind for message in town.inbox.messages]
    assert kinds == [MessageKind.FOLLOW, MessageKind.FOLLOW, MessageKind.UNKNOWN, MessageKind.UNFOLLOW]
    assert town.people.notices == []


async def test_text_without_anything_to_read_is_unknown(town: Town):
    """Control characters are dropped before the XML is read, so that such a message is not lost."""
    await town.people.say(LI, "\x07\x08")
    await town.people.say(LI, "w1\x00 2\x1b")
    assert [(m.kind, m.text) for m in town.inbox.messages] == [(MessageKind.UNKNOWN, ""), (MessageKind.TEXT, "w1 2")]


@pytest.mark.parametrize("change", [{"signature": "0" * 40}, {"signature": ""}, {"signature": "é"}, {"nonce": "9"}])
async def test_forged_signature_is_refused_before_reading(town: Town, change: dict[str, str]):
    """401 whatever the body holds."""
    query = town.people.signed() | change
    answer = await town.http.post(HOOK, params=query, content=b"\xff not xml")
    declined(answer, town, 401, "the callback's signature is wrong")


async def test_replayed_callback_is_refused_by_its_age(town: Town):
    """A callback recorded an hour ago is no longer taken, though its signature is right."""
    query = town.people.signed()
    town.clock.advance(timedelta(hours=1))
    answer = await town.http.post(HOOK, params=query, content=to_xml({"MsgType": "text"}).encode())
    declined(answer, town, 401, "is not within 300 s of this clock; it is a replay, or the clock is wrong")


async def test_safe_mode_refuses_what_is_not_sealed(safe: Town):
    """With an AES key a plain body, which no signature covers, is refused; so is one with a wrong msg_signature."""
    message = {"FromUserName": LI, "CreateTime": "1", "MsgType": "text", "Content": "x", "MsgId": "1"}
    query = safe.people.signed()
    answer = await safe.http.post(HOOK, params=query, content=to_xml(message).encode())
    declined(answer, safe, 401, "the callback is not encrypted, though this account is in safe mode")
    sealed = to_xml({"ToUserName": "x", "Encrypt": "QUJD"}).encode()
    query |= {"encrypt_type": "aes", "msg_signature": "0" * 40}
    declined(await safe.http.post(HOOK, params=query, content=sealed), safe, 401, "signature is wrong")
    query["msg_signature"] = safe.people.sign(query["timestamp"], query["nonce"], "QUJD")
    declined(await safe.http.post(HOOK, params=query, content=sealed), safe, 400, "cannot be decrypted")


async def test_safe_mode_refuses_another_apps_messages(safe: Town):
    """A callback sealed for another AppID is not ours."""
    safe.server.app_id = "wxother"
    people = WechatPeople(safe.server, safe.http, HOOK, TOKEN, AES_KEY)
    declined(await people.say(LI, "hi"), safe, 401, "encrypted for another AppID")


async def test_plain_account_says_that_it_has_no_key(plain: Town):
    """An encrypted callback without a key is told what is missing."""
    answer = await plain.people.post(to_xml({"ToUserName": "x", "Encrypt": "QUJD"}))
    declined(answer, plain, 400, "no EncodingAESKey is set")


BOMB = """<?xml version="1.0"?><!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<xml><FromUserName>o1</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>&b;</Content></xml>"""


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "not xml",
        "<xml>",
        "<xml></xml>",
        "<xml>text</xml>",
        "<xml><a></xml>",
        "<xml><Content>&undefined;</Content></xml>",
        BOMB,
        '<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml></xml>',
        "<!-- --><xml></xml>",
        "<html></html>",
        "<xml><FromUserName>o1</FromUserName><CreateTime>x</CreateTime><MsgType>text</MsgType></xml>",
        "<xml><FromUserName>o1</FromUserName><CreateTime>1</CreateTime></xml>",
        "<xml><FromUserName>a b</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType></xml>",
        "<xml><FromUserName>o</FromUserName><FromUserName>p</FromUserName><CreateTime>1</CreateTime></xml>",
        "<xml>" + "<a>" * 20_000 + "</xml>",
    ],
)
async def test_junk_and_entity_bombs_are_a_sentence_and_never_500(town: Town, junk: str):
    """400 that says what was expected; nothing expanded, nothing stored."""
    declined(await town.people.post(junk), town, 400, "the callback")


async def test_junk_bytes_are_a_sentence(plain: Town):
    """What is not UTF-8 is told so."""
    answer = await plain.http.post(HOOK, params=plain.people.signed(), content=b"\xff\xfe<xml>")
    declined(answer, plain, 400, "the callback is not UTF-8")


async def test_one_megabyte_is_too_large(town: Town):
    """413 names the limit."""
    answer = await town.http.post(HOOK, params=town.people.signed(), content=b"<xml>" + b"x" * 1_000_000)
    declined(answer, town, 413, "the body is larger than 256 KB; send less")


async def test_database_in_trouble_is_tried_again_by_wechat(plain: Town):
    """503 makes WeChat call again; the sentence tells nothing of the database."""

    async def broken(_messages: object) -> tuple[Accepted, ...]:
        raise StorageError("disk full at /data/xiaoer.db")

    app = FastAPI()
    app.include_router(build_router(plain.settings, broken, plain.clock))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://x") as http:
        answer = await WechatPeople(plain.server, http, HOOK, TOKEN).say(LI, "hi")
    assert answer.status_code == 503
    assert answer.json()["message"] == "the message could not be stored; deliver it again later"


async def test_twenty_senders_make_one_token(plain: Town):
    """A cold start and an expiry under twenty senders make one token each."""
    for number in range(20):
        await plain.people.say(f"o{number}", "hi")
    plain.server.knobs.delay_s = 0.01

    async def all_send() -> list[Any]:
        return await asyncio.gather(*(plain.send(OutboundMessage("好"), f"o{n}", n) for n in range(20)))

    assert all(isinstance(result, Sent) for result in await all_send())
    assert plain.server.token_requests == 1
    plain.server.expire_token()
    assert all(isinstance(result, Sent) for result in await all_send())
    assert (plain.server.tokens_made, plain.server.token_requests) == (2, 2)


async def test_token_is_renewed_before_its_end(plain: Town):
    """Shortly before 7,200 seconds a new token is fetched without a failing send."""
    await plain.people.say(LI, "hi")
    await plain.send(OutboundMessage("一"))
    plain.clock.advance(timedelta(seconds=6950))
    await plain.send(OutboundMessage("二"))
    assert plain.people.screen(LI) == ["一", "二"]
    assert plain.server.tokens_made == 2


async def test_token_that_stays_invalid_is_bounded(plain: Town):
    """40001 again and again ends after one renewal, to be retried later."""
    await plain.people.say(LI, "hi")
    plain.server.knobs.fail_next = [40001] * 10
    result = await plain.send(OutboundMessage("好"))
    assert isinstance(result, Failed)
    assert result.retryable
    assert len(plain.server.knobs.fail_next) == 8
    assert plain.server.token_requests <= 3


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (45015, Refused), (45047, Refused), (43004, Refused), (48001, Deferred), (48002, Refused), (50002, Refused),
        (45009, Deferred), (45011, Deferred), (-1, Deferred), (45002, Failed), (99999, Failed),
    ],
)  # fmt: skip
async def test_error_codes_are_the_right_kind_of_delivery(plain: Town, code: int, kind: type):
    """Window, quota, permission, frequency: each is what the delivery needs to know, with the code as the reason."""
    await plain.people.say(LI, "hi")
    plain.server.knobs.fail_next = [code]
    result = await plain.send(OutboundMessage("好"))
    assert isinstance(result, kind)
    assert f"errcode {code}" in result.reason
    assert not isinstance(result, Failed) or not result.retryable


async def test_words_with_a_picture_are_sent_both(plain: Town):
    """The picture, then the words under it; neither swallows the other."""
    await plain.people.say(LI, "hi")
    await pictured(plain)
    assert isinstance(await plain.send(BOTH), Sent)
    assert [text.split()[0] for text in plain.people.screen(LI)] == ["📎", "您看"]


@pytest.mark.parametrize(("message", "kind"), [(OutboundMessage("好"), Deferred), (BOTH, Deferred), (PICTURE, Refused)])
@pytest.mark.parametrize("replies", ["passive", "both"])
async def test_account_that_may_not_send_keeps_words_and_refuses_pictures(
    plain: Town, message: OutboundMessage, kind: type, replies: str
):
    """A picture alone has nothing to wait for, and would hold up all that comes behind it."""
    plain.server.knobs.permission = False
    adapter = await pictured(plain, replies)
    await plain.people.say(LI, "hi")
    result = await plain.send(message)
    assert isinstance(result, kind)
    assert await adapter.is_alone()


@pytest.mark.parametrize(
    ("code", "kind"), [(-1, Deferred), (45009, Deferred), (48001, Deferred), (40004, Failed), (0, Failed)]
)
async def test_upload_that_is_refused_is_weighed_as_a_message_is(plain: Town, code: int, kind: type):
    """A busy platform is waited for, and without permission the words wait: neither is lost for its picture."""

    async def refuse(request: Request) -> Response | None:
        return JSONResponse({"errcode": code}) if request.url.path.endswith("/upload") else None

    adapter = await pictured(plain, media=refuse)
    await plain.people.say(LI, "hi")
    assert isinstance(await plain.send(BOTH), kind)
    assert await adapter.is_alone() == (code == 48001)
    assert plain.people.screen(LI) == []


async def test_permission_is_known_to_all_processes_until_it_comes(plain: Town):
    """One process learns of it, the others ask the shelf; a message that goes out takes it back for all."""
    shelf = MemoryTokenShelf()
    worker, web = (
        WechatOaAdapter(plain.settings, plain.clock, SimulatedNetwork(plain.server), shelf) for _ in range(2)
    )
    await plain.people.say(LI, "hi")
    plain.adapter, plain.server.knobs.permission = worker, False
    assert not await web.is_alone()
    await plain.send(OutboundMessage("一"))
    assert await web.is_alone()
    plain.server.knobs.fail_next = [-1, 45009, 45015]
    for _ in range(3):
        await plain.send(OutboundMessage("一"))
    assert await web.is_alone()
    plain.adapter = WechatOaAdapter(plain.settings, plain.clock, SimulatedNetwork(plain.server), shelf)
    plain.server.knobs.permission = True
    await plain.send(OutboundMessage("一"))
    assert not await web.is_alone()


async def pictured(town: Town, replies: str = "both", media: Answer | None = None) -> WechatOaAdapter:
    """Make an adapter that has pictures, and a platform that takes them, or does with them as ``media`` does."""

    async def read(_: Attachment) -> OutgoingFile:
        return OutgoingFile("p.jpg", "image/jpeg", b"\xff\xd8\xff" + bytes(100))

    network = SimulatedNetwork(WithMedia(town.server, media or tencent_media(MediaHold(), town.server)))
    await town.adapter.close()
    town.adapter = WechatOaAdapter(WechatOaSettings(APP, SECRET, TOKEN, replies=replies), town.clock, network)
    town.adapter.files = read
    return town.adapter


async def test_window_and_following_are_what_the_simulator_enforces(plain: Town):
    """A sixth message, 49 hours later, and after unfollowing: refused for the right reason."""
    await plain.people.say(LI, "hi")
    results = [await plain.send(OutboundMessage(str(n)), outbox=n) for n in range(6)]
    assert [type(result) for result in results] == [Sent] * 5 + [Refused]
    await plain.people.say(LI, "hi")
    plain.clock.advance(timedelta(hours=49))
    late = await plain.send(OutboundMessage("late"))
    assert isinstance(late, Refused)
    assert "window closed" in late.reason
    await plain.people.unfollow(LI)
    gone = await plain.send(OutboundMessage("gone"))
    assert isinstance(gone, Refused)
    assert "does not follow" in gone.reason


async def test_broken_platform_is_tried_again(plain: Town):
    """A 502 is tried again, a connection lost after sending is not: it may have arrived. No address in the reason."""
    await plain.people.say(LI, "hi")
    plain.server.knobs.status_next = [502]
    plain.server.knobs.drop_next = 1
    first = await plain.send(OutboundMessage("好"))
    assert first == Failed("WeChat cannot be reached: it answered HTTP 502", retryable=True)
    assert await plain.send(OutboundMessage("好")) == Unclear("the connection to WeChat was lost: ReadError")


async def test_platform_gives_no_more_than_twenty_forced_tokens_a_day(plain: Town):
    """A token refused all day long ends in a wait, not in a quota that is burnt."""
    await plain.people.say(LI, "hi")
    for _ in range(60):
        plain.server.knobs.fail_next = [40001, 40001]
        assert isinstance(await plain.send(OutboundMessage("好")), Failed)
        plain.clock.advance(timedelta(minutes=10))
    assert plain.server.tokens_made <= 1 + FORCED_A_DAY + 600 // 115
    plain.server.knobs.fail_next = []
    await plain.people.say(LI, "hi")
    assert isinstance(await plain.send(OutboundMessage("好")), Sent)


async def test_scan_by_the_menu_lets_us_send(plain: Town):
    """Three messages in a minute, as after a press."""
    await plain.people.scan_by_menu(LI, "track_order", "SF123")
    results = [await plain.send(OutboundMessage(str(n)), outbox=n) for n in range(4)]
    assert [type(result) for result in results] == [Sent] * 3 + [Refused]


async def test_wrong_app_secret_is_not_tried_again(plain: Town):
    """A secret WeChat does not know is told by its code, not by its value."""
    settings = WechatOaSettings(APP, "wrong-secret", TOKEN)
    adapter = WechatOaAdapter(settings, plain.clock, SimulatedNetwork(plain.server))
    result = await adapter.send(Addressee("shop", LI, ConversationId("c")), OutboundMessage("x"), OutboxId(1))
    assert result == Failed("WeChat gives no access token (errcode 40125)", retryable=False)
    assert "wrong-secret" not in repr(settings)
    await adapter.close()


async def test_long_text_goes_on_where_it_stopped(plain: Town):
    """Parts that were taken are not sent twice when one is deferred."""
    await plain.people.say(LI, "hi")
    text = "您的订单已发货。" * 150
    plain.server.knobs.fail_next = [0]  # taken by the injected answer, not shown
    first = await plain.send(OutboundMessage(text))
    assert isinstance(first, Sent)
    plain.server.sent.clear()
    whole = await plain.send(OutboundMessage(text), outbox=2)
    assert isinstance(whole, Sent)
    assert "".join(plain.people.screen(LI)) == text
    assert len(plain.people.screen(LI)) == 2


async def test_token_never_reaches_the_log(plain: Town, caplog: pytest.LogCaptureFixture):
    """The address of a call carries the token; no log line does."""
    caplog.set_level(logging.DEBUG)
    await plain.people.say(LI, "我的电话 13800000001")
    await plain.send(OutboundMessage("好"))
    assert plain.server._token
    assert plain.server._token not in caplog.text
    assert "13800000001" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("", "s", TOKEN), "AppID and AppSecret"),
        ((APP, SECRET, "x"), "3 to 32 letters"),
        ((APP, SECRET, TOKEN, "short"), "43 letters"),
    ],
)
def test_settings_the_platform_would_not_take_are_refused(settings: tuple[str, ...], words: str):
    """A wrong setting is told at start."""
    with pytest.raises(ConfigError, match=words):
        WechatOaSettings(*settings)
