"""The outbox of channels that count messages: what waits together is sent as one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import NO_PARTS, OutboxItem, PartsRecord
from bot.domain.messages import OutboundMessage
from bot.domain.windows import POLICIES
from storage.database import Database
from storage.messages import decode_outbound
from storage.outbox import FRESH, SqlOutboxStore, mark
from storage.tables import OUTBOX

MOST_BYTES = 1800
"""How long a merged text may become, in bytes of UTF-8: both WeChats take 2048, and buttons are added to it."""

_MOST_ROWS = 20
_REMEMBERED = 1000
_FOLLOWING = (
    select(OUTBOX.c.id, OUTBOX.c.message)
    .where(
        OUTBOX.c.conversation_id == bindparam("conversation"),
        OUTBOX.c.id > bindparam("head"),
        OUTBOX.c.done_at.is_(None),
        OUTBOX.c.state == "pending",
        OUTBOX.c.sender == bindparam("by"),
        FRESH,
    )
    .order_by(OUTBOX.c.id)
    .limit(_MOST_ROWS)
)
_NEXT_OF_ANOTHER = select(OUTBOX.c.id).where(
    OUTBOX.c.conversation_id == bindparam("conversation"),
    OUTBOX.c.id > bindparam("head"),
    OUTBOX.c.done_at.is_(None),
    OUTBOX.c.sender != bindparam("by"),
).order_by(OUTBOX.c.id).limit(1)  # fmt: skip


class MergingOutbox(SqlOutboxStore):
    """Gives several waiting messages of one sender as one where the channel counts, and marks them together."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._joined: OrderedDict[OutboxId, tuple[int, ...]] = OrderedDict()

    async def next_due(self, conversation_id: ConversationId, at: datetime) -> OutboxItem | None:
        """Give the conversation's first undelivered message if it is due, with what may follow it in one."""
        item = await super().next_due(conversation_id, at)
        policy = POLICIES.get(item.channel) if item is not None else None
        if item is None or item.interrupted or policy is None or not policy.counted:
            return item
        message, joined = await self._database.read(lambda connection: _gather(connection, item))
        self._joined.pop(item.id, None)
        if joined:
            self._joined[item.id] = joined
            while len(self._joined) > _REMEMBERED:
                self._joined.popitem(last=False)
        return replace(item, message=message)

    async def _mark(self, statement: Any, values: dict[str, Any], parts: PartsRecord = NO_PARTS) -> bool:
        joined = self._joined.get(values["item"], ())
        # The parts are those of the joined text: a message that is sent by itself after all begins with its own first.
        alone = {"taken": 0} if "taken" in values else {}

        def unit(connection: Connection) -> bool:
            changed = mark(connection, statement, values, parts)
            for item in joined:
                mark(connection, statement, values | alone | {"item": item}, NO_PARTS)
            return changed

        return await self._database.run(unit)


def _gather(connection: Connection, item: OutboxItem) -> tuple[OutboundMessage, tuple[int, ...]]:
    """Join the messages that follow directly, up to the first that cannot be part of one text."""
    values = {"conversation": item.conversation_id, "head": item.id, "by": item.sender}
    barrier = connection.execute(_NEXT_OF_ANOTHER, values).scalar()
    merged, joined = item.message, []
    for row in connection.execute(_FOLLOWING, values).mappings():
        following = decode_outbound(row["message"])
        text = "\n\n".join(part for part in (merged.text, following.text) if part)
        if barrier is not None and row["id"] > barrier:
            break
        if merged.buttons or merged.attachments or following.attachments or len(text.encode()) > MOST_BYTES:
            break
        merged = OutboundMessage(text, following.buttons)
        joined.append(row["id"])
    return merged, tuple(joined)
