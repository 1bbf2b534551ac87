"""Receipts are kept with their message: they never go back, a late failure is told, whatever order they come in."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from bot.domain.desk_ports import DeliveryState
from bot.domain.ids import ConversationId, OutboxId
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
