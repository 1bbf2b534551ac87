"""Receipts are kept with their message: they never go back, a late failure is told, whatever order they come in."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from bot.domain.desk_ports import DeliveryState
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import PartsRecord
from bot.domain.messages import InboundMessage, MessageKind, Sender
from bot.domain.receipts import Receipt, ReceiptState
from storage.customer_card import SqlDeliveryStates
from storage.receipts import SqlReceipts
from storage.tables import OUTBOX, RECEIPT_MARKS, RECEIPTS
from tests.contract.line import NOW, Line

WHO = Sender("whatsapp", "main", "4917012345")
DELIVERED, READ, FAILED = ReceiptState.DELIVERED, ReceiptState.READ, ReceiptState.FAILED


class Post:
    """A conversation with messages that a platform has taken."""

    def __init__(self, line: Line, who: Sender = WHO) -> None:
        self.line = line
        self.who = who
        self.receipts = SqlReceipts(line.database)
        self.states = SqlDeliveryStates(line.database)
        self.conversation = ConversationId("")

    async def says(self, *words: str, taken: bool = True) -> None:
        """Say something in answer to the shopper; ``taken``: the platform gave it an id, ``p1`` and so on."""
        before = await self.line.count(OUTBOX)
        message = InboundMessage(self.who, f"k{before}", MessageKind.TEXT, NOW, "hi")
        (accepted,) = await self.line.inbox.accept([message], NOW)
        self.conversation = accepted.conversation_id
        await self.line.commit(await self.line.pending(self.conversation), *words)
        for number in range(before + 1, before + len(words) + 1) if taken else ():
            await self.taken(number)

    async def taken(self, number: int, after_s: float = 0) -> None:
        """Record that the platform took the message of this number."""
        rows = sorted(await self.line.rows(OUTBOX), key=lambda row: row["id"])
        at = NOW + timedelta(seconds=number + after_s)
        await self.line.outbox.mark_sent(OutboxId(rows[number - 1]["id"]), at, f"p{number}")

    async def in_parts(self, *ids: str, taken: int | None = None) -> None:
        """Record that the platform took the last message in several parts, or the first ``taken`` of them."""
        item = OutboxId(max(row["id"] for row in await self.line.rows(OUTBOX)))
        if taken is None:
            parts = PartsRecord(len(ids), dict(enumerate(ids)))
            await self.line.outbox.mark_sent(item, NOW + timedelta(seconds=9), ids[-1], parts)
        else:
            parts = PartsRecord(taken, dict(enumerate(ids[:taken])))
            await self.line.outbox.mark_refused(item, NOW, "blocked", "blocked", parts)

    async def told(self, state: ReceiptState, platform_id: str = "p1", **more: object) -> tuple[ConversationId, ...]:
        """Hear a receipt."""
        values = {"at": NOW + timedelta(minutes=1), "channel_user_id": self.who.channel_user_id, **more}
        receipt = Receipt(self.who.channel, self.who.account, state, platform_id=platform_id, **values)  # type: ignore[arg-type]
        return await self.receipts.record([receipt])

    async def shown(self) -> list[DeliveryState]:
        """List what the desk sees, oldest first."""
        return [state for _, state in sorted((await self.states.of_conversation(self.conversation)).items())]


@pytest.mark.parametrize("order", list(permutations((DELIVERED, READ, FAILED))), ids="-".join)
async def test_receipts_in_any_order_and_twice_end_the_same(line: Line, order: tuple[ReceiptState, ...]):
    """Read wins; the failure that was also reported stays on record and is told."""
    post = Post(line)
    await post.says("您好")
    for state in (*order, *order):
        assert await post.told(state, reason="error 131026" if state is FAILED else "") == (post.conversation,)
    (shown,) = await post.shown()
    assert (shown.state, shown.receipt, shown.failure) == ("sent", "read", "error 131026")
    assert await line.count(RECEIPTS) == 1


async def test_message_that_failed_later_is_a_dead_letter_with_its_reason(line: Line):
    """The platform took it and then said no."""
    post = Post(line)
    await post.says("您好")
    await post.told(FAILED, reason="error 131047")
    (shown,) = await post.shown()
    assert (shown.state, shown.refusal, shown.reason) == ("refused", "failed", "error 131047")
    await post.told(DELIVERED)
    (shown,) = await post.shown()
    assert (shown.state, shown.receipt) == ("sent", "delivered")
    await post.told(FAILED, reason="error 131047")
    assert (await post.shown())[0].state == "sent"


async def test_receipt_that_comes_before_our_own_record_is_not_lost(line: Line):
    """A status may overtake the answer of the call."""
    post = Post(line)
    await post.says("您好", taken=False)
    assert await post.told(READ) == ()
    await post.taken(1)
    assert [one.receipt for one in await post.shown()] == ["read"]


async def test_mark_covers_what_was_sent_until_then_and_only_grows(line: Line):
    """Two messages are read, the third is not; an older mark takes nothing back."""
    post = Post(line, Sender("messenger", "main", "u1"))
    await post.says("一", "二")
    await post.says("三", taken=False)
    await post.taken(3, after_s=60)
    await post.told(READ, "", up_to=NOW + timedelta(seconds=2))
    await post.told(READ, "", up_to=NOW - timedelta(hours=1))
    await post.told(DELIVERED, "", up_to=NOW + timedelta(minutes=5))
    assert [one.receipt for one in await post.shown()] == ["read", "read", "delivered"]
    assert await line.count(RECEIPT_MARKS) == 1


async def test_receipt_of_a_stranger_changes_nothing_of_others(line: Line):
    """The same platform id of another person, account or channel is another message."""
    post = Post(line)
    await post.says("您好")
    for channel, account, user in (
        ("whatsapp", "other", WHO.channel_user_id),
        ("messenger", "main", WHO.channel_user_id),
        ("whatsapp", "main", "nobody"),
    ):
        await post.receipts.record([Receipt(channel, account, FAILED, NOW, user, "p1")])
    (shown,) = await post.shown()
    assert shown.state == "sent"


async def test_page_of_the_web_marks_what_it_has_shown(line: Line):
    """Up to the event, not beyond it; a page that has shown nothing of ours marks nothing."""
    post = Post(line, Sender("web", "shop", "v1"))
    assert await post.receipts.read_up_to(post.who, 5) is None
    await post.says("一")
    await post.says("二", taken=False)
    await post.taken(2, after_s=30)
    seqs = sorted(await post.states.of_conversation(post.conversation))
    assert await post.receipts.read_up_to(post.who, seqs[0]) == post.conversation
    assert [one.receipt for one in await post.shown()] == ["read", ""]
    assert await post.receipts.read_up_to(post.who, seqs[1] + 1000) == post.conversation
    assert [one.receipt for one in await post.shown()] == ["read", "read"]
    stranger = Sender("web", "shop", "v2")
    assert await post.receipts.read_up_to(stranger, seqs[1]) is None


async def test_receipts_of_many_people_in_one_batch_are_all_kept(line: Line):
    """Also with ids and reasons that no column takes as they are."""
    post = Post(line)
    await post.says("您好")
    odd = [
        Receipt("whatsapp", "main", FAILED, NOW, f"u{n}\x00", f"p{n}\ud800" * 90, reason="\x00" * 9) for n in range(9)
    ]
    assert await post.receipts.record([*odd, Receipt("whatsapp", "main", READ, NOW, WHO.channel_user_id, "p1")]) == (
        post.conversation,
    )
    assert await line.count(RECEIPTS) == 10


async def test_message_in_parts_is_as_far_as_the_part_that_is_least_far(line: Line):
    """Read is the whole when every part is; the receipt of the last alone is not enough."""
    post = Post(line)
    await post.says("您好", taken=False)
    await post.in_parts("a", "b", "c")
    seen = []
    for state, part in ((READ, "c"), (DELIVERED, "a"), (DELIVERED, "b"), (READ, "a"), (READ, "b")):
        assert await post.told(state, part) == (post.conversation,)
        seen.append((await post.shown())[0].receipt)
    assert seen == ["", "", "delivered", "delivered", "read"]
    assert len(await post.shown()) == 1


@pytest.mark.parametrize("order", list(permutations((("a", DELIVERED), ("b", FAILED), ("c", READ)))))
async def test_part_that_failed_makes_the_message_a_dead_letter(
    line: Line, order: tuple[tuple[str, ReceiptState], ...]
):
    """Whatever order receipts come in; the other parts' do not hide it, and it is sent again from that part."""
    post = Post(line)
    await post.says("您好", taken=False)
    await post.in_parts("a", "b", "c")
    for part, state in (*order, *order):
        await post.told(state, part, reason="error 131026" if state is FAILED else "")
    (shown,) = await post.shown()
    assert (shown.state, shown.reason, shown.parts_taken) == ("refused", "error 131026", 1)
    await post.told(DELIVERED, "b")
    (shown,) = await post.shown()
    assert (shown.state, shown.receipt, shown.failure) == ("sent", "delivered", "error 131026")


async def test_first_part_that_failed_counts_whichever_is_told_first(line: Line):
    """The third failed, then the first: all of it is sent again; once only the third is missing, from there."""
    post = Post(line)
    await post.says("您好", taken=False)
    await post.in_parts("a", "b", "c")
    await post.told(FAILED, "c", reason="late")
    assert (await post.shown())[0].parts_taken == 2
    await post.told(FAILED, "a", reason="early")
    assert (await post.shown())[0].parts_taken == 0


async def test_receipt_of_a_part_does_not_make_a_broken_off_message_whole(line: Line):
    """Two parts went out and the third was refused: that the first arrived changes nothing of it."""
    post = Post(line)
    await post.says("您好", taken=False)
    await post.in_parts("a", "b", "c", taken=2)
    assert await post.told(READ, "a") == (post.conversation,)
    (shown,) = await post.shown()
    assert (shown.state, shown.refusal, shown.parts_taken) == ("refused", "blocked", 2)
    await post.told(FAILED, "b", reason="lost")
    assert (await post.shown())[0].parts_taken == 1


async def test_mark_covers_all_parts(line: Line):
    """Where a platform tells only until when, a message in parts is read with its last one."""
    post = Post(line, Sender("messenger", "main", "u1"))
    await post.says("一", taken=False)
    await post.in_parts("a", "b")
    await post.told(READ, "", up_to=NOW + timedelta(seconds=5))
    assert [one.receipt for one in await post.shown()] == [""]
    await post.told(READ, "", up_to=NOW + timedelta(seconds=9))
    assert [one.receipt for one in await post.shown()] == ["read"]


@pytest.mark.parametrize("state", [DELIVERED, READ])
async def test_message_cut_off_while_it_was_sent_is_found_again_by_our_name(line: Line, state: ReceiptState):
    """What the platform says of it under the name we gave it makes it sent, with its id; later receipts find it too."""
    post = Post(line)
    await post.says("hello", taken=False)
    (row,) = await line.rows(OUTBOX)
    await line.outbox.mark_sending(OutboxId(row["id"]), NOW)
    await line.outbox.mark_unclear(OutboxId(row["id"]), NOW, "the connection was lost", PartsRecord(0))
    assert await post.told(state, "wamid.1", ours=str(row["id"])) == (post.conversation,)
    (row,) = await line.rows(OUTBOX)
    assert (row["state"], row["platform_id"]) == ("sent", "wamid.1")
    await post.told(READ, "wamid.1")
    (shown,) = (await post.states.of_conversation(post.conversation)).values()
    assert (shown.state, shown.receipt) == ("sent", "read")


async def test_message_cut_off_that_failed_is_a_failure(line: Line):
    """Then nothing of it arrived, and it may be sent again."""
    post = Post(line)
    await post.says("hello", taken=False)
    (row,) = await line.rows(OUTBOX)
    await line.outbox.mark_unclear(OutboxId(row["id"]), NOW, "the connection was lost", PartsRecord(0))
    await post.told(FAILED, "wamid.1", ours=str(row["id"]), reason="blocked")
    (row,) = await line.rows(OUTBOX)
    assert (row["state"], row["refusal"]) == ("refused", "failed")


@pytest.mark.parametrize("ours", ["", "0", "-1", "1e9", "9" * 40, "١", "x"])
async def test_name_that_is_not_one_of_ours_changes_nothing(line: Line, ours: str):
    """Whatever a platform gives back as our name."""
    post = Post(line)
    await post.says("hello", taken=False)
    (row,) = await line.rows(OUTBOX)
    await line.outbox.mark_unclear(OutboxId(row["id"]), NOW, "the connection was lost", PartsRecord(0))
    await post.told(DELIVERED, "wamid.1", ours=ours)
    (row,) = await line.rows(OUTBOX)
    assert (row["state"], row["platform_id"]) == ("unclear", "")


async def test_name_of_another_customers_message_changes_nothing(line: Line):
    """Only the messages of who the receipt is about are looked at; a message that has its id keeps it."""
    post, other = Post(line), Post(line, Sender("whatsapp", "main", "4917099999"))
    await post.says("hello", taken=False)
    (row,) = await line.rows(OUTBOX)
    await line.outbox.mark_unclear(OutboxId(row["id"]), NOW, "the connection was lost", PartsRecord(0))
    await other.says("hi")
    await other.told(DELIVERED, "wamid.1", ours=str(row["id"]))
    rows = {one["id"]: one for one in await line.rows(OUTBOX)}
    assert (rows[row["id"]]["state"], rows[row["id"]]["platform_id"]) == ("unclear", "")
