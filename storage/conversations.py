"""Conversations as rows, and reading them for pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, select

from bot.domain.clock import Clock
from bot.domain.conversation import Conversation, Owner
from bot.domain.desk_ports import PRESENT_FOR_S
from bot.domain.errors import NotFound
from bot.domain.events import Event
from bot.domain.ids import AgentId, ConversationId, CustomerId, IdentityId
from storage import events
from storage.database import Database
from storage.tables import AGENTS, CONVERSATIONS, IDENTITIES

CONVERSATION_COLUMNS = (
    CONVERSATIONS.c.id,
    CONVERSATIONS.c.customer_id,
    CONVERSATIONS.c.identity_id,
    IDENTITIES.c.channel,
    IDENTITIES.c.account,
    IDENTITIES.c.channel_user_id,
    CONVERSATIONS.c.owner,
    CONVERSATIONS.c.epoch,
    CONVERSATIONS.c.agent_id,
    CONVERSATIONS.c.locale,
    CONVERSATIONS.c.opened_at,
    CONVERSATIONS.c.updated_at,
)
"""What a Conversation is made of; select these from the join of conversations and identities."""

_GET = (
    select(*CONVERSATION_COLUMNS)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(CONVERSATIONS.c.id == bindparam("conversation"))
)
_AGENTS_ONLINE = select(func.count()).where(AGENTS.c.active, AGENTS.c.last_seen_at >= bindparam("since"))
_WAITING = select(func.count()).where(CONVERSATIONS.c.owner == Owner.WAITING_FOR_AGENT.value)


def conversation_of(row: RowMapping) -> Conversation:
    """Make the Conversation of a row of ``CONVERSATION_COLUMNS``."""
    return Conversation(
        id=ConversationId(row["id"]),
        customer_id=CustomerId(row["customer_id"]),
        identity_id=IdentityId(row["identity_id"]),
        channel=row["channel"],
        account=row["account"],
        channel_user_id=row["channel_user_id"],
        owner=Owner(row["owner"]),
        epoch=row["epoch"],
        agent_id=AgentId(row["agent_id"]) if row["agent_id"] else None,
        locale=row["locale"],
        opened_at=row["opened_at"],
        updated_at=row["updated_at"],
    )


def get(connection: Connection, conversation_id: str) -> Conversation:
    """Load a conversation; NotFound when there is none."""
    row = connection.execute(_GET, {"conversation": conversation_id}).mappings().first()
    if row is None:
        raise NotFound(f"there is no conversation {conversation_id!r}")
    return conversation_of(row)


class SqlConversationReader:
    """Reads conversations for pages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, conversation_id: ConversationId) -> Conversation:
        """Load a conversation; NotFound when there is none."""
        return await self._database.glance(lambda connection: get(connection, conversation_id))

    async def events(
        self, conversation_id: ConversationId, after_seq: int = 0
    ) -> tuple[tuple[int, datetime, Event], ...]:
        """List (sequence, time, event) in order, after ``after_seq``."""
        found = await self._database.read(lambda connection: events.after(connection, conversation_id, after_seq))
        return tuple(found)

    async def last_said(self, conversation_id: ConversationId) -> str:
        """Name the shopper's last message as his platform does; empty when he said nothing, or it has no name."""
        return await self._database.glance(lambda connection: events.last_said(connection, conversation_id))


class SqlQueueBoard:
    """Counts who is there and who waits."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def agents_online(self) -> int:
        """Count active agents whose console spoke within ``PRESENT_FOR_S``."""
        return await self._count(_AGENTS_ONLINE, {"since": self._clock.now() - timedelta(seconds=PRESENT_FOR_S)})

    async def waiting(self) -> int:
        """Count conversations waiting for an agent."""
        return await self._count(_WAITING, {})

    async def _count(self, statement: Any, values: dict[str, Any]) -> int:
        return await self._database.glance(lambda connection: int(connection.execute(statement, values).scalar_one()))
