"""People and roles, for the admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from bot.console.problems import Problem
from bot.console.visits import Visit
from bot.domain.desk_ports import PRESENT_FOR_S
from bot.domain.errors import Conflict
from bot.domain.ids import AgentId
from bot.domain.people import Agent, Role


async def show(visit: Visit) -> Response:
    """List everyone."""
    return await _show(visit)


async def add(visit: Visit) -> Response:
    """Add a person and show his password this one time."""
    form = visit.form
    try:
        agent, password = await visit.desk.people.add(
            form.get("login", ""), form.get("display_name", ""), form.get("role", "")
        )
    except Conflict as taken:
        raise Problem(409, "conflict.login") from taken
    return await _show(visit, agent, password)


async def set_role(visit: Visit) -> Response:
    """Change a role."""
    try:
        await visit.desk.people.set_role(_id(visit), visit.form.get("role", ""))
    except Conflict as last:
        raise Problem(409, "conflict.last_admin") from last
    return visit.go("/people")


async def set_active(visit: Visit) -> Response:
    """Let in or shut out; what a person who is shut out held waits for another agent."""
    active = visit.form.get("active") == "yes"
    try:
        agent = await visit.desk.people.set_active(_id(visit), active)
    except Conflict as last:
        raise Problem(409, "conflict.last_admin") from last
    if not active:
        await _release(visit, agent)
    return visit.go("/people")


async def reset_password(visit: Visit) -> Response:
    """Set a random password and show it this one time."""
    agent, password = await visit.desk.people.reset_password(_id(visit))
    return await _show(visit, agent, password)


async def _release(visit: Visit, agent: Agent) -> None:
    for conversation_id in await visit.desk.stores.queue.held_by(agent.id):
        await visit.desk.actions.requeue(conversation_id, agent)


async def _show(visit: Visit, agent: Agent | None = None, password: str = "") -> Response:
    people = await visit.desk.people.list()
    since = visit.desk.clock.now() - timedelta(seconds=PRESENT_FOR_S)
    values: dict[str, Any] = {
        "people": people,
        "online": {person.agent.id for person in people if person.last_seen_at and person.last_seen_at >= since},
        "roles": list(Role),
        "shown_agent": agent,
        "shown_password": password,
    }
    return visit.show("people", **values)


def _id(visit: Visit) -> AgentId:
    return AgentId(str(visit.request.path_params["agent_id"]))
