"""What was taken in is there once, whatever the platform does."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import datetime

import pytest

from bot.domain.conversation import Owner
from bot.domain.errors import BadPayload
from bot.domain.messages import Attachment, MessageKind, Sender
from storage.tables import CONVERSATIONS, CUSTOMERS, IDENTITIES, INBOX
from tests.contract.line import NOW, Line, message, sender


async def test_accept_repeat_is_told_and_kept_once(line: Line):
    """The second delivery names the first one's row."""
    (first,) = await line.inbox.accept([message("k1")], NOW)
    (second,) = await line.inbox.accept([message("k1", "something else")], NOW)
    assert not first.duplicate
    assert second == replace(first, duplicate=True)
    assert await line.count(INBOX) == 1


async def test_accept_repeats_within_one_call_are_told(line: Line):
    """One call may hold the same message twice."""
    taken = await line.inbox.accept([message("k1"), message("k2"), message("k1")], NOW)
    assert [each.duplicate for each in taken] == [False, False, True]
    assert taken[0].inbox_id == taken[2].inbox_id


async def test_accept_racing_deliveries_make_one_of_everything(line: Line):
    """Twenty first deliveries at once: one customer, identity, conversation and message a key."""
    keys = [f"k{number % 4}" for number in range(20)]
    taken = await asyncio.gather(*(line.inbox.accept([message(key)], NOW) for key in keys))
    assert sum(not each.duplicate for (each,) in taken) == 4
    assert len({each.conversation_id for (each,) in taken}) == 1
    for table, count in ((CUSTOMERS, 1), (IDENTITIES, 1), (CONVERSATIONS, 1), (INBOX, 4)):
        assert await line.count(table) == count


async def test_accept_shuffled_batches_never_wait_for_each_other(line: Line):
    """Batches over the same senders in any order all get through."""
    batch = [message(f"{name}-{number}", who=sender(name)) for name in ("a", "b", "c") for number in range(5)]
    batches = [random.sample(batch, len(batch)) for _ in range(12)]
    taken = await asyncio.gather(*(line.inbox.accept(each, NOW) for each in batches))
    assert sum(not each.duplicate for answers in taken for each in answers) == len(batch)
    assert await line.count(CONVERSATIONS) == 3


async def test_accept_answers_in_the_order_of_the_call(line: Line):
    """Messages of several senders keep their places."""
    mixed = [message("1", who=sender("zoe")), message("2", who=sender("amy")), message("3", who=sender("zoe"))]
    taken = await line.inbox.accept(mixed, NOW)
    assert taken[0].conversation_id == taken[2].conversation_id != taken[1].conversation_id
    assert taken[0].inbox_id < taken[2].inbox_id


async def test_accept_same_key_of_another_account_is_another_message(line: Line):
    """Keys are unique in a (channel, account) only."""
    await line.inbox.accept([message("k1"), message("k1", who=Sender("web", "other", "lin"))], NOW)
    assert await line.count(INBOX) == 2
    assert await line.count(CONVERSATIONS) == 2


async def test_accept_after_resolution_opens_anew_but_a_late_repeat_does_not(line: Line):
    """A new message opens a conversation of the same customer; an old one again does nothing."""
    first = await line.accept("k1")
    turn = await line.pending(first)
    await line.commit(turn, "再见", owner=Owner.RESOLVED, locale="zh")
    (late,) = await line.inbox.accept([message("k1")], NOW)
    assert (late.conversation_id, late.duplicate) == (first, True)
    assert await line.count(CONVERSATIONS) == 1
    second = await line.accept("k2")
    assert second != first
    opened = (await line.pending(second)).conversation
    assert (opened.customer_id, opened.locale) == (turn.conversation.customer_id, "zh")


async def test_accept_keeps_the_message_whole(line: Line):
    """Everything of a message comes back, but what no database stores."""
    sent = replace(
        message("k1", "你好 😀\x00 \ud800 \\u0000"),
        kind=MessageKind.IMAGE,
        payload="/track_order",
        attachments=(Attachment(MessageKind.IMAGE, "ref", "image/png", "a.png"),),
        truncated=True,
    )
    (taken,) = await line.inbox.accept([sent], NOW)
    ((_, back),) = (await line.pending(taken.conversation_id)).inbox
    assert back == replace(sent, text="你好 😀  \\u0000")


async def test_accept_follows_a_new_display_name_but_not_over_a_given_one(line: Line):
    """The name of the channel is followed until somebody renames the customer."""
    conversation = await line.accept("k1")
    await line.accept("k2", who=replace(sender(), display_name="Lin Xiaoyu"))
    assert (await line.pending(conversation)).customer.display_name == "Lin Xiaoyu"
    await line.database.run(
        lambda connection: connection.execute(CUSTOMERS.update().values(display_name="VIP Lin")) and None
    )
    await line.accept("k3", who=replace(sender(), display_name="林小雨"))
    assert (await line.pending(conversation)).customer.display_name == "VIP Lin"
    await line.accept("k4", who=replace(sender(), display_name=""))
    assert (await line.rows(IDENTITIES))[0]["display_name"] == "林小雨"


@pytest.mark.parametrize("user_id", ["", "x" * 257])
async def test_accept_refuses_a_sender_that_cannot_be_kept(line: Line, user_id: str):
    """Nothing of the batch is taken, and the reason is said."""
    with pytest.raises(BadPayload, match="1 to 256"):
        await line.inbox.accept([message("k1"), message("k2", who=sender(user_id))], NOW)
    assert await line.count(INBOX) == 0


async def test_accept_tells_very_long_keys_apart(line: Line):
    """A key longer than the column still makes its message unique."""
    keys = ["k" * 5000 + "1", "k" * 5000 + "2", "k" * 5000 + "1"]
    taken = await line.inbox.accept([message(key) for key in keys], NOW)
    assert [each.duplicate for each in taken] == [False, False, True]


async def test_accept_refuses_a_time_without_zone(line: Line):
    """A naive time is never stored, and nothing else either."""
    with pytest.raises(Exception, match="time without zone"):
        await line.inbox.accept([message("k1")], datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test
    assert await line.count(CUSTOMERS) == 0


@pytest.mark.parametrize("channel", ["whatsapp", "telegram"])
@pytest.mark.parametrize(("first", "second"), [("16505551234", "US.1349"), ("US.1349", "16505551234")])
async def test_accept_somebody_with_two_ids_stays_who_he_was_first(line: Line, channel: str, first: str, second: str):
    """A platform that tells a second id of a customer, or the other one first, does not make two of him."""
    alone = Sender(channel, "main", first)
    both = Sender(channel, "main", second, other_id=first)
    taken = [
        (await line.inbox.accept([message(f"k{n}", who=who)], NOW))[0] for n, who in enumerate((alone, both, both))
    ]
    assert len({each.conversation_id for each in taken}) == 1
    assert [row["channel_user_id"] for row in await line.rows(IDENTITIES)] == [first]
    assert await line.count(CUSTOMERS) == 1


async def test_accept_stranger_with_two_ids_is_known_by_the_one_that_comes_first(line: Line):
    """Nobody else is drawn in by an id of the other kind that is empty or his own."""
    both = Sender("whatsapp", "main", "16505551234", other_id="US.1349")
    other = Sender("whatsapp", "main", "16505559999")
    await line.inbox.accept([message("k1", who=both), message("k2", who=other)], NOW)
    await line.inbox.accept([message("k3", who=both)], NOW)
    assert {row["channel_user_id"] for row in await line.rows(IDENTITIES)} == {"16505551234", "16505559999"}
    assert await line.count(CONVERSATIONS) == 2
