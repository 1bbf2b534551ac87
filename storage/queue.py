"""The inbox of the desk."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, func, select

from bot.domain.conversation import Owner
from bot.domain.customers import SIMULATED
from bot.domain.desk_ports import PAGE_ROWS, PRIORITY_RANK, QueueCounts, QueueRow, QueueView
from bot.domain.events import CustomerUttered
from bot.domain.ids import AgentId, ConversationId
from storage.database import Database
from storage.revisions import NOT_TAKEN_BACK
from storage.tables import AGENTS, CONVERSATIONS, CUSTOMERS, EVENTS, IDENTITIES

_WORDS_CHARS = 200
_CUSTOMER_WORDS = (
    select(func.substr(EVENTS.c.data["text"].as_string(), 1, _WORDS_CHARS))
    .where(EVENTS.c.conversation_id == CONVERSATIONS.c.id, EVENTS.c.kind == CustomerUttered.kind, NOT_TAKEN_BACK)
    .order_by(EVENTS.c.seq.desc())
    .limit(1)
    .correlate(CONVERSATIONS)
    .scalar_subquery()
)
_ROWS = (
    select(
        CONVERSATIONS,
        _CUSTOMER_WORDS.label("customer_words"),
        CUSTOMERS.c.display_name.label("customer_name"),
        IDENTITIES.c.channel,
        IDENTITIES.c.account,
        AGENTS.c.display_name.label("agent_name"),
    )
    .join(CUSTOMERS, CUSTOMERS.c.id == CONVERSATIONS.c.customer_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .join(AGENTS, AGENTS.c.id == CONVERSATIONS.c.agent_id, isouter=True)
)
_RANK = case(PRIORITY_RANK, value=CONVERSATIONS.c.handoff_priority, else_=len(PRIORITY_RANK))
_WAITS_SINCE = func.coalesce(CONVERSATIONS.c.waiting_since, CONVERSATIONS.c.updated_at)


class SqlQueueLists:
    """The inbox over the conversations table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, view: QueueView, agent_id: AgentId, page: int = 1) -> tuple[QueueRow, ...]:
        """List one page of an inbox list."""
        statement = _ordered(_ROWS.where(_shown(view, agent_id)), view)
        statement = statement.limit(PAGE_ROWS).offset((page - 1) * PAGE_ROWS)
        return await self._database.read(lambda on: tuple(_queue_row(row) for row in on.execute(statement)))

    async def counts(self, agent_id: AgentId) -> QueueCounts:
        """Count the lists for this agent."""
        counts = [
            select(func.count()).select_from(CONVERSATIONS).where(_shown(view, agent_id)).scalar_subquery()
            for view in (QueueView.WAITING, QueueView.MINE, QueueView.ALL, QueueView.SNOOZED)
        ]
        return await self._database.read(lambda on: QueueCounts(*on.execute(select(*counts)).one()))

    async def held_by(self, agent_id: AgentId) -> tuple[ConversationId, ...]:
        """List the conversations an agent holds."""
        statement = select(CONVERSATIONS.c.id).where(_held_by(agent_id))
        return await self._database.read(lambda on: tuple(map(ConversationId, on.execute(statement).scalars())))


def _is(owner: Owner) -> ColumnElement[bool]:
    return CONVERSATIONS.c.owner == owner.value


def _held_by(agent_id: AgentId) -> ColumnElement[bool]:
    return _is(Owner.WITH_AGENT) & (CONVERSATIONS.c.agent_id == agent_id)


def _shown(view: QueueView, agent_id: AgentId) -> ColumnElement[bool]:
    if view is QueueView.WAITING:
        return _is(Owner.WAITING_FOR_AGENT)
    if view is QueueView.MINE:
        return _held_by(agent_id) & CONVERSATIONS.c.snoozed_seq.is_(None)
    if view is QueueView.SNOOZED:
        return _held_by(agent_id) & CONVERSATIONS.c.snoozed_seq.is_not(None)
    return CONVERSATIONS.c.owner != Owner.RESOLVED.value


def _ordered(statement: Select[Any], view: QueueView) -> Select[Any]:
    if view is QueueView.WAITING:
        return statement.order_by(_RANK, _WAITS_SINCE, CONVERSATIONS.c.id)
    return statement.order_by(CONVERSATIONS.c.updated_at.desc(), CONVERSATIONS.c.id)


def _queue_row(row: Row[Any]) -> QueueRow:
    return QueueRow(
        conversation_id=ConversationId(row.id),
        channel=row.channel,
        simulated=row.account.startswith(SIMULATED),
        customer_name=row.customer_name,
        owner=Owner(row.owner),
        agent_id=AgentId(row.agent_id) if row.agent_id else None,
        agent_name=row.agent_name or "",
        last_text=row.last_text,
        last_sender=row.last_sender,
        customer_words=row.customer_words or "",
        handoff_reason=row.handoff_reason,
        handoff_priority=row.handoff_priority,
        waiting_since=row.waiting_since,
        updated_at=row.updated_at,
        overdue=row.waiting_since is not None and row.overdue_at is not None and row.overdue_at > row.waiting_since,
        closing=_closes_soon(row),
        snoozed=row.snoozed_seq is not None,
        snoozed_until=row.snoozed_until,
    )


def _closes_soon(row: Row[Any]) -> bool:
    """Tell whether the warning is still true: nobody has answered since."""
    waits = row.owner == Owner.WAITING_FOR_AGENT.value or row.last_sender == "customer"
    return bool(row.closing_at is not None and waits and row.closing_at >= row.updated_at)
