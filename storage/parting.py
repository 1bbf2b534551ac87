"""When who is whom has changed: what was worked out before it is not taken for true after it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select, update

from bot.domain.links import Evidence
from storage.outbox import BOT
from storage.tables import CONVERSATIONS, FACTS, IDENTITIES, OUTBOX, TICKETS

_PROVED = "order_proved"
_REASON = "a link was undone before it was sent"


def work_out_anew(connection: Connection, conversations: Collection[str]) -> None:
    """Let no turn be committed that began before; what the bot has said and not sent yet goes out all the same.

    The conversations are held. Each has another epoch after it, to which its waiting words are bound.
    """
    waiting = (OUTBOX.c.conversation_id.in_(conversations), OUTBOX.c.done_at.is_(None), OUTBOX.c.sender == BOT)
    now = select(CONVERSATIONS.c.epoch).where(CONVERSATIONS.c.id == OUTBOX.c.conversation_id).scalar_subquery()
    connection.execute(update(OUTBOX).where(*waiting, OUTBOX.c.epoch == now).values(epoch=OUTBOX.c.epoch + 1))
    grown = update(CONVERSATIONS).where(CONVERSATIONS.c.id.in_(conversations))
    connection.execute(grown.values(epoch=CONVERSATIONS.c.epoch + 1))


def drop_words(connection: Connection, conversations: Collection[str], at: datetime) -> None:
    """Let what the bot has said and not begun to send go: it may be about an order that the other has proved."""
    unsent = (OUTBOX.c.conversation_id.in_(conversations), OUTBOX.c.state == "pending", OUTBOX.c.sender == BOT)
    dropped = update(OUTBOX).where(*unsent, OUTBOX.c.done_at.is_(None))
    connection.execute(dropped.values(state="dropped", reason=_REASON, done_at=at))


def unprove_tickets(connection: Connection, identities: Collection[str]) -> None:
    """Let a ticket that was filed on the other's proof say that its order was not proved."""
    filed = (
        select(TICKETS.c.id, TICKETS.c.customer_id, TICKETS.c.order_number, TICKETS.c.details)
        .join(CONVERSATIONS, CONVERSATIONS.c.id == TICKETS.c.conversation_id)
        .where(CONVERSATIONS.c.identity_id.in_(identities))
    )
    rows = [row for row in connection.execute(filed) if row.details.get(_PROVED)]
    shown = (
        select(IDENTITIES.c.customer_id, FACTS.c.value)
        .join(FACTS, FACTS.c.identity_id == IDENTITIES.c.id)
        .where(FACTS.c.kind == Evidence.ORDER.value, IDENTITIES.c.id.in_(identities))
    )
    proved = {(customer, number) for customer, number in connection.execute(shown)} if rows else set()
    for row in rows:
        if (row.customer_id, row.order_number) not in proved:
            details = row.details | {_PROVED: False}
            connection.execute(update(TICKETS).where(TICKETS.c.id == row.id).values(details=details))
