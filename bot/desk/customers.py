"""The customer beside the chat."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.desk_ports import CustomerFile, CustomerFiles
from bot.domain.ids import ConversationId
from bot.domain.orders import Order
from bot.domain.ports import OrderSource

_SHOWN_ORDERS = 10


@dataclass(frozen=True, slots=True)
class CustomerCard:
    """What the desk knows of a customer, with the orders that were proved to be his."""

    file: CustomerFile
    orders: tuple[Order, ...]


class DeskCustomers:
    """Loads customer cards."""

    def __init__(self, files: CustomerFiles, orders: OrderSource) -> None:
        self._files = files
        self._orders = orders

    async def card(self, conversation_id: ConversationId) -> CustomerCard:
        """Load the card of a conversation's customer; NotFound when there is no such conversation."""
        file = await self._files.of_conversation(conversation_id)
        found = [await self._orders.find(number) for number in file.order_numbers[:_SHOWN_ORDERS]]
        return CustomerCard(file, tuple(order for order in found if order is not None))
