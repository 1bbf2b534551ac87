"""The ticket queue: lists, one ticket's history, and moves that the shopper is told of in the same commit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, RowMapping, case, func, insert, or_, select, update

from bot.domain.desk_ports import (
    PAGE_ROWS,
    PRIORITY_RANK,
    MovedTicket,
    Notice,
    TicketFile,
    TicketLine,
    TicketNote,
    TicketPage,
    TicketQuery,
)
from bot.domain.errors import Conflict, NotFound
from bot.domain.events import NoticeSent, TicketMoved
from bot.domain.handoff import Priority
from bot.domain.ids import AgentId, ConversationId
from bot.domain.line_ports import OutboxDraft
from bot.domain.messages import OutboundMessage
from bot.domain.people import Agent
from bot.domain.tickets import ALLOWED_STATES, PROMISED_WITHIN, Ticket, TicketState
from storage import events, outbox
from storage.database import Database
from storage.tables import AGENTS, CONVERSATIONS, CUSTOMERS, IDENTITIES, TICKET_NOTES, TICKETS
from storage.tickets import ticket_of

NOBODY = "nobody"
UNFINISHED = "unfinished"

_FINISHED = (TicketState.SOLVED.value, TicketState.CLOSED.value)
_RANK = case(PRIORITY_RANK, value=TICKETS.c.priority, else_=len(PRIORITY_RANK))
_IS_FINISHED = case((TICKETS.c.state.in_(_FINISHED), 1), else_=0)
_LINES = (
    select(
        TICKETS,
        CUSTOMERS.c.display_name.label("customer_name"),
        AGENTS.c.display_name.label("owner_name"),
        IDENTITIES.c.channel.label("channel"),
    )
    .join(CUSTOMERS, CUSTOMERS.c.id == TICKETS.c.customer_id)
    .join(CONVERSATIONS, CONVERSATIONS.c.id == TICKETS.c.conversation_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .join(AGENTS, AGENTS.c.id == TICKETS.c.owner_id, isouter=True)
)


class SqlTicketBoard:
    """Tickets as the desk works on them; ``notice`` words what the shopper is told."""

    def __init__(self, database: Database, notice: Notice) -> None:
        self._database = database
        self._notice = notice

    async def search(self, query: TicketQuery) -> TicketPage:
        """List tickets: unfinished first, then by due time and priority."""
        return await self._database.read(lambda on: _search(on, query))

    async def open(self, number: str) -> TicketFile:
        """Load a ticket with its history; NotFound when there is none."""
        return await self._database.read(lambda on: _open(on, number))

    async def own(self, number: str, owner_id: AgentId | None, by: Agent, at: datetime) -> Ticket:
        """Give the ticket to a person (None: to nobody), with a line in its history."""
        return await self._database.run(lambda on: _own(on, number, owner_id, _Stroke(by, at)))

    async def move_and_tell(self, number: str, to: TicketState, by: Agent, at: datetime) -> MovedTicket:
        """Change the state and tell the shopper; Conflict when the present state does not permit it."""
        return await self._database.run(lambda on: _move(on, number, to, _Stroke(by, at), self._notice))

    async def move(self, number: str, to: str, agent: Agent, at: datetime) -> Ticket:
        """Change the state as ``move_and_tell`` does."""
        return (await self.move_and_tell(number, TicketState(to), agent, at)).ticket

    async def note(self, number: str, by: Agent, text: str, at: datetime) -> None:
        """Append a private note."""
        await self._database.run(lambda on: _record(on, _lock(on, number).id, _Stroke(by, at), text=text))


class _Stroke:
    """Who does something, and when."""

    def __init__(self, by: Agent, at: datetime) -> None:
        self.by = by
        self.at = at


def _line(row: RowMapping) -> TicketLine:
    return TicketLine(ticket_of(row), row["customer_name"], row["owner_name"] or "", row["channel"])


def _conditions(query: TicketQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.state == UNFINISHED:
        found.append(TICKETS.c.state.not_in(_FINISHED))
    elif query.state:
        found.append(TICKETS.c.state == query.state)
    if query.kind:
        found.append(TICKETS.c.kind == query.kind)
    if query.priority:
        found.append(TICKETS.c.priority == query.priority)
    if query.owner == NOBODY:
        found.append(TICKETS.c.owner_id.is_(None))
    elif query.owner:
        found.append(TICKETS.c.owner_id == query.owner)
    if query.text:
        looked_at = (TICKETS.c.number, TICKETS.c.order_number, TICKETS.c.summary, CUSTOMERS.c.display_name)
        found.append(or_(*(column.icontains(query.text, autoescape=True) for column in looked_at)))
    return found


def _search(on: Connection, query: TicketQuery) -> TicketPage:
    matching = _LINES.where(*_conditions(query))
    total = on.execute(select(func.count()).select_from(matching.subquery())).scalar_one()
    page = matching.order_by(_IS_FINISHED, _RANK, TICKETS.c.due_at, TICKETS.c.number)
    rows = on.execute(page.limit(PAGE_ROWS).offset((query.page - 1) * PAGE_ROWS)).mappings()
    return TicketPage(tuple(_line(row) for row in rows), total)


def _open(on: Connection, number: str) -> TicketFile:
    row = on.execute(_LINES.where(TICKETS.c.number == number)).mappings().first()
    if row is None:
        raise _missing(number)
    notes = on.execute(select(TICKET_NOTES).where(TICKET_NOTES.c.ticket_id == row["id"]).order_by(TICKET_NOTES.c.id))
    return TicketFile(
        _line(row), tuple(TicketNote(note.author_name, note.text, note.change, note.at) for note in notes)
    )


def _missing(number: str) -> NotFound:
    return NotFound(f"there is no ticket {number!r}; check the number")


def _lock(on: Connection, number: str) -> Row[Any]:
    row = on.execute(select(TICKETS).where(TICKETS.c.number == number).with_for_update()).first()
    if row is None:
        raise _missing(number)
    return row


def _record(
    on: Connection, ticket_id: str, stroke: _Stroke, *, text: str = "", change: dict[str, Any] | None = None
) -> None:
    on.execute(
        insert(TICKET_NOTES).values(
            ticket_id=ticket_id,
            author_id=stroke.by.id,
            author_name=stroke.by.display_name,
            text=text,
            change=change or {},
            at=stroke.at,
        )
    )


def _own(on: Connection, number: str, owner_id: AgentId | None, stroke: _Stroke) -> Ticket:
    row = _lock(on, number)
    named = select(AGENTS.c.id, AGENTS.c.display_name).where(AGENTS.c.id.in_([row.owner_id, owner_id]))
    names: dict[str | None, str] = {None: ""} | {found.id: found.display_name for found in on.execute(named)}
    if owner_id not in names:
        raise NotFound(f"there is nobody with the id {owner_id!r} to give ticket {number} to")
    if row.owner_id != owner_id:
        _record(on, row.id, stroke, change={"owner_before": names[row.owner_id], "owner_after": names[owner_id]})
    return _change(on, row.id, {"owner_id": owner_id, "updated_at": stroke.at})


def _change(on: Connection, ticket_id: str, values: dict[str, Any]) -> Ticket:
    changed = update(TICKETS).where(TICKETS.c.id == ticket_id).values(values).returning(TICKETS)
    return ticket_of(on.execute(changed).mappings().one())


def _move(on: Connection, number: str, to: TicketState, stroke: _Stroke, notice: Notice) -> MovedTicket:
    # The conversation is held before the ticket, as a turn does, so that the two never wait for each other.
    told = _conversation_to_tell(on, number)
    row = _lock(on, number)
    before = TicketState(row.state)
    if to not in ALLOWED_STATES[before]:
        raise Conflict(f"ticket {number} is {before.value} and cannot become {to.value}; reload the page")
    values: dict[str, Any] = {"state": to.value, "updated_at": stroke.at}
    if before.value in _FINISHED and to.value not in _FINISHED:
        values["due_at"] = stroke.at + PROMISED_WITHIN[Priority(row.priority)]
    ticket = _change(on, row.id, values)
    _record(on, row.id, stroke, change={"before": before.value, "after": to.value, "by": stroke.by.id})
    key = f"notice.ticket_{to.value}"
    text = notice(key, {"number": number, "kind": ticket.kind.value, "state": to.value}, told.locale or "zh")
    events.append(on, told.id, [TicketMoved(number, before.value, to.value, stroke.by.id)], stroke.at)
    outbox.add(on, told.id, [OutboxDraft(OutboundMessage(text), "notice", NoticeSent(text, key))], stroke.at)
    return MovedTicket(ticket, ConversationId(told.id))


def _conversation_to_tell(on: Connection, number: str) -> Any:
    """Find the customer's latest conversation on the channel the ticket came from, and hold its row."""
    origin = on.execute(
        select(TICKETS.c.customer_id, IDENTITIES.c.channel)
        .join(CONVERSATIONS, CONVERSATIONS.c.id == TICKETS.c.conversation_id)
        .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
        .where(TICKETS.c.number == number)
    ).first()
    if origin is None:
        raise _missing(number)
    return on.execute(
        select(CONVERSATIONS.c.id, CONVERSATIONS.c.locale)
        .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
        .where(CONVERSATIONS.c.customer_id == origin.customer_id, IDENTITIES.c.channel == origin.channel)
        .order_by(CONVERSATIONS.c.opened_at.desc())
        .limit(1)
        .with_for_update(of=CONVERSATIONS)
    ).one()
