"""The outbox: what is to be delivered, in order, each marked on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, or_, select, update

from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import NO_PARTS, OutboxDraft, OutboxItem, PartsRecord, TurnOutbox
from bot.domain.windows import POLICIES
from storage import events, outbox_parts, windows
from storage.database import Database
from storage.messages import decode_outbound, encode_outbound
from storage.tables import CONVERSATIONS, IDENTITIES, OUTBOX
from storage.types import clean_text

BOT = "bot"
_REASON_CHARS = 200

_NEXT = (
    select(
        OUTBOX.c.id,
        OUTBOX.c.conversation_id,
        OUTBOX.c.sender,
        OUTBOX.c.epoch,
        OUTBOX.c.state,
        OUTBOX.c.message,
        OUTBOX.c.tries,
        OUTBOX.c.parts_taken,
        OUTBOX.c.due_at,
        OUTBOX.c.created_at,
        CONVERSATIONS.c.epoch.label("epoch_now"),
        IDENTITIES.c.channel,
        IDENTITIES.c.account,
        IDENTITIES.c.channel_user_id,
    )
    .join(CONVERSATIONS, CONVERSATIONS.c.id == OUTBOX.c.conversation_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(OUTBOX.c.conversation_id == bindparam("conversation"), OUTBOX.c.done_at.is_(None))
    .order_by(OUTBOX.c.id)
    .limit(1)
)
_EPOCH = (
    select(CONVERSATIONS.c.epoch).where(CONVERSATIONS.c.id == OUTBOX.c.conversation_id).correlate(OUTBOX)
).scalar_subquery()
_DROP_STALE = (
    update(OUTBOX)
    .where(
        OUTBOX.c.conversation_id == bindparam("conversation"),
        OUTBOX.c.done_at.is_(None),
        OUTBOX.c.state == "pending",
        OUTBOX.c.sender == BOT,
        OUTBOX.c.epoch != _EPOCH,
    )
    .values(state="dropped", reason="the owner changed before it was sent", done_at=bindparam("at"))
)
_ADD = insert(OUTBOX)
_ADD_RETURNING = _ADD.returning(OUTBOX.c.id, sort_by_parameter_order=True)
_ITEM = OUTBOX.c.id == bindparam("item")
_OPEN = OUTBOX.c.done_at.is_(None)
FRESH = or_(OUTBOX.c.sender != BOT, OUTBOX.c.epoch == _EPOCH)
"""What may still go out: nobody's words but the bot's are bound to an owner."""

_SENDING = update(OUTBOX).where(_ITEM, _OPEN, FRESH, OUTBOX.c.state == "pending").values(state="sending")
_DONE_SENT = {
    "state": "sent",
    "tries": OUTBOX.c.tries + 1,
    "platform_id": bindparam("platform"),
    "reason": "",
    "refusal": None,
    "done_at": bindparam("at"),
}
_PUBLISHED = update(OUTBOX).where(_ITEM, _OPEN, FRESH).values(_DONE_SENT)
# A row given up between the platform's answer and this mark was sent all the same: the record says so.
SENT = update(OUTBOX).where(_ITEM, OUTBOX.c.state != "sent").values(_DONE_SENT)
_DEFERRED = (
    update(OUTBOX)
    .where(_ITEM, _OPEN)
    .values(
        state="pending",
        tries=OUTBOX.c.tries + 1,
        due_at=bindparam("at"),
        reason=bindparam("why"),
        parts_taken=bindparam("taken"),
    )
)
_GIVEN_UP = (
    update(OUTBOX)
    .where(_ITEM, _OPEN)
    .values(
        state=bindparam("now"),
        tries=OUTBOX.c.tries + 1,
        parts_taken=bindparam("taken"),
        reason=bindparam("why"),
        refusal=bindparam("kind"),
        done_at=bindparam("at"),
    )
)
_OF_CHANNEL = (
    select(CONVERSATIONS.c.id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(IDENTITIES.c.channel == bindparam("of_channel"))
)
_TOLD = select(OUTBOX.c.id, OUTBOX.c.platform_id, OUTBOX.c.conversation_id, OUTBOX.c.done_at).where(
    outbox_parts.called("of_platform"), OUTBOX.c.conversation_id.in_(_OF_CHANNEL)
)
_UNDELIVERED = (
    update(OUTBOX)
    .where(_ITEM, OUTBOX.c.state.in_(("sent", "unclear")))
    .values(
        state="refused",
        reason=bindparam("why"),
        refusal=bindparam("kind"),
        done_at=bindparam("at"),
        parts_taken=bindparam("first"),
    )
)


def add(
    connection: Connection,
    conversation_id: str,
    drafts: Sequence[OutboxDraft],
    at: datetime,
    client_key: str | None = None,
) -> list[int]:
    """Append each draft's event and its outbox row, none bound to an epoch; return the events' numbers."""
    seqs = events.append(connection, conversation_id, [draft.event for draft in drafts], at)
    rows = [draft_row(conversation_id, draft, seq, at) for draft, seq in zip(drafts, seqs, strict=True)]
    connection.execute(_ADD, [row | {"client_key": client_key} for row in rows])
    return seqs


@dataclass(frozen=True, slots=True)
class Place:
    """Where a turn's words go: ``address`` is (channel, account, channel user id), ``epoch`` the one after the turn.

    ``is_first``: nothing else of the conversation waits. ``is_shown``: the record is the channel's delivery.
    ``last_id`` is the greatest row so far, where it is known (SQLite).
    """

    conversation_id: ConversationId
    address: tuple[str, str, str]
    epoch: int
    is_first: bool
    is_shown: bool
    last_id: int | None = None


def put(
    connection: Connection, place: Place, drafts: Sequence[OutboxDraft], seqs: Sequence[int], at: datetime
) -> TurnOutbox:
    """Insert a turn's messages, whose events have the numbers ``seqs``, and tell what is to be delivered."""
    if not drafts:
        return told(place, (), (), at)
    rows = [
        draft_row(place.conversation_id, draft, seq, at, place.epoch) for draft, seq in zip(drafts, seqs, strict=True)
    ]
    if place.is_shown and place.is_first:
        rows = [row | {"state": "sent", "tries": 1, "done_at": at} for row in rows]
    if place.last_id is None:
        ids = list(connection.execute(_ADD_RETURNING, rows).scalars())
    else:
        ids = list(range(place.last_id + 1, place.last_id + 1 + len(rows)))
        connection.execute(_ADD, [{"id": number, **row} for number, row in zip(ids, rows, strict=True)])
    return told(place, drafts, ids, at)


def told(place: Place, drafts: Sequence[OutboxDraft], ids: Sequence[int], at: datetime) -> TurnOutbox:
    """Tell what is to be delivered of a turn's messages, whose rows have the numbers ``ids``."""
    if not place.is_first:
        return TurnOutbox()
    channel, account, channel_user_id = place.address
    items = tuple(
        OutboxItem(
            id=OutboxId(number),
            conversation_id=place.conversation_id,
            channel=channel,
            account=account,
            channel_user_id=channel_user_id,
            sender=draft.sender,
            message=draft.message,
            tries=0,
            created_at=at,
        )
        for number, draft in zip(ids, drafts, strict=True)
    )
    if place.is_shown:
        return TurnOutbox(shown=items, due=())
    # Where messages are counted or may be answered inline, what is sent together is decided from the record.
    return TurnOutbox() if channel in POLICIES else TurnOutbox(due=items)


def draft_row(
    conversation_id: str, draft: OutboxDraft, event_seq: int, at: datetime, epoch: int | None = None
) -> dict[str, Any]:
    """Shape a draft as a row due at once; ``epoch`` binds it to the owner when the bot speaks."""
    return {
        "conversation_id": conversation_id,
        "event_seq": event_seq,
        "sender": draft.sender,
        "epoch": epoch if draft.sender == BOT else None,
        "message": encode_outbound(draft.message),
        "due_at": at,
        "created_at": at,
    }


class SqlOutboxStore:
    """The messages to deliver, in order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def next_due(self, conversation_id: ConversationId, at: datetime) -> OutboxItem | None:
        """Give the conversation's first undelivered message if it is due; drops bot rows of an older epoch first."""
        values = {"conversation": conversation_id}
        row = await self._database.glance(lambda connection: connection.execute(_NEXT, values).mappings().first())
        if row is not None and _is_stale(row):
            row = await self._database.run(lambda connection: _drop_stale(connection, conversation_id, at))
        if row is None or row["due_at"] > at:
            return None
        return _item(row)

    async def mark_sending(self, item: OutboxId, at: datetime) -> bool:
        """Record that an attempt begins; False when it must not go out any more."""
        del at
        return await self._mark(_SENDING, {"item": item})

    async def publish(self, item: OutboxId, at: datetime, platform_id: str, parts: PartsRecord = NO_PARTS) -> bool:
        """Record a message as sent whose record is its delivery; False when it must not go out any more."""
        return await self._mark(_PUBLISHED, {"item": item, "at": at, "platform": platform_id}, parts)

    async def mark_sent(self, item: OutboxId, at: datetime, platform_id: str, parts: PartsRecord = NO_PARTS) -> None:
        """Record that the channel took it, ``platform_id`` naming the last of its parts."""
        values = {"item": item, "at": at, "platform": clean_text(platform_id, _REASON_CHARS)}
        await self._mark(SENT, values, parts)

    async def mark_deferred(self, item: OutboxId, due_at: datetime, reason: str, parts: PartsRecord = NO_PARTS) -> None:
        """Try again at ``due_at``, behind the parts that were taken; counts a try."""
        values = {"item": item, "at": due_at, "why": clean_text(reason, _REASON_CHARS), "taken": parts.taken}
        await self._mark(_DEFERRED, values, parts)

    async def mark_refused(
        self, item: OutboxId, at: datetime, reason: str, kind: str, parts: PartsRecord = NO_PARTS
    ) -> None:
        """Record that it will never be taken, and why; whoever sends it after all goes on behind the parts taken."""
        values = _giving_up("refused", item, at, reason) | {"kind": kind, "taken": parts.taken}
        await self._mark(_GIVEN_UP, values, parts)

    async def mark_unclear(self, item: OutboxId, at: datetime, reason: str, parts: PartsRecord = NO_PARTS) -> None:
        """Record that it may or may not have arrived."""
        values = _giving_up("unclear", item, at, reason) | {"kind": None, "taken": parts.taken}
        await self._mark(_GIVEN_UP, values, parts)

    async def mark_undelivered(self, channel: str, platform_id: str, at: datetime, refusal: tuple[str, str]) -> bool:
        """Record that the platform took a message, or a part, and then did not deliver it; ``refusal``: (reason, kind).

        False when no message of the channel has that id.
        """
        reason, kind = refusal
        values = {"at": at, "why": clean_text(reason, _REASON_CHARS), "kind": kind}
        told = {"of_channel": channel, "of_platform": platform_id}
        return await self._database.run(lambda connection: _undelivered(connection, told, values))

    async def _mark(self, statement: Any, values: dict[str, Any], parts: PartsRecord = NO_PARTS) -> bool:
        return await self._database.run(lambda connection: mark(connection, statement, values, parts))


def mark(connection: Connection, statement: Any, values: dict[str, Any], taken: PartsRecord) -> bool:
    """Change a row with what is known of its parts; False when it is not as the statement wants it."""
    changed = bool(connection.execute(statement, values).rowcount)
    if changed:
        outbox_parts.keep(connection, values["item"], taken)
    return changed


def _giving_up(state: str, item: OutboxId, at: datetime, reason: str) -> dict[str, Any]:
    return {"now": state, "item": item, "at": at, "why": clean_text(reason, _REASON_CHARS)}


def _undelivered(connection: Connection, told: dict[str, str], values: dict[str, Any]) -> bool:
    changed = False
    for item, platform_id, conversation_id, sent_at in connection.execute(_TOLD, told).all():
        numbers = {one: number for number, one in outbox_parts.of_row(connection, item, platform_id)}
        first = {"item": item, "first": numbers.get(told["of_platform"], 0)}
        if connection.execute(_UNDELIVERED, values | first).rowcount:
            changed = True
            windows.learn(connection, conversation_id, values["kind"], sent_at)
        outbox_parts.fall_back(connection, **first)
    return changed


def _is_stale(row: RowMapping) -> bool:
    # What is being sent already is not dropped: it may have arrived.
    return bool(row["sender"] == BOT and row["epoch"] != row["epoch_now"] and row["state"] == "pending")


def _drop_stale(connection: Connection, conversation_id: str, at: datetime) -> RowMapping | None:
    connection.execute(_DROP_STALE, {"conversation": conversation_id, "at": at})
    return connection.execute(_NEXT, {"conversation": conversation_id}).mappings().first()


def _item(row: RowMapping) -> OutboxItem:
    return OutboxItem(
        id=OutboxId(row["id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        channel=row["channel"],
        account=row["account"],
        channel_user_id=row["channel_user_id"],
        sender=row["sender"],
        message=decode_outbound(row["message"]),
        tries=row["tries"],
        created_at=row["created_at"],
        interrupted=row["state"] == "sending",
        parts_taken=row["parts_taken"],
    )
