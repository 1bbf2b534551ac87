"""Whose it is: a sender's identity on a channel, and the conversations he has by it."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, or_, select

from bot.domain.links import Evidence, vouched_account
from bot.domain.messages import Sender
from bot.domain.receipts import Receipt
from storage.tables import CONVERSATIONS, FACTS, IDENTITIES
from storage.types import clean_text

IS_SENDER = (
    IDENTITIES.c.channel == bindparam("channel"),
    IDENTITIES.c.account == bindparam("account"),
    IDENTITIES.c.channel_user_id == bindparam("channel_user_id"),
)
"""The identity that ``sender_key`` names."""

OWN_CONVERSATIONS = (
    select(CONVERSATIONS.c.id).join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id).where(*IS_SENDER)
)
"""The ids of all conversations of that identity."""

_SELF = IDENTITIES.alias("self")
_IS_SELF = (
    _SELF.c.channel == bindparam("channel"),
    _SELF.c.account == bindparam("account"),
    _SELF.c.channel_user_id == bindparam("channel_user_id"),
)
_SIGNED_IN_AS_HIM = select(FACTS.c.identity_id).where(
    FACTS.c.kind == Evidence.MERCHANT_LOGIN.value, FACTS.c.value == bindparam("login")
)
IS_KNOWN_CUSTOMER = or_(
    and_(*IS_SENDER),
    and_(
        IDENTITIES.c.id.in_(_SIGNED_IN_AS_HIM),
        IDENTITIES.c.customer_id == select(_SELF.c.customer_id).where(*_IS_SELF).scalar_subquery(),
    ),
)
"""The identity that ``known_key`` names, and his as a visitor before he signed in, while they are one person."""

KNOWN_CONVERSATIONS = (
    select(CONVERSATIONS.c.id).join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id).where(IS_KNOWN_CUSTOMER)
)
"""The ids of all conversations of those."""


def known_key(one: Sender) -> dict[str, str]:
    """Name the identity of a customer whom the merchant's site has vouched for; empty for everybody else."""
    login = vouched_account(one.channel, one.account, one.channel_user_id)
    return sender_key(one) | {"login": login} if login else {}


def sender_key(one: Sender | Receipt) -> dict[str, str]:
    """Name an identity as it is stored."""
    return {
        "channel": one.channel,
        "account": one.account,
        "channel_user_id": clean_text(one.channel_user_id),
    }
