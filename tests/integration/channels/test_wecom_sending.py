"""What WeCom can have against a message: welcome codes, calls that go before it, files; and what becomes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.channels.wecom_kf.send import MAX_TEXT_BYTES
from bot.domain.channel_ports import Deferred, Delivery, Failed, Refusal, Refused, Sent
from bot.domain.media import OutgoingFile
from bot.domain.messages import Attachment, MessageKind, OutboundMessage
from tests.integration.channels.kf_town import ACCOUNT, LI, KfTown, database_url, town

__all__ = ["database_url", "town"]

MIB = 1024 * 1024
HELLO = OutboundMessage("您好")
PICTURE = OutgoingFile("截图.png", "image/png", b"\x89PNG" + bytes(60))


def carrying(town: KfTown, file: OutgoingFile, words: str = "", count: int = 1) -> OutboundMessage:
    """Make a message with files that this process can read."""

    async def read(attachment: Attachment) -> OutgoingFile:
        del attachment
        return file

    town.adapter.files = read
    return OutboundMessage(words, (), tuple(Attachment(MessageKind.IMAGE, f"m{n}", file.mime) for n in range(count)))


async def test_long_answer_to_who_has_just_entered_and_written_arrives_whole(town: KfTown) -> None:
    """The welcome code pays for one message only; the rest goes out in the session."""
    await town.people.enter(LI)
    await town.people.say(LI, "介绍一下")
    await town.settle()
    long = OutboundMessage("一二三四五六七八九。" * 120)
    sent = await town.send(long, await town.conversation())
    assert isinstance(sent, Sent)
    assert sent.messages == 2
    assert "".join(town.people.screen(LI)) == long.text
    assert town.server.session(ACCOUNT, LI).used == 1


@pytest.mark.parametrize("code", [95016, 40058, 95018])
async def test_code_that_is_refused_leaves_the_session_to_answer_in(town: KfTown, code: int) -> None:
    """Another program has used it, or it came too late: who has written is answered all the same."""
    await town.people.enter(LI)
    await town.people.say(LI, "在吗")
    await town.settle()
    town.server.knobs.refuse_calls["send_msg_on_event"] = code
    assert isinstance(await town.send(HELLO, await town.conversation()), Sent)
    assert town.people.screen(LI) == ["您好"]


async def test_who_only_entered_is_told_nothing_by_a_refused_code(town: KfTown) -> None:
    """Without a word of the customer there is no session: the refusal says that he has to write."""
    await town.people.enter(LI)
    await town.settle()
    town.server.knobs.refuse_calls["send_msg_on_event"] = 95016
    refused = await town.send(HELLO, await town.conversation())
    assert isinstance(refused, Refused)
    assert (refused.kind, town.people.screen(LI)) == (Refusal.WINDOW, [])


async def test_who_comes_back_within_two_days_is_not_welcomed_again(town: KfTown) -> None:
    """WeCom gives no code then, and entering says nothing to us."""
    await town.people.enter(LI)
    await town.people.enter(LI)
    await town.settle()
    assert len(await town.taken()) == 1
    town.clock.advance(timedelta(hours=49))
    await town.people.enter(LI)
    await town.settle()
    assert len(await town.taken()) == 2


async def test_picture_never_goes_by_the_welcome_code(town: KfTown) -> None:
    """A code pays for words and menus; a picture goes out in the session, and leaves the code for the words."""
    await town.people.enter(LI)
    await town.people.say(LI, "看看")
    await town.settle()
    conversation = await town.conversation()
    assert isinstance(await town.send(carrying(town, PICTURE), conversation), Sent)
    assert isinstance(await town.send(HELLO, conversation), Sent)
    assert town.people.screen(LI) == ["📎 MEDIA_7000", "您好"]


async def test_words_beside_files_are_not_lost(town: KfTown) -> None:
    """No message of WeCom carries both: each file goes by itself, then the words."""
    await town.people.say(LI, "看看")
    await town.settle()
    sent = await town.send(carrying(town, PICTURE, "如图", 2), await town.conversation())
    assert isinstance(sent, Sent)
    assert (sent.messages, town.people.screen(LI)) == (3, ["📎 MEDIA_7000", "📎 MEDIA_7001", "如图"])


@pytest.mark.parametrize(
    ("size", "mime", "kind"),
    [
        (9 * MIB, "image/png", "image"),
        (11 * MIB, "image/png", "file"),
        (100, "image/gif", "file"),
        (100, "application/pdf", "file"),
    ],
)
async def test_picture_within_the_limits_is_a_picture_and_all_else_a_file(
    town: KfTown, size: int, mime: str, kind: str
) -> None:
    """JPG and PNG up to 10 MB are shown as pictures."""
    await town.people.say(LI, "看看")
    await town.settle()
    assert isinstance(
        await town.send(carrying(town, OutgoingFile("f", mime, bytes(size))), await town.conversation()), Sent
    )
    assert town.hold.asked == ["/cgi-bin/media/upload"]
    assert town.server.shapes[-1] == kind


@pytest.mark.parametrize("size", [5, 21 * MIB])
async def test_file_that_wecom_does_not_take_is_told_at_once(town: KfTown, size: int) -> None:
    """It is not uploaded again and again."""
    await town.people.say(LI, "看看")
    await town.settle()
    message = carrying(town, OutgoingFile("f.pdf", "application/pdf", bytes(size)))
    failed = await town.send(message, await town.conversation())
    assert failed == Failed("WeCom does not take the message (errcode 40006)", retryable=False)


BEFORE = [
    (60030, Refused, Refusal.OTHER),
    (48002, Refused, Refusal.OTHER),
    (95000, Refused, Refusal.OTHER),
    (40096, Refused, Refusal.BLOCKED),
    (45009, Deferred, None),
    (-1, Deferred, None),
]


@pytest.mark.parametrize(("code", "kind", "why"), BEFORE)
async def test_call_before_a_message_is_weighed_like_the_message(
    town: KfTown, code: int, kind: type[Delivery], why: Refusal | None
) -> None:
    """An account that may not be managed is no network that is away: the agent sees the reason at once."""
    await town.people.say(LI, "hi")
    await town.settle()
    town.server.knobs.refuse_calls["service_state/get"] = code
    result = await town.send(HELLO, await town.conversation())
    assert isinstance(result, kind)
    assert why is None or (isinstance(result, Refused) and result.kind is why)


async def test_address_that_is_not_trusted_is_tried_again_and_named(town: KfTown) -> None:
    """60020: the operator adds the address, and the message still goes out."""
    await town.people.say(LI, "hi")
    await town.settle()
    conversation = await town.conversation()
    town.server.knobs.refuse_calls["send_msg"] = 60020
    failed = await town.send(HELLO, conversation)
    assert isinstance(failed, Failed)
    assert failed.retryable
    assert "企业可信IP" in failed.reason
    town.server.knobs.refuse_calls.clear()
    assert isinstance(await town.send(HELLO, conversation), Sent)


async def test_staff_is_not_asked_about_twice(town: KfTown) -> None:
    """A session that is not ours costs one look; only one believed to be ours is looked at again."""
    await town.people.say(LI, "hi")
    await town.settle()
    conversation = await town.conversation()
    await town.people.take_over(LI)
    await town.settle()
    town.server.calls.clear()
    assert isinstance(await town.send(HELLO, conversation), Refused)
    assert town.server.calls == ["service_state/get"]


async def test_text_at_the_limit_is_one_message_and_a_byte_more_are_two(town: KfTown) -> None:
    """Bytes are counted, not characters."""
    await town.people.say(LI, "hi")
    await town.settle()
    conversation = await town.conversation()
    whole = "好" * (MAX_TEXT_BYTES // 3) + "ab"
    one, two = [await town.send(OutboundMessage(text), conversation) for text in (whole, whole + "c")]
    assert isinstance(one, Sent)
    assert isinstance(two, Sent)
    assert (one.messages, two.messages) == (1, 2)
