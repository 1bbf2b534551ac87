"""Work on tickets."""

from __future__ import annotations

from bot.desk.actions import checked_words
from bot.desk.bells import Bells
from bot.desk.refusals import Refusal
from bot.domain.clock import Clock
from bot.domain.desk_ports import TicketBoard, TicketFile, TicketPage, TicketQuery
from bot.domain.ids import AgentId
from bot.domain.people import Agent
from bot.domain.tickets import Ticket, TicketState


class DeskTickets:
    """Lists, owns, moves and annotates tickets."""

    def __init__(self, board: TicketBoard, bells: Bells, clock: Clock) -> None:
        self._board = board
        self._bells = bells
        self._clock = clock

    async def search(self, query: TicketQuery) -> TicketPage:
        """List tickets."""
        return await self._board.search(query)

    async def open(self, number: str) -> TicketFile:
        """Load a ticket with its history; NotFound when there is none."""
        return await self._board.open(number)

    async def own(self, number: str, owner_id: str, by: Agent) -> Ticket:
        """Give the ticket to a person (``""``: to nobody)."""
        return await self._board.own(number, AgentId(owner_id) if owner_id else None, by, self._clock.now())

    async def move(self, number: str, to: str, by: Agent) -> Ticket:
        """Change the state; the shopper is told in chat. Refusal for an unknown state, Conflict when not now."""
        if to not in set(TicketState):
            raise Refusal("choice", f"{to!r} is not a state of a ticket; choose one of {', '.join(TicketState)}")
        moved = await self._board.move_and_tell(number, TicketState(to), by, self._clock.now())
        await self._bells.deliver(moved.told_in)
        return moved.ticket

    async def note(self, number: str, by: Agent, text: str) -> None:
        """Leave a private note."""
        await self._board.note(number, by, checked_words(text), self._clock.now())
