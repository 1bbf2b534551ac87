"""Bells for open pages as server-sent events; a page that hears one asks again for what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from bot.console.visits import Visit
from bot.desk.bells import DESK_TOPIC, conversation_topic
from bot.domain.ports import LiveEvent

_HEARTBEAT_S = 25.0
_DESK = ServerSentEvent(event="desk", data="changed")
_CONVERSATION = ServerSentEvent(event="conversation", data="changed")
_SIGNED_OUT = ServerSentEvent(event="signed-out", data="")


async def stream(visit: Visit) -> Response:
    """Follow the desk and, when asked, one conversation; ends when the session does."""
    topics = [DESK_TOPIC]
    conversation_id = visit.query("conversation")
    if conversation_id:
        topics.append(conversation_topic(conversation_id))
    return EventSourceResponse(follow(visit, topics, _HEARTBEAT_S), ping=15)


async def follow(visit: Visit, topics: list[str], heartbeat_s: float) -> AsyncIterator[ServerSentEvent]:
    """Yield a bell for every live event; between them see that the session still holds."""
    events = visit.desk.live.subscribe(topics)
    waiting: asyncio.Task[LiveEvent] = asyncio.ensure_future(_next(events))
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=heartbeat_s)
            if await visit.desk.sessions.agent_of(visit.session) is None:
                yield _SIGNED_OUT
                return
            if not done:
                await visit.desk.presence.heard_from(visit.me.id)
                continue
            for bell in _bells(waiting.result()):
                yield bell
            waiting = asyncio.ensure_future(_next(events))
    except StopAsyncIteration:
        return
    finally:
        waiting.cancel()
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


async def _next(events: AsyncIterator[LiveEvent]) -> LiveEvent:
    return await anext(events)


def _bells(event: LiveEvent) -> tuple[ServerSentEvent, ...]:
    if event.kind == "lost":
        return (_DESK, _CONVERSATION)
    return (_DESK,) if event.topic == DESK_TOPIC else (_CONVERSATION,)
