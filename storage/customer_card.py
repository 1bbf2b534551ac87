"""The whole customer beside a chat: identities, proved orders, tickets, past conversations, the hand-off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, Connection, RowMapping, bindparam, select

from bot.domain.conversation import CustomerThread, Owner
from bot.domain.customers import ChannelIdentity, Customer
from bot.domain.desk_ports import SHOWN_ROWS, CustomerFile, DeliveryState, HandoffNote, PastConversation
from bot.domain.errors import NotFound
from bot.domain.ids import ConversationId, CustomerId, IdentityId
from bot.domain.links import conflict_of
from bot.domain.receipts import ReceiptState
from storage import conversations, events, facts
from storage.database import Database
from storage.receipts import MARK_SLACK
from storage.tables import (
    CONVERSATIONS,
    CUSTOMERS,
    IDENTITIES,
    OUTBOX,
    OUTBOX_PARTS,
    PROVED_ORDERS,
    RECEIPT_MARKS,
    RECEIPTS,
    TICKETS,
)
from storage.tickets import ticket_of

_DELIVERIES = (
    select(
        OUTBOX.c.event_seq,
        OUTBOX.c.state,
        OUTBOX.c.reason,
        OUTBOX.c.refusal,
        OUTBOX.c.done_at,
        OUTBOX.c.parts_taken,
        RECEIPTS.c.delivered_at,
        RECEIPTS.c.read_at,
        RECEIPTS.c.failed_at,
        RECEIPTS.c.reason.label("told_reason"),
        RECEIPT_MARKS.c.delivered_up_to,
        RECEIPT_MARKS.c.read_up_to,
    )
    .join(CONVERSATIONS, CONVERSATIONS.c.id == OUTBOX.c.conversation_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .outerjoin(
        RECEIPTS,
        (RECEIPTS.c.channel == IDENTITIES.c.channel)
        & (RECEIPTS.c.account == IDENTITIES.c.account)
        & (RECEIPTS.c.platform_id == OUTBOX.c.platform_id),
    )
    .outerjoin(RECEIPT_MARKS, RECEIPT_MARKS.c.identity_id == IDENTITIES.c.id)
    .where(OUTBOX.c.conversation_id == bindparam("conversation"))
)


_PARTS = (
    select(
        OUTBOX.c.event_seq,
        RECEIPTS.c.delivered_at,
        RECEIPTS.c.read_at,
        RECEIPTS.c.failed_at,
        RECEIPTS.c.reason.label("told_reason"),
    )
    .join(OUTBOX_PARTS, OUTBOX_PARTS.c.outbox_id == OUTBOX.c.id)
    .join(CONVERSATIONS, CONVERSATIONS.c.id == OUTBOX.c.conversation_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .outerjoin(
        RECEIPTS,
        (RECEIPTS.c.channel == IDENTITIES.c.channel)
        & (RECEIPTS.c.account == IDENTITIES.c.account)
        & (RECEIPTS.c.platform_id == OUTBOX_PARTS.c.platform_id),
    )
    .where(OUTBOX.c.conversation_id == bindparam("conversation"))
)
_FARNESS = {"": 0, ReceiptState.DELIVERED.value: 1, ReceiptState.READ.value: 2}


class SqlCustomerFiles:
    """Customers as the desk sees them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_conversation(self, conversation_id: ConversationId, most: int = SHOWN_ROWS) -> CustomerFile:
        """Load the customer of a conversation, the newest ``most`` of each kind; NotFound when there is none."""
        return await self._database.read(lambda on: _file(on, conversation_id, most))

    async def threads(self, conversation_id: ConversationId, most: int) -> tuple[CustomerThread, ...]:
        """List all conversations of its customer over all channels, newest first; NotFound when there is none."""
        return await self._database.read(lambda on: _threads(on, conversation_id, most))


class SqlDeliveryStates:
    """What became of the messages to the shopper."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_conversation(self, conversation_id: ConversationId) -> Mapping[int, DeliveryState]:
        """Map event numbers to the state of their delivery."""
        return await self._database.read(lambda on: _deliveries(on, {"conversation": conversation_id}))


def _deliveries(on: Connection, values: dict[str, str]) -> dict[int, DeliveryState]:
    parts: dict[int, list[RowMapping]] = defaultdict(list)
    for part in on.execute(_PARTS, values).mappings():
        parts[part["event_seq"]].append(part)
    rows = on.execute(_DELIVERIES, values).mappings()
    return {row["event_seq"]: _least([{**row, **part} for part in parts[row["event_seq"]] or [row]]) for row in rows}


def _least(parts: Sequence[Mapping[Any, Any]]) -> DeliveryState:
    """Give the state of the part that has come the least far, with a failure of any of them."""
    states = [_delivery(part) for part in parts]
    least = min(states, key=lambda state: _FARNESS[state.receipt])
    return replace(least, failure=next((state.failure for state in states if state.failure), ""))


def _delivery(row: Mapping[Any, Any]) -> DeliveryState:
    """Say how far a message has come: read counts more than delivered, whatever came later."""
    receipt, at = "", None
    for state in (ReceiptState.READ, ReceiptState.DELIVERED):
        told, up_to = row[f"{state.value}_at"], row[f"{state.value}_up_to"]
        if told is None and up_to is not None and row["done_at"] is not None and row["done_at"] <= up_to + MARK_SLACK:
            told = up_to
        if told is not None and row["state"] == "sent":
            receipt, at = state.value, told
            break
    failed = row["failed_at"] is not None and row["state"] == "sent"
    failure = (row["told_reason"] or ReceiptState.FAILED.value) if failed else ""
    taken = 0 if row["state"] == "sent" else row["parts_taken"]
    return DeliveryState(row["state"], row["reason"], row["refusal"] or "", receipt, at, failure, taken)


def _file(on: Connection, conversation_id: ConversationId, most: int) -> CustomerFile:
    conversation = on.execute(select(CONVERSATIONS).where(CONVERSATIONS.c.id == conversation_id)).first()
    if conversation is None:
        raise NotFound(f"there is no conversation {conversation_id!r}")
    customer_id = conversation.customer_id
    customer = on.execute(select(CUSTOMERS).where(CUSTOMERS.c.id == customer_id)).one()
    identities = _identities(on, customer_id, most)
    shown = facts.of_identities(on, [one.id for one in identities]) if customer.linked else ()
    return CustomerFile(
        customer=Customer(
            CustomerId(customer_id), customer.display_name, customer.messages_allowed, customer.created_at
        ),
        identities=identities,
        order_numbers=_order_numbers(on, customer_id, most),
        tickets=tuple(ticket_of(row) for row in _newest(on, TICKETS.c.created_at, customer_id, most)),
        past=_past(on, customer_id, conversation_id, most),
        handoff=HandoffNote(
            conversation.handoff_reason,
            conversation.handoff_summary,
            conversation.handoff_priority,
            conversation.waiting_since,
        ),
        conflict=bool(customer.linked and conflict_of(identities, shown)),
    )


def _threads(on: Connection, conversation_id: ConversationId, most: int) -> tuple[CustomerThread, ...]:
    customer_id = conversations.get(on, conversation_id).customer_id
    newest = (
        select(*conversations.CONVERSATION_COLUMNS, IDENTITIES.c.display_name)
        .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
        .where(CONVERSATIONS.c.customer_id == customer_id)
        .order_by(CONVERSATIONS.c.opened_at.desc(), CONVERSATIONS.c.id)
        .limit(most)
    )
    rows = on.execute(newest).mappings().all()
    said = events.of_conversations(on, [row["id"] for row in rows])
    return tuple(
        CustomerThread(conversations.conversation_of(row), row["display_name"], tuple(said[row["id"]])) for row in rows
    )


def _newest(on: Connection, moment: Column[Any], customer_id: str, most: int) -> list[RowMapping]:
    table = moment.table
    statement = select(table).where(table.c.customer_id == customer_id).order_by(moment.desc()).limit(most)
    return list(on.execute(statement).mappings())


def _identities(on: Connection, customer_id: str, most: int) -> tuple[ChannelIdentity, ...]:
    return tuple(
        ChannelIdentity(
            IdentityId(row["id"]),
            CustomerId(customer_id),
            row["channel"],
            row["account"],
            row["channel_user_id"],
            row["display_name"],
        )
        for row in _newest(on, IDENTITIES.c.created_at, customer_id, most)
    )


def _order_numbers(on: Connection, customer_id: str, most: int) -> tuple[str, ...]:
    rows = _newest(on, PROVED_ORDERS.c.proved_at, customer_id, most)
    return tuple(row["order_number"] for row in rows)


def _past(on: Connection, customer_id: str, present: ConversationId, most: int) -> tuple[PastConversation, ...]:
    statement = (
        select(CONVERSATIONS, IDENTITIES.c.channel)
        .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
        .where(CONVERSATIONS.c.customer_id == customer_id, CONVERSATIONS.c.id != present)
        .order_by(CONVERSATIONS.c.opened_at.desc())
        .limit(most)
    )
    return tuple(
        PastConversation(ConversationId(row.id), row.channel, Owner(row.owner), row.opened_at, row.last_text)
        for row in on.execute(statement)
    )
