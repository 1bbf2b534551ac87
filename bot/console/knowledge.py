"""The merchant's own answers, for the manager."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from bot.console.visits import Visit, page_count
from bot.desk.knowledge import DeskKnowledge
from bot.domain.errors import NotFound
from bot.domain.knowledge import LANGUAGES, KnowledgeEntry

EMPTY = KnowledgeEntry("", {}, {}, {})


async def show(visit: Visit) -> Response:
    """List the entries, with the box to try a message in."""
    page, words, asked = visit.page_number(), visit.query("q"), visit.query("try")
    found = await _desk(visit).page(page, words)
    trial = await _desk(visit).try_it(asked) if asked else None
    return visit.show(
        "knowledge",
        found=found,
        q=words,
        asked=asked,
        trial=trial,
        address=urlencode({"q": words}),
        page=page,
        pages=page_count(found.total),
    )


async def show_new(visit: Visit) -> Response:
    """Show the empty form."""
    return visit.show("knowledge_entry", name="", entry=EMPTY, active=True)


async def show_entry(visit: Visit) -> Response:
    """Show one entry in the form."""
    kept = await _desk(visit).get(_name(visit))
    return visit.show("knowledge_entry", name=_name(visit), entry=kept.entry, active=kept.active)


async def add(visit: Visit) -> Response:
    """Save a new entry."""
    await _desk(visit).add(**_written(visit))
    return visit.go("/knowledge")


async def change(visit: Visit) -> Response:
    """Save an entry anew."""
    await _desk(visit).change(_name(visit), **_written(visit))
    return visit.go("/knowledge")


async def switch(visit: Visit) -> Response:
    """Switch an entry on or off."""
    await _desk(visit).switch(_name(visit), visit.form.get("active") == "yes")
    return visit.go("/knowledge")


async def delete(visit: Visit) -> Response:
    """Forget an entry."""
    await _desk(visit).delete(_name(visit))
    return visit.go("/knowledge")


def _desk(visit: Visit) -> DeskKnowledge:
    if visit.desk.knowledge is None:
        raise NotFound("this desk keeps no knowledge")
    return visit.desk.knowledge


def _name(visit: Visit) -> str:
    return str(visit.request.path_params["name"])


def _written(visit: Visit) -> dict[str, Any]:
    form = visit.form
    return {
        "titles": {language: form.get(f"title_{language}", "") for language in LANGUAGES},
        "questions": {language: form.get(f"questions_{language}", "").splitlines() for language in LANGUAGES},
        "answers": {language: form.get(f"answer_{language}", "") for language in LANGUAGES},
    }
