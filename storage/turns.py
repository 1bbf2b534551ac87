"""Turns: loaded in one statement, committed in one unit.

On PostgreSQL the commit of a usual turn is a single statement (``storage.usual_turns``); what that one does not take,
and every turn on SQLite, is committed here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, String, bindparam, exists, func, literal, select, union, update

from bot.domain.conversation import Owner
from bot.domain.customers import Customer
from bot.domain.errors import Conflict, NotFound
from bot.domain.events import CustomerRecalled, CustomerUttered, Event, HandoffRequested, OrderProved, OwnerChanged
from bot.domain.ids import ConversationId, CustomerId, InboxId
from bot.domain.line_ports import PendingTurn, TurnCommit, TurnOutbox
from bot.domain.messages import InboundMessage
from bot.domain.tracker import Tracker
from storage import events, facts, outbox, proofs, tickets, usual_turns
from storage.conversations import CONVERSATION_COLUMNS, conversation_of
from storage.database import Database
from storage.messages import decode_inbound
from storage.ownership import HELD, LAST_TEXT_CHARS, SAVE, ChangeOfOwner, change_owner, settle_change
from storage.tables import CONVERSATIONS, CUSTOMERS, EVENTS, IDENTITIES, INBOX, OUTBOX
from storage.types import clean_text

_LOAD = (
    select(
        *CONVERSATION_COLUMNS,
        CONVERSATIONS.c.tracker,
        CONVERSATIONS.c.tracker_seq,
        CUSTOMERS.c.display_name,
        CUSTOMERS.c.messages_allowed,
        CUSTOMERS.c.linked,
        CUSTOMERS.c.created_at,
        INBOX.c.id.label("inbox_id"),
        INBOX.c.message,
        exists().where(EVENTS.c.conversation_id == CONVERSATIONS.c.id, EVENTS.c.seq > CONVERSATIONS.c.tracker_seq)
        .label("newer"),
    )
    .select_from(INBOX)
    .join(CONVERSATIONS, CONVERSATIONS.c.id == INBOX.c.conversation_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .join(CUSTOMERS, CUSTOMERS.c.id == CONVERSATIONS.c.customer_id)
    .where(INBOX.c.conversation_id == bindparam("conversation"), INBOX.c.done_at.is_(None))
    .order_by(INBOX.c.id)
)  # fmt: skip
_OLDER = exists().where(OUTBOX.c.conversation_id == bindparam("conversation"), OUTBOX.c.done_at.is_(None))
_HOLD = (
    select(*HELD, IDENTITIES.c.channel, IDENTITIES.c.account, IDENTITIES.c.channel_user_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(CONVERSATIONS.c.id == bindparam("conversation"))
    .with_for_update(of=CONVERSATIONS)
)
_SOMETHING_OLDER = select(_OLDER)
# SQLite has one writer: what it sees cannot change before it commits, and the next numbers are its own.
_HOLD_ALONE = _HOLD.add_columns(
    _OLDER.label("older"),
    select(func.coalesce(func.max(EVENTS.c.seq), 0)).scalar_subquery().label("last_event"),
    select(func.coalesce(func.max(OUTBOX.c.id), 0)).scalar_subquery().label("last_outbox"),
)
_PENDING_CONVERSATIONS = union(
    select(INBOX.c.conversation_id).where(INBOX.c.done_at.is_(None)),
    select(OUTBOX.c.conversation_id).where(OUTBOX.c.done_at.is_(None)),
)
_OPEN = update(INBOX).where(
    INBOX.c.id.in_(bindparam("ids", expanding=True)),
    INBOX.c.conversation_id == bindparam("conversation"),
    INBOX.c.done_at.is_(None),
)
# From which network a message came is nobody's business once it is handled.
_DONE = {
    "sqlite": _OPEN.values(done_at=bindparam("at"), message=func.json_remove(INBOX.c.message, "$.network")),
    "postgresql": _OPEN.values(done_at=bindparam("at"), message=INBOX.c.message.op("-")(literal("network", String()))),
}
_ALLOW = update(CUSTOMERS).where(CUSTOMERS.c.id == bindparam("customer")).values(messages_allowed=bindparam("allowed"))


class SqlTurnStore:
    """Loads and commits turns."""

    def __init__(self, database: Database, shown: Collection[str] = ()) -> None:
        """Keep the database and the channels whose record is their delivery: a turn's words are committed as sent."""
        self._database = database
        self._shown = shown

    async def pending_conversations(self) -> tuple[ConversationId, ...]:
        """List conversations with unhandled inbox or undelivered outbox rows; for start and sweep."""
        found = await self._database.read(lambda connection: connection.execute(_PENDING_CONVERSATIONS).scalars().all())
        return tuple(ConversationId(conversation_id) for conversation_id in found)

    async def load_turn(self, conversation_id: ConversationId) -> PendingTurn | None:
        """Load what a turn starts from; None when nothing is pending."""
        return await self._database.glance(lambda connection: _load(connection, conversation_id))

    async def commit_turn(self, commit: TurnCommit) -> TurnOutbox:
        """Commit a turn at once, or nothing of it; give what it put in the outbox.

        Conflict: the epoch is no longer the expected one, or a message of it was handled already.
        The rows of tickets, proofs and contact policy are written from the commit; their events are the caller's.
        """
        if not self._database.is_sqlite and _is_usual(commit):
            last = _last_word(commit)
            put = await self._database.run_alone(lambda on: usual_turns.commit(on, commit, last, self._shown))
            if put is not None:
                return put
        return await self._database.run(lambda connection: _commit(connection, commit, self._shown))


def _load(connection: Connection, conversation_id: ConversationId) -> PendingTurn | None:
    rows = connection.execute(_LOAD, {"conversation": conversation_id}).mappings().all()
    if not rows:
        return None
    row = rows[0]
    newer = events.after(connection, conversation_id, row["tracker_seq"]) if row["newer"] else ()
    tracker = Tracker.from_snapshot(row["tracker"]).fold(event for _, _, event in newer)
    return PendingTurn(
        conversation=conversation_of(row),
        customer=Customer(
            id=CustomerId(row["customer_id"]),
            display_name=row["display_name"],
            messages_allowed=row["messages_allowed"],
            created_at=row["created_at"],
        ),
        tracker=facts.with_proved(connection, row["customer_id"], tracker) if row["linked"] else tracker,
        inbox=_in_order([(InboxId(each["inbox_id"]), decode_inbound(each["message"])) for each in rows]),
    )


def _in_order(inbox: list[tuple[InboxId, InboundMessage]]) -> tuple[tuple[InboxId, InboundMessage], ...]:
    """Put messages their platform numbers into its order; the others keep their places."""
    numbered = iter(sorted((row for row in inbox if row[1].sequence), key=lambda row: row[1].sequence))
    return tuple(next(numbered) if row[1].sequence else row for row in inbox)


def _hold(connection: Connection, conversation_id: str) -> Mapping[str, Any]:
    """Load and hold the conversation's row, and see whether something of it waits in the outbox."""
    values = {"conversation": conversation_id}
    alone = connection.dialect.name == "sqlite"
    row = connection.execute(_HOLD_ALONE if alone else _HOLD, values).mappings().first()
    if row is None:
        raise NotFound(f"there is no conversation {conversation_id!r}")
    # Looked for only now, so that it is what the one has left who held the row before.
    return dict(row) if alone else {**row, "older": connection.execute(_SOMETHING_OLDER, values).scalar()}


def _place(row: Mapping[str, Any], epoch: int, shown: Collection[str]) -> outbox.Place:
    return outbox.Place(
        conversation_id=ConversationId(row["id"]),
        address=(row["channel"], row["account"], row["channel_user_id"]),
        epoch=epoch,
        is_first=not row["older"],
        is_shown=row["channel"] in shown,
        last_id=row.get("last_outbox"),
    )


def _commit(connection: Connection, commit: TurnCommit, shown: Collection[str]) -> TurnOutbox:
    row = _hold(connection, commit.conversation_id)
    if row["epoch"] != commit.expected_epoch:
        raise Conflict(
            f"conversation {commit.conversation_id} is at epoch {row['epoch']}, "
            f"the turn was computed at {commit.expected_epoch}; load it again"
        )
    _finish_inbox(connection, commit)
    moved = tickets.move_all(connection, commit, row["customer_id"])
    changed, values = _change_owner(row, commit)
    own = moved if changed is None else [*moved, changed]
    place = _place(row, values.get("epoch", row["epoch"]), shown)
    appended, put = _append(connection, commit, own, place, row.get("last_event"))
    values |= appended
    values |= _last_word(commit)
    values |= _handoff(commit.events)
    if commit.locale:
        values["locale"] = commit.locale
    connection.execute(SAVE, values | {"conversation": commit.conversation_id, "updated_at": commit.at})
    if changed is not None:
        settle_change(connection, row, changed, commit.at)
    _write_the_rest(connection, commit, row["customer_id"])
    return put


def _is_usual(commit: TurnCommit) -> bool:
    """Tell whether the turn appends and speaks and changes nothing else: as ``_commit`` without its branches."""
    plain = (*commit.tickets, *commit.ticket_moves, *commit.proof_attempts) == ()
    if commit.owner is not None or commit.messages_allowed is not None or not commit.inbox_ids or not plain:
        return False
    special = any(isinstance(event, HandoffRequested | OrderProved) for event in commit.events)
    return bool(_last_word(commit)) and not special


def _finish_inbox(connection: Connection, commit: TurnCommit) -> None:
    if not commit.inbox_ids:
        return
    done = connection.execute(
        _DONE[connection.dialect.name],
        {"ids": list(commit.inbox_ids), "conversation": commit.conversation_id, "at": commit.at},
    )
    if done.rowcount != len(commit.inbox_ids):
        raise Conflict(f"messages of conversation {commit.conversation_id} were handled by another turn already")


def _change_owner(row: Mapping[str, Any], commit: TurnCommit) -> tuple[OwnerChanged | None, dict[str, Any]]:
    if commit.owner is None or commit.owner == row["owner"]:
        return None, {}
    if commit.owner is Owner.WITH_AGENT:
        raise Conflict(f"the bot cannot give conversation {row['id']} to an agent; ask for one by waiting_for_agent")
    return change_owner(row, ChangeOfOwner(commit.owner, "bot"), commit.at)


def _append(
    connection: Connection, commit: TurnCommit, own: Sequence[Event], place: outbox.Place, last_seq: int | None
) -> tuple[dict[str, Any], TurnOutbox]:
    """Append all events (``own`` are ours, between the caller's two parts) and outbox rows; return new columns."""
    rest = [*own, *(draft.event for draft in commit.outbox)]
    seqs = events.append(connection, commit.conversation_id, [*commit.events, *rest], commit.at, last_seq)
    put = outbox.put(connection, place, commit.outbox, seqs[len(seqs) - len(commit.outbox) :], commit.at)
    if not seqs:
        return {}, put
    return {"tracker": commit.tracker.fold(rest).snapshot(), "tracker_seq": seqs[-1]}, put


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
    facts.record_orders(connection, commit.conversation_id, proved, commit.at)
    if commit.messages_allowed is not None:
        connection.execute(_ALLOW, {"customer": customer_id, "allowed": commit.messages_allowed})
