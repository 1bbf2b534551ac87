"""Telegram over its simulator: message in, reply out, and everything that goes wrong between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from bot.channels.telegram.parse import TelegramSettings
from bot.channels.telegram.send import TelegramAdapter
from bot.channels.telegram.webhook import SECRET_HEADER, Updates, build_router
from bot.domain.channel_ports import Addressee, Deferred, Failed, Refused, Sent, Unclear
from bot.domain.clock import ManualClock
from bot.domain.errors import ConfigError, StorageError
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import Accepted
from bot.domain.messages import Button, InboundMessage, MessageKind, OutboundMessage
from bot.simulators.network import SimulatedNetwork
from bot.simulators.telegram.people import TelegramPeople
from bot.simulators.telegram.server import Declined, TelegramServer
from tests.unit.channels.doubles import NOON, MemoryInbox

TOKEN = "700100:test-token"
SECRET = "a_secret-for-the-webhook"
LI = 42
GROUP = -900
HOOK = "/webhooks/telegram"


class Town:
    """A simulated Telegram, our webhook, and a shop hand that echoes."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOON)
        self.server = TelegramServer(TOKEN, self.clock)
        self.adapter = TelegramAdapter(
            TelegramSettings(TOKEN, username="xiaoer_demo_bot"), SimulatedNetwork(self.server)
        )
        self.inbox = MemoryInbox()
        self.replies: list[OutboundMessage] = []
        app = FastAPI()
        app.include_router(build_router(Updates(self.adapter, self._on_messages, self.clock), SECRET))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example")
        self.people = TelegramPeople(self.server, self.http, HOOK, SECRET)
        self.people.meet(LI, "小李")
        self.people.meet(GROUP, "Family")

    async def _on_messages(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        accepted = await self.inbox(messages)
        for message, taken in zip(messages, accepted, strict=True):
            if self.replies and not taken.duplicate:
                await self.send(self.replies.pop(0), message.sender.channel_user_id)
        return accepted

    async def send(self, message: OutboundMessage, to: str = str(LI), outbox: int = 1) -> Any:
        """Send as the delivery does."""
        return await self.adapter.send(Addressee("shop", to, ConversationId("c")), message, OutboxId(outbox))

    async def post(self, content: bytes, secret: str | None = SECRET) -> httpx.Response:
        """Post raw bytes."""
        headers = {} if secret is None else {SECRET_HEADER: secret}
        return await self.http.post(HOOK, content=content, headers=headers)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    made = Town()
    yield made
    await made.http.aclose()
    await made.adapter.close()


async def test_round_trip_from_words_to_a_pressed_button(town: Town):
    """A shopper writes, sees buttons, presses one; the press is answered and comes in with payload and label."""
    town.replies.append(
        OutboundMessage("请问是哪一类？", (Button("质量问题", "=quality"), Button("转人工", "/request_human")))
    )
    answer = await town.people.say(LI, "我要投诉")
    assert answer.status_code == 200
    assert town.people.screen(LI) == ["请问是哪一类？"]
    await town.people.press(LI, "质量问题")
    first, press = town.inbox.messages
    assert (first.kind, first.text, first.sender.display_name) == (MessageKind.TEXT, "我要投诉", "小李")
    assert (first.sender.locale_hint, first.sent_at) == ("zh", NOON)
    assert (press.kind, press.text, press.payload) == (MessageKind.BUTTON, "质量问题", "=quality")
    assert town.server.answered_presses == ["q2"]


async def test_redelivered_update_is_one_message(town: Town):
    """The same update_id twice is answered 200 twice and kept once."""
    await town.people.say(LI, "在吗")
    again = await town.people.deliver_again()
    assert again.status_code == 200
    assert len(town.inbox.messages) == 1


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", "秘密"])
async def test_forged_webhook_is_refused_before_reading(town: Town, secret: str | None):
    """Without the secret nothing is parsed or stored, whatever the body."""
    raw = {} if secret is None else {SECRET_HEADER: secret.encode()}
    answer = await town.http.post(HOOK, content=b"not even json", headers=raw)
    assert answer.status_code == 401
    expected = "the header X-Telegram-Bot-Api-Secret-Token does not carry this bot's secret; set the webhook again"
    assert answer.json()["message"] == expected
    assert town.inbox.calls == 0


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b"{}",
        b'{"update_id": "x"}',
        b'{"update_id": true}',
        b'{"update_id": 1, "message": 5}',
        b'{"update_id": 1, "message": {"message_id": 1}}',
        b'{"update_id": 1, "message": {"message_id": 1, "date": 1e300, "chat": {"id": 1, "type": "private"}}}',
        b'{"update_id": 1, "callback_query": {"id": "1"}}',
        b"[" * 100_000,
    ],
)
async def test_junk_is_a_sentence_and_never_500(town: Town, junk: bytes):
    """400 that says what was expected; nothing stored."""
    answer = await town.post(junk)
    assert answer.status_code == 400
    assert "Telegram Update" in answer.json()["message"] or "update_id" in answer.json()["message"]
    assert town.inbox.calls == 0


async def test_one_megabyte_is_too_large(town: Town):
    """413 names the limit."""
    answer = await town.post(b'{"update_id": 1, "x": "' + b"x" * 1_000_000 + b'"}')
    assert answer.status_code == 413
    assert answer.json()["message"] == "the body is larger than 256 KB; send less"
    assert town.inbox.calls == 0


async def test_empty_and_control_characters_are_recorded_as_unknown(town: Town):
    """A message without anything to read is recorded as such and stores no control characters."""
    await town.people.say(LI, "\x00\x07\u200b")
    await town.people.say(LI, "w1\x00 2\x1b[31m")
    assert [(m.kind, m.text) for m in town.inbox.messages] == [
        (MessageKind.UNKNOWN, ""),
        (MessageKind.TEXT, "w1 2[31m"),
    ]


async def test_unknown_content_is_recorded_as_unknown(town: Town):
    """A type of content newer than the code is kept as UNKNOWN with 2xx."""
    answer = await town.people.deliver({"message": town.people.message(LI, hologram={"file_id": "h"})})
    assert answer.status_code == 200
    assert town.inbox.messages[0].kind is MessageKind.UNKNOWN


async def test_unknown_update_type_is_recorded_as_unknown(town: Town):
    """A new kind of update that names a person is kept as UNKNOWN; one without a person only gets its 2xx."""
    answer = await town.people.deliver({"telepathy": {"from": town.people.person(LI), "thought": "hm"}})
    nobody = await town.people.deliver({"weather": 5})
    assert (answer.status_code, nobody.status_code) == (200, 200)
    (kept,) = town.inbox.messages
    assert (kept.kind, kept.sender.channel_user_id) == (MessageKind.UNKNOWN, str(LI))


@pytest.mark.parametrize(
    ("fields", "kind", "reference"),
    [
        ({"photo": [{"file_id": "s", "file_unique_id": "1", "width": 9, "height": 9},
                    {"file_id": "L", "file_unique_id": "2", "width": 90, "height": 90}]}, MessageKind.IMAGE, "L"),
        ({"voice": {"file_id": "v", "file_unique_id": "1", "duration": 2, "mime_type": "audio/ogg"}},
         MessageKind.VOICE, "v"),
        ({"video": {"file_id": "f", "file_unique_id": "1", "width": 1, "height": 1, "duration": 1}},
         MessageKind.VIDEO, "f"),
        ({"document": {"file_id": "d", "file_unique_id": "1", "mime_type": "application/pdf", "file_name": "a.pdf"}},
         MessageKind.FILE, "d"),
        ({"document": {"file_id": "p", "file_unique_id": "1", "mime_type": "image/png"}}, MessageKind.IMAGE, "p"),
        ({"sticker": {"file_id": "k", "file_unique_id": "1", "width": 1, "height": 1, "is_animated": False,
                      "is_video": False, "type": "regular", "emoji": "😀"}}, MessageKind.STICKER, "k"),
    ],
)  # fmt: skip
async def test_attachments_are_kept_by_reference(town: Town, fields: dict[str, Any], kind: MessageKind, reference: str):
    """Pictures, voice, films, papers and stickers come in with Telegram's file id and their caption."""
    await town.people.deliver({"message": town.people.message(LI, caption="杯子碎了", **fields)})
    (kept,) = town.inbox.messages
    assert (kept.kind, kept.attachments[0].reference) == (kind, reference)
    assert kept.text == ("😀" if kind is MessageKind.STICKER else "杯子碎了")


async def test_location_start_edit_and_block(town: Town):
    """Where somebody is, that he starts, corrects himself, or blocks the bot: each has its kind."""
    await town.people.deliver({"message": town.people.message(LI, location={"latitude": 30.25, "longitude": 120.17})})
    await town.people.say(LI, "/start")
    await town.people.deliver({"edited_message": town.people.message(LI, text="W1234567", edit_date=1)})
    live = town.people.message(LI, location={"latitude": 1.0, "longitude": 2.0})
    await town.people.deliver({"edited_message": live})
    await town.people.block(LI)
    assert [(m.kind, m.text) for m in town.inbox.messages] == [
        (MessageKind.LOCATION, "30.250000,120.170000"),
        (MessageKind.FOLLOW, "/start"),
        (MessageKind.EDIT, "W1234567"),
        (MessageKind.UNFOLLOW, ""),
    ]


async def test_group_is_answered_only_when_addressed(town: Town):
    """Talk among people stays unheard; a mention, a command and a reply to the bot are for us."""
    mention = {"type": "mention", "offset": 0, "length": 16}
    person = {"from": {"id": 7, "is_bot": False, "first_name": "Ann", "language_code": "en"}}
    await town.people.say(GROUP, "dinner at eight?", **person)
    await town.people.say(GROUP, "@xiaoer_demo_bot where is W1234567", entities=[mention], **person)
    await town.people.say(GROUP, "@somebody_else_x hi", entities=[mention], **person)
    reply_to = town.people.message(GROUP, text="?", **{"from": town.server.me()})
    await town.people.say(GROUP, "0001", reply_to_message=reply_to, **person)
    await town.people.say(GROUP, "beep", **{"from": {"id": 8, "is_bot": True, "first_name": "Bot"}})
    assert [(m.text, m.sender.channel_user_id) for m in town.inbox.messages] == [
        ("where is W1234567", "-900/7"),
        ("0001", "-900/7"),
    ]
    assert town.inbox.messages[0].sender.locale_hint == "en"
    await town.send(OutboundMessage("on its way"), to="-900/7")
    assert town.people.screen(GROUP) == ["on its way"]


async def test_database_in_trouble_asks_for_delivery_again(town: Town):
    """503 with a sentence, so that Telegram repeats the update; no detail of the database."""

    async def broken(_messages: object) -> tuple[Accepted, ...]:
        raise StorageError("disk full at /data/xiaoer.db")

    app = FastAPI()
    app.include_router(build_router(Updates(town.adapter, broken, town.clock), SECRET))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://x") as http:
        people = TelegramPeople(town.server, http, HOOK, SECRET)
        answer = await people.say(LI, "hello")
    assert answer.status_code == 503
    assert answer.json()["message"] == "the message could not be stored; deliver it again later"


async def test_long_text_is_sent_in_parts_with_buttons_last(town: Town):
    """Nine thousand units are three messages in order."""
    result = await town.send(OutboundMessage("订单。" * 3000, (Button("好", "/affirm"),)))
    assert isinstance(result, Sent)
    assert "".join(town.people.screen(LI)) == "订单。" * 3000
    assert [bool(sent.buttons) for sent in town.server.sent] == [False, False, True]


async def test_repeat_after_a_failure_goes_on_where_it_stopped(town: Town):
    """Parts that were taken are not sent twice."""
    message = OutboundMessage("订单。" * 3000)
    town.server.knobs.one_a_second = True
    results = []
    for _ in range(3):
        results.append(await town.send(message))
        town.clock.advance(NOON - NOON.replace(hour=11))
    assert [type(result) for result in results] == [Deferred, Deferred, Sent]
    assert "".join(town.people.screen(LI)) == "订单。" * 3000


async def test_send_maps_what_telegram_answers(town: Town):
    """Wait, blocked, wrong, broken: each is the right kind of delivery."""
    knobs = town.server.knobs
    knobs.fail_next = [Declined(429, "Too Many Requests: retry after 17", retry_after=17)]
    assert await town.send(OutboundMessage("hi")) == Deferred(17.0, "Telegram asks to wait")
    town.server.blocked.add(LI)
    refused = await town.send(OutboundMessage("hi"))
    assert isinstance(refused, Refused)
    assert "blocked by the user" in refused.reason
    nobody = await town.send(OutboundMessage("hi"), to="77")
    assert isinstance(nobody, Failed)
    assert not nobody.retryable
    town.server.blocked.clear()
    knobs.fail_next = [Declined(502, "Bad Gateway")]
    broken = await town.send(OutboundMessage("hi"))
    assert isinstance(broken, Failed)
    assert broken.retryable
    knobs.drop_next = 1
    assert isinstance(await town.send(OutboundMessage("hi")), Unclear)


async def test_wrong_token_is_not_tried_again(town: Town):
    """A token Telegram does not know never becomes right."""
    adapter = TelegramAdapter(TelegramSettings("700100:other"), SimulatedNetwork(town.server))
    result = await adapter.send(Addressee("shop", str(LI), ConversationId("c")), OutboundMessage("hi"), OutboxId(1))
    assert isinstance(result, Failed)
    assert not result.retryable
    assert "other" not in result.reason
    await adapter.close()


async def test_set_webhook_tells_telegram_the_secret(town: Town):
    """The address and the secret are registered."""
    await town.adapter.set_webhook("https://shop.example/webhooks/telegram", SECRET)
    assert town.server.webhook["secret_token"] == SECRET


@pytest.mark.parametrize("secret", ["", "with space", "秘密", "x" * 257])
def test_secret_telegram_would_not_take_is_refused_at_start(secret: str):
    """A wrong secret is told when the router is built."""
    adapter = TelegramAdapter(TelegramSettings(TOKEN))
    with pytest.raises(ConfigError, match="1 to 256 characters"):
        build_router(Updates(adapter, MemoryInbox(), ManualClock(NOON)), secret)


def test_token_of_the_wrong_shape_is_refused_at_start():
    """The sentence says how a token looks and does not repeat it."""
    with pytest.raises(ConfigError, match="123456:ABC"):
        TelegramAdapter(TelegramSettings("secret-without-colon"))
