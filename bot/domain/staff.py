"""What a shop's people do in a platform's own client: their words, and whose a conversation is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from bot.domain.messages import Sender


@dataclass(frozen=True, slots=True)
class StaffWords:
    """Words that somebody of the shop wrote to ``sender`` elsewhere; ``name`` is who, as the platform names him."""

    sender: Sender
    platform_id: str
    text: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ThreadMove:
    """A conversation that changed hands at the platform; ``by`` names who, or what, has it, ``at`` when it was told.

    ``event_id`` is the platform's, where it tells its moves in one order. ``begins``: somebody there has begun anew
    with a customer whose conversation was over. ``asked``: somebody there asks for it, and gets it unless one of ours
    has it. ``end_code`` pays for one more message after an end.
    """

    sender: Sender
    owner: Owner
    at: datetime
    by: str = ""
    event_id: str = ""
    begins: bool = False
    asked: bool = False
    end_code: str = ""


@dataclass(frozen=True, slots=True)
class SessionOver:
    """A session that has ended at its platform; ``end_code``, where there is one, pays for one more message."""

    end_code: str = ""


@dataclass(frozen=True, slots=True)
class Follower:
    """A conversation whose owner changed; its session at the platform is to follow.

    ``elsewhere``: a human of the platform has it, and its customer has written since.
    """

    conversation_id: ConversationId
    account: str
    channel_user_id: str
    owner: Owner
    epoch: int
    elsewhere: bool = False


class PlatformSessions(Protocol):
    """Which sessions at a platform still have to follow our owners."""

    async def due(self, channel: str, since: datetime) -> tuple[Follower, ...]:
        """List conversations to look at: changed hands after ``since`` with nothing left to send, or ``elsewhere``."""
        ...

    async def mark(self, channel: str, follower: Follower, at: datetime, over: SessionOver | None = None) -> None:
        """Keep that the session has followed as far as it can; ``over``: what it let us send is over too."""
        ...


OnStaffWords = Callable[[StaffWords], Awaitable[None]]
OnThreadMove = Callable[[ThreadMove], Awaitable[bool]]
"""What a channel calls when a conversation changes hands there; tells whether ours has changed with it."""
