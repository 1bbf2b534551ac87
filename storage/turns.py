"""Turns: loaded in three statements, committed in one unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select, union, update

from bot.domain.conversation import Owner
from bot.domain.customers import Customer
from bot.domain.errors import Conflict
from bot.domain.events import CustomerRecalled, CustomerUttered, Event, HandoffRequested, OrderProved, OwnerChanged
from bot.domain.ids import ConversationId, CustomerId, InboxId
from bot.domain.line_ports import PendingTurn, TurnCommit
from bot.domain.messages import InboundMessage
from bot.domain.tracker import Tracker
from storage import events, outbox, proofs, tickets
from storage.conversations import CONVERSATION_COLUMNS, conversation_of
from storage.database import Database
from storage.messages import decode_inbound
from storage.ownership import LAST_TEXT_CHARS, SAVE, ChangeOfOwner, change_owner, locked, settle_change
from storage.tables import CONVERSATIONS, CUSTOMERS, IDENTITIES, INBOX, OUTBOX
from storage.types import clean_text

_LOAD = (
    select(
        *CONVERSATION_COLUMNS,
        CONVERSATIONS.c.tracker,
        CONVERSATIONS.c.tracker_seq,
        CUSTOMERS.c.display_name,
        CUSTOMERS.c.messages_allowed,
        CUSTOMERS.c.created_at,
    )
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .join(CUSTOMERS, CUSTOMERS.c.id == CONVERSATIONS.c.customer_id)
    .where(CONVERSATIONS.c.id == bindparam("conversation"))
)
_PENDING = (
    select(INBOX.c.id, INBOX.c.message)
    .where(INBOX.c.conversation_id == bindparam("conversation"), INBOX.c.done_at.is_(None))
    .order_by(INBOX.c.id)
)
_PENDING_CONVERSATIONS = union(
    select(INBOX.c.conversation_id).where(INBOX.c.done_at.is_(None)),
    select(OUTBOX.c.conversation_id).where(OUTBOX.c.done_at.is_(None)),
)
_DONE = (
    update(INBOX)
    .where(
        INBOX.c.id.in_(bindparam("ids", expanding=True)),
        INBOX.c.conversation_id == bindparam("conversation"),
        INBOX.c.done_at.is_(None),
    )
    .values(done_at=bindparam("at"))
)
_ALLOW = update(CUSTOMERS).where(CUSTOMERS.c.id == bindparam("customer")).values(messages_allowed=bindparam("allowed"))


class SqlTurnStore:
    """Loads and commits turns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending_conversations(self) -> tuple[ConversationId, ...]:
        """List conversations with unhandled inbox or undelivered outbox rows; for start and sweep."""
        found = await self._database.read(lambda connection: connection.execute(_PENDING_CONVERSATIONS).scalars().all())
        return tuple(ConversationId(conversation_id) for conversation_id in found)

    async def load_turn(self, conversation_id: ConversationId) -> PendingTurn | None:
        """Load what a turn starts from; None when nothing is pending."""
        return await self._database.read(lambda connection: _load(connection, conversation_id))

    async def commit_turn(self, commit: TurnCommit) -> None:
        """Commit a turn at once, or nothing of it.

        Conflict: the epoch is no longer the expected one, or a message of it was handled already.
        The rows of tickets, proofs and contact policy are written from the commit; their events are the caller's.
        """
        await self._database.run(lambda connection: _commit(connection, commit))


def _load(connection: Connection, conversation_id: ConversationId) -> PendingTurn | None:
    values = {"conversation": conversation_id}
    inbox = _in_order(
        [(InboxId(inbox_id), decode_inbound(message)) for inbox_id, message in connection.execute(_PENDING, values)]
    )
    if not inbox:
        return None
    row = connection.execute(_LOAD, values).mappings().one()
    newer = events.after(connection, conversation_id, row["tracker_seq"])
    return PendingTurn(
        conversation=conversation_of(row),
        customer=Customer(
            id=CustomerId(row["customer_id"]),
            display_name=row["display_name"],
            messages_allowed=row["messages_allowed"],
            created_at=row["created_at"],
        ),
        tracker=Tracker.from_snapshot(row["tracker"]).fold(event for _, _, event in newer),
        inbox=inbox,
    )


def _in_order(inbox: list[tuple[InboxId, InboundMessage]]) -> tuple[tuple[InboxId, InboundMessage], ...]:
    """Put messages their platform numbers into its order; the others keep their places."""
    numbered = iter(sorted((row for row in inbox if row[1].sequence), key=lambda row: row[1].sequence))
    return tuple(next(numbered) if row[1].sequence else row for row in inbox)


def _commit(connection: Connection, commit: TurnCommit) -> None:
    row = locked(connection, commit.conversation_id)
    if row["epoch"] != commit.expected_epoch:
        raise Conflict(
            f"conversation {commit.conversation_id} is at epoch {row['epoch']}, "
            f"the turn was computed at {commit.expected_epoch}; load it again"
        )
    _finish_inbox(connection, commit)
    moved = tickets.move_all(connection, commit, row["customer_id"])
    changed, values = _change_owner(row, commit)
    own = moved if changed is None else [*moved, changed]
    values |= _append(connection, commit, own, values.get("epoch", row["epoch"]))
    values |= _last_word(commit)
    values |= _handoff(commit.events)
    if commit.locale:
        values["locale"] = commit.locale
    connection.execute(SAVE, values | {"conversation": commit.conversation_id, "updated_at": commit.at})
    if changed is not None:
        settle_change(connection, row, changed, commit.at)
    _write_the_rest(connection, commit, row["customer_id"])


def _finish_inbox(connection: Connection, commit: TurnCommit) -> None:
    if not commit.inbox_ids:
        return
    done = connection.execute(
        _DONE, {"ids": list(commit.inbox_ids), "conversation": commit.conversation_id, "at": commit.at}
    )
    if done.rowcount != len(commit.inbox_ids):
        raise Conflict(f"messages of conversation {commit.conversation_id} were handled by another turn already")


def _change_owner(row: RowMapping, commit: TurnCommit) -> tuple[OwnerChanged | None, dict[str, Any]]:
    if commit.owner is None or commit.owner == row["owner"]:
        return None, {}
    if commit.owner is Owner.WITH_AGENT:
        raise Conflict(f"the bot cannot give conversation {row['id']} to an agent; ask for one by waiting_for_agent")
    return change_owner(row, ChangeOfOwner(commit.owner, "bot"), commit.at)


def _append(connection: Connection, commit: TurnCommit, own: Sequence[Event], epoch: int) -> dict[str, Any]:
    """Append all events (``own`` are ours, between the caller's two parts) and outbox rows; return new columns."""
    rest = [*own, *(draft.event for draft in commit.outbox)]
    seqs = events.append(connection, commit.conversation_id, [*commit.events, *rest], commit.at)
    first = len(seqs) - len(commit.outbox)
    outbox.add_rows(
        connection,
        [
            outbox.draft_row(commit.conversation_id, draft, seq, commit.at, epoch)
            for draft, seq in zip(commit.outbox, seqs[first:], strict=True)
        ],
    )
    if not seqs:
        return {}
    return {"tracker": commit.tracker.fold(rest).snapshot(), "tracker_seq": seqs[-1]}


def _last_word(commit: TurnCommit) -> dict[str, Any]:
    if commit.outbox:
        last = commit.outbox[-1]
        return {"last_text": clean_text(last.message.text, LAST_TEXT_CHARS), "last_sender": last.sender}
    if any(isinstance(event, CustomerRecalled) for event in commit.events):
        return {"last_text": "[recall]", "last_sender": "customer"}
    said = next((event for event in reversed(commit.events) if isinstance(event, CustomerUttered)), None)
    if said is None:
        return {}
    return {"last_text": clean_text(said.text or f"[{said.message_kind}]", LAST_TEXT_CHARS), "last_sender": "customer"}


def _handoff(new_events: tuple[Event, ...]) -> dict[str, Any]:
    asked = next((event for event in reversed(new_events) if isinstance(event, HandoffRequested)), None)
    if asked is None:
        return {}
    return {
        "handoff_reason": asked.reason,
        "handoff_summary": clean_text(asked.summary),
        "handoff_priority": asked.priority,
    }


def _write_the_rest(connection: Connection, commit: TurnCommit, customer_id: str) -> None:
    tickets.open_all(connection, commit, customer_id)
    proofs.record(connection, commit.proof_attempts, customer_id, commit.at)
    proved = [event.order_number for event in commit.events if isinstance(event, OrderProved)]
    proofs.record_proved(connection, proved, customer_id, commit.at)
    if commit.messages_allowed is not None:
        connection.execute(_ALLOW, {"customer": customer_id, "allowed": commit.messages_allowed})
