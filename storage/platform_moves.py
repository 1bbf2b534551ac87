"""Changes of owner that happened at a platform: its own staff took a session, or ended it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, select

from bot.domain.conversation import ALLOWED_CHANGES, Owner
from bot.domain.events import AgentUttered, OwnerChanged
from bot.domain.ids import ConversationId
from bot.domain.line_ports import Cursor
from bot.domain.messages import OutboundMessage
from bot.domain.staff import StaffWords, ThreadMove
from bot.domain.windows import Opening
from storage import cursors, events
from storage.database import Database
from storage.inbox import open_conversation
from storage.messages import encode_outbound
from storage.outbox_parts import called
from storage.ownership import LAST_TEXT_CHARS, SAVE, ChangeOfOwner, change_owner, locked, settle_change
from storage.senders import IS_SENDER, OWN_CONVERSATIONS, sender_key
from storage.tables import CONVERSATIONS, EVENTS, IDENTITIES, OUTBOX, WINDOWS
from storage.types import clean_text
from storage.windows import open_after_end

_ID_CHARS = 200
_LATEST = OWN_CONVERSATIONS.order_by(CONVERSATIONS.c.opened_at.desc(), CONVERSATIONS.c.id).limit(1)
_KNOWN = (
    select(OUTBOX.c.id)
    .join(CONVERSATIONS, CONVERSATIONS.c.id == OUTBOX.c.conversation_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(*IS_SENDER, called("platform"))
    .limit(1)
)
_FIND = OWN_CONVERSATIONS.where(CONVERSATIONS.c.owner != Owner.RESOLVED.value)
# The number's bound says nothing, but makes SQLite go by the conversation and not by the kind.
_MOVED_AT = select(func.max(EVENTS.c.at)).where(
    EVENTS.c.conversation_id == bindparam("conversation"), EVENTS.c.seq > 0, EVENTS.c.kind == OwnerChanged.kind
)
_IDENTITY = select(IDENTITIES.c.id, IDENTITIES.c.customer_id).where(*IS_SENDER)
_CLOSE = delete(WINDOWS).where(
    WINDOWS.c.identity_id == bindparam("identity"), WINDOWS.c.kind.in_([kind.value for kind in Opening])
)


class SqlPlatformMoves:
    """Follows the platform; what is so already, or cannot be, changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def follow(self, move: ThreadMove, at: datetime) -> ConversationId | None:
        """Give the customer's open conversation the owner the platform has; return it when it changed.

        What the platform told late, or tells again after the conversation has gone on, changes nothing.
        """
        return await self._database.run(lambda connection: _move(connection, move, at))

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
    platform_id, text = clean_text(words.platform_id, _ID_CHARS), clean_text(words.text)
    if connection.execute(_KNOWN, key | {"platform": platform_id}).first():
        return None
    (seq,) = events.append(connection, found, [AgentUttered(text, "", words.name)], at)
    row = {
        "conversation_id": found,
        "event_seq": seq,
        "sender": "agent",
        "message": encode_outbound(OutboundMessage(text)),
        "state": "sent",
        "platform_id": platform_id,
        "due_at": words.at,
        "created_at": words.at,
        "done_at": at,
    }
    connection.execute(insert(OUTBOX), row)
    last_word = {"last_text": text[:LAST_TEXT_CHARS], "last_sender": "agent", "updated_at": at}
    connection.execute(SAVE, last_word | {"conversation": found})
    return ConversationId(found)


def _move(connection: Connection, move: ThreadMove, at: datetime) -> ConversationId | None:
    key = sender_key(move.sender)
    identity = connection.execute(_IDENTITY, key).first()
    if identity is None or (move.event_id and not _is_first(connection, identity[0], move, at)):
        return None
    found = connection.execute(_FIND, key).scalar()
    if found is None and move.begins:
        open_conversation(connection, identity[0], identity[1], at)
        found = connection.execute(_FIND, key).scalar()
    if found is None:
        return None
    row = locked(connection, found)
    if not _is_news(row, move) or (not move.event_id and _has_moved(connection, row, move)):
        return None
    event, values = change_owner(row, ChangeOfOwner(move.owner, f"{move.sender.channel}:{move.by}"), at)
    events.append(connection, found, [event], at)
    connection.execute(SAVE, values | {"conversation": found, "updated_at": at})
    settle_change(connection, row, event, at)
    if move.event_id and move.owner is Owner.RESOLVED:
        connection.execute(_CLOSE, {"identity": row["identity_id"]})
        open_after_end(connection, row["identity_id"], move.end_code, min(move.at, at))
    return ConversationId(found)


def _is_first(connection: Connection, identity_id: str, move: ThreadMove, at: datetime) -> bool:
    """Note how far the platform has told its moves, by its own times; False for what it tells again."""
    cursor = Cursor(move.sender.channel, move.sender.account, f"moves:{identity_id}")
    now = f"{move.at.timestamp():015.3f} {clean_text(move.event_id, _ID_CHARS)}"
    while True:
        before = cursors.position(connection, cursor)
        told_at, _, _ = before.partition(" ")
        if before == now or told_at > now.partition(" ")[0]:
            return False
        # Whoever notes another move at this moment is waited for: what he noted is read anew.
        if cursors.move(connection, replace(cursor, position=now, before=before), at):
            return True


def _is_news(row: RowMapping, move: ThreadMove) -> bool:
    before = Owner(row["owner"])
    if move.asked and row["agent_id"] is not None:
        return False
    if before is move.owner:
        # Where somebody else has the thread at the platform, ours can no longer say a word in it.
        return move.owner is Owner.WITH_AGENT and row["agent_id"] is not None
    if move.owner is Owner.WITH_BOT and (row["agent_id"] is not None or before is Owner.WAITING_FOR_AGENT):
        return False  # one of our own agents has it, or is waited for: the platform gives it to us, not to the bot
    return move.owner in ALLOWED_CHANGES[before]


def _has_moved(connection: Connection, row: RowMapping, move: ThreadMove) -> bool:
    """Tell whether the conversation has changed hands since the platform told it."""
    moved_at = connection.execute(_MOVED_AT, {"conversation": row["id"]}).scalar()
    return moved_at is not None and moved_at > move.at
