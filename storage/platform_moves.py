"""Changes of owner that happened at a platform: its own staff took a session, or ended it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select

from bot.domain.conversation import ALLOWED_CHANGES, Owner
from bot.domain.events import AgentUttered, OwnerChanged
from bot.domain.ids import ConversationId
from bot.domain.messages import OutboundMessage, Sender
from bot.domain.staff import StaffWords, ThreadMove
from storage import events
from storage.database import Database
from storage.messages import encode_outbound
from storage.outbox_parts import called
from storage.ownership import LAST_TEXT_CHARS, SAVE, ChangeOfOwner, change_owner, locked, settle_change
from storage.senders import IS_SENDER, OWN_CONVERSATIONS, sender_key
from storage.tables import CONVERSATIONS, EVENTS, IDENTITIES, OUTBOX
from storage.types import clean_text

_LATEST = OWN_CONVERSATIONS.order_by(CONVERSATIONS.c.opened_at.desc(), CONVERSATIONS.c.id).limit(1)
_KNOWN = (
    select(OUTBOX.c.id)
    .join(CONVERSATIONS, CONVERSATIONS.c.id == OUTBOX.c.conversation_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(*IS_SENDER, called("platform"))
    .limit(1)
)
_FIND = OWN_CONVERSATIONS.where(CONVERSATIONS.c.owner != Owner.RESOLVED.value)
_MOVED_AT = select(func.max(EVENTS.c.at)).where(
    EVENTS.c.conversation_id == bindparam("conversation"), EVENTS.c.kind == OwnerChanged.kind
)


class SqlPlatformMoves:
    """Follows the platform; what is so already, or cannot be, changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def move(self, sender: Sender, owner: Owner, by: str, at: datetime) -> ConversationId | None:
        """Give the customer's open conversation the owner the platform has; return it when it changed."""
        return await self._database.run(lambda connection: _move(connection, sender, ChangeOfOwner(owner, by), at))

    async def follow(self, move: ThreadMove, at: datetime) -> ConversationId | None:
        """Do as ``move``, unless the conversation has changed hands since the platform told it: it may tell it late."""
        change = ChangeOfOwner(move.owner, f"{move.sender.channel}:{move.by}")
        return await self._database.run(lambda connection: _move(connection, move.sender, change, at, move.at))

    async def said(self, words: StaffWords, at: datetime) -> ConversationId | None:
        """Record what staff wrote elsewhere as an agent's words; None when it is known, or nobody ever wrote there."""
        return await self._database.run(lambda connection: _said(connection, words, at))


def _said(connection: Connection, words: StaffWords, at: datetime) -> ConversationId | None:
    sender = words.sender
    key = sender_key(sender)
    found = connection.execute(_LATEST, key).scalar()
    if found is None:
        return None
    locked(connection, found)
    if connection.execute(_KNOWN, key | {"platform": words.platform_id}).first():
        return None
    text = clean_text(words.text)
    (seq,) = events.append(connection, found, [AgentUttered(text, "", words.name)], at)
    row = {
        "conversation_id": found,
        "event_seq": seq,
        "sender": "agent",
        "message": encode_outbound(OutboundMessage(text)),
        "state": "sent",
        "platform_id": words.platform_id,
        "due_at": words.at,
        "created_at": words.at,
        "done_at": at,
    }
    connection.execute(insert(OUTBOX), row)
    last_word = {"last_text": text[:LAST_TEXT_CHARS], "last_sender": "agent", "updated_at": at}
    connection.execute(SAVE, last_word | {"conversation": found})
    return ConversationId(found)


def _move(
    connection: Connection, sender: Sender, change: ChangeOfOwner, at: datetime, told_at: datetime | None = None
) -> ConversationId | None:
    key = sender_key(sender)
    found = connection.execute(_FIND, key).scalar()
    if found is None:
        return None
    row = locked(connection, found)
    before = Owner(row["owner"])
    if before is change.after or change.after not in ALLOWED_CHANGES[before]:
        return None
    if told_at is not None:
        moved_at = connection.execute(_MOVED_AT, {"conversation": found}).scalar()
        if moved_at is not None and moved_at > told_at:
            return None
    if change.after is Owner.WITH_BOT and row["agent_id"] is not None:
        return None  # one of our own agents has it: the platform gives it to us, not to the bot
    event, values = change_owner(row, change, at)
    events.append(connection, found, [event], at)
    connection.execute(SAVE, values | {"conversation": found, "updated_at": at})
    settle_change(connection, row, event, at)
    return ConversationId(found)
