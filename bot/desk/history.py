"""All that was said with one customer, over all his channels: one timeline, and one file to give away (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

from bot.desk.transcripts import Speaker, TranscriptLine, Word, as_json, as_text, transcribe
from bot.domain.conversation import CustomerThread
from bot.domain.desk_ports import CustomerFile

PAGE_LINES = 200


def timeline(threads: Iterable[CustomerThread], text: str = "") -> tuple[tuple[TranscriptLine, CustomerThread], ...]:
    """Put the lines of all threads into the order they came in; ``text`` keeps those that hold it in any case."""
    wanted = text.casefold()
    lines = ((line, thread) for thread in threads for line in transcribe(thread.events))
    found = (each for each in lines if not wanted or wanted in _words(each[0]))
    return tuple(sorted(found, key=lambda each: each[0].seq))


def _words(line: TranscriptLine) -> str:
    return "" if line.speaker is Speaker.MARK else "\n".join((line.text, *line.former)).casefold()


def file_as_json(file: CustomerFile, threads: Iterable[CustomerThread]) -> dict[str, Any]:
    """Shape what is kept of a customer: identities, orders proved, tickets and every conversation."""
    return {
        "customer": file.customer.id,
        "name": file.customer.display_name,
        "identities": [
            {"channel": one.channel, "account": one.account, "id": one.channel_user_id, "name": one.display_name}
            for one in file.identities
        ],
        "proved_orders": list(file.order_numbers),
        "tickets": [
            {
                "number": ticket.number,
                "kind": ticket.kind.value,
                "state": ticket.state.value,
                "order": ticket.order_number,
                "summary": ticket.summary,
                "created_at": ticket.created_at.isoformat(),
            }
            for ticket in file.tickets
        ],
        "conversations": [as_json(thread.conversation, transcribe(thread.events)) for thread in threads],
    }


def file_as_text(threads: Iterable[CustomerThread], word: Word, zone: tzinfo) -> str:
    """Write every conversation of a customer as plain text, times in ``zone``."""
    return "\n".join(as_text(thread.conversation, transcribe(thread.events), word, zone) for thread in threads)
