"""What an agent may still do when the platform's window is closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from bot.console.problems import Problem
from bot.console.visits import Visit
from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import ConversationId, IdentityId, new_id
from bot.domain.people import Agent

_VALUE = "value"
_MOST_DIGITS = 18


async def templates(visit: Visit) -> Response:
    """Show the templates; with ``?template=`` one of them, filled as far as values are given."""
    conversation = await visit.desk.stores.conversations.get(visit.conversation_id)
    known = visit.desk.ways.templates(conversation)
    chosen = next((each for each in known if each.key == visit.query("template")), known[0] if known else None)
    values = tuple(visit.query(f"{_VALUE}{number}") for number in range(1, len(chosen.variables) + 1)) if chosen else ()
    return visit.show(
        "template",
        conversation=conversation,
        templates=known,
        chosen=chosen,
        values=values,
        text=chosen.fill(values) if chosen else "",
        is_mine=conversation.agent_id == visit.me.id,
        send_key=new_id(),
    )


async def send_template(visit: Visit) -> Response:
    """Send a template."""
    values: list[str] = []
    while (value := visit.form.get(f"{_VALUE}{len(values) + 1}")) is not None:
        values.append(value)
    template, key = visit.form.get("template", ""), visit.form.get("key", "")
    try:
        await visit.desk.ways.send_template(visit.conversation_id, visit.me, template, tuple(values), key)
    except Conflict as conflict:
        raise Problem(409, "conflict.not_yours") from conflict
    return visit.go(f"/conversations/{visit.conversation_id}?view=mine")


async def write_elsewhere(visit: Visit) -> Response:
    """Go on with the customer on another channel of his."""
    identity = IdentityId(visit.form.get("identity", "")[:64])
    try:
        said = _number(visit.form["said"]) if "said" in visit.form else None
        there = await visit.desk.ways.write_elsewhere(visit.conversation_id, identity, visit.me, said)
    except Conflict as conflict:
        raise Problem(409, "conflict.with_agent") from conflict
    # The page's own script brings the words along that were written or refused here.
    return visit.go(f"/conversations/{there}?view=mine&carried=yes")


async def wait(visit: Visit) -> Response:
    """Let refused words wait until the shopper writes."""
    return await _with_words(visit, visit.desk.ways.wait)


async def withdraw(visit: Visit) -> Response:
    """Let waiting words never go out."""
    return await _with_words(visit, visit.desk.ways.withdraw)


def _number(said: str) -> int:
    if not said.isascii() or not said.isdecimal() or len(said) > _MOST_DIGITS:
        raise NotFound(f"there are no words {said!r}")
    return int(said)


async def _with_words(visit: Visit, action: Callable[[ConversationId, int, Agent], Awaitable[None]]) -> Response:
    said = _number(str(visit.request.path_params["said"]))
    try:
        await action(visit.conversation_id, said, visit.me)
    except Conflict as conflict:
        raise Problem(409, "conflict.held_words") from conflict
    if visit.wants_fragment:
        return Response(status_code=204, headers={"HX-Trigger": "changed"})
    return visit.go(f"/conversations/{visit.conversation_id}?view=mine")
