"""Doubles of the ports handlers see, and turns to hand them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from bot.domain.clock import ManualClock
from bot.domain.conversation import Conversation, Owner
from bot.domain.customers import Customer
from bot.domain.errors import Conflict, NotFound
from bot.domain.handoff import HandoffReason, Priority
from bot.domain.ids import AgentId, ConversationId, CustomerId, IdentityId, TicketId
from bot.domain.knowledge import KnowledgeEntry
from bot.domain.messages import InboundMessage, MessageKind, Sender
from bot.domain.orders import CANCELLABLE, Order, OrderItem, OrderState, Parcel
from bot.domain.replies import Locale
from bot.domain.tickets import Ticket, TicketKind, TicketState
from bot.domain.tracker import Tracker
from bot.domain.turns import Outcome, Turn
from bot.domain.understanding import Entity, Recognition, Sentiment, Urgency
from handlers import build_handlers
from handlers.services import Services
from responses.renderer import TemplateRenderer

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
"""A Wednesday, 10:00 in the shop."""
NIGHT = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
"""The same day, 23:30 in the shop."""
ME = CustomerId("me")


@dataclass
class MemoryOrderSource:
    """Orders in a dict; ``cancelled`` lists what was called off."""

    orders: dict[str, Order] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)

    async def find(self, number: str) -> Order | None:
        """Find by number, however it is written."""
        self.looked_up.append(number)
        return self.orders.get(number.upper().replace("#", "").replace(" ", ""))

    async def cancel(self, number: str) -> Order:
        """Cancel unless it has left."""
        order = self.orders.get(number)
        if order is None:
            raise NotFound(number)
        if order.state not in CANCELLABLE:
            raise Conflict(number)
        self.cancelled.append(number)
        self.orders[number] = replace(order, state=OrderState.CANCELLED)
        return self.orders[number]


@dataclass
class MemoryProofLedger:
    """A number of wrong tries."""

    wrong: int = 0
    asked_since: datetime | None = None
    asked_for: list[tuple[CustomerId, str]] = field(default_factory=list)

    async def failures(self, customer_id: CustomerId, order_number: str, since: datetime) -> int:
        """Tell the number it was given."""
        self.asked_since = since
        self.asked_for.append((customer_id, order_number))
        return self.wrong


@dataclass
class MemoryNetworkTries:
    """Tries by network, each with its number; ``limit`` of them, then an hour's wait."""

    limit: int = 20
    counted: dict[str, list[str]] = field(default_factory=dict)

    async def wait(self, network: str) -> timedelta:
        """Tell most of an hour, or nothing."""
        full = len(self.counted.get(network, ())) >= self.limit
        return timedelta(minutes=58, seconds=1) if network and full else timedelta()

    async def begin(self, network: str) -> str | None:
        """Count a try."""
        if not network:
            return ""
        tries = self.counted.setdefault(network, [])
        if len(tries) >= self.limit:
            return None
        tries.append(f"try {len(tries) + 1}")
        return tries[-1]

    async def forgive(self, network: str, begun: str) -> None:
        """Count it no more."""
        if network:
            self.counted[network].remove(begun)


@dataclass
class MemoryTicketBook:
    """Tickets of everyone; only the customer's own are listed."""

    tickets: tuple[Ticket, ...] = ()

    async def of_customer(self, customer_id: CustomerId) -> tuple[Ticket, ...]:
        """List the customer's own."""
        return tuple(ticket for ticket in self.tickets if ticket.customer_id == customer_id)


@dataclass
class MemoryQueueBoard:
    """Two numbers."""

    online: int = 0
    queue: int = 0

    async def agents_online(self) -> int:
        """Tell who is there."""
        return self.online

    async def waiting(self) -> int:
        """Tell who waits."""
        return self.queue


class MemoryKnowledge:
    """One topic."""

    def entry(self, topic: str) -> KnowledgeEntry | None:
        """Find the topic."""
        if topic != "faq/refund_time":
            return None
        return KnowledgeEntry(
            topic, {"zh": "退款时间", "en": "Refund time"}, {}, {"zh": "三天内。", "en": "Within 3 days."}
        )

    def topics(self) -> tuple[str, ...]:
        """List the topic."""
        return ("faq/refund_time",)


@lru_cache(maxsize=8)
def _renderer(now: datetime) -> TemplateRenderer:
    return TemplateRenderer(ManualClock(now), "Asia/Shanghai")


def make_services(
    orders: tuple[Order, ...] = (),
    tickets: tuple[Ticket, ...] = (),
    now: datetime = NOW,
    online: int = 0,
    queue: int = 0,
    wrong: int = 0,
) -> Services:
    """Make services over memory, with the real texts."""
    clock = ManualClock(now)
    return Services(
        orders=MemoryOrderSource({order.number: order for order in orders}),
        proofs=MemoryProofLedger(wrong),
        networks=MemoryNetworkTries(),
        tickets=MemoryTicketBook(tickets),
        queue=MemoryQueueBoard(online, queue),
        knowledge=MemoryKnowledge(),
        renderer=_renderer(now),
        clock=clock,
    )


def make_order(state: OrderState = OrderState.SHIPPED, number: str = "W1234567", **changes: Any) -> Order:
    """Make an order whose phone ends in 0001, of 李小雨."""
    parcel = Parcel("中通快递", "73000000001001", "已到杭州", estimated_at=NOW + timedelta(days=1))
    order = Order(
        number=number,
        state=state,
        placed_at=NOW - timedelta(days=3),
        total=Decimal("129.00"),
        currency="CNY",
        phone_last4="0001",
        items=(OrderItem("电热水壶", 1, Decimal("129.00"), "奶白色"),),
        parcels=(parcel,) if state in {OrderState.SHIPPED, OrderState.DELIVERED} else (),
        recipient="李小雨",
        address="杭州",
        promised_ship_at=NOW + timedelta(days=1),
    )
    return replace(order, **changes)


def delivered(days_ago: int, **changes: Any) -> Order:
    """Make an order that was delivered some days ago."""
    parcel = Parcel("中通快递", "73000000001001", delivered_at=NOW - timedelta(days=days_ago, hours=1))
    return make_order(OrderState.DELIVERED, parcels=(parcel,), **changes)


def make_ticket(number: str = "TK10000001", state: TicketState = TicketState.OPEN, **changes: Any) -> Ticket:
    """Make a complaint of mine."""
    ticket = Ticket(
        id=TicketId(number),
        number=number,
        customer_id=ME,
        conversation_id=ConversationId("c"),
        kind=TicketKind.COMPLAINT,
        state=state,
        priority=Priority.NORMAL,
        category="quality",
        order_number="",
        summary="",
        details={},
        photos=(),
        owner_id=AgentId("a"),
        created_at=NOW - timedelta(hours=2),
        updated_at=NOW,
        due_at=NOW + timedelta(hours=20),
    )
    return replace(ticket, **changes)


@dataclass(frozen=True)
class Said:
    """What the shopper does in a turn."""

    text: str = ""
    intent: str = ""
    entities: Mapping[str, str] = field(default_factory=dict)
    slots: Mapping[str, Any] = field(default_factory=dict)
    tracker: Tracker = field(default_factory=Tracker)
    locale: Locale = Locale.ZH
    now: datetime = NOW
    name: str = ""
    owner: Owner = Owner.WITH_BOT
    reason: HandoffReason | None = None
    mood: float = 0.0
    urgency: Urgency = Urgency.NONE
    kind: MessageKind = MessageKind.TEXT
    network: str = ""


async def run(services: Services, intent: str, said: Said) -> Outcome:
    """Run an intent's handler and check that every reply of it can be said in every locale."""
    return _speakable(services, await build_handlers(services)[intent].run(make_turn(replace(said, intent=intent))))


async def submit(services: Services, intent: str, said: Said) -> Outcome:
    """Submit an intent's form and check that every reply of it can be said in every locale."""
    entry = build_handlers(services)[intent]
    assert entry.submit is not None
    assert entry.form is not None
    outcome = await entry.submit(make_turn(replace(said, intent=intent)))
    for key in outcome.form_slots:
        assert entry.form.slot(key) is not None, key
    return _speakable(services, outcome)


def keys(outcome: Outcome) -> list[str]:
    """List what is said, by key."""
    return [reply.key for reply in outcome.replies]


def said_in(services: Services, outcome: Outcome, locale: Locale = Locale.ZH) -> str:
    """Give all that is said, in one text."""
    return "\n".join(services.renderer.render(reply, locale).text for reply in outcome.replies)


def _speakable(services: Services, outcome: Outcome) -> Outcome:
    for reply in outcome.replies:
        json.dumps(dict(reply.data))
        for locale in Locale:
            message = services.renderer.render(reply, locale)
            assert message.text
            assert all(button.label and len(button.payload.encode()) <= 64 for button in message.buttons)
    return outcome


def make_turn(said: Said) -> Turn:
    """Make the turn of what was said."""
    who = Sender("web", "main", "v1")
    message = InboundMessage(who, "k1", said.kind, said.now, said.text, network=said.network)
    conversation = Conversation(
        id=ConversationId("c"),
        customer_id=ME,
        identity_id=IdentityId("i"),
        channel="web",
        account="main",
        channel_user_id="v1",
        owner=said.owner,
        epoch=0,
        agent_id=None,
        locale=said.locale.value,
        opened_at=said.now,
        updated_at=said.now,
    )
    recognition = Recognition(
        entities=tuple(Entity(name, value) for name, value in said.entities.items()),
        sentiment=Sentiment(said.mood, said.urgency),
    )
    return Turn(
        conversation=conversation,
        customer=Customer(ME, said.name, messages_allowed=True, created_at=said.now),
        tracker=said.tracker,
        messages=(message,),
        recognition=recognition,
        locale=said.locale,
        now=said.now,
        intent=said.intent,
        handoff_reason=said.reason,
        slots=said.slots,
    )
