"""How a platform's channel is plugged into the house: one class a channel, named by one line of the wiring.

``bot/wiring/platforms.py`` names the class, and loads it only for a channel that is switched on or looked at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import APIRouter

from bot.channels.adapter import PlatformAdapter
from bot.channels.findings import Finding
from bot.domain.channel_ports import OnMessages, OnPulled, Refused
from bot.domain.clock import Clock
from bot.domain.errors import ConfigError
from bot.domain.exchange_ports import Exchanges
from bot.domain.ids import ConversationId
from bot.domain.ports import LiveFeed
from bot.domain.receipts import OnReceipts
from bot.domain.shared_ports import FirstMark, TokenShelf
from bot.domain.staff import OnStaffWords, OnThreadMove, PlatformSessions
from bot.domain.windows import ReplyTokens

AdapterT = TypeVar("AdapterT", bound=PlatformAdapter)
Ring = Callable[[ConversationId], Awaitable[None]]
OnUndelivered = Callable[[str, str, Refused], Awaitable[None]]
"""What a channel calls (channel, platform's id, why) when a message that was taken was not delivered after all."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a channel is set up with: its ``section`` of config.yml, and the ``secrets`` it needs, by name."""

    name: str
    section: Any
    secrets: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lent:
    """What the house lends to every adapter.

    ``tokens`` pay for answers, ``shelf`` keeps access tokens for several processes, ``marks`` tells who is first.
    """

    clock: Clock
    tokens: ReplyTokens
    marks: FirstMark
    shelf: TokenShelf | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """Where a channel hands on what it hears, and what it asks before it answers.

    ``ring`` has a conversation delivered at once; ``leads`` tells whether this process, of several, is the one that
    pulls.
    """

    clock: Clock
    live: LiveFeed
    on_messages: OnMessages
    on_receipts: OnReceipts
    on_staff: OnStaffWords
    on_move: OnThreadMove
    on_undelivered: OnUndelivered
    pulled: OnPulled
    exchanges: Exchanges
    sessions: PlatformSessions
    ring: Ring
    leads: Callable[[], Awaitable[bool]]


class Plug(ABC, Generic[AdapterT]):
    """One channel, set up; ConfigError where it is set up with what cannot work."""

    @abstractmethod
    def __init__(self, setup: Setup) -> None: ...

    @abstractmethod
    def adapter(self, lent: Lent) -> AdapterT:
        """Make what sends."""

    @abstractmethod
    def router(self, adapter: AdapterT, heard: Heard) -> APIRouter:
        """Make what hears: the webhook, at ``/webhooks/<channel>``."""

    @abstractmethod
    async def check(self, webhook: str) -> tuple[Finding, ...]:
        """Look at the set-up; ``webhook`` is our public address of it, empty when there is none."""

    def background(self, adapter: AdapterT, heard: Heard) -> AbstractAsyncContextManager[None]:
        """Do what has to be done besides, such as pulling, as long as the house is open; opened before ``router``."""
        del adapter, heard
        return nullcontext()

    async def connect(self, webhook: str) -> None:
        """Tell the platform where we are; ConfigError with what it says against it, or when it cannot be told."""
        del webhook
        raise ConfigError("this channel cannot be connected from here; its page in docs/channels says where to click")
