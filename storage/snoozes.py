"""Conversations put aside by their agents: back at their time, or when the shopper writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, or_, select

from bot.domain.clock import Clock
from bot.domain.conversation import Owner
from bot.domain.due import Snooze
from bot.domain.errors import Conflict, RefusedInput
from bot.domain.events import CustomerUttered, Snoozed, SnoozeEnded
from bot.domain.ids import ConversationId
from bot.domain.people import Agent
from storage import events
from storage.database import Units
from storage.ownership import SAVE, locked
from storage.settling import settle_each
from storage.tables import CONVERSATIONS, EVENTS
from storage.types import Moment

_MOST = 500
# By the events' numbers and not by times: what came after is after, whatever the clocks say.
_WROTE_SINCE = (
    select(EVENTS.c.seq)
    .where(
        EVENTS.c.conversation_id == CONVERSATIONS.c.id,
        EVENTS.c.seq > CONVERSATIONS.c.snoozed_seq,
        EVENTS.c.kind == CustomerUttered.kind,
    )
    .correlate(CONVERSATIONS)
    .exists()
)
_SNOOZED = select(CONVERSATIONS.c.id, CONVERSATIONS.c.snoozed_until, _WROTE_SINCE.label("wrote")).where(
    CONVERSATIONS.c.snoozed_seq.is_not(None)
)
_DUE: Any = _SNOOZED.where(or_(CONVERSATIONS.c.snoozed_until <= bindparam("at", type_=Moment), _WROTE_SINCE)).limit(
    _MOST
)
_STILL = _SNOOZED.where(CONVERSATIONS.c.id == bindparam("conversation"))
_AWAKE = {"snoozed_until": None, "snoozed_seq": None}


class SqlSnoozes:
    """Puts conversations aside and brings them back; as due work it looks for those whose time has come."""

    name = "snoozes"

    def __init__(self, database: Units, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, conversation_id: ConversationId) -> Snooze | None:
        """Tell how a conversation is put aside; None when it is not."""
        values = {"conversation": conversation_id}
        row = await self._database.read(lambda on: on.execute(_STILL, values).first())
        return Snooze(row.snoozed_until) if row is not None else None

    async def snooze(self, conversation_id: ConversationId, agent: Agent, until: datetime | None, at: datetime) -> None:
        """Put it aside until a time (None: as long as the shopper is silent) or until the shopper writes.

        Conflict unless the agent holds it, RefusedInput when ``until`` is not ahead.
        """
        if until is not None and until <= at:
            raise RefusedInput(f"the snooze would end at {until.isoformat()}, which is not ahead; choose a later time")
        await self._database.run(lambda on: _snooze(on, conversation_id, agent, until, at))

    async def wake(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> None:
        """Bring it back before its time; harmless when it is not snoozed. Conflict unless the agent holds it."""

        def unit(connection: Connection) -> None:
            _check_holder(locked(connection, conversation_id), agent)
            _end(connection, conversation_id, "agent", at)

        await self._database.run(unit)

    async def run_due(self) -> Sequence[ConversationId]:
        """Bring back what is due, one commit each; list the conversations."""
        at = self._clock.now()
        due = await self._database.read(lambda on: list(on.execute(_DUE, {"at": at}).scalars()))
        settled = await settle_each(self._database, self.name, due, lambda on, each: _bring_back(on, each, at))
        return [ConversationId(conversation_id) for conversation_id, _ in settled]


def _snooze(connection: Connection, conversation_id: str, agent: Agent, until: datetime | None, at: datetime) -> None:
    _check_holder(locked(connection, conversation_id), agent)
    put_aside = Snoozed(agent.id, agent.display_name, until.isoformat() if until else "")
    (seq,) = events.append(connection, conversation_id, [put_aside], at)
    connection.execute(SAVE, {"snoozed_until": until, "snoozed_seq": seq, "conversation": conversation_id})


def _bring_back(connection: Connection, conversation_id: str, at: datetime) -> None:
    locked(connection, conversation_id)
    row = connection.execute(_STILL, {"conversation": conversation_id}).first()
    if row is None:
        return
    if row.wrote:
        _end(connection, conversation_id, "customer", at)
    elif row.snoozed_until is not None and row.snoozed_until <= at:
        _end(connection, conversation_id, "time", at)


def _end(connection: Connection, conversation_id: str, reason: str, at: datetime) -> None:
    if connection.execute(_STILL, {"conversation": conversation_id}).first() is None:
        return
    connection.execute(SAVE, _AWAKE | {"conversation": conversation_id})
    events.append(connection, conversation_id, [SnoozeEnded(reason)], at)


def _check_holder(row: RowMapping, agent: Agent) -> None:
    if row["owner"] != Owner.WITH_AGENT or row["agent_id"] != agent.id:
        raise Conflict("only the agent who has this conversation can snooze it; take it first")
