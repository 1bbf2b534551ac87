"""The ticket queue and one ticket's page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from bot.console.attachments import photographed
from bot.console.media import of_conversation
from bot.console.problems import Problem
from bot.console.visits import Visit, page_count
from bot.domain.desk_ports import TicketQuery
from bot.domain.errors import Conflict
from bot.domain.handoff import Priority
from bot.domain.people import Role
from bot.domain.tickets import ALLOWED_STATES, TicketKind, TicketState

UNFINISHED = "unfinished"
ANY = "any"
NOBODY = "nobody"
_FILTERS = ("state", "kind", "priority", "owner", "q")


async def show_list(visit: Visit) -> Response:
    """List tickets by the filters in the address; unfinished ones when none is named."""
    chosen = {name: visit.query(name) for name in _FILTERS}
    chosen["state"] = chosen["state"] or UNFINISHED
    page = visit.page_number()
    found = await visit.desk.tickets.search(query_of(chosen, page))
    return visit.show(
        "tickets",
        found=found,
        chosen=chosen,
        address=urlencode({name: value for name, value in chosen.items() if value}),
        page=page,
        pages=page_count(found.total),
        states=list(TicketState),
        kinds=list(TicketKind),
        priorities=list(Priority),
        people=await _people(visit),
    )


async def show(visit: Visit) -> Response:
    """Show one ticket."""
    file = await visit.desk.tickets.open(_number(visit))
    ticket = file.line.ticket
    state = ticket.state
    kept = photographed(ticket.photos, await of_conversation(visit, ticket.conversation_id)) if ticket.photos else ()
    return visit.show(
        "ticket",
        file=file,
        ticket=ticket,
        photos=tuple(zip(ticket.photos, kept, strict=True)),
        moves=[to for to in TicketState if to in ALLOWED_STATES[state]],
        people=await _people(visit),
        may_erase=visit.desk.media is not None and visit.me.role.reaches(Role.MANAGER),
    )


async def own(visit: Visit) -> Response:
    """Give the ticket to somebody, or to nobody."""
    await visit.desk.tickets.own(_number(visit), visit.form.get("owner", ""), visit.me)
    return _back(visit)


async def move(visit: Visit) -> Response:
    """Change the state; the shopper is told."""
    try:
        await visit.desk.tickets.move(_number(visit), visit.form.get("state", ""), visit.me)
    except Conflict as conflict:
        raise Problem(409, "conflict.ticket") from conflict
    return _back(visit)


async def note(visit: Visit) -> Response:
    """Leave a private note."""
    await visit.desk.tickets.note(_number(visit), visit.me, visit.form.get("text", ""))
    return _back(visit)


def query_of(chosen: dict[str, str], page: int) -> TicketQuery:
    """Give the search that filters of the address ask for; one that is not named narrows nothing."""
    chosen = dict.fromkeys(_FILTERS, "") | chosen
    return TicketQuery(
        state="" if chosen["state"] == ANY else chosen["state"],
        kind=chosen["kind"],
        priority=chosen["priority"],
        owner=chosen["owner"],
        text=chosen["q"],
        page=page,
    )


async def _people(visit: Visit) -> list[Any]:
    return [person.agent for person in await visit.desk.people.list() if person.agent.active]


def _number(visit: Visit) -> str:
    return str(visit.request.path_params["number"])


def _back(visit: Visit) -> Response:
    return visit.go(f"/tickets/{_number(visit)}")
