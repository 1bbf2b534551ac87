"""The inbox: waiting, mine, all."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bot.console.visits import Visit, page_count
from bot.domain.desk_ports import QueueView
from bot.domain.errors import NotFound


async def home(visit: Visit) -> Response:
    """Go to the inbox."""
    return visit.go("/inbox")


async def missing(visit: Visit) -> Response:
    """Say that there is no such page."""
    raise NotFound(f"there is no page {visit.request.url.path!r}")


async def show(visit: Visit) -> Response:
    """Show the inbox."""
    return visit.show("inbox", **await lists(visit))


async def rows(visit: Visit) -> Response:
    """Show the list alone, for the page to renew itself."""
    return visit.show("inbox_list", **await lists(visit))


async def lists(visit: Visit) -> dict[str, Any]:
    """Load what the list shows: the view's rows, the counts, the page."""
    view = view_of(visit)
    page = visit.page_number()
    queue = visit.desk.stores.queue
    counts = await queue.counts(visit.me.id)
    total = {
        QueueView.WAITING: counts.waiting,
        QueueView.MINE: counts.mine,
        QueueView.SNOOZED: counts.snoozed,
        QueueView.ALL: counts.all,
    }[view]
    return {
        "view": view,
        "rows": await queue.rows(view, visit.me.id, page),
        "counts": counts,
        "queues": visit.desk.stores.queues,
        "page": page,
        "pages": page_count(total),
        "selected": visit.query("selected"),
    }


def view_of(visit: Visit) -> QueueView:
    """Read which list is asked for; waiting when it is none of ours."""
    asked = visit.query("view")
    return QueueView(asked) if asked in set(QueueView) else QueueView.WAITING
