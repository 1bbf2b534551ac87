"""The inbox: what was taken in is never lost and never doubled."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, String, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql

from bot.domain.conversation import Owner
from bot.domain.errors import BadPayload, StorageError
from bot.domain.ids import ConversationId, InboxId, new_id
from bot.domain.line_ports import Accepted, Cursor
from bot.domain.messages import REVISIONS, InboundMessage, Sender
from storage import cursors, held, media, revisions, windows
from storage.database import Database
from storage.messages import encode_inbound
from storage.senders import IS_SENDER, sender_key
from storage.tables import CONVERSATIONS, CUSTOMERS, IDENTITIES, INBOX, Upsert
from storage.types import Moment, clean_text

_MAX_KEY_CHARS = 256
_MAX_NAME_CHARS = 200
_FIND_TRIES = 4

_FIND_OPEN = (
    select(CONVERSATIONS.c.id, IDENTITIES.c.id, IDENTITIES.c.customer_id, IDENTITIES.c.display_name)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(*IS_SENDER, CONVERSATIONS.c.owner != Owner.RESOLVED.value)
    .with_for_update(of=CONVERSATIONS)
)
# Held, so that no link can give the identity to another customer before its conversation is there.
_FIND_IDENTITY = (
    select(IDENTITIES.c.id, IDENTITIES.c.customer_id).where(*IS_SENDER).with_for_update(read=True, key_share=True)
)
_FIRST_KNOWN_AS = (
    select(IDENTITIES.c.channel_user_id)
    .where(
        IDENTITIES.c.channel == bindparam("channel"),
        IDENTITIES.c.account == bindparam("account"),
        IDENTITIES.c.channel_user_id.in_((bindparam("channel_user_id"), bindparam("other_id"))),
    )
    .order_by(IDENTITIES.c.created_at)
    .limit(1)
)
_FIND_MESSAGE = select(INBOX.c.conversation_id, INBOX.c.id).where(
    INBOX.c.channel == bindparam("channel"),
    INBOX.c.account == bindparam("account"),
    INBOX.c.dedupe_key == bindparam("dedupe_key"),
)
_LAST_LOCALE = (
    select(CONVERSATIONS.c.locale)
    .where(CONVERSATIONS.c.identity_id == bindparam("identity"))
    .order_by(CONVERSATIONS.c.opened_at.desc())
    .limit(1)
)
_ADD_MESSAGE = Upsert(lambda into: into(INBOX).on_conflict_do_nothing().returning(INBOX.c.id))
_ADD_IDENTITY = Upsert(lambda into: into(IDENTITIES).on_conflict_do_nothing().returning(IDENTITIES.c.id))
_ADD_CONVERSATION = Upsert(lambda into: into(CONVERSATIONS).on_conflict_do_nothing())
_ADD_CUSTOMER = insert(CUSTOMERS)
_ADD_USUAL = (
    postgresql.insert(INBOX)
    .from_select(
        ["channel", "account", "dedupe_key", "conversation_id", "message", "received_at"],
        select(
            bindparam("channel", type_=String()),
            bindparam("account", type_=String()),
            bindparam("dedupe_key", type_=String()),
            CONVERSATIONS.c.id,
            bindparam("message", type_=INBOX.c.message.type),
            bindparam("received_at", type_=Moment()),
        )
        .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
        .where(
            *IS_SENDER,
            CONVERSATIONS.c.owner != Owner.RESOLVED.value,
            IDENTITIES.c.display_name == func.coalesce(
                func.nullif(bindparam("name", type_=String()), ""), IDENTITIES.c.display_name
            ),
        )
        .with_for_update(of=CONVERSATIONS),
    )
    .on_conflict_do_nothing()
    .returning(INBOX.c.conversation_id, INBOX.c.id)
)  # fmt: skip


class SqlInboxStore:
    """Takes messages in; opens customer, identity and conversation where needed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(self, messages: Sequence[InboundMessage], at: datetime) -> tuple[Accepted, ...]:
        """Commit messages to the inbox; one answer a message, in their order.

        Raises BadPayload for a sender without id or with one that is too long; then nothing is taken.
        """
        _check_senders(messages)
        if not messages:
            return ()
        if not self._database.is_sqlite and len(messages) == 1 and _is_usual(messages[0]):
            accepted = await self._database.run_alone(lambda connection: _accept_usual(connection, messages[0], at))
            if accepted is not None:
                return (accepted,)
        return await self._database.run(lambda connection: _accept_all(connection, messages, at))

    async def accept_pulled(
        self, messages: Sequence[InboundMessage], cursor: Cursor, at: datetime
    ) -> tuple[Accepted, ...]:
        """Commit messages together with how far their platform has been read; also when there are no messages."""
        _check_senders(messages)

        def unit(connection: Connection) -> tuple[Accepted, ...]:
            accepted = _accept_all(connection, messages, at)
            cursors.move(connection, cursor, at)
            return accepted

        return await self._database.run(unit)

    async def position(self, cursor: Cursor) -> str:
        """Tell how far a platform has been read; empty when it never was."""
        return await self._database.read(lambda connection: cursors.position(connection, cursor))


def _check_senders(messages: Sequence[InboundMessage]) -> None:
    for message in messages:
        _check_sender(message.sender)


def _check_sender(sender: Sender) -> None:
    if not sender.channel_user_id or len(sender.channel_user_id) > _MAX_KEY_CHARS:
        raise BadPayload(
            f"a message of channel {sender.channel!r} names a sender of {len(sender.channel_user_id)} characters; "
            f"1 to {_MAX_KEY_CHARS} can be kept"
        )


def _is_usual(message: InboundMessage) -> bool:
    """Tell whether a message changes only the inbox once its conversation is open and its name known."""
    kept = windows.keeps_windows(message.sender.channel) or message.sender.other_id
    return not kept and message.kind not in REVISIONS and not message.attachments


def _accept_usual(connection: Connection, message: InboundMessage, at: datetime) -> Accepted | None:
    """Take a usual message in by one statement (PostgreSQL); None when it is to be taken in step by step."""
    sender = message.sender
    row = connection.execute(
        _ADD_USUAL,
        sender_key(sender)
        | {
            "dedupe_key": _dedupe_key(message),
            "message": encode_inbound(message),
            "received_at": at,
            "name": clean_text(sender.display_name, _MAX_NAME_CHARS),
        },
    ).first()
    return None if row is None else Accepted(ConversationId(row[0]), InboxId(row[1]), duplicate=False)


def _accept_all(connection: Connection, messages: Sequence[InboundMessage], at: datetime) -> tuple[Accepted, ...]:
    messages = [_as_first_known(connection, each) for each in messages]
    # Senders are locked in one order everywhere, so that two batches can never wait for each other.
    order = sorted(range(len(messages)), key=lambda index: tuple(sender_key(messages[index].sender).values()))
    answers: dict[int, Accepted] = {}
    for index in order:
        answers[index] = _accept(connection, messages[index], at)
    return tuple(answers[index] for index in range(len(messages)))


def _accept(connection: Connection, message: InboundMessage, at: datetime) -> Accepted:
    sender = message.sender
    row = {
        "channel": sender.channel,
        "account": sender.account,
        "dedupe_key": _dedupe_key(message),
    }
    found: Row[Any, Any, Any, Any] | None = connection.execute(_FIND_OPEN, sender_key(sender)).first()
    if message.kind in REVISIONS:
        found, message = revisions.place(connection, message, sender_key(sender), found)
        if found is None and message.kind in REVISIONS:
            return Accepted(ConversationId(""), InboxId(0), duplicate=True)
    if found is None:
        # A late repeat of a message whose conversation is over must not open another.
        before = connection.execute(_FIND_MESSAGE, row).first()
        if before is not None:
            return Accepted(ConversationId(before[0]), InboxId(before[1]), duplicate=True)
        found = _open(connection, sender, at)
    conversation_id = found[0]
    inbox_id = connection.execute(
        _ADD_MESSAGE.on(connection),
        row | {"conversation_id": conversation_id, "message": encode_inbound(message), "received_at": at},
    ).scalar()
    if inbox_id is None:
        before = connection.execute(_FIND_MESSAGE, row).one()
        return Accepted(ConversationId(before[0]), InboxId(before[1]), duplicate=True)
    _update_name(connection, found, sender)
    windows.open_window(connection, found[1], message, at)
    held.wake(connection, found[1], message, at)
    if message.attachments:
        media.expect(connection, ConversationId(conversation_id), message, at)
    return Accepted(ConversationId(conversation_id), InboxId(inbox_id), duplicate=False)


def _as_first_known(connection: Connection, message: InboundMessage) -> InboundMessage:
    """Let somebody of whom the platform tells two ids be who he was when it told only one."""
    sender = message.sender
    if not sender.other_id:
        return message
    known = connection.execute(_FIRST_KNOWN_AS, sender_key(sender) | {"other_id": clean_text(sender.other_id)}).scalar()
    return replace(message, sender=replace(sender, channel_user_id=known or sender.channel_user_id, other_id=""))


def _open(connection: Connection, sender: Sender, at: datetime) -> Row[Any, Any, Any, Any]:
    """Open what is missing; whoever else opens it at the same moment is waited for and joined."""
    for _ in range(_FIND_TRIES):
        identity = connection.execute(_FIND_IDENTITY, sender_key(sender)).first()
        if identity is None:
            _add_identity(connection, sender, at)
            continue
        open_conversation(connection, identity[0], identity[1], at)
        found = connection.execute(_FIND_OPEN, sender_key(sender)).first()
        if found is not None:
            return found
    raise StorageError(f"no conversation could be opened for a sender of {sender.channel!r}; deliver the message again")


def open_conversation(connection: Connection, identity_id: str, customer_id: str, at: datetime) -> str:
    """Open a conversation with the bot unless one is open; return the new one's id (unused when one was open)."""
    conversation_id = new_id()
    locale = connection.execute(_LAST_LOCALE, {"identity": identity_id}).scalar() or ""
    connection.execute(
        _ADD_CONVERSATION.on(connection),
        {
            "id": conversation_id,
            "customer_id": customer_id,
            "identity_id": identity_id,
            "owner": Owner.WITH_BOT.value,
            "locale": locale,
            "opened_at": at,
            "updated_at": at,
        },
    )
    return conversation_id


def ensure_identity(connection: Connection, sender: Sender, at: datetime) -> str:
    """Give the sender's identity, with a customer of its own when it is new."""
    found = connection.execute(_FIND_IDENTITY, sender_key(sender)).first()
    if found is None:
        _add_identity(connection, sender, at)
        found = connection.execute(_FIND_IDENTITY, sender_key(sender)).one()
    identity_id: str = found[0]
    return identity_id


def _add_identity(connection: Connection, sender: Sender, at: datetime) -> None:
    customer_id = new_id()
    name = clean_text(sender.display_name, _MAX_NAME_CHARS)
    connection.execute(_ADD_CUSTOMER, {"id": customer_id, "display_name": name, "created_at": at})
    row = sender_key(sender) | {
        "id": new_id(),
        "customer_id": customer_id,
        "display_name": name,
        "created_at": at,
    }
    if connection.execute(_ADD_IDENTITY.on(connection), row).scalar() is None:
        connection.execute(delete(CUSTOMERS).where(CUSTOMERS.c.id == customer_id))


def _update_name(connection: Connection, found: Row[Any, Any, Any, Any], sender: Sender) -> None:
    _, identity_id, customer_id, old_name = found
    name = clean_text(sender.display_name, _MAX_NAME_CHARS)
    if not name or name == old_name:
        return
    connection.execute(update(IDENTITIES).where(IDENTITIES.c.id == identity_id).values(display_name=name))
    # A name given to the customer by hand stays; one that came from this channel follows it.
    connection.execute(
        update(CUSTOMERS)
        .where(CUSTOMERS.c.id == customer_id, CUSTOMERS.c.display_name.in_(("", old_name)))
        .values(display_name=name)
    )


def _dedupe_key(message: InboundMessage) -> str:
    key = message.dedupe_key
    if len(key) <= _MAX_KEY_CHARS:
        return clean_text(key)
    return "sha256:" + hashlib.sha256(key.encode(errors="replace")).hexdigest()
