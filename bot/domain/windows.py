"""Windows and quotas: how long, and how many messages, a platform still lets us send. Pure, one policy a channel.

Each kind of action of the customer opens a window of its own and a repeat of that action opens it anew. A message we
send is counted in every window that is open, and what may still be sent is the most that any one of them holds: the
windows do not add up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from bot.domain.channel_ports import Deferred, Refused
from bot.domain.ids import ConversationId, IdentityId
from bot.domain.line_ports import OutboxItem
from bot.domain.messages import REVISIONS, InboundMessage, MessageKind
from bot.domain.people import Agent

AGENT = "agent"


class Opening(StrEnum):
    """What a customer does that lets us send; ``END`` is the platform's own: what it lets us say after an end."""

    MESSAGE = "message"
    MENU = "menu"
    FOLLOW = "follow"
    ENTER = "enter"
    REPLY = "reply"
    END = "end"


class Offer(StrEnum):
    """What a platform still allows when its window is closed."""

    WAIT = "wait"
    TEMPLATE = "template"
    HUMAN_TAG = "human_tag"
    OTHER_CHANNEL = "other_channel"


@dataclass(frozen=True, slots=True)
class Window:
    """How long an opening lasts and how many messages it holds (None: not counted)."""

    lasts: timedelta
    messages: int | None = None


@dataclass(frozen=True, slots=True)
class WindowPolicy:
    """A channel's windows; ``offers`` when none is open.

    ``presses`` and ``follows`` say which opening a pressed button and a follow event are. ``inline``: an answer may
    also go out in the response of the webhook, which holds back what is sent by itself. ``humans_last``: how long after
    the customer's last message a person may still write. ``templates``: approved ones go out at any time.
    """

    windows: Mapping[Opening, Window]
    presses: Opening = Opening.MESSAGE
    follows: Opening | None = None
    offers: tuple[Offer, ...] = (Offer.WAIT, Offer.OTHER_CHANNEL)
    inline: bool = False
    humans_last: timedelta | None = None
    templates: bool = False

    @property
    def counted(self) -> bool:
        """Tell whether messages are counted, so that several are better merged into one."""
        return any(window.messages is not None for window in self.windows.values())


_TWO_DAYS = timedelta(hours=48)
_ONE_DAY = timedelta(hours=24)
_MENU = Window(timedelta(minutes=1), 3)
_CODE = Window(timedelta(seconds=20), 1)
_META = WindowPolicy(
    {Opening.MESSAGE: Window(_ONE_DAY)},
    follows=Opening.MESSAGE,
    offers=(Offer.HUMAN_TAG, Offer.WAIT, Offer.OTHER_CHANNEL),
    humans_last=timedelta(days=7),
)

POLICIES: Mapping[str, WindowPolicy] = {
    # Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html
    # (48 hours and 5 messages after a message; 3 messages in 1 minute after a menu click, following, a scanned code).
    "wechat_oa": WindowPolicy(
        {Opening.MESSAGE: Window(_TWO_DAYS, 5), Opening.MENU: _MENU, Opening.FOLLOW: _MENU},
        presses=Opening.MENU,
        follows=Opening.FOLLOW,
        inline=True,
    ),
    # Source: https://developer.work.weixin.qq.com/document/path/94677 (48 hours and 5 messages after a message) and
    # /path/95122 (the codes of an entered session and of one that has ended: one message within 20 seconds).
    "wecom_kf": WindowPolicy(
        {Opening.MESSAGE: Window(_TWO_DAYS, 5), Opening.ENTER: _CODE, Opening.END: _CODE},
        follows=Opening.ENTER,
    ),
    # Source: https://developers.facebook.com/docs/whatsapp/conversation-types (24 hours, then only a template).
    "whatsapp": WindowPolicy(
        {Opening.MESSAGE: Window(_ONE_DAY)},
        offers=(Offer.TEMPLATE, Offer.WAIT, Offer.OTHER_CHANNEL),
        templates=True,
    ),
    # Source: https://developers.facebook.com/docs/messenger-platform/policy/policy-overview (24 hours, opened
    # by "get started" and by links to the chat as by a message; the tag HUMAN_AGENT for 7 days, for humans only).
    "messenger": _META,
    "instagram": _META,
}
"""The policy of each channel that has windows; any other may always be sent to."""


REPLY_LASTS: Mapping[str, timedelta] = {
    # Source: https://developers.line.biz/en/reference/messaging-api/#send-reply-message (used once, within one minute
    # after the webhook was received; longer is not guaranteed).
    "line": timedelta(seconds=50),
}
"""How long the code that comes with a message answers it for nothing; channels that may always be sent to as well."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An opening on record: when, and how many messages were sent since."""

    kind: Opening
    at: datetime
    used: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """What may still be sent: ``left`` messages (None: not counted) until ``until``; closed when ``until`` is None.

    ``used_up`` tells a closed window whose time is not over but whose messages are. Through a closed window a person's
    words pass until ``humans_until`` (None: they do not), an approved template where ``templates`` says so;
    ``templates_sent`` counts those since the customer's last message.
    """

    until: datetime | None
    left: int | None = None
    used_up: bool = False
    offers: tuple[Offer, ...] = ()
    humans_until: datetime | None = None
    templates: bool = False
    templates_sent: int = 0

    @property
    def is_open(self) -> bool:
        """Tell whether any message may go out."""
        return self.until is not None

    def lets(self, item: OutboxItem) -> bool:
        """Tell whether this one may go out: a closed window still lets a person or a template through."""
        if self.is_open:
            return True
        return (item.sender == AGENT and self.humans_until is not None) or (
            item.message.template is not None and self.templates
        )


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another channel of the same customer; ``room`` None: always open, ``conversation_id`` None: none is open."""

    identity_id: IdentityId
    channel: str
    name: str
    conversation_id: ConversationId | None
    room: Room | None

    @property
    def is_open(self) -> bool:
        """Tell whether a message may go out there."""
        return self.room is None or self.room.is_open


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """An approved template as the shop has set it up: ``{{1}}`` in ``text`` is the first of ``variables`` (labels)."""

    name: str
    language: str
    text: str
    variables: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name the template in one language."""
        return f"{self.name}/{self.language}"

    def fill(self, values: tuple[str, ...]) -> str:
        """Give the text as the shopper will read it; a value that is missing or empty stays a numbered place."""
        given = {str(number): value for number, value in enumerate(values, start=1) if value}
        return _PLACE.sub(lambda place: given.get(place[1], place[0]), self.text)


_PLACE = re.compile(r"\{\{(\d+)\}\}")


def places(text: str) -> set[int]:
    """List the numbered places of a template's text."""
    return {int(number) for number in _PLACE.findall(text)}


def lasts(kind: Opening) -> timedelta:
    """Give how long a code that came with such an action is good."""
    if kind is Opening.REPLY:
        return max(REPLY_LASTS.values())
    return max(policy.windows[kind].lasts for policy in POLICIES.values() if kind in policy.windows)


def opening_of(message: InboundMessage) -> Opening | None:
    """Tell what a message from the customer opens; None when nothing, or when the channel has no windows."""
    if message.sender.channel in REPLY_LASTS:
        return Opening.REPLY if message.reply_token else None
    policy = POLICIES.get(message.sender.channel)
    if policy is None or message.kind is MessageKind.UNFOLLOW or message.kind in REVISIONS:
        return None
    if message.kind is MessageKind.FOLLOW:
        return policy.follows
    return policy.presses if message.kind is MessageKind.BUTTON else Opening.MESSAGE


def room(policy: WindowPolicy, found: Iterable[Opened], at: datetime) -> Room:
    """Work out what may be sent at ``at``: of the windows still open, the one that holds most, then lasts longest."""
    opened = tuple(found)
    running = [
        (one, policy.windows[one.kind])
        for one in opened
        if one.kind in policy.windows and at - one.at <= policy.windows[one.kind].lasts
    ]
    rooms = [
        (window.messages - one.used if window.messages is not None else None, one.at + window.lasts)
        for one, window in running
    ]
    closed = _closed(policy, opened, at)
    best = max(rooms, key=lambda each: (float("inf") if each[0] is None else each[0], each[1]), default=None)
    if best is None:
        return closed
    left, until = best
    if left is not None and left <= 0:
        return replace(closed, left=0, used_up=True)
    return Room(until, left, templates=policy.templates)


def _closed(policy: WindowPolicy, opened: Iterable[Opened], at: datetime) -> Room:
    """Work out what a closed window still lets through."""
    wrote = max((one.at for one in opened if one.kind is Opening.MESSAGE), default=None)
    until = wrote + policy.humans_last if wrote is not None and policy.humans_last is not None else None
    humans_until = until if until is not None and at <= until else None
    offers = tuple(offer for offer in policy.offers if offer is not Offer.HUMAN_TAG or humans_until)
    return Room(None, offers=offers, humans_until=humans_until, templates=policy.templates)


def waiting(policy: WindowPolicy) -> WindowPolicy:
    """Give the policy of an account that may not send by itself: how long after any action words begin to wait.

    They wait for the customer's next action, whose call they answer. Nothing is counted, since nothing is sent.
    """
    longest = max(window.lasts for window in policy.windows.values())
    return replace(policy, windows=dict.fromkeys(policy.windows, Window(longest)))


class WindowLedger(Protocol):
    """Tells pages what may still be sent to a conversation."""

    async def of_conversation(self, conversation_id: ConversationId, at: datetime) -> Room | None:
        """Give the room of the conversation's identity; None when its channel has no windows."""
        ...

    async def elsewhere(self, conversation_id: ConversationId, at: datetime) -> tuple[Elsewhere, ...]:
        """List the customer's other channels, those that may be written to first."""
        ...


class Threads(Protocol):
    """Conversations that the shop begins."""

    async def open(self, identity_id: IdentityId, at: datetime) -> ConversationId:
        """Give the identity's open conversation, opening one if there is none; NotFound for an unknown identity."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A message's place in the windows that count it: when each of them, by kind, was opened; how many it takes."""

    opened: Mapping[str, datetime] = field(default_factory=dict)
    messages: int = 1


NO_PLACE = Place()


class SendingGate(Protocol):
    """What every sending asks first, takes its place in and is counted by, whoever sends (bot, agent, notice)."""

    async def ask(self, item: OutboxItem, at: datetime) -> Deferred | Refused | None:
        """Say why the message must not go out (now, or at all); None: it may."""
        ...

    async def reserve(self, item: OutboxItem, at: datetime, messages: int = 1) -> Place | Refused:
        """Count what a message makes before it is sent, so that nobody else sends the same last one.

        Refused when there is no room for it (any more). Whoever dies after it has counted too many, never too few.
        """
        ...

    async def count(self, item: OutboxItem, went: int, at: datetime, place: Place = NO_PLACE) -> None:
        """Count the messages that went out, or may have, in the windows that are open; ``place`` is one of them."""
        ...


class HeldWords(Protocol):
    """Words of agents that wait until the shopper writes, since the platform's window keeps them back."""

    async def hold(self, conversation_id: ConversationId, said: int, agent: Agent, at: datetime) -> bool:
        """Keep the words of event ``said`` until the shopper writes; True when they may go out at once instead.

        Conflict unless the agent holds the conversation and the platform's window is what keeps them back.
        """
        ...

    async def hold_reply(self, conversation_id: ConversationId, client_key: str, agent: Agent, at: datetime) -> bool:
        """Do as ``hold`` with the reply that was sent under a key."""
        ...

    async def withdraw(self, conversation_id: ConversationId, said: int, agent: Agent, at: datetime) -> None:
        """Let words that are kept back never go out; Conflict when they are not, or another agent has it."""
        ...


class ReplyTokens(Protocol):
    """The short-lived codes that came with a customer's action and pay for one answer; the newest of each kind."""

    async def token(self, conversation_id: ConversationId, kind: Opening, at: datetime) -> str:
        """Give the code of the last such action; empty when there is none, it was used, or its time is over.

        Asked by who has taken its place in the window: more than that one message, and the code is used.
        """
        ...

    async def take(self, conversation_id: ConversationId, at: datetime) -> str:
        """Use up the code of the last message before it is sent: nobody else gets it; empty when there is none."""
        ...
