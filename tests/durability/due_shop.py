"""A shop in which something of every kind is due."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, update

from bot.domain import events as ev
from bot.domain.clock import SystemClock
from bot.domain.conversation import Owner
from bot.domain.handoff import HandoffReason, Priority
from bot.domain.ids import ConversationId
from bot.domain.messages import InboundMessage, MessageKind, Sender
from bot.domain.people import Agent
from bot.domain.tickets import TicketDraft, TicketKind
from storage.snoozes import SqlSnoozes
from storage.tables import AGENTS, CONVERSATIONS, LOOKS
from tests.contract.line import Line
from tests.durability.platforms import CHAT

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ANOTHER_CHAT = CHAT + 1
DUE_COMMITS = 10
"""A ticket, hand-off, window and snooze, two facts, what a shut-out agent holds, two surveys; how far the look came."""

_ASKED = ev.HandoffRequested(HandoffReason.REQUESTED.value, "order lost", Priority.NORMAL.value)


@dataclass
class DueShop:
    """Everything was agreed an hour before now, or longer ago."""

    line: Line
    at: datetime = field(default_factory=lambda: SystemClock().now() - HOUR)

    async def open(self) -> None:
        """Let everything become due."""
        await self._change(insert(LOOKS).values(name="surveys", until=self.at - HOUR))
        await self._late_ticket()
        await self._writes("waiting", owner=Owner.WAITING_FOR_AGENT, events=(_ASKED,))
        await self._closing_window()
        await self._snoozed()
        for who in ("lin", "lin on another page"):
            await self._writes(who, events=(ev.OrderProved("W1"),))
        await self._abandoned()
        await self._served_by_agent()
        await self._served_by_bot()

    async def _writes(self, who: str, channel: str = "web", at: datetime | None = None, **turn: Any) -> ConversationId:
        moment = at or self.at
        sender = Sender(channel, "main", who, display_name=who)
        message = InboundMessage(sender, f"{channel}:{who}", MessageKind.TEXT, moment, "在吗")
        (taken,) = await self.line.inbox.accept([message], moment)
        pending = await self.line.pending(taken.conversation_id)
        await self.line.commit(pending, at=moment, **turn)
        return taken.conversation_id

    async def _late_ticket(self) -> None:
        draft = TicketDraft("TK10000001", TicketKind.COMPLAINT, "broken", due_at=self.at)
        await self._writes("complains", tickets=(draft,))

    async def _closing_window(self) -> None:
        """WhatsApp's day ends in an hour, and an agent has not answered."""
        since = self.at - 22 * HOUR
        conversation_id = await self._writes("8613800000001", "whatsapp", since)
        agent = await self.line.hire("mei")
        await self._set(conversation_id, owner=Owner.WITH_AGENT.value, agent_id=agent.id, last_sender="customer")

    async def _snoozed(self) -> None:
        conversation_id, agent = await self._held("snoozed")
        start = self.at - HOUR
        await SqlSnoozes(self.line.database, SystemClock()).snooze(conversation_id, agent, self.at, start)

    async def _abandoned(self) -> None:
        _, agent = await self._held("abandoned")
        await self._change(update(AGENTS).where(AGENTS.c.id == agent.id).values(active=False))

    async def _served_by_agent(self) -> None:
        conversation_id, agent = await self._held(str(CHAT), "telegram")
        await self.line.ownership.resolve(conversation_id, agent, self.at)

    async def _served_by_bot(self) -> None:
        conversation_id = await self._writes(str(ANOTHER_CHAT), "telegram", events=(ev.IntentHandled("track_order"),))
        await self._set(conversation_id, last_sender="bot")

    async def _held(self, who: str, channel: str = "web") -> tuple[ConversationId, Agent]:
        """Let an agent have a conversation, and nothing be left to tell the shopper of that."""
        conversation_id = await self._writes(who, channel)
        agent = await self.line.hire(f"agent-{who}")
        await self.line.ownership.take(conversation_id, agent, self.at)
        return conversation_id, agent

    async def _set(self, conversation_id: str, **values: Any) -> None:
        await self._change(update(CONVERSATIONS).where(CONVERSATIONS.c.id == conversation_id).values(values))

    async def _change(self, statement: Any) -> None:
        await self.line.database.run(lambda on: on.execute(statement) and None)
