"""Whose it is: a sender's identity on a channel, and the conversations he has by it."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from bot.domain.messages import Sender
from bot.domain.receipts import Receipt
from storage.tables import CONVERSATIONS, IDENTITIES
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


def sender_key(one: Sender | Receipt) -> dict[str, str]:
    """Name an identity as it is stored."""
    return {
        "channel": one.channel,
        "account": one.account,
        "channel_user_id": clean_text(one.channel_user_id),
    }
