"""Putting a conversation aside, for a while or until the shopper writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.desk.bells import Bells
from bot.desk.refusals import Refusal
from bot.domain.clock import Clock
from bot.domain.conversation import Conversation, Owner
from bot.domain.due import Snooze, SnoozeStore
from bot.domain.ids import ConversationId
from bot.domain.people import Agent

_MORNING = time(9)
_DAYS_IN_WEEK = 7


def _in_days(local: datetime, days: int) -> datetime:
    return datetime.combine(local.date() + timedelta(days=days), _MORNING, local.tzinfo)


_UNTIL: dict[str, Callable[[datetime], datetime | None]] = {
    "hour": lambda local: local + timedelta(hours=1),
    "three_hours": lambda local: local + timedelta(hours=3),
    "tomorrow": lambda local: _in_days(local, 1),
    "monday": lambda local: _in_days(local, _DAYS_IN_WEEK - local.weekday()),
    "reply": lambda _local: None,
}
SNOOZES = tuple(_UNTIL)
"""For how long a conversation can be put aside, by the agent's own clock; ``reply``: until the shopper writes."""


class DeskSnoozes:
    """Puts conversations aside and brings them back."""

    def __init__(self, snoozes: SnoozeStore | None, bells: Bells, clock: Clock) -> None:
        self._snoozes = snoozes
        self._bells = bells
        self._clock = clock

    async def of(self, conversation: Conversation) -> Snooze | None:
        """Tell how a conversation is put aside; None when it is not."""
        if self._snoozes is None or conversation.owner is not Owner.WITH_AGENT:
            return None
        return await self._snoozes.of(conversation.id)

    async def snooze(self, conversation_id: ConversationId, agent: Agent, until: str) -> None:
        """Put it aside until one of ``SNOOZES``; Conflict unless the agent holds it, Refusal for another word."""
        choose = _UNTIL.get(until)
        if choose is None or self._snoozes is None:
            raise Refusal("choice", f"{until!r} is no time to snooze until; choose one of {', '.join(SNOOZES)}")
        now = self._clock.now()
        await self._snoozes.snooze(conversation_id, agent, choose(now.astimezone(ZoneInfo(agent.timezone))), now)
        await self._bells.show(conversation_id)

    async def wake(self, conversation_id: ConversationId, agent: Agent) -> None:
        """Bring it back; Conflict unless the agent holds it."""
        if self._snoozes is not None:
            await self._snoozes.wake(conversation_id, agent, self._clock.now())
            await self._bells.show(conversation_id)
