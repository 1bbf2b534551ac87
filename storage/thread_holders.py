"""Threads that another app of the shop has at a platform: passed there by an agent, and taken back by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select

from bot.domain.conversation import Conversation, Owner
from bot.domain.errors import Conflict
from bot.domain.events import OwnerChanged
from bot.domain.ids import ConversationId
from bot.domain.people import Agent
from bot.domain.thread_ports import Place, place_of
from storage import conversations, events
from storage.database import Database
from storage.ownership import SAVE, ChangeOfOwner, change_owner, locked, settle_change
from storage.platform_sessions import has_followed
from storage.tables import CONVERSATIONS, EVENTS, IDENTITIES

_QUEUED_WITHIN = timedelta(minutes=1)
# A session without a word for so long may have ended by itself; who looks then may see whether it can be taken.
_QUEUED_FOR = timedelta(hours=48)
_LAST_CHANGE = (
    select(EVENTS.c.data, EVENTS.c.at)
    # The number's bound says nothing, but makes SQLite go by the conversation and not by the kind.
    .where(EVENTS.c.conversation_id == bindparam("conversation"), EVENTS.c.seq > 0, EVENTS.c.kind == OwnerChanged.kind)
    .order_by(EVENTS.c.seq.desc())
    .limit(1)
)
_CHANNEL = (
    select(IDENTITIES.c.channel)
    .join(CONVERSATIONS, CONVERSATIONS.c.identity_id == IDENTITIES.c.id)
    .where(CONVERSATIONS.c.id == bindparam("conversation"))
)


class SqlThreadHolders:
    """Tells who has a thread, and records who passed it and who took it back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def place(self, conversation: Conversation) -> Place | None:
        """Tell where a conversation is that a human has, but none of ours; None: nowhere else."""
        if conversation.owner is not Owner.WITH_AGENT or conversation.agent_id is not None:
            return None
        found = await self._database.glance(lambda connection: _last_change(connection, conversation.id))
        return place_of(str(found.get("by", "")))

    async def is_queued(self, conversation: Conversation, at: datetime) -> bool:
        """Tell whether a conversation waits in its platform's queue, or is about to."""
        if conversation.owner is not Owner.WAITING_FOR_AGENT:
            return False
        return await self._database.glance(lambda connection: _is_queued(connection, conversation, at))

    async def passed(self, conversation_id: ConversationId, place: Place, by: Agent, at: datetime) -> Conversation:
        """Record that ``by`` has passed the thread; what is resolved meanwhile stays so.

        Whoever of ours has taken the conversation at the same moment loses it: the platform has given it away.
        """
        return await self._database.run(lambda connection: _passed(connection, conversation_id, place, by, at))

    async def taken(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """Give the agent the conversation whose thread he took back; Conflict when it is a colleague's, or over."""
        return await self._database.run(lambda connection: _taken(connection, conversation_id, agent, at))


def _is_queued(connection: Connection, conversation: Conversation, at: datetime) -> bool:
    if has_followed(connection, conversation, at - _QUEUED_FOR):
        return True
    last = connection.execute(_LAST_CHANGE, {"conversation": conversation.id}).first()
    return last is not None and at - last.at < _QUEUED_WITHIN


def _last_change(connection: Connection, conversation_id: str) -> dict[str, Any]:
    return connection.execute(_LAST_CHANGE, {"conversation": conversation_id}).scalar() or {}


def _passed(connection: Connection, conversation_id: str, place: Place, by: Agent, at: datetime) -> Conversation:
    row = locked(connection, conversation_id)
    gone = row["owner"] == Owner.WITH_AGENT and row["agent_id"] is None
    if row["owner"] == Owner.RESOLVED or gone:
        return conversations.get(connection, conversation_id)
    channel = connection.execute(_CHANNEL, {"conversation": conversation_id}).scalar_one()
    return _change(connection, row, ChangeOfOwner(Owner.WITH_AGENT, f"{channel}:{place}"), at, by.display_name)


def _taken(connection: Connection, conversation_id: str, agent: Agent, at: datetime) -> Conversation:
    row = locked(connection, conversation_id)
    if row["owner"] == Owner.WITH_AGENT and row["agent_id"] == agent.id:
        return conversations.get(connection, conversation_id)
    if row["owner"] == Owner.RESOLVED:
        raise Conflict("this conversation is resolved; the shopper's next message opens another")
    if row["agent_id"] is not None:
        raise Conflict("another agent already has this conversation")
    return _change(connection, row, ChangeOfOwner(Owner.WITH_AGENT, agent.id, agent), at)


def _change(
    connection: Connection, row: RowMapping, change: ChangeOfOwner, at: datetime, passed_by: str = ""
) -> Conversation:
    event, values = change_owner(row, change, at)
    event = replace(event, passed_by=passed_by)
    events.append(connection, row["id"], [event], at)
    connection.execute(SAVE, values | {"conversation": row["id"], "updated_at": at})
    settle_change(connection, row, event, at)
    return conversations.get(connection, row["id"])
