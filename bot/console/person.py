"""Who the customer is: his channels, what links them, who else he may be."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bot.console.problems import Problem
from bot.console.visits import Visit
from bot.desk.refusals import Refusal
from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import CustomerId
from bot.domain.links import LinkWish, verified_phone, vouched_account
from bot.domain.media import Holding
from bot.domain.people import Role


async def show(visit: Visit) -> Response:
    """Show the page; ``?q=`` searches other customers."""
    search = visit.query("q")
    file = await visit.desk.links.person(visit.conversation_id, search)
    facts = {one.id: [fact for fact in file.facts if fact.identity_id == one.id] for one in file.identities}
    numbers = {one.id for one in file.identities if verified_phone(one.channel, one.channel_user_id)}
    vouched = {one.id for one in file.identities if vouched_account(one.channel, one.account, one.channel_user_id)}
    values: dict[str, Any] = {
        "file": file,
        "facts": facts,
        "vouched": vouched,
        "numbers": numbers,
        "search": search,
        "conversation": file.conversation,
        "kept": await _kept(visit, file.customer.id),
    }
    return visit.show("person", **values)


async def link(visit: Visit) -> Response:
    """Make another customer the same person."""
    form = visit.form
    other = CustomerId(form.get("customer", "")[:64])
    wish = LinkWish(visit.conversation_id, other, form.get("reason", ""), sure=form.get("sure") == "yes")
    try:
        await visit.desk.links.link(wish, visit.me)
    except Conflict as conflict:
        raise Problem(409, "conflict.facts") from conflict
    return _back(visit)


async def undo(visit: Visit) -> Response:
    """Undo a link."""
    await visit.desk.links.undo(visit.form.get("link", "")[:64], visit.me, visit.form.get("reason", ""))
    return _back(visit)


async def erase_attachments(visit: Visit) -> Response:
    """Erase all attachments of the customer; it wants a tick and a reason."""
    if visit.desk.media is None:
        raise NotFound("attachments are not kept here")
    if visit.form.get("sure") != "yes":
        raise Refusal("not_sure", "erasing attachments cannot be undone; tick the box to say that you are sure")
    conversation = await visit.desk.stores.conversations.get(visit.conversation_id)
    await visit.desk.media.forget_customer(conversation.customer_id, visit.me, visit.form.get("reason", ""))
    return visit.go(f"/conversations/{conversation.id}/person#attachments")


async def _kept(visit: Visit, customer_id: CustomerId) -> Holding | None:
    """Count what could be erased; None for whom it is not to decide."""
    if visit.desk.media is None or not visit.me.role.reaches(Role.MANAGER):
        return None
    return await visit.desk.media.holding(customer_id)


def _back(visit: Visit) -> Response:
    return visit.go(f"/conversations/{visit.conversation_id}/person")
