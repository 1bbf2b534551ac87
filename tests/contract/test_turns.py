"""A turn is committed once and whole, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.domain import events as ev
from bot.domain.conversation import Owner
from bot.domain.errors import Conflict, NotFound, XiaoerError
from bot.domain.handoff import Priority
from bot.domain.ids import ConversationId
from bot.domain.tickets import TicketDraft, TicketKind, TicketState
from bot.domain.tracker import Tracker
from bot.domain.turns import ProofAttempt, TicketMove
from storage.conversations import SqlConversationReader
from storage.proofs import SqlProofLedger
from storage.tables import (
    CONVERSATIONS,
    CUSTOMERS,
    EVENTS,
    INBOX,
    OUTBOX,
    PROOF_ATTEMPTS,
    PROVED_ORDERS,
    TICKET_NOTES,
    TICKETS,
)
from storage.tickets import SqlTicketBook
from tests.contract.line import NOW, Line, commit_of, sender

TICKET = TicketDraft(
    "TK12345678", TicketKind.COMPLAINT, "茶壶碎了", Priority.HIGH, details={"wish": "换货"}, photos=("p1",)
)


async def test_load_turn_gives_pending_messages_in_order(line: Line):
    """A burst is one turn; nothing pending is no turn."""
    conversation_id = await line.accept("k1", "k2", "k3")
    turn = await line.pending(conversation_id)
    assert [each.dedupe_key for _, each in turn.inbox] == ["k1", "k2", "k3"]
    assert (turn.tracker, turn.conversation.owner, turn.conversation.epoch) == (Tracker(), Owner.WITH_BOT, 0)
    await line.commit(turn)
    assert await line.turns.load_turn(conversation_id) is None
    assert await line.turns.load_turn(ConversationId("nobody")) is None


async def test_commit_turn_twice_changes_nothing_the_second_time(line: Line):
    """A crashed worker's turn that is committed again is refused."""
    turn = await line.pending(await line.accept("k1"))
    await line.commit(turn, "您好")
    with pytest.raises(Conflict, match="handled by another turn"):
        await line.commit(turn, "您好")
    assert [await line.count(table) for table in (EVENTS, OUTBOX)] == [2, 1]


async def test_commit_turn_racing_workers_have_one_winner(line: Line):
    """Eight workers with the same turn: one answer."""
    turn = await line.pending(await line.accept("k1"))
    ends = await asyncio.gather(*(line.commit(turn, "您好") for _ in range(8)), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Conflict"] * 7 + ["NoneType"]
    assert await line.count(OUTBOX) == 1


async def test_commit_turn_of_an_old_epoch_writes_nothing(line: Line):
    """A human took over while the bot was thinking."""
    agent = await line.hire("mei")
    conversation_id = await line.accept("k1")
    turn = await line.pending(conversation_id)
    await line.ownership.take(conversation_id, agent, NOW)
    with pytest.raises(Conflict, match="epoch 1"):
        await line.commit(turn, "您好", tickets=(TICKET,))
    assert await line.count(TICKETS) == 0
    assert [row["sender"] for row in await line.rows(OUTBOX)] == ["notice"]
    assert (await line.pending(conversation_id)).inbox == turn.inbox


async def test_commit_turn_keeps_messages_that_came_meanwhile_pending(line: Line):
    """A message taken in during the turn waits for the next."""
    conversation_id = await line.accept("k1")
    turn = await line.pending(conversation_id)
    await line.accept("k2")
    await line.commit(turn, "您好")
    assert [each.dedupe_key for _, each in (await line.pending(conversation_id)).inbox] == ["k2"]


async def test_commit_turn_tracker_equals_the_fold_of_all_events(line: Line):
    """The snapshot never drifts from the record, ownership changes between turns included."""
    agent = await line.hire("mei")
    conversation_id = await line.answered()
    await line.ownership.take(conversation_id, agent, NOW)
    await line.ownership.give_back(conversation_id, agent, NOW)
    await line.accept("k2")
    events = (ev.FormStarted("complaint", "file_complaint"), ev.SlotAsked("order", ["W1"]), ev.OrderProved("W1"))
    await line.commit(await line.pending(conversation_id), "哪一单？", "请选择", events=events)
    await line.accept("k3")
    recorded = await SqlConversationReader(line.database).events(conversation_id)
    folded = Tracker().fold(event for _, _, event in recorded)
    assert (await line.pending(conversation_id)).tracker == folded
    assert folded.form == "complaint"


async def test_commit_turn_change_of_owner_raises_the_epoch_once(line: Line):
    """Events, epoch and the bot's own last words fit together."""
    conversation_id = await line.accept("k1")
    asked = ev.HandoffRequested("requested", "要人工", "high")
    await line.commit(await line.pending(conversation_id), "为您转接", events=(asked,), owner=Owner.WAITING_FOR_AGENT)
    (row,) = await line.rows(CONVERSATIONS)
    assert (row["owner"], row["epoch"], row["waiting_since"]) == ("waiting_for_agent", 1, NOW)
    assert (row["handoff_reason"], row["handoff_summary"], row["handoff_priority"]) == ("requested", "要人工", "high")
    assert (row["last_text"], row["last_sender"]) == ("为您转接", "bot")
    kinds = [row["kind"] for row in await line.rows(EVENTS)]
    assert kinds == ["customer_uttered", "handoff_requested", "owner_changed", "bot_uttered"]
    item = await line.outbox.next_due(conversation_id, NOW)
    assert item is not None
    assert item.message.text == "为您转接"


async def test_commit_turn_same_owner_is_no_change(line: Line):
    """Saying who owns it already leaves the epoch alone."""
    await line.commit(await line.pending(await line.accept("k1")), owner=Owner.WITH_BOT)
    assert (await line.rows(CONVERSATIONS))[0]["epoch"] == 0


async def test_commit_turn_cannot_hand_to_an_agent_or_change_a_resolved_one(line: Line):
    """Only an agent takes; what is over stays over."""
    turn = await line.pending(await line.accept("k1"))
    with pytest.raises(Conflict, match="waiting_for_agent"):
        await line.commit(turn, owner=Owner.WITH_AGENT)
    await line.commit(turn, owner=Owner.RESOLVED)
    with pytest.raises(Conflict, match="resolved"):
        await line.commit(turn, expected_epoch=1, inbox_ids=(), owner=Owner.WITH_BOT)


async def test_commit_turn_resolving_lets_unread_messages_open_the_next(line: Line):
    """A message that came during the last turn is not buried with the conversation."""
    conversation_id = await line.accept("k1")
    turn = await line.pending(conversation_id)
    await line.accept("k2")
    await line.commit(turn, "再见", owner=Owner.RESOLVED)
    (next_id,) = set(await line.turns.pending_conversations()) - {conversation_id}
    moved = await line.pending(next_id)
    assert [each.dedupe_key for _, each in moved.inbox] == ["k2"]
    assert moved.conversation.customer_id == turn.conversation.customer_id


async def test_commit_turn_writes_everything_or_nothing(line: Line):
    """One wrong part takes the whole turn back."""
    turn = await line.pending(await line.accept("k1"))
    with pytest.raises(NotFound, match="TK00000000"):
        await line.commit(
            turn,
            "好的",
            tickets=(TICKET,),
            ticket_moves=(TicketMove("TK00000000", TicketState.SOLVED),),
            proof_attempts=(ProofAttempt("W1", right=False),),
            messages_allowed=False,
            owner=Owner.WAITING_FOR_AGENT,
        )
    for table in (EVENTS, OUTBOX, TICKETS, TICKET_NOTES, PROOF_ATTEMPTS):
        assert await line.count(table) == 0
    assert (await line.rows(CONVERSATIONS))[0]["epoch"] == 0
    assert (await line.rows(INBOX))[0]["done_at"] is None


async def test_commit_turn_keeps_the_time_that_was_promised(line: Line):
    """A promise made in words is the one on the ticket."""
    conversation_id = await line.accept("k1")
    turn = await line.pending(conversation_id)
    promised = NOW + timedelta(minutes=25)
    await line.commit(turn, tickets=(replace(TICKET, due_at=promised),))
    (ticket,) = await SqlTicketBook(line.database).of_customer(turn.customer.id)
    assert ticket.due_at == promised


async def test_commit_turn_opens_and_moves_tickets(line: Line):
    """A ticket is opened with its promise and its history, and reopened by its customer."""
    conversation_id = await line.accept("k1")
    turn = await line.pending(conversation_id)
    await line.commit(turn, tickets=(TICKET,))
    book = SqlTicketBook(line.database)
    (ticket,) = await book.of_customer(turn.customer.id)
    assert (ticket.number, ticket.state, ticket.due_at) == (TICKET.number, TicketState.OPEN, NOW + timedelta(hours=8))
    assert (ticket.details, ticket.photos) == ({"wish": "换货"}, ("p1",))
    await line.database.run(
        lambda connection: connection.execute(update(TICKETS).values(state="closed", due_at=NOW)) and None
    )
    await line.accept("k2")
    later = NOW + timedelta(days=3)
    move = TicketMove(TICKET.number, TicketState.OPEN, "还是坏的")
    await line.commit(await line.pending(conversation_id), ticket_moves=(move,), at=later)
    (ticket,) = await book.of_customer(turn.customer.id)
    assert (ticket.state, ticket.due_at) == (TicketState.OPEN, later + timedelta(hours=8))
    notes = await line.rows(TICKET_NOTES)
    assert [note["change"] for note in notes] == [
        {"before": "", "after": "open", "by": "bot"},
        {"before": "closed", "after": "open", "by": "customer"},
    ]
    moved = [row["data"] for row in await line.rows(EVENTS) if row["kind"] == "ticket_moved"]
    assert moved == [{"number": TICKET.number, "before": "closed", "after": "open", "by": "customer"}]


async def test_commit_turn_move_to_the_same_state_keeps_only_the_note(line: Line):
    """The shopper's words reach the ticket; nothing claims that its state changed."""
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), tickets=(TICKET,))
    await line.accept("k2")
    move = TicketMove(TICKET.number, TicketState.OPEN, "还是坏的")
    await line.commit(await line.pending(conversation_id), ticket_moves=(move,))
    assert [(note["text"], note["change"]) for note in await line.rows(TICKET_NOTES)][1] == ("还是坏的", {})
    assert "ticket_moved" not in {row["kind"] for row in await line.rows(EVENTS)}


@pytest.mark.parametrize(("to", "error"), [(TicketState.CLOSED, Conflict), (TicketState.SOLVED, NotFound)])
async def test_commit_turn_moves_only_own_tickets_as_permitted(line: Line, to: TicketState, error: type[XiaoerError]):
    """Open cannot become closed; another's ticket is not there at all."""
    await line.commit(await line.pending(await line.accept("k1")), tickets=(TICKET,))
    who = sender("somebody-else") if error is NotFound else sender()
    turn = await line.pending(await line.accept("k2", who=who))
    with pytest.raises(error, match=TICKET.number):
        await line.commit(turn, ticket_moves=(TicketMove(TICKET.number, to),))
    assert (await line.rows(TICKETS))[0]["state"] == "open"


async def test_commit_turn_refuses_a_taken_ticket_number(line: Line):
    """Two tickets never share a number."""
    await line.commit(await line.pending(await line.accept("k1")), tickets=(TICKET,))
    with pytest.raises(Conflict, match="is taken"):
        await line.commit(await line.pending(await line.accept("k2")), tickets=(TICKET,))


async def test_proofs_are_counted_over_conversations(line: Line):
    """The larger of a customer's and an order's wrong tries, right ones and old ones left out."""
    ledger = SqlProofLedger(line.database)
    wrong = ProofAttempt("W1", right=False)
    first = await line.pending(await line.accept("k1"))
    await line.commit(first, proof_attempts=(wrong, wrong, ProofAttempt("W1", right=True)))
    other = await line.pending(await line.accept("k2", who=sender("other")))
    await line.commit(other, proof_attempts=(wrong, ProofAttempt("W2", right=False)), at=NOW + timedelta(hours=1))
    assert await ledger.failures(first.customer.id, "W1", NOW) == 3
    assert await ledger.failures(first.customer.id, "W2", NOW) == 2
    assert await ledger.failures(other.customer.id, "W2", NOW) == 2
    assert await ledger.failures(first.customer.id, "W1", NOW + timedelta(minutes=1)) == 1


async def test_commit_turn_keeps_proved_orders_and_contact_policy(line: Line):
    """An order proved twice is one row; the policy is the customer's."""
    turn = await line.pending(await line.accept("k1"))
    events = (ev.OrderProved("W1"), ev.OrderProved("W1"), ev.OrderProved("W2"))
    await line.commit(turn, events=events, messages_allowed=False)
    assert sorted(row["order_number"] for row in await line.rows(PROVED_ORDERS)) == ["W1", "W2"]
    assert [row["messages_allowed"] for row in await line.rows(CUSTOMERS)] == [False]


async def test_commit_turn_of_nothing_said_keeps_the_shoppers_words_in_front(line: Line):
    """When a human owns it, the list shows what the shopper wrote last."""
    await line.commit(await line.pending(await line.accept("k1")), locale="zh-Hant")
    (row,) = await line.rows(CONVERSATIONS)
    assert (row["last_text"], row["last_sender"], row["locale"]) == ("在吗", "customer", "zh-Hant")


async def test_pending_conversations_names_unread_and_unsent(line: Line):
    """A sweep finds both kinds, and neither once all is done."""
    unread = await line.accept("k1", who=sender("a"))
    unsent = await line.answered("k2", who=sender("b"))
    assert set(await line.turns.pending_conversations()) == {unread, unsent}
    item = await line.outbox.next_due(unsent, NOW)
    assert item is not None
    await line.outbox.mark_sent(item.id, NOW, "")
    await line.turns.commit_turn(commit_of(await line.pending(unread)))
    assert await line.turns.pending_conversations() == ()
