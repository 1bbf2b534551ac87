"""Figures for managers: each is the length of a list and opens that list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from bot.console import tickets, transcripts
from bot.console.visits import Visit
from bot.domain.tickets import TicketKind, TicketState

_DAYS = 7


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, the word for what it counts, and the address of the list it is the length of."""

    word: str
    number: int
    address: str


async def show(visit: Visit) -> Response:
    """Count conversations of the days in the address (the last seven when none is named) and tickets as they are."""
    today = visit.desk.clock.now().astimezone(visit.zone).date()
    days = {"since": visit.query("since"), "until": visit.query("until")}
    if not any(days.values()):
        days = {"since": str(today - timedelta(days=_DAYS - 1)), "until": str(today)}
    choices = await visit.desk.stores.transcripts.choices()
    by_channel = [(f"channel.{channel}", days | {"channel": channel}) for channel in choices.channels]
    states = [(f"ticket_state.{state}", {"state": state}) for state in (tickets.UNFINISHED, *TicketState)]
    unfinished = {"state": tickets.UNFINISHED}
    nobodys = ("figures.nobodys", unfinished | {"owner": tickets.NOBODY})
    # A kind of which nothing is open says nothing.
    kinds = [(f"ticket_kind.{kind}", unfinished | {"kind": kind}) for kind in TicketKind]
    open_kinds = [figure for each in kinds if (figure := await _tickets(visit, *each)).number]
    return visit.show(
        "figures",
        days=days,
        groups=(
            ("figures.conversations", [await _said(visit, *each) for each in [("figures.all", days), *by_channel]]),
            ("figures.tickets", [await _tickets(visit, *each) for each in states]),
            ("figures.unfinished", [await _tickets(visit, *nobodys), *open_kinds]),
        ),
    )


async def _said(visit: Visit, word: str, chosen: dict[str, str]) -> Figure:
    found = await visit.desk.stores.transcripts.search(transcripts.query_of(visit, chosen, 1))
    return Figure(word, found.total, f"/transcripts?{urlencode(chosen)}")


async def _tickets(visit: Visit, word: str, chosen: dict[str, str]) -> Figure:
    found = await visit.desk.tickets.search(tickets.query_of(chosen, 1))
    return Figure(word, found.total, f"/tickets?{urlencode(chosen)}")
