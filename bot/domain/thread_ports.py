"""A customer's thread that several apps of the shop share at a platform: whose it is, and passing it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

from bot.domain.channel_ports import Addressee
from bot.domain.conversation import Conversation
from bot.domain.ids import ConversationId
from bot.domain.people import Agent


class Place(StrEnum):
    """Where else than at our desk a human may have a conversation, as ``ThreadMove.by`` names it."""

    PAGE_INBOX = "page_inbox"
    INSTAGRAM_INBOX = "instagram_inbox"
    WECOM = "wecom"
    OTHER_APP = "other_app"


CONTROL_LASTS: Mapping[str, timedelta] = {
    # Source: https://developers.facebook.com/documentation/business-messaging/messenger-platform/conversation-routing
    # and .../instagram-messaging/features/conversation-routing (24 hours after the last message of who has it; ? nobody
    # is told when it ends).
    "messenger": timedelta(hours=24),
    "instagram": timedelta(hours=24),
}
"""How long who has a thread keeps it without saying a word; by channel."""


def place_of(by: str) -> Place | None:
    """Read ``OwnerChanged.by`` of a conversation that no agent of ours holds; None when it names no place."""
    channel, colon, name = by.partition(":")
    if not colon:
        return None
    if name in set(Place):
        return Place(name)
    return Place.WECOM if channel == "wecom_kf" else Place.OTHER_APP


class Handing(StrEnum):
    """What a platform did when it was asked to change a thread's hands.

    ``ASKED``: it lets us not, but who has the thread has been asked to pass it. ``FAILED``: it may work another time.
    """

    DONE = "done"
    ASKED = "asked"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of it, and why it did not work."""

    handing: Handing
    reason: str = ""


@runtime_checkable
class PassesThread(Protocol):
    """What a channel has besides where other apps of the shop may have a customer's thread; optional.

    None of it raises for what the platform answers.
    """

    @property
    def inbox(self) -> Place:
        """Name the platform's own inbox, where the shop's people may answer too."""
        ...

    async def pass_thread(self, to: Addressee) -> Handed:
        """Give the thread to the platform's own inbox; until it comes back nothing can be sent there."""
        ...

    async def take_thread(self, to: Addressee) -> Handed:
        """Take the thread back from whoever has it, or ask for it."""
        ...

    async def release_thread(self, to: Addressee) -> Handed:
        """Let the thread go: the platform gives the customer's next message to whom it is set up for."""
        ...


@runtime_checkable
class QueuesThread(Protocol):
    """What a channel has besides whose waiting conversations may stand in a queue of the platform's; optional."""

    @property
    def queue(self) -> Place | None:
        """Name where they wait, and are answered; None: here."""
        ...


class ThreadHolders(Protocol):
    """Who has the threads that the platform shares, on record."""

    async def place(self, conversation: Conversation) -> Place | None:
        """Tell where a conversation is that a human has, but none of ours; None: nowhere else."""
        ...

    async def is_queued(self, conversation: Conversation, at: datetime) -> bool:
        """Tell whether a conversation waits in its platform's queue, or is about to.

        What the platform has not taken into it within a minute waits here after all.
        """
        ...

    async def passed(self, conversation_id: ConversationId, place: Place, by: Agent, at: datetime) -> Conversation:
        """Record that ``by`` has passed the thread; what is resolved meanwhile stays so."""
        ...

    async def taken(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """Give the agent the conversation whose thread he took back; Conflict when it is a colleague's, or over."""
        ...
