"""Find conversations by what was said in them; write private notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, union

from bot.domain import events as ev
from bot.domain.conversation import Owner
from bot.domain.desk_ports import PAGE_ROWS, TranscriptChoices, TranscriptHit, TranscriptPage, TranscriptQuery
from bot.domain.ids import ConversationId
from bot.domain.people import Agent
from storage import events
from storage.database import Database
from storage.ownership import locked
from storage.revisions import NOT_TAKEN_BACK
from storage.said import IS_SAID, TEXT, holds
from storage.tables import AGENTS, ASSIGNMENTS, CONVERSATIONS, CUSTOMERS, EVENTS, IDENTITIES

_INTENT = EVENTS.c.data["intent"].as_string()
_EXCERPT_CHARS = 160
_BEFORE_CHARS = 40

_HITS = (
    select(CONVERSATIONS, CUSTOMERS.c.display_name.label("customer_name"), IDENTITIES.c.channel)
    .join(CUSTOMERS, CUSTOMERS.c.id == CONVERSATIONS.c.customer_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
)


class SqlTranscriptSearch:
    """Transcripts over the events table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, query: TranscriptQuery) -> TranscriptPage:
        """Find conversations, newest first; PAGE_ROWS a page."""
        return await self._database.read(lambda on: _search(on, query))

    async def choices(self) -> TranscriptChoices:
        """List the values the filters offer."""
        return await self._database.read(_choices)


class SqlNotebook:
    """Private notes of a conversation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, conversation_id: ConversationId, agent: Agent, text: str, at: datetime) -> None:
        """Append a private note; NotFound when there is no such conversation."""
        await self._database.run(lambda on: _write_note(on, conversation_id, agent, text, at))


def _write_note(on: Connection, conversation_id: ConversationId, agent: Agent, text: str, at: datetime) -> None:
    locked(on, conversation_id)
    events.append(on, conversation_id, [ev.NoteWritten(text, agent.id, agent.display_name)], at)


def _conditions(on: Connection, query: TranscriptQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.text:
        named = select(CUSTOMERS.c.id).where(CUSTOMERS.c.display_name.icontains(query.text, autoescape=True))
        of_them = select(CONVERSATIONS.c.id).where(CONVERSATIONS.c.customer_id.in_(named))
        found.append(CONVERSATIONS.c.id.in_(union(_said(holds(on, query.text)), of_them)))
    if query.since is not None or query.until is not None:
        found.append(CONVERSATIONS.c.id.in_(_said(IS_SAID, *_between(query))))
    if query.channel:
        there = select(IDENTITIES.c.id).where(IDENTITIES.c.channel == query.channel)
        found.append(CONVERSATIONS.c.identity_id.in_(there))
    if query.agent_id:
        held = select(ASSIGNMENTS.c.conversation_id).where(ASSIGNMENTS.c.agent_id == query.agent_id)
        found.append(CONVERSATIONS.c.id.in_(held))
    if query.intent:
        handled = select(EVENTS.c.conversation_id).where(
            EVENTS.c.kind == ev.IntentHandled.kind, query.intent == _INTENT
        )
        found.append(CONVERSATIONS.c.id.in_(handled))
    return found


def _between(query: TranscriptQuery) -> list[ColumnElement[bool]]:
    limits = []
    if query.since is not None:
        limits.append(EVENTS.c.at >= query.since)
    if query.until is not None:
        limits.append(EVENTS.c.at < query.until)
    return limits


def _said(*conditions: ColumnElement[bool]) -> Select[tuple[str]]:
    return select(EVENTS.c.conversation_id).where(NOT_TAKEN_BACK, *conditions)


def _search(on: Connection, query: TranscriptQuery) -> TranscriptPage:
    conditions = _conditions(on, query)
    total = on.execute(select(func.count()).select_from(CONVERSATIONS).where(*conditions)).scalar_one()
    newest_first = (CONVERSATIONS.c.updated_at.desc(), CONVERSATIONS.c.id)
    page = select(CONVERSATIONS.c.id).where(*conditions).order_by(*newest_first)
    ids = on.execute(page.limit(PAGE_ROWS).offset((query.page - 1) * PAGE_ROWS)).scalars().all()
    rows = on.execute(_HITS.where(CONVERSATIONS.c.id.in_(ids)).order_by(*newest_first)).all()
    excerpts = _excerpts(on, ids, query.text) if query.text else {}
    return TranscriptPage(tuple(_hit(row, excerpts.get(row.id, row.last_text)) for row in rows), total)


def _hit(row: Row[Any], excerpt: str) -> TranscriptHit:
    return TranscriptHit(
        ConversationId(row.id),
        row.channel,
        row.customer_name,
        Owner(row.owner),
        row.opened_at,
        row.updated_at,
        excerpt,
    )


def _excerpts(on: Connection, conversation_ids: Sequence[str], text: str) -> dict[str, str]:
    first = (
        select(func.min(EVENTS.c.seq))
        .where(
            EVENTS.c.conversation_id.in_(conversation_ids),
            IS_SAID,
            TEXT.icontains(text, autoescape=True),
            NOT_TAKEN_BACK,
        )
        .group_by(EVENTS.c.conversation_id)
    )
    found = on.execute(select(EVENTS.c.conversation_id, TEXT).where(EVENTS.c.seq.in_(first)))
    return {conversation_id: _around(said, text) for conversation_id, said in found}


def _around(said: str, text: str) -> str:
    start = max(said.lower().find(text.lower()) - _BEFORE_CHARS, 0)
    cut = said[start : start + _EXCERPT_CHARS]
    return f"{'…' if start else ''}{cut}{'…' if start + _EXCERPT_CHARS < len(said) else ''}"


def _choices(on: Connection) -> TranscriptChoices:
    channels = on.execute(select(IDENTITIES.c.channel).distinct().order_by(IDENTITIES.c.channel)).scalars()
    agents = on.execute(select(AGENTS.c.id, AGENTS.c.display_name).order_by(AGENTS.c.display_name))
    handled = select(_INTENT).where(EVENTS.c.kind == ev.IntentHandled.kind).distinct()
    intents = sorted(filter(None, on.execute(handled).scalars()))
    return TranscriptChoices(tuple(channels), tuple((row.id, row.display_name) for row in agents), tuple(intents))
