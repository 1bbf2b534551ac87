"""Dead letters: outbox rows that were refused, or of which nobody knows whether they arrived."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, literal_column, select, update

from bot.domain.dead_letters import DeadLetter, DeadLetterPage
from bot.domain.desk_ports import PAGE_ROWS
from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import ConversationId, OutboxId
from storage import outbox_parts
from storage.database import Database
from storage.outbox import BOT
from storage.tables import CONVERSATIONS, CUSTOMERS, IDENTITIES, OUTBOX

_DEAD_STATES = ("refused", "unclear")
# Written out as the index has it, so that the databases see that it fits.
_DEAD = OUTBOX.c.state.in_([literal_column(f"'{state}'") for state in _DEAD_STATES])
_LETTERS = (
    select(OUTBOX, IDENTITIES.c.channel, CUSTOMERS.c.display_name.label("customer_name"))
    .join(CONVERSATIONS, CONVERSATIONS.c.id == OUTBOX.c.conversation_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .join(CUSTOMERS, CUSTOMERS.c.id == CONVERSATIONS.c.customer_id)
    .where(_DEAD)
    .order_by(OUTBOX.c.id.desc())
)
_COUNT = select(func.count()).select_from(OUTBOX).where(_DEAD)


class SqlDeadLetters:
    """Dead letters over the outbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, number: int = 1) -> DeadLetterPage:
        """List dead letters, newest first; PAGE_ROWS a page."""
        statement = _LETTERS.limit(PAGE_ROWS).offset((number - 1) * PAGE_ROWS)
        return await self._database.read(
            lambda on: DeadLetterPage(
                tuple(_letter(row) for row in on.execute(statement)), int(on.execute(_COUNT).scalar_one())
            )
        )

    async def retry(self, item: OutboxId, at: datetime) -> ConversationId:
        """Make it pending again, due now, with all its tries before it, behind the parts that were taken."""
        return await self._database.run(lambda on: _retry(on, item, at))

    async def drop(self, item: OutboxId, at: datetime) -> ConversationId:
        """Mark it dropped; its reason stays."""
        return await self._database.run(lambda on: _drop(on, item, at))


def _retry(on: Connection, item: OutboxId, at: datetime) -> ConversationId:
    row = _held(on, item)
    epoch = on.execute(select(CONVERSATIONS.c.epoch).where(CONVERSATIONS.c.id == row.conversation_id)).scalar_one()
    if row.sender == BOT and row.epoch != epoch:
        raise Conflict(f"message {item} was the bot's and the conversation has changed hands since; it is not sent")
    again = {"state": "pending", "tries": 0, "due_at": at, "done_at": None, "reason": "", "refusal": None}
    on.execute(update(OUTBOX).where(OUTBOX.c.id == item).values(again | {"platform_id": ""}))
    # What was said of the parts that go out again is no longer about this message.
    outbox_parts.forget(on, item, row.parts_taken)
    return ConversationId(row.conversation_id)


def _drop(on: Connection, item: OutboxId, at: datetime) -> ConversationId:
    row = _held(on, item)
    on.execute(update(OUTBOX).where(OUTBOX.c.id == item).values(state="dropped", done_at=at))
    return ConversationId(row.conversation_id)


def _held(on: Connection, item: OutboxId) -> Row[Any, Any, Any, Any, Any]:
    statement = select(OUTBOX.c.state, OUTBOX.c.conversation_id, OUTBOX.c.sender, OUTBOX.c.epoch, OUTBOX.c.parts_taken)
    row = on.execute(statement.where(OUTBOX.c.id == item).with_for_update()).first()
    if row is None:
        raise NotFound(f"there is no message {item}; `xiaoer deadletters list` shows those there are")
    if row.state not in _DEAD_STATES:
        raise Conflict(f"message {item} is {row.state} and no dead letter; nothing was done")
    return row


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        id=OutboxId(row.id),
        conversation_id=ConversationId(row.conversation_id),
        channel=row.channel,
        customer_name=row.customer_name,
        sender=row.sender,
        text=row.message["text"],
        state=row.state,
        refusal=row.refusal or "",
        reason=row.reason,
        tries=row.tries,
        created_at=row.created_at,
        failed_at=row.done_at,
        parts_taken=row.parts_taken,
    )
