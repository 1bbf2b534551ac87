"""A small shop behind the console: real stores, three people, shoppers who have said things."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI

from bot.console.app import build_console
from bot.desk.counter import Desk, DeskSecurity, DeskStores, make_desk
from bot.domain import events as ev
from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.errors import NotFound
from bot.domain.handoff import Priority
from bot.domain.ids import ConversationId, InboxId
from bot.domain.line_ports import OutboxDraft, TurnCommit
from bot.domain.messages import InboundMessage, MessageKind, OutboundMessage, Sender
from bot.domain.orders import Order, OrderItem, OrderState, Parcel
from bot.domain.people import Agent, Role
from bot.domain.ports import LiveEvent
from bot.domain.tickets import TicketDraft, TicketKind
from bot.domain.tracker import Tracker
from bot.engine.live import MemoryLiveFeed, Subscription
from storage.conversations import SqlConversationReader
from storage.customer_card import SqlCustomerFiles, SqlDeliveryStates
from storage.database import Database
from storage.dead_letters import SqlDeadLetters
from storage.held import SqlHeldWords
from storage.inbox import SqlInboxStore
from storage.knowledge import SqlMerchantKnowledge
from storage.link_book import SqlLinkBook
from storage.ownership import SqlOwnershipStore
from storage.people import SqlPeople
from storage.queue import SqlQueueLists
from storage.snoozes import SqlSnoozes
from storage.threads import SqlThreads
from storage.ticket_desk import SqlTicketBoard
from storage.transcripts import SqlNotebook, SqlTranscriptSearch
from storage.turns import SqlTurnStore
from storage.windows import SqlWindowLedger

START = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
PASSWORDS = {"agent": "agent-password", "manager": "manager-password", "admin": "admin-password"}
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
BASE = "http://shop.test"


class MemoryOrderSource:
    """Orders in a dictionary."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}

    async def find(self, number: str) -> Order | None:
        """Find an order."""
        return self.orders.get(number)

    async def cancel(self, number: str) -> Order:
        """Cancel nothing."""
        raise NotFound(number)


@dataclass
class MemoryDispatcher:
    """Remembers who was rung for."""

    rung: list[ConversationId] = field(default_factory=list)

    async def ring(self, conversation_id: ConversationId, quiet_s: float | None = None) -> None:
        """Remember."""
        del quiet_s
        self.rung.append(conversation_id)


class HeardLiveFeed(MemoryLiveFeed):
    """The real feed, which also remembers what was published."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[LiveEvent] = []
        self.followed = asyncio.Event()

    def subscribe(self, topics: Sequence[str]) -> Subscription:
        """Say that somebody follows."""
        self.followed.set()
        return super().subscribe(topics)

    async def publish(self, event: LiveEvent) -> None:
        """Remember and pass on."""
        self.heard.append(event)
        await super().publish(event)


def notice(key: str, data: Mapping[str, Any], locale: str) -> str:
    """Word a notice so that tests can read which it was."""
    return f"[{locale or 'zh'}] {key} {data.get('number', '')}".strip()


class Shop:
    """Stores, desk and console over one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = ManualClock(START)
        self.orders = MemoryOrderSource()
        self.dispatcher = MemoryDispatcher()
        self.live = HeardLiveFeed()
        self.inbox = SqlInboxStore(database)
        self.turns = SqlTurnStore(database)
        self.stores = DeskStores(
            people=SqlPeople(database),
            queue=SqlQueueLists(database),
            conversations=SqlConversationReader(database),
            ownership=SqlOwnershipStore(database, notice),
            notebook=SqlNotebook(database),
            customers=SqlCustomerFiles(database),
            deliveries=SqlDeliveryStates(database),
            orders=self.orders,
            tickets=SqlTicketBoard(database, notice),
            transcripts=SqlTranscriptSearch(database),
            dead_letters=SqlDeadLetters(database),
            windows=SqlWindowLedger(database),
            knowledge=SqlMerchantKnowledge(database),
            snoozes=SqlSnoozes(database, self.clock),
            threads=SqlThreads(database),
            held=SqlHeldWords(database),
            links=SqlLinkBook(database),
        )
        security = DeskSecurity(secret="a secret of the tests", hasher=HASHER)
        self.desk: Desk = make_desk(self.stores, security, self.dispatcher, self.live, self.clock)
        self.console = build_console(self.desk, {"zh": "小二好物", "en": "Xiaoer Goods"})
        self.application = FastAPI()
        self.application.mount("/console", self.console)
        self.agents: dict[str, Agent] = {}
        self._messages = 0

    async def hire(self, login: str, name: str, role: Role, locale: str = "en") -> Agent:
        """Add a person whose password is that of PASSWORDS by role, with an English page in UTC."""
        agent, _ = await self.desk.people.add(login, name, role.value, PASSWORDS[role.value])
        self.agents[login] = await self.desk.people.set_preferences(agent, locale, "UTC")
        return self.agents[login]

    async def say(self, user: str, text: str, channel: str = "web", name: str = "") -> ConversationId:
        """Let a shopper write; the message stays in the inbox."""
        self._messages += 1
        message = InboundMessage(
            Sender(channel, "main", user, name), f"m{self._messages}", MessageKind.TEXT, self.clock.now(), text
        )
        accepted = await self.inbox.accept([message], self.clock.now())
        return accepted[0].conversation_id

    async def exchange(self, user: str, text: str, reply: str = "", **more: Any) -> ConversationId:
        """Let a shopper write and the bot answer; ``more``: channel, name, intent, handoff, tickets, events, owner."""
        intent = more.get("intent", "greet")
        conversation_id = await self.say(user, text, more.get("channel", "web"), more.get("name", user))
        pending = await self.turns.load_turn(conversation_id)
        assert pending is not None
        summary = {"intent": intent, "confidence": 0.9}
        said: list[ev.Event] = [ev.CustomerUttered(text, recognition=summary), ev.IntentHandled(intent)]
        said += more.get("events", [])
        handoff = more.get("handoff")
        if handoff:
            said.append(ev.HandoffRequested(*handoff))
        drafts = (OutboxDraft(OutboundMessage(reply), "bot", ev.BotUttered(reply)),) if reply else ()
        await self.turns.commit_turn(
            TurnCommit(
                conversation_id=conversation_id,
                expected_epoch=pending.conversation.epoch,
                inbox_ids=tuple(InboxId(number) for number, _ in pending.inbox),
                events=tuple(said),
                outbox=drafts,
                tracker=Tracker().fold(said),
                at=self.clock.now(),
                tickets=more.get("tickets", ()),
                owner=Owner.WAITING_FOR_AGENT if handoff else None,
                locale=more.get("locale", "zh"),
            )
        )
        return conversation_id

    def browser(self, **options: Any) -> Browser:
        """Open a browser of its own."""
        return Browser(self.application, **options)


class Browser:
    """A person's browser: keeps cookies, sends the form token of the page it saw last."""

    def __init__(self, application: FastAPI, base: str = BASE, language: str = "en") -> None:
        transport = httpx.ASGITransport(application)
        headers = {"accept": "text/html", "accept-language": language}
        self.http = httpx.AsyncClient(transport=transport, base_url=base, headers=headers)
        self.token = ""

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """Read a page and remember its form token."""
        answer = await self.http.get(f"/console{path}", **options)
        found = re.search(r'name="csrf" value="(\w+)"|X-CSRF-Token": "(\w+)"', answer.text.replace("&#34;", '"'))
        if found:
            self.token = found[1] or found[2]
        return answer

    async def post(self, path: str, form: Mapping[str, str] | None = None, **options: Any) -> httpx.Response:
        """Send a form with the token."""
        return await self.http.post(f"/console{path}", data={"csrf": self.token, **(form or {})}, **options)

    async def sign_in(self, login: str, password: str) -> httpx.Response:
        """Sign in from the form and read the first page."""
        await self.get("/login")
        answer = await self.post("/login", {"login": login, "password": password})
        if answer.status_code == 303:
            await self.get("/settings")
        return answer


def ticket(number: str, summary: str, kind: TicketKind = TicketKind.COMPLAINT, **more: Any) -> TicketDraft:
    """Draft a ticket."""
    return TicketDraft(number, kind, summary, **{"priority": Priority.NORMAL, "category": "quality"} | more)


def order(number: str, placed_at: datetime = START - timedelta(days=3)) -> Order:
    """Make an order that is on its way."""
    return Order(
        number=number,
        state=OrderState.SHIPPED,
        placed_at=placed_at,
        total=Decimal("268.00"),
        currency="CNY",
        phone_last4="8812",
        items=(OrderItem("手冲咖啡壶", 1, Decimal("199.00"), "600ml 白色"), OrderItem("滤纸", 3, Decimal("23.00"))),
        parcels=(Parcel("顺丰", "SF1234567890", "到达杭州转运中心"),),
    )
