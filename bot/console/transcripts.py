"""Transcripts for managers: search, page, export."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from starlette.responses import Response

from bot.console.conversation import thread_lines
from bot.console.media import of_conversation
from bot.console.moments import end_of_day, start_of_day
from bot.console.visits import Visit, page_count
from bot.desk.transcripts import TranscriptLine, as_json, as_text, transcribe
from bot.domain.conversation import Conversation
from bot.domain.desk_ports import TranscriptQuery

_FILTERS = ("q", "since", "until", "channel", "agent", "intent")


async def search(visit: Visit) -> Response:
    """Search by the filters in the address; days are the reader's own."""
    chosen = {name: visit.query(name) for name in _FILTERS}
    page = visit.page_number()
    transcripts = visit.desk.stores.transcripts
    found = await transcripts.search(query_of(visit, chosen, page))
    return visit.show(
        "transcripts",
        found=found,
        chosen=chosen,
        choices=await transcripts.choices(),
        address=urlencode({name: value for name, value in chosen.items() if value}),
        page=page,
        pages=page_count(found.total),
    )


async def show(visit: Visit) -> Response:
    """Show one transcript at its own address."""
    conversation, lines = await _load(visit)
    file = await visit.desk.stores.customers.of_conversation(conversation.id)
    return visit.show(
        "transcript",
        conversation=conversation,
        lines=thread_lines(visit, lines),
        media=await of_conversation(visit, conversation.id),
        customer=file.customer,
        file=file,
    )


async def export_json(visit: Visit) -> Response:
    """Give the transcript as JSON, times in UTC."""
    conversation, lines = await _load(visit)
    body = json.dumps(as_json(conversation, lines), ensure_ascii=False, indent=2)
    return _file(body, "application/json", f"{conversation.id}.json")


async def export_text(visit: Visit) -> Response:
    """Give the transcript as plain text, times in the reader's zone."""
    conversation, lines = await _load(visit)
    return _file(as_text(conversation, lines, visit.word, visit.zone), "text/plain", f"{conversation.id}.txt")


async def _load(visit: Visit) -> tuple[Conversation, tuple[TranscriptLine, ...]]:
    conversation_id = visit.conversation_id
    reader = visit.desk.stores.conversations
    return await reader.get(conversation_id), transcribe(await reader.events(conversation_id))


def query_of(visit: Visit, chosen: dict[str, str], page: int) -> TranscriptQuery:
    """Give the search that filters of the address ask for; one that is not named narrows nothing."""
    chosen = dict.fromkeys(_FILTERS, "") | chosen
    return TranscriptQuery(
        text=chosen["q"],
        since=start_of_day(chosen["since"], visit.zone),
        until=end_of_day(chosen["until"], visit.zone),
        channel=chosen["channel"],
        agent_id=chosen["agent"],
        intent=chosen["intent"],
        page=page,
    )


def _file(body: str, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="transcript-{name}"'}
    return Response(body, media_type=f"{media_type}; charset=utf-8", headers=headers)
