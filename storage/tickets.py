"""Tickets: opened and moved with a turn's commit, read by the shopper's side."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from bot.domain.errors import Conflict, NotFound
from bot.domain.events import Event, TicketMoved
from bot.domain.handoff import Priority
from bot.domain.ids import AgentId, ConversationId, CustomerId, TicketId, new_id
from bot.domain.line_ports import TurnCommit
from bot.domain.tickets import ALLOWED_STATES, PROMISED_WITHIN, Ticket, TicketDraft, TicketKind, TicketState
from bot.domain.turns import TicketMove
from storage.database import Database
from storage.tables import TICKET_NOTES, TICKETS, Upsert
from storage.types import clean_text

CUSTOMER = "customer"
_NUMBER_CHARS = 64
_ENDED = frozenset({TicketState.SOLVED, TicketState.CLOSED})

_ADD = Upsert(lambda into: into(TICKETS).on_conflict_do_nothing(index_elements=["number"]).returning(TICKETS.c.id))
_OF_CUSTOMER = (
    select(TICKETS)
    .where(TICKETS.c.customer_id == bindparam("customer"))
    .order_by(TICKETS.c.created_at.desc(), TICKETS.c.id)
)
_OWN = (
    select(TICKETS.c.id, TICKETS.c.state, TICKETS.c.priority)
    .where(TICKETS.c.number == bindparam("number"), TICKETS.c.customer_id == bindparam("customer"))
    .with_for_update()
)


class SqlTicketBook:
    """A customer's tickets, read-only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_customer(self, customer_id: CustomerId) -> tuple[Ticket, ...]:
        """List the customer's tickets, newest first."""
        rows = await self._database.glance(
            lambda connection: connection.execute(_OF_CUSTOMER, {"customer": customer_id}).mappings().all()
        )
        return tuple(ticket_of(row) for row in rows)


def ticket_of(row: RowMapping) -> Ticket:
    """Make the Ticket of a row of all the table's columns."""
    return Ticket(
        id=TicketId(row["id"]),
        number=row["number"],
        customer_id=CustomerId(row["customer_id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        kind=TicketKind(row["kind"]),
        state=TicketState(row["state"]),
        priority=Priority(row["priority"]),
        category=row["category"],
        order_number=row["order_number"],
        summary=row["summary"],
        details=row["details"],
        photos=tuple(row["photos"]),
        owner_id=AgentId(row["owner_id"]) if row["owner_id"] else None,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        due_at=row["due_at"],
    )


def open_all(connection: Connection, commit: TurnCommit, customer_id: str) -> None:
    """Open the turn's tickets, each with the note that begins its history; Conflict when a number is taken."""
    for draft in commit.tickets:
        row = _row(commit, draft, customer_id)
        if connection.execute(_ADD.on(connection), row).scalar() is None:
            raise Conflict(f"ticket number {draft.number} is taken; run the turn again for another")
        _note(connection, commit, row["id"], {"before": "", "after": TicketState.OPEN.value, "by": "bot"}, "")


def move_all(connection: Connection, commit: TurnCommit, customer_id: str) -> list[Event]:
    """Move the customer's own tickets; return an event for each change of state.

    NotFound when one is not his, Conflict when its state does not permit it. A move to the state a ticket has
    already keeps only the note.
    """
    moved = [_move(connection, commit, move, customer_id) for move in commit.ticket_moves]
    return [event for event in moved if event is not None]


def _row(commit: TurnCommit, draft: TicketDraft, customer_id: str) -> dict[str, Any]:
    return {
        "id": new_id(),
        "number": draft.number,
        "customer_id": customer_id,
        "conversation_id": commit.conversation_id,
        "kind": draft.kind.value,
        "state": TicketState.OPEN.value,
        "priority": draft.priority.value,
        "category": draft.category,
        "order_number": clean_text(draft.order_number, _NUMBER_CHARS),
        "summary": clean_text(draft.summary),
        "details": dict(draft.details),
        "photos": list(draft.photos),
        "created_at": commit.at,
        "updated_at": commit.at,
        "due_at": draft.due_at or commit.at + PROMISED_WITHIN[draft.priority],
    }


def _move(connection: Connection, commit: TurnCommit, move: TicketMove, customer_id: str) -> TicketMoved | None:
    row = connection.execute(_OWN, {"number": move.number, "customer": customer_id}).mappings().first()
    if row is None:
        raise NotFound(f"the customer has no ticket {move.number}")
    before = TicketState(row["state"])
    if before is not move.to and move.to not in ALLOWED_STATES[before]:
        raise Conflict(f"ticket {move.number} is {before.value} and cannot become {move.to.value}")
    values: dict[str, Any] = {"state": move.to.value, "updated_at": commit.at}
    if before in _ENDED and move.to not in _ENDED:
        values["due_at"] = commit.at + PROMISED_WITHIN[Priority(row["priority"])]
    connection.execute(update(TICKETS).where(TICKETS.c.id == row["id"]).values(**values))
    if before is move.to:
        _note(connection, commit, row["id"], {}, move.note)
        return None
    change = {"before": before.value, "after": move.to.value, "by": CUSTOMER}
    _note(connection, commit, row["id"], change, move.note)
    return TicketMoved(move.number, **change)


def _note(connection: Connection, commit: TurnCommit, ticket_id: str, change: dict[str, str], text: str) -> None:
    if change or text:
        connection.execute(
            insert(TICKET_NOTES), {"ticket_id": ticket_id, "text": text, "change": change, "at": commit.at}
        )
