"""Short ways to write down who writes where, and what he shows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from bot.domain.clock import ManualClock
from bot.domain.events import OrderProved
from bot.domain.ids import ConversationId, CustomerId
from bot.domain.messages import Sender
from bot.domain.orders import OrderState
from bot.domain.tickets import TicketDraft, TicketKind
from storage.facts import SqlLogins
from storage.link_book import SqlLinkBook, SqlLinking
from storage.tables import CONVERSATIONS, CUSTOMERS, IDENTITIES, INBOX, ORDERS, PROVED_ORDERS, TICKETS
from tests.contract.line import NOW, Line


class Town:
    """People on channels over one database."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.clock = ManualClock(NOW)
        self.book = SqlLinkBook(line.database)
        self.linking = SqlLinking(line.database, self.clock)
        self.logins = SqlLogins(line.database)
        self._messages = 0

    async def sells(self, number: str, last4: str) -> None:
        """Put an order into the shop's list."""
        row = {
            "number": number,
            "state": OrderState.SHIPPED.value,
            "placed_at": NOW,
            "total": Decimal("10.00"),
            "currency": "CNY",
            "phone_last4": last4,
            "imported_at": NOW,
        }
        await self.line.database.run(lambda on: on.execute(insert(ORDERS), row) and None)

    async def writes(
        self, who: str, channel: str = "web", proves: tuple[str, ...] = (), tickets: tuple[TicketDraft, ...] = ()
    ) -> ConversationId:
        """Let somebody write, and show that orders are his."""
        self._messages += 1
        self.clock.advance(timedelta(seconds=1))
        sender = Sender(channel, "main", who, who.title())
        conversation = await self.line.accept(f"m{self._messages}", who=sender)
        turn = await self.line.pending(conversation)
        events = tuple(OrderProved(number) for number in proves)
        await self.line.commit(turn, "好的", events=events, tickets=tickets, at=self.clock.now())
        return conversation

    async def customer(self, who: str) -> CustomerId:
        """Tell whose an identity is."""
        return CustomerId(next(row for row in await self.identities() if row["channel_user_id"] == who)["customer_id"])

    async def identities(self) -> list[dict[str, Any]]:
        """List the identities, oldest first."""
        return sorted(await self.line.rows(IDENTITIES), key=lambda row: (row["created_at"], row["id"]))

    async def picture(self) -> dict[str, tuple[Any, ...]]:
        """Draw, for each identity, whose it and everything that came by it is."""
        conversations = {row["id"]: row for row in await self.line.rows(CONVERSATIONS)}
        tickets = await self.line.rows(TICKETS)
        inbox = await self.line.rows(INBOX)
        proved = {(row["customer_id"], row["order_number"]) for row in await self.line.rows(PROVED_ORDERS)}
        allowed = {row["id"]: row["messages_allowed"] for row in await self.line.rows(CUSTOMERS)}
        drawn = {}
        for one in await self.identities():
            own = {each for each, row in conversations.items() if row["identity_id"] == one["id"]}
            customer = one["customer_id"]
            drawn[one["channel_user_id"]] = (
                customer,
                {conversations[each]["customer_id"] for each in own},
                {row["customer_id"] for row in tickets if row["conversation_id"] in own} or {customer},
                tuple(sorted(row["id"] for row in inbox if row["conversation_id"] in own)),
                tuple(sorted(row["number"] for row in tickets if row["conversation_id"] in own)),
                tuple(sorted(number for owner, number in proved if owner == customer)),
                allowed[customer],
            )
        return drawn


def complaint(number: str, **more: Any) -> TicketDraft:
    """Draft a ticket."""
    return TicketDraft(number, TicketKind.COMPLAINT, "杯子碎了", **more)
