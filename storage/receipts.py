"""Receipts: how far a message has come after the platform took it, merged whatever order they come in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, update

from bot.domain.channel_ports import Refusal
from bot.domain.ids import ConversationId
from bot.domain.messages import Sender
from bot.domain.receipts import Receipt, ReceiptState
from storage import outbox_parts
from storage.database import Database
from storage.senders import IS_SENDER, sender_key
from storage.tables import CONVERSATIONS, IDENTITIES, OUTBOX, RECEIPT_MARKS, RECEIPTS, Upsert
from storage.types import clean_text

MARK_SLACK = timedelta(seconds=2)
"""How much later than the platform's time of a message we may have recorded it as sent. ?"""

_ID_CHARS, _REASON_CHARS = 200, 200
_MOST_DIGITS = 18
_TIMES = {
    ReceiptState.DELIVERED: "delivered_at",
    ReceiptState.READ: "read_at",
    ReceiptState.FAILED: "failed_at",
}
_KEEP = Upsert(
    lambda into: (adding := into(RECEIPTS)).on_conflict_do_update(
        index_elements=["channel", "account", "platform_id"],
        set_={name: func.coalesce(RECEIPTS.c[name], adding.excluded[name]) for name in _TIMES.values()}
        | {"reason": case((RECEIPTS.c.reason == "", adding.excluded.reason), else_=RECEIPTS.c.reason)},
    )
)


def _later(mine: Any, told: Any) -> Any:
    return case((mine.is_(None), told), (told.is_(None), mine), (told > mine, told), else_=mine)


_MARK = Upsert(
    lambda into: (adding := into(RECEIPT_MARKS)).on_conflict_do_update(
        index_elements=["identity_id"],
        set_={name: _later(RECEIPT_MARKS.c[name], adding.excluded[name]) for name in ("delivered_up_to", "read_up_to")},
    )
)
_IDENTITY = select(IDENTITIES.c.id).where(*IS_SENDER)
_THEIRS = select(CONVERSATIONS.c.id).where(CONVERSATIONS.c.identity_id == bindparam("identity"))
_MESSAGE = select(OUTBOX.c.id, OUTBOX.c.conversation_id, OUTBOX.c.platform_id).where(
    OUTBOX.c.conversation_id.in_(_THEIRS), outbox_parts.called("platform")
)
# A message whose sending was cut off has no id yet; the platform's word of it brings one.
_NAMED = (
    update(OUTBOX)
    .where(
        OUTBOX.c.id == bindparam("item"),
        OUTBOX.c.conversation_id.in_(_THEIRS),
        OUTBOX.c.state == "unclear",
        OUTBOX.c.platform_id == "",
    )
    .values(platform_id=bindparam("platform"))
)
# What was refused because the platform said so is sent after all once it says that it was delivered; a message that
# never went out whole (it has no id) is not made whole by the receipt of one of its parts.
_ARRIVED = (
    update(OUTBOX)
    .where(OUTBOX.c.id == bindparam("item"), OUTBOX.c.state.in_(("refused", "unclear")), OUTBOX.c.platform_id != "")
    .values(state="sent", reason="", refusal=None)
)
_FAILED = (
    update(OUTBOX)
    .where(OUTBOX.c.id == bindparam("item"), OUTBOX.c.state.in_(("sent", "unclear")))
    .values(state="refused", reason=bindparam("why"), refusal=Refusal.FAILED.value, parts_taken=bindparam("first"))
)
_LOST = select(RECEIPTS.c.platform_id, RECEIPTS.c.reason).where(
    RECEIPTS.c.channel == bindparam("channel"),
    RECEIPTS.c.account == bindparam("account"),
    RECEIPTS.c.platform_id.in_(bindparam("parts", expanding=True)),
    RECEIPTS.c.failed_at.is_not(None),
    RECEIPTS.c.delivered_at.is_(None),
    RECEIPTS.c.read_at.is_(None),
)
_SHOWN = select(func.max(OUTBOX.c.done_at)).where(
    OUTBOX.c.conversation_id.in_(_THEIRS), OUTBOX.c.event_seq <= bindparam("seq"), OUTBOX.c.state == "sent"
)
_NEWEST = (
    select(CONVERSATIONS.c.id)
    .where(CONVERSATIONS.c.identity_id == bindparam("identity"))
    .order_by(CONVERSATIONS.c.opened_at.desc())
    .limit(1)
)


class SqlReceipts:
    """Keeps receipts; a message that failed after the platform took it becomes a dead letter."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, receipts: Sequence[Receipt]) -> tuple[ConversationId, ...]:
        """Merge receipts in one commit; list the conversations whose messages they concern."""
        return await self._database.run(lambda connection: _record(connection, receipts))

    async def read_up_to(self, sender: Sender, seq: int) -> ConversationId | None:
        """Keep that a shopper's own page has shown everything up to event ``seq``; None when it had shown nothing."""
        return await self._database.run(lambda connection: _read_up_to(connection, sender, seq))


def _record(connection: Connection, receipts: Sequence[Receipt]) -> tuple[ConversationId, ...]:
    concerned: dict[str, None] = {}
    # In one order everywhere, so that two batches never wait for each other.
    for receipt in sorted(receipts, key=lambda one: (one.channel, one.account, one.channel_user_id, one.platform_id)):
        if receipt.state not in _TIMES:
            continue
        identity = connection.execute(_IDENTITY, sender_key(receipt)).scalar()
        keep = _keep if receipt.platform_id else _mark
        concerned |= dict.fromkeys(keep(connection, receipt, identity))
    return tuple(ConversationId(each) for each in concerned)


def _keep(connection: Connection, receipt: Receipt, identity: str | None) -> list[str]:
    """Keep what is said of one message, also when we have not recorded yet that it was taken."""
    key = {
        "channel": receipt.channel,
        "account": receipt.account,
        "platform_id": clean_text(receipt.platform_id, _ID_CHARS),
    }
    times = {name: receipt.at if state is receipt.state else None for state, name in _TIMES.items()}
    reason = clean_text(receipt.reason, _REASON_CHARS) if receipt.state is ReceiptState.FAILED else ""
    connection.execute(_KEEP.on(connection), key | times | {"reason": reason})
    if identity is None:
        return []
    if receipt.ours.isascii() and receipt.ours.isdigit() and len(receipt.ours) <= _MOST_DIGITS:
        values = {"identity": identity, "item": int(receipt.ours), "platform": key["platform_id"]}
        connection.execute(_NAMED, values)
    rows = connection.execute(_MESSAGE, {"identity": identity, "platform": key["platform_id"]}).all()
    for item, _, whole in rows:
        _weigh(connection, receipt, item, outbox_parts.of_row(connection, item, whole))
    return [conversation for _, conversation, _ in rows]


def _weigh(connection: Connection, receipt: Receipt, item: int, parts: Sequence[tuple[int, str]]) -> None:
    """Let a message be as its worst part: one that did not arrive makes it a dead letter, to be sent from there."""
    values = {"channel": receipt.channel, "account": receipt.account, "parts": [one for _, one in parts]}
    lost: dict[str, str] = {row[0]: row[1] for row in connection.execute(_LOST, values)}
    first = next(((number, lost[one]) for number, one in parts if one in lost), None)
    if first is None:
        connection.execute(_ARRIVED, {"item": item})
        return
    number, reason = first
    why = reason or "the platform did not deliver it"
    connection.execute(_FAILED, {"item": item, "why": why, "first": number})
    outbox_parts.fall_back(connection, item, number)


def _mark(connection: Connection, receipt: Receipt, identity: str | None) -> list[str]:
    if identity is None or receipt.up_to is None or receipt.state is ReceiptState.FAILED:
        return []
    _raise_mark(connection, identity, receipt.state, receipt.up_to)
    return list(connection.execute(_NEWEST, {"identity": identity}).scalars())


def _raise_mark(connection: Connection, identity: str, state: ReceiptState, up_to: datetime) -> None:
    values = {
        "identity_id": identity,
        "delivered_up_to": up_to if state is ReceiptState.DELIVERED else None,
        "read_up_to": up_to if state is ReceiptState.READ else None,
    }
    connection.execute(_MARK.on(connection), values)


def _read_up_to(connection: Connection, sender: Sender, seq: int) -> ConversationId | None:
    identity = connection.execute(_IDENTITY, sender_key(sender)).scalar()
    shown = connection.execute(_SHOWN, {"identity": identity, "seq": seq}).scalar() if identity else None
    if identity is None or shown is None:
        return None
    # Our own clock needs no slack.
    _raise_mark(connection, identity, ReceiptState.READ, shown - MARK_SLACK)
    found: list[str] = list(connection.execute(_NEWEST, {"identity": identity}).scalars())
    return ConversationId(found[0])
