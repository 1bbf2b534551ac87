"""A customer's whole history: every channel in one timeline, to be read, searched and given away."""

from __future__ import annotations

import json
from dataclasses import replace

from starlette.responses import Response

from bot.console import media
from bot.console.conversation import thread_lines
from bot.console.visits import Visit
from bot.desk.history import PAGE_LINES, file_as_json, file_as_text, timeline
from bot.domain.conversation import CustomerThread
from bot.domain.desk_ports import SHOWN_ROWS, CustomerFile, DeliveryState
from bot.domain.media import MediaFile, MediaId

Deliveries = dict[int, DeliveryState]
Files = dict[MediaId, MediaFile]
_ALL = 100_000


async def show(visit: Visit) -> Response:
    """Show the timeline, its newest page first; ``?q=`` keeps the lines that hold it."""
    file, threads = await _load(visit, SHOWN_ROWS)
    search = visit.query("q")
    found = timeline(threads, search)
    page, pages = visit.page_number(), max(-(-len(found) // PAGE_LINES), 1)
    end = len(found) - (page - 1) * PAGE_LINES
    shown = found[max(end - PAGE_LINES, 0) : max(end, 0)]
    marked = thread_lines(visit, tuple(line for line, _ in shown))
    deliveries, files = await _of_threads(visit, [thread for _, thread in shown])
    lines = [
        replace(item, delivery=deliveries.get(item.line.seq), thread=thread)
        for item, (_, thread) in zip(marked, shown, strict=True)
    ]
    return visit.show(
        "history",
        file=file,
        lines=lines,
        media=files,
        search=search,
        total=len(found),
        page=page,
        pages=pages,
        conversation_id=visit.conversation_id,
        more=len(threads) == SHOWN_ROWS,
    )


async def export_json(visit: Visit) -> Response:
    """Give all that is kept of the customer as JSON, times in UTC."""
    file, threads = await _load(visit, _ALL)
    body = json.dumps(file_as_json(file, reversed(threads)), ensure_ascii=False, indent=2)
    return _file(body, "application/json", f"{file.customer.id}.json")


async def export_text(visit: Visit) -> Response:
    """Give every conversation of the customer as plain text, times in the reader's zone."""
    file, threads = await _load(visit, _ALL)
    return _file(file_as_text(reversed(threads), visit.word, visit.zone), "text/plain", f"{file.customer.id}.txt")


async def _load(visit: Visit, most: int) -> tuple[CustomerFile, tuple[CustomerThread, ...]]:
    customers = visit.desk.stores.customers
    threads = await customers.threads(visit.conversation_id, most)
    return await customers.of_conversation(visit.conversation_id, most), threads


async def _of_threads(visit: Visit, threads: list[CustomerThread]) -> tuple[Deliveries, Files]:
    """Load what became of messages and what is kept of attachments, of the conversations on the page."""
    deliveries: Deliveries = {}
    files: Files = {}
    for conversation_id in dict.fromkeys(thread.conversation.id for thread in threads):
        deliveries |= await visit.desk.stores.deliveries.of_conversation(conversation_id)
        files |= await media.of_conversation(visit, conversation_id)
    return deliveries, files


def _file(body: str, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="customer-{name}"'}
    return Response(body, media_type=f"{media_type}; charset=utf-8", headers=headers)
