"""Attachments as rows: recorded with their message, fetched later, forgotten with their customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from bot.domain.errors import NotFound
from bot.domain.ids import ConversationId, CustomerId
from bot.domain.media import (
    Erased,
    Erasure,
    Holding,
    MediaFile,
    MediaId,
    MediaState,
    media_id,
    read_uploaded,
    uploaded_reference,
)
from bot.domain.media_reasons import tell
from bot.domain.messages import Attachment, InboundMessage, MessageKind, Sender
from storage import erasing
from storage.database import Database
from storage.senders import IS_KNOWN_CUSTOMER, IS_SENDER, known_key, sender_key
from storage.tables import CONVERSATIONS, IDENTITIES, MEDIA, OUTBOX, Upsert
from storage.types import clean_text

_NAME_CHARS, _REASON_CHARS, _REFERENCE_CHARS = 200, 200, 4000
_ADD = Upsert(lambda into: into(MEDIA).on_conflict_do_nothing())
_BY_ID = select(MEDIA).where(MEDIA.c.id == bindparam("media"))
_OF_CONVERSATION = select(MEDIA).where(MEDIA.c.conversation_id == bindparam("conversation"))
_SENT_BY_AGENTS = select(OUTBOX.c.message).where(
    OUTBOX.c.conversation_id == bindparam("conversation"), OUTBOX.c.sender == "agent"
)
_STORED = (
    select(MEDIA)
    .join(CONVERSATIONS, CONVERSATIONS.c.id == MEDIA.c.conversation_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(MEDIA.c.id == bindparam("media"), MEDIA.c.state == MediaState.STORED.value)
)
_OF_SHOPPER, _OF_KNOWN = _STORED.where(*IS_SENDER), _STORED.where(IS_KNOWN_CUSTOMER)
_WAITS = MEDIA.c.state == MediaState.WAITING.value
_DUE = select(MEDIA).where(_WAITS, MEDIA.c.due_at <= bindparam("at")).order_by(MEDIA.c.due_at).limit(bindparam("most"))
_DUE_AND_FREE = _DUE.with_for_update(skip_locked=True)
_LEASE = (
    update(MEDIA)
    .where(MEDIA.c.id.in_(bindparam("ids", expanding=True)))
    .values(due_at=bindparam("until"), tries=MEDIA.c.tries + 1)
)


def expect(connection: Connection, conversation_id: ConversationId, message: InboundMessage, at: datetime) -> None:
    """Record a message's attachments, to be fetched in the background; part of taking the message in."""
    rows = [
        _row(media_id(conversation_id, message.dedupe_key, position), conversation_id, message.sender, at) | _state(one)
        for position, one in enumerate(message.attachments)
    ]
    if rows:
        connection.execute(_ADD.on(connection), rows)


def _row(media: MediaId, conversation_id: ConversationId, sender: Sender, at: datetime) -> dict[str, Any]:
    return {
        "id": media,
        "conversation_id": conversation_id,
        "channel": sender.channel,
        "account": sender.account,
        "tries": 0,
        "created_at": at,
        "due_at": at,
    }


def _state(one: Attachment) -> dict[str, Any]:
    """Tell what is known of an attachment at the beginning; what came by our own page is there already."""
    kept = read_uploaded(one.reference)
    there = MediaState.STORED if kept else MediaState.WAITING if one.reference else MediaState.FAILED
    return {
        "reference": clean_text(one.reference, _REFERENCE_CHARS),
        "kind": one.kind.value,
        "name": clean_text(one.name, _NAME_CHARS),
        "state": there.value,
        "reason": "" if one.reference else tell("no_way"),
        "content": kept[0] if kept else None,
        "mime": one.mime if kept else "",
        "size": kept[1] if kept else 0,
    }


class SqlMediaRecord:
    """What is known of every attachment (the port ``MediaRecord``)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, media_id: MediaId) -> MediaFile:
        """Find one; NotFound when there is none."""
        row = await self._database.read(lambda on: on.execute(_BY_ID, {"media": media_id}).mappings().first())
        if row is None:
            raise NotFound(f"there is no attachment {media_id!r}; it may have been erased")
        return _file(row)

    async def of_shopper(self, sender: Sender, media_id: MediaId) -> MediaFile:
        """Find a stored attachment of this shopper's own conversations; NotFound otherwise."""
        known = known_key(sender)
        values, wanted = (known or sender_key(sender)) | {"media": media_id}, _OF_KNOWN if known else _OF_SHOPPER
        row = await self._database.read(lambda on: on.execute(wanted, values).mappings().first())
        if row is None:
            raise NotFound(f"there is no attachment {media_id!r} in this shopper's conversations")
        return _file(row)

    async def sent_by_agent(self, media_id: MediaId) -> MediaFile:
        """Find a stored attachment that an agent has sent; NotFound otherwise, for shoppers' always."""
        file = await self.get(media_id)
        sent = await self._database.read(lambda on: _is_sent(on, file))
        if file.state is not MediaState.STORED or not sent:
            raise NotFound(f"there is no attachment {media_id!r} that an agent has sent")
        return file

    async def of_conversation(self, conversation_id: ConversationId) -> Mapping[MediaId, MediaFile]:
        """List a conversation's."""
        values = {"conversation": conversation_id}
        rows = await self._database.read(lambda on: on.execute(_OF_CONVERSATION, values).mappings().all())
        return {MediaId(row["id"]): _file(row) for row in rows}

    async def claim(self, at: datetime, lease_s: float, most: int) -> tuple[MediaFile, ...]:
        """Take what is due to be fetched; nobody else is given it for ``lease_s`` seconds. Counts a try."""
        values = {"at": at, "most": most}
        if not await self._database.read(lambda on: on.execute(_DUE, values).first()):
            return ()
        return await self._database.run(lambda on: _claim(on, values, at + timedelta(seconds=lease_s)))

    async def stored(self, media_id: MediaId, content: str, mime: str, size: int) -> None:
        """Record that it is kept."""
        kept = {"state": MediaState.STORED.value, "content": content, "mime": mime, "size": size, "reason": ""}
        await self._set(media_id, kept)

    async def wait(self, media_id: MediaId, due_at: datetime, reason: str) -> None:
        """Fetch it at ``due_at``, whatever was kept of it."""
        nothing = {"state": MediaState.WAITING.value, "content": None, "mime": "", "size": 0}
        await self._set(media_id, nothing | {"due_at": due_at, "reason": clean_text(reason, _REASON_CHARS)})

    async def give_up(self, media_id: MediaId, state: MediaState, reason: str) -> None:
        """Record that it will not come by itself any more."""
        await self._set(media_id, {"state": state.value, "reason": clean_text(reason, _REASON_CHARS)})

    async def retry(self, media_id: MediaId, at: datetime) -> bool:
        """Ask for it again from the start; False unless it had failed."""
        again = (
            update(MEDIA)
            .where(MEDIA.c.id == media_id, MEDIA.c.state == MediaState.FAILED.value, MEDIA.c.reference != "")
            .values(state=MediaState.WAITING.value, tries=0, due_at=at, reason="")
        )
        return await self._database.run(lambda on: bool(on.execute(again).rowcount))

    async def add(self, file: MediaFile, at: datetime) -> None:
        """Record something that is kept already (an upload)."""
        one = file.attachment
        kept = Attachment(one.kind, uploaded_reference(file.content, file.size), file.mime, one.name)
        sender = Sender(file.channel, file.account, "")
        row = _row(file.id, file.conversation_id, sender, at) | _state(kept)
        await self._database.run(lambda on: on.execute(_ADD.on(on), row))

    async def withdraw(self, media_id: MediaId) -> None:
        """Forget an upload of an agent unless a message of an agent has it; its bytes go when they are tidied away."""
        file = await self.get(media_id)
        gone = delete(MEDIA).where(MEDIA.c.id == media_id)
        await self._database.run(lambda on: None if _is_sent(on, file) else on.execute(gone))

    async def holding(self, customer_id: CustomerId) -> Holding:
        """Count what is kept of a customer."""
        return await self._database.read(lambda on: erasing.holding(on, customer_id))

    async def forget_customer(self, erasure: Erasure) -> Erased:
        """Erase all attachments of a customer, and what else is on record of them; say so in their conversations."""
        return await self._database.run(lambda on: erasing.forget_customer(on, erasure))

    async def unneeded(self, contents: Sequence[str]) -> tuple[str, ...]:
        """Tell which of these contents no attachment has any more."""
        return await self._database.read(lambda on: erasing.unneeded(on, contents))

    async def _set(self, media_id: MediaId, values: dict[str, Any]) -> None:
        # What was erased while it was being fetched stays erased.
        kept = MEDIA.c.state != MediaState.ERASED.value
        change = update(MEDIA).where(MEDIA.c.id == media_id, kept).values(**values)
        await self._database.run(lambda on: on.execute(change))


def _claim(on: Connection, values: dict[str, Any], until: datetime) -> tuple[MediaFile, ...]:
    rows = on.execute(_DUE_AND_FREE, values).mappings().all()
    if rows:
        on.execute(_LEASE, {"ids": [row["id"] for row in rows], "until": until})
    return tuple(_file(row) for row in rows)


def _is_sent(on: Connection, file: MediaFile) -> bool:
    sent = on.execute(_SENT_BY_AGENTS, {"conversation": file.conversation_id}).scalars().all()
    return any(one["reference"] == file.id for message in sent for one in message["attachments"])


def _file(row: Mapping[Any, Any]) -> MediaFile:
    return MediaFile(
        id=MediaId(row["id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        channel=row["channel"],
        account=row["account"],
        attachment=Attachment(MessageKind(row["kind"]), row["reference"], row["mime"], row["name"]),
        state=MediaState(row["state"]),
        content=row["content"] or "",
        mime=row["mime"],
        size=row["size"],
        tries=row["tries"],
        reason=row["reason"],
    )
