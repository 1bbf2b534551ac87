"""The boundaries of what an agent does: each act is one commit, and the process may die before it or after.

What the act leaves to be delivered then meets the boundaries of the message line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from bot.domain.conversation import Conversation
from bot.domain.ids import ConversationId
from bot.domain.line_ports import OwnershipStore
from bot.domain.messages import OutboundMessage
from bot.domain.people import Agent
from bot.engine.boundaries import Watch

T = TypeVar("T")


class DeskBoundary(StrEnum):
    """A moment of an agent's act: taking, replying, giving back, resolving."""

    BEFORE_ACT_COMMIT = "before_act_commit"
    AFTER_ACT_COMMIT = "after_act_commit"


class WatchedOwnership:
    """An OwnershipStore that tells of its boundaries."""

    def __init__(self, ownership: OwnershipStore, watch: Watch) -> None:
        self._ownership = ownership
        self._watch = watch

    async def take(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """Give the conversation to the agent."""
        return await self._act(lambda: self._ownership.take(conversation_id, agent, at))

    async def give_back(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """Return it to the bot."""
        return await self._act(lambda: self._ownership.give_back(conversation_id, agent, at))

    async def resolve(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """End it."""
        return await self._act(lambda: self._ownership.resolve(conversation_id, agent, at))

    async def requeue(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """Let it wait for another agent."""
        return await self._act(lambda: self._ownership.requeue(conversation_id, agent, at))

    async def reply(
        self, conversation_id: ConversationId, agent: Agent, text: str, at: datetime, client_key: str
    ) -> None:
        """Send the agent's words."""
        await self._act(lambda: self._ownership.reply(conversation_id, agent, text, at, client_key))

    async def send(
        self, conversation_id: ConversationId, agent: Agent, message: OutboundMessage, at: datetime, client_key: str
    ) -> None:
        """Send a whole message of the agent's."""
        await self._act(lambda: self._ownership.send(conversation_id, agent, message, at, client_key))

    async def _act(self, act: Callable[[], Awaitable[T]]) -> T:
        self._watch(DeskBoundary.BEFORE_ACT_COMMIT)
        done = await act()
        self._watch(DeskBoundary.AFTER_ACT_COMMIT)
        return done
