"""Messages that did not arrive, for the manager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from bot.console.problems import Problem
from bot.console.visits import Visit, page_count
from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import OutboxId

_MOST_DIGITS = 18


async def show(visit: Visit) -> Response:
    """List them, newest first."""
    page = visit.page_number()
    found = await visit.desk.dead_letters.page(page)
    return visit.show("dead_letters", found=found, page=page, pages=page_count(found.total))


async def retry(visit: Visit) -> Response:
    """Send one after all."""
    return await _do(visit, visit.desk.dead_letters.retry)


async def drop(visit: Visit) -> Response:
    """Let one go."""
    return await _do(visit, visit.desk.dead_letters.drop)


async def _do(visit: Visit, action: Callable[[OutboxId], Awaitable[None]]) -> Response:
    try:
        await action(_id(visit))
    except Conflict as conflict:
        raise Problem(409, "conflict.dead_letter") from conflict
    return visit.go("/deadletters")


def _id(visit: Visit) -> OutboxId:
    text = str(visit.request.path_params["letter_id"])
    if not text.isascii() or not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise NotFound(f"there is no message {text!r}")
    return OutboxId(int(text))
