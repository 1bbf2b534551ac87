"""Telegram's finer rules over its simulator: topics, albums, long payloads, groups that move, notes nobody wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.domain.channel_ports import Deferred, Refusal, Refused, Sent
from bot.domain.media import OutgoingFile
from bot.domain.messages import Attachment, Button, MessageKind, OutboundMessage
from bot.simulators.telegram.server import Declined
from tests.integration.channels.test_telegram import GROUP, LI, Town

ANN: dict[str, Any] = {"from": {"id": 7, "is_bot": False, "first_name": "Ann", "language_code": "en"}}
MENTION = {"type": "mention", "offset": 0, "length": 16}
PHOTO = {"file_id": "p", "file_unique_id": "1", "width": 9, "height": 9}
STILL = {"file_id": "still", "file_unique_id": "2", "width": 9, "height": 9}
MOVING = {"file_id": "moving", "file_unique_id": "3", "width": 9, "height": 9, "duration": 1, "photo": [STILL]}


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    made = Town()
    yield made
    await made.http.aclose()
    await made.adapter.close()


async def test_answer_goes_to_the_topic_it_was_asked_in(town: Town):
    """In a group with topics words and "typing" go to the asker's topic; a press there comes back with its place."""
    town.server.topics[GROUP] = {15}
    topic = {"message_thread_id": 15, "is_topic_message": True}
    town.replies.append(OutboundMessage("Which?", (Button("Parcel", "/track_order"),)))
    await town.people.say(GROUP, "@xiaoer_demo_bot help", entities=[MENTION], **topic, **ANN)
    await town.people.press(GROUP, "Parcel")
    asked, press = town.inbox.messages
    assert asked.sender.channel_user_id == "-900/7/15"
    assert press.sender.channel_user_id.endswith("/15")
    assert [sent.topic for sent in town.server.sent] == [15]


async def test_thread_of_replies_is_no_topic(town: Town):
    """A group without topics numbers threads of replies too; nothing can be sent to those."""
    town.replies.append(OutboundMessage("Hello"))
    await town.people.say(GROUP, "@xiaoer_demo_bot hi", entities=[MENTION], message_thread_id=3, **ANN)
    assert town.inbox.messages[0].sender.channel_user_id == "-900/7"
    assert town.people.screen(GROUP) == ["Hello"]


async def test_group_that_became_a_supergroup_is_still_answered(town: Town):
    """Telegram tells the new number with its refusal; the message goes there, once."""
    town.people.meet(-1000900, "Family")
    town.server.migrated[GROUP] = -1000900
    assert isinstance(await town.send(OutboundMessage("here"), to="-900/7"), Sent)
    assert town.people.screen(-1000900) == ["here"]


@pytest.mark.parametrize("payload", ["=" + "很长的选项" * 10, "/track_order=product:" + "x" * 60])
async def test_long_payload_is_a_button_all_the_same(town: Town, payload: str):
    """A payload over 64 bytes goes by reference: pressed, even after a restart, the label says what was chosen."""
    town.replies.append(OutboundMessage("哪一个？", (Button("红茶壶", payload), Button("绿茶壶", payload + "2"))))
    await town.people.say(LI, "我要退货")
    await town.people.press(LI, "绿茶壶")
    press = town.inbox.messages[-1]
    assert town.people.screen(LI) == ["哪一个？"]
    assert (press.kind, press.text, press.payload) == (MessageKind.TEXT, "绿茶壶", "")


async def test_album_is_its_pictures_in_order_with_the_words_once(town: Town):
    """Telegram sends an album as one update a picture; the words stand under one of them."""
    for number in range(3):
        words = {"caption": "杯子碎了"} if number == 0 else {}
        photo = {**PHOTO, "file_id": f"p{number}"}
        await town.people.deliver({"message": town.people.message(LI, media_group_id="8", photo=[photo], **words)})
    kept = town.inbox.messages
    assert [(one.text, one.attachments[0].reference) for one in kept] == [("杯子碎了", "p0"), ("", "p1"), ("", "p2")]
    assert [one.sequence for one in kept] == sorted(one.sequence for one in kept)


@pytest.mark.parametrize(
    "fields",
    [
        {"pinned_message": {"message_id": 1, "date": 1, "chat": {"id": LI, "type": "private"}, "text": "x"}},
        {"message_auto_delete_timer_changed": {"message_auto_delete_time": 60}},
        {"write_access_allowed": {}},
    ],
)
async def test_platforms_own_note_is_nothing_said(town: Town, fields: dict[str, Any]):
    """A pinned message or a changed timer is no message: the bot must not answer that it did not understand."""
    answer = await town.people.deliver({"message": town.people.message(LI, **fields)})
    assert answer.status_code == 200
    assert town.inbox.messages == []


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"contact": {"phone_number": "+8613800000001", "first_name": "Li"}}, MessageKind.TEXT, "Li +8613800000001"),
        ({"venue": {"location": {"latitude": 1.5, "longitude": 2.5}, "title": "Tea house", "address": "1 Lake Road"},
          "location": {"latitude": 1.5, "longitude": 2.5}}, MessageKind.LOCATION,
         "1.500000,2.500000 Tea house 1 Lake Road"),
        ({"dice": {"emoji": "🎲", "value": 3}}, MessageKind.UNKNOWN, ""),
        ({"live_photo": MOVING, "photo": [PHOTO]}, MessageKind.IMAGE, ""),
        ({"video_note": {"file_id": "n", "file_unique_id": "1", "length": 9, "duration": 1}}, MessageKind.VIDEO, ""),
        ({"text": "W1234567", "forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "Old"}},
         MessageKind.TEXT, "W1234567"),
    ],
)  # fmt: skip
async def test_rarer_kinds_are_read(town: Town, fields: dict[str, Any], kind: MessageKind, text: str):
    """A card, a named place, a live photo, a round film, a forwarded text: each is what it is; a dice is unknown."""
    await town.people.deliver({"message": town.people.message(LI, **fields)})
    (kept,) = town.inbox.messages
    assert (kept.kind, kept.text) == (kind, text)


@pytest.mark.parametrize("kind", ["channel_post", "business_message", "poll_answer", "inline_query"])
async def test_updates_that_are_not_for_a_shop_hand_are_passed_over(town: Town, kind: str):
    """A channel's post, a business account's chat, a vote: 200, and nothing is kept."""
    voter = {"poll_id": "1", "user": town.people.person(LI), "option_ids": [], "option_persistent_ids": []}
    query = {"id": "1", "from": town.people.person(LI), "query": "x", "offset": ""}
    bodies = {"poll_answer": voter, "inline_query": query}
    body = bodies.get(kind, town.people.message(LI, text="x", business_connection_id="b"))
    answer = await town.people.deliver({kind: body})
    assert answer.status_code == 200
    assert town.inbox.messages == []


async def test_anonymous_admin_is_nobody_who_can_be_answered(town: Town):
    """Who writes for the group itself comes as a bot of Telegram's; it is passed over."""
    bot = {"from": {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}}
    await town.people.say(GROUP, "@xiaoer_demo_bot hi", entities=[MENTION], sender_chat={"id": GROUP, "type": "group"},
                          **bot)  # fmt: skip
    assert town.inbox.messages == []


async def test_start_with_the_bots_name_in_a_group_is_a_start(town: Town):
    """``/start@name`` begins as ``/start`` does, another bot's does not."""
    for name in ("xiaoer_demo_bot", "another_bot"):
        text = f"/start@{name}"
        entity = {"type": "bot_command", "offset": 0, "length": len(text)}
        await town.people.say(GROUP, text, entities=[entity], **ANN)
    assert [one.kind for one in town.inbox.messages] == [MessageKind.FOLLOW]


@pytest.mark.parametrize("words", ["<b>bold</b> & <script>", "*bold* _x_ [a](http://b)", "`code`\\"])
async def test_markup_is_sent_as_it_is_written(town: Town, words: str):
    """No parse mode: what looks like HTML or Markdown is shown letter by letter."""
    assert isinstance(await town.send(OutboundMessage(words)), Sent)
    assert town.people.screen(LI) == [words]


async def test_emoji_count_twice_towards_the_limit(town: Town):
    """3,000 emoji are 6,000 units: two messages, none cut through."""
    assert isinstance(await town.send(OutboundMessage("😀" * 3000)), Sent)
    assert "".join(town.people.screen(LI)) == "😀" * 3000
    assert len(town.people.screen(LI)) == 2


async def test_deleted_account_is_blocked_for_good(town: Town):
    """A person who is gone from Telegram is refused, not tried again."""
    town.server.knobs.fail_next = [Declined(403, "Forbidden: user is deactivated")]
    refused = await town.send(OutboundMessage("hi"))
    assert isinstance(refused, Refused)
    assert refused.kind is Refusal.BLOCKED


async def test_file_is_not_sent_twice_when_its_words_have_to_wait(town: Town, monkeypatch: pytest.MonkeyPatch):
    """The picture was taken, the words met a limit: another try sends the words only."""
    asked: list[str] = []

    async def read(attachment: Attachment) -> OutgoingFile:
        return OutgoingFile(attachment.reference, "application/pdf", b"data")

    async def send_document(_bot: object, chat_id: str, *_: object, **__: object) -> Any:
        asked.append(chat_id)
        return await town.adapter._bot.send_message(chat_id, "the file")

    monkeypatch.setattr(town.adapter, "files", read)
    monkeypatch.setattr("telegram.Bot.send_document", send_document)
    town.server.knobs.one_a_second = True
    message = OutboundMessage("the words", attachments=(Attachment(MessageKind.FILE, "m1"),))
    assert isinstance(await town.send(message), Deferred)
    town.server.knobs.one_a_second = False
    assert isinstance(await town.send(message), Sent)
    assert town.people.screen(LI) == ["the file", "the words"]
    assert asked == [str(LI)]
