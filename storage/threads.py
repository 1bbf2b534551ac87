"""Conversations that the shop begins, with a customer who has written on that channel before."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from bot.domain.conversation import Owner
from bot.domain.errors import NotFound
from bot.domain.ids import ConversationId, IdentityId
from storage.database import Database
from storage.inbox import open_conversation
from storage.tables import CONVERSATIONS, IDENTITIES


class SqlThreads:
    """Opens conversations without a message of the customer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, identity_id: IdentityId, at: datetime) -> ConversationId:
        """Give the identity's open conversation, opening one if there is none; NotFound for an unknown identity."""
        return await self._database.run(lambda connection: _open(connection, identity_id, at))


def _open(connection: Connection, identity_id: IdentityId, at: datetime) -> ConversationId:
    held = select(IDENTITIES.c.customer_id).where(IDENTITIES.c.id == identity_id)
    customer = connection.execute(held.with_for_update(read=True, key_share=True)).scalar()
    if customer is None:
        raise NotFound(f"there is no identity {identity_id!r}")
    open_conversation(connection, identity_id, customer, at)
    found = select(CONVERSATIONS.c.id).where(
        CONVERSATIONS.c.identity_id == identity_id, CONVERSATIONS.c.owner != Owner.RESOLVED.value
    )
    return ConversationId(connection.execute(found).scalar_one())
