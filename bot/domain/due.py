"""Due dates: promises that pass, conversations put aside, questions asked afterwards. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bot.domain.handoff import Priority
from bot.domain.ids import ConversationId
from bot.domain.line_ports import OutboxDraft
from bot.domain.people import Agent

OVERDUE = "overdue"
WINDOW_CLOSING = "window_closing"
"""Why something was raised in priority: its promised time has passed, or its window is about to close."""


class OpeningHours(Protocol):
    """When people sit behind the counter."""

    def is_open(self, at: datetime) -> bool:
        """Tell whether the counter is staffed at ``at``."""
        ...

    def after(self, since: datetime, open_time: timedelta) -> datetime:
        """Give the moment by which the counter has been staffed for ``open_time`` since ``since``."""
        ...


@dataclass(frozen=True, slots=True)
class ServiceLevels:
    """What is promised to those who wait.

    ``answer_within`` is the time, counted while the shop is open, after which a waiting hand-off of that priority is
    overdue. A window that closes within ``window_warning`` while its shopper waits raises the priority; zero: never.
    """

    answer_within: Mapping[Priority, timedelta]
    window_warning: timedelta


@dataclass(frozen=True, slots=True)
class SurveyRules:
    """When shoppers are asked how it was.

    Asked ``quiet`` after the end, not when that is longer ago than ``at_latest``; a customer once in ``period``.
    """

    quiet: timedelta
    at_latest: timedelta
    period: timedelta
    after_agent: bool = True
    after_bot: bool = True


SurveyQuestion = Callable[[str], OutboxDraft]
"""The question with its buttons, in a stored locale."""


def raised(priority: str) -> Priority:
    """Give the next higher priority; ``URGENT`` stays."""
    ranks = list(Priority)
    rank = ranks.index(Priority(priority)) if priority in set(Priority) else 0
    return ranks[min(rank + 1, len(ranks) - 1)]


@dataclass(frozen=True, slots=True)
class Snooze:
    """A conversation is put aside until ``until`` (None: no time) or until the shopper writes."""

    until: datetime | None


class SnoozeStore(Protocol):
    """Puts conversations aside, and brings them back."""

    async def of(self, conversation_id: ConversationId) -> Snooze | None:
        """Tell how a conversation is put aside; None when it is not."""
        ...

    async def snooze(self, conversation_id: ConversationId, agent: Agent, until: datetime | None, at: datetime) -> None:
        """Put it aside until a time (None: as long as the shopper is silent) or until the shopper writes.

        Conflict unless the agent holds it, RefusedInput when ``until`` is not ahead.
        """
        ...

    async def wake(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> None:
        """Bring it back before its time; harmless when it is not snoozed. Conflict unless the agent holds it."""
        ...
