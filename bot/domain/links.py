"""The same person on several channels: what identities have shown, what links them, what forbids it. Pure.

A fact is something an identity has shown to be true. Two identities with the same fact are one person's, unless
verified facts speak against it: two phones, or two accounts on the shop's own site, are two persons' until a human
says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.domain.conversation import Conversation
from bot.domain.customers import ChannelIdentity, Customer
from bot.domain.ids import ConversationId, CustomerId, IdentityId
from bot.domain.people import Agent


class Evidence(StrEnum):
    """Why two identities are, or may be, one person's; the first three link, the rest only suggest."""

    ORDER = "order"
    MERCHANT_LOGIN = "merchant_login"
    AGENT = "agent"
    ORDER_CLAIMED = "order_claimed"
    PHONE_TAIL = "phone_tail"
    PHONE_SAID = "phone_said"
    NAME = "name"
    FOUND = "found"


VERIFIED = frozenset({Evidence.ORDER, Evidence.MERCHANT_LOGIN})
_VOUCHED = re.compile(r"k[0-9a-f]{24}")
_NUMBER = re.compile(r"[0-9]{6,15}")
_SHOWN_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Fact:
    """Something an identity has shown; ``phone_last4`` are the digits that an order was proved with."""

    identity_id: IdentityId
    kind: Evidence
    value: str
    verified_at: datetime
    phone_last4: str = ""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Verified facts that one person can hardly have: several phones, several accounts on the shop's site."""

    phones: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is one."""
        return bool(self.phones or self.accounts)


def vouched_account(channel: str, account: str, channel_user_id: str) -> str:
    """Give the account on the merchant's site that an identity is by itself; empty for every other identity.

    Only the widget's signed identity gives out such ids.
    """
    is_one = channel == "web" and _VOUCHED.fullmatch(channel_user_id) is not None
    return f"{account}:{channel_user_id}" if is_one else ""


def verified_phone(channel: str, channel_user_id: str) -> str:
    """Give the phone number that an identity is by itself; empty for every other identity.

    WhatsApp calls a customer by the number it has verified, unless he hides it: then by an id such as ``CN.1234``.
    """
    return channel_user_id if channel == "whatsapp" and _NUMBER.fullmatch(channel_user_id) else ""


def conflict_of(identities: Iterable[ChannelIdentity], facts: Iterable[Fact]) -> Conflict:
    """Say what speaks against these identities being one person's."""
    known, ones = tuple(facts), tuple(identities)
    phones = {fact.phone_last4 for fact in known if fact.kind is Evidence.ORDER and fact.phone_last4}
    numbers = {verified_phone(one.channel, one.channel_user_id) for one in ones} - {""}
    accounts = {fact.value for fact in known if fact.kind is Evidence.MERCHANT_LOGIN}
    accounts |= {vouched_account(one.channel, one.account, one.channel_user_id) for one in ones} - {""}
    # An order may go to somebody else's phone: its digits speak against other orders', never against a number.
    against = (sorted(phones) if len(phones) > 1 else []) + (
        sorted(number[-_SHOWN_DIGITS:] for number in numbers) if len(numbers) > 1 else []
    )
    return Conflict(tuple(against), tuple(sorted(accounts)) if len(accounts) > 1 else ())


@dataclass(frozen=True, slots=True)
class Link:
    """Two identities of one person, why, and by whose doing; it counts until ``undone_at``."""

    id: str
    identity: ChannelIdentity
    other: ChannelIdentity
    kind: Evidence
    value: str
    reason: str
    made_by_name: str
    made_at: datetime
    undone_by_name: str = ""
    undone_reason: str = ""
    undone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Clue:
    """Something that fits another customer; ``verified`` when both have shown it."""

    kind: Evidence
    value: str
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Another customer who may be the same person; ``undone`` when such a link was undone before."""

    customer_id: CustomerId
    name: str
    identities: tuple[ChannelIdentity, ...]
    clues: tuple[Clue, ...]
    conflict: Conflict = Conflict()
    undone: bool = False


@dataclass(frozen=True, slots=True)
class PersonFile:
    """A customer with all that is known of who he is; ``found`` are those a search has brought."""

    conversation: Conversation
    customer: Customer
    identities: tuple[ChannelIdentity, ...]
    facts: tuple[Fact, ...]
    links: tuple[Link, ...]
    suggestions: tuple[Suggestion, ...]
    found: tuple[Suggestion, ...] = ()
    conflict: Conflict = Conflict()


@dataclass(frozen=True, slots=True)
class LinkWish:
    """An agent's decision that another customer is the same person; ``sure`` in spite of a conflict."""

    conversation_id: ConversationId
    other_customer: CustomerId
    reason: str
    sure: bool = False


class LinkBook(Protocol):
    """Who is whom."""

    async def person(self, conversation_id: ConversationId, search: str = "") -> PersonFile:
        """Load the customer of a conversation with links, suggestions and what ``search`` finds."""
        ...

    async def link(self, wish: LinkWish, agent: Agent, at: datetime) -> tuple[ConversationId, ...]:
        """Make two customers one; list the open conversations it concerns.

        Conflict when verified facts speak against it and the agent is not sure, NotFound when one is gone.
        """
        ...

    async def undo(self, link_id: str, agent: Agent, reason: str, at: datetime) -> tuple[ConversationId, ...]:
        """Undo a link, everything goes back to where it came from; list the open conversations it concerns."""
        ...
