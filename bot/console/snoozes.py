"""Putting a conversation aside from its page."""

from __future__ import annotations

from starlette.responses import Response

from bot.console.problems import Problem
from bot.console.visits import Visit
from bot.domain.errors import Conflict
from bot.domain.ids import ConversationId


async def snooze(visit: Visit) -> Response:
    """Put it aside until what the form says."""
    conversation_id = visit.conversation_id
    try:
        await visit.desk.snoozes.snooze(conversation_id, visit.me, visit.form.get("until", ""))
    except Conflict as conflict:
        raise Problem(409, "conflict.not_yours_to_snooze") from conflict
    return _again(visit, conversation_id)


async def wake(visit: Visit) -> Response:
    """Bring it back."""
    conversation_id = visit.conversation_id
    try:
        await visit.desk.snoozes.wake(conversation_id, visit.me)
    except Conflict as conflict:
        raise Problem(409, "conflict.not_yours_to_snooze") from conflict
    return _again(visit, conversation_id)


def _again(visit: Visit, conversation_id: ConversationId) -> Response:
    if visit.wants_fragment:
        return Response(status_code=204, headers={"HX-Trigger": "changed"})
    return visit.go(f"/conversations/{conversation_id}?view={visit.form.get('view', 'mine')[:16]}")
