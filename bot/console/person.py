"""Who the customer is: his channels, what links them, who else he may be."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bot.console.problems import Problem
from bot.console.visits import Visit
from bot.domain.errors import Conflict
from bot.domain.ids import ConversationId, CustomerId
from bot.domain.links import LinkWish, vouched_account


async def show(visit: Visit) -> Response:
    """Show the page; ``?q=`` searches other customers."""
    search = visit.query("q")
    file = await visit.desk.links.person(_id(visit), search)
    facts = {one.id: [fact for fact in file.facts if fact.identity_id == one.id] for one in file.identities}
    vouched = {one.id for one in file.identities if vouched_account(one.channel, one.account, one.channel_user_id)}
    values: dict[str, Any] = {
        "file": file,
        "facts": facts,
        "vouched": vouched,
        "search": search,
        "conversation": file.conversation,
    }
    return visit.show("person", **values)


async def link(visit: Visit) -> Response:
    """Make another customer the same person."""
    form = visit.form
    other = CustomerId(form.get("customer", "")[:64])
    wish = LinkWish(_id(visit), other, form.get("reason", ""), sure=form.get("sure") == "yes")
    try:
        await visit.desk.links.link(wish, visit.me)
    except Conflict as conflict:
        raise Problem(409, "conflict.facts") from conflict
    return _back(visit)


async def undo(visit: Visit) -> Response:
    """Undo a link."""
    await visit.desk.links.undo(visit.form.get("link", "")[:64], visit.me, visit.form.get("reason", ""))
    return _back(visit)


def _back(visit: Visit) -> Response:
    return visit.go(f"/conversations/{_id(visit)}/person")


def _id(visit: Visit) -> ConversationId:
    return ConversationId(str(visit.request.path_params["conversation_id"]))
