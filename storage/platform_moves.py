"""Changes of owner that happened at a platform: its own staff took a session, or ended it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from bot.domain.conversation import ALLOWED_CHANGES, Owner
from bot.domain.ids import ConversationId
from bot.domain.messages import Sender
from storage import events
from storage.database import Database
from storage.ownership import SAVE, ChangeOfOwner, change_owner, locked, settle_change
from storage.tables import CONVERSATIONS, IDENTITIES

_FIND = (
    select(CONVERSATIONS.c.id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(
        IDENTITIES.c.channel == bindparam("channel"),
        IDENTITIES.c.account == bindparam("account"),
        IDENTITIES.c.channel_user_id == bindparam("channel_user_id"),
        CONVERSATIONS.c.owner != Owner.RESOLVED.value,
    )
)


class SqlPlatformMoves:
    """Follows the platform; what is so already, or cannot be, changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def move(self, sender: Sender, owner: Owner, by: str, at: datetime) -> ConversationId | None:
        """Give the customer's open conversation the owner the platform has; return it when it changed."""
        return await self._database.run(lambda connection: _move(connection, sender, ChangeOfOwner(owner, by), at))


def _move(connection: Connection, sender: Sender, change: ChangeOfOwner, at: datetime) -> ConversationId | None:
    key = {"channel": sender.channel, "account": sender.account, "channel_user_id": sender.channel_user_id}
    found = connection.execute(_FIND, key).scalar()
    if found is None:
        return None
    row = locked(connection, found)
    before = Owner(row["owner"])
    if before is change.after or change.after not in ALLOWED_CHANGES[before]:
        return None
    event, values = change_owner(row, change, at)
    events.append(connection, found, [event], at)
    connection.execute(SAVE, values | {"conversation": found, "updated_at": at})
    settle_change(connection, row, event, at)
    return ConversationId(found)
