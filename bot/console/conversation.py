"""A conversation: its thread, the customer beside it, and what may be done with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from starlette.responses import Response

from bot.console import media
from bot.console.inbox import lists
from bot.console.problems import Problem
from bot.console.visits import Visit
from bot.desk.permits import permits
from bot.desk.snoozes import SNOOZES
from bot.desk.transcripts import TranscriptLine, transcribe
from bot.domain.conversation import Conversation, CustomerThread, Owner
from bot.domain.desk_ports import DeliveryState
from bot.domain.errors import Conflict
from bot.domain.ids import ConversationId, new_id
from bot.domain.people import Agent
from bot.domain.windows import Room

_SHOWN_LINES = 300
_UNDELIVERED = frozenset({"refused", "dropped"})
_Action = Callable[[ConversationId, Agent], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class ThreadLine:
    """A line as the thread shows it; ``day`` is set where a new day begins, ``thread`` where there are several."""

    line: TranscriptLine
    day: date | None
    delivery: DeliveryState | None
    thread: CustomerThread | None = None


async def show(visit: Visit) -> Response:
    """Show the whole page."""
    conversation = await visit.desk.stores.conversations.get(visit.conversation_id)
    values = await lists(visit) | {"selected": conversation.id}
    values |= await _thread(visit, conversation) | await _state(visit, conversation)
    values["card"] = await visit.desk.customers.card(conversation.id)
    return visit.show("conversation", **values, card_of=conversation.id, send_key=new_id())


async def thread(visit: Visit) -> Response:
    """Show the thread and its state alone, for the page to renew itself."""
    conversation = await visit.desk.stores.conversations.get(visit.conversation_id)
    return visit.show("thread", **await _thread(visit, conversation), **await _state(visit, conversation))


async def card(visit: Visit) -> Response:
    """Show the customer alone."""
    found = await visit.desk.customers.card(visit.conversation_id)
    return visit.show("card", card=found, card_of=visit.conversation_id, view=visit.query("view") or "all")


async def take(visit: Visit) -> Response:
    """Take the conversation."""
    return await _do(visit, _if_here(visit, visit.desk.actions.take))


async def give_back(visit: Visit) -> Response:
    """Return it to the bot, unless another app has its thread: that is taken back first."""

    async def give(conversation_id: ConversationId, agent: Agent) -> None:
        conversation = await visit.desk.stores.conversations.get(conversation_id)
        if visit.desk.threads.inbox(conversation) and await visit.desk.threads.place(conversation):
            raise Conflict(f"another app has the thread of conversation {conversation_id}; take it back first")
        await visit.desk.actions.give_back(conversation_id, agent)

    return await _do(visit, _if_here(visit, give))


async def resolve(visit: Visit) -> Response:
    """End it."""
    return await _do(visit, visit.desk.actions.resolve)


async def pass_on(visit: Visit) -> Response:
    """Give it to the platform's own inbox."""
    return await _do(visit, visit.desk.threads.pass_on)


async def take_back(visit: Visit) -> Response:
    """Take it from whoever has it at the platform."""
    return await _do(visit, visit.desk.threads.take_back)


async def reply(visit: Visit) -> Response:
    """Send words to the shopper."""

    async def send(conversation_id: ConversationId, agent: Agent) -> None:
        key = visit.form.get("key", "")
        await visit.desk.actions.reply(conversation_id, agent, visit.form.get("text", ""), key)
        if visit.form.get("later") == "yes":
            await visit.desk.ways.reply_later(conversation_id, agent, key)

    return await _do(visit, send)


async def typing(visit: Visit) -> Response:
    """Let the shopper see that an answer is being written."""
    await visit.desk.writing.tell(visit.conversation_id, visit.me)
    return Response(status_code=204)


async def send_file(visit: Visit) -> Response:
    """Send a file to the shopper."""

    async def send(conversation_id: ConversationId, agent: Agent) -> None:
        await media.take_and_send(visit, conversation_id, agent)

    return await _do(visit, send)


async def note(visit: Visit) -> Response:
    """Leave a private note."""

    async def write(conversation_id: ConversationId, agent: Agent) -> None:
        await visit.desk.actions.note(conversation_id, agent, visit.form.get("text", ""))

    return await _do(visit, write)


def _if_here(visit: Visit, action: _Action) -> _Action:
    async def do(conversation_id: ConversationId, agent: Agent) -> None:
        await visit.desk.threads.check_here(conversation_id)
        await action(conversation_id, agent)

    return do


async def _do(visit: Visit, action: _Action) -> Response:
    conversation_id = visit.conversation_id
    try:
        await action(conversation_id, visit.me)
    except Conflict as conflict:
        raise await _who_was_first(visit, conversation_id) from conflict
    if visit.wants_fragment:
        # The page asks for the thread itself, as at every bell, so that an older answer never covers a newer one.
        return Response(status_code=204, headers={"HX-Trigger": "changed"})
    return visit.go(f"/conversations/{conversation_id}?view={visit.form.get('view', 'all')[:16]}")


async def _who_was_first(visit: Visit, conversation_id: ConversationId) -> Problem:
    conversation = await visit.desk.stores.conversations.get(conversation_id)
    if conversation.owner is Owner.WITH_AGENT and conversation.agent_id not in {None, visit.me.id}:
        return Problem(409, "conflict.held", name=await _holder_name(visit, conversation))
    return Problem(409, f"conflict.{conversation.owner.value}")


async def _holder_name(visit: Visit, conversation: Conversation) -> str:
    if conversation.agent_id is None:
        return ""
    holder = await visit.desk.stores.people.by_id(conversation.agent_id)
    return holder.agent.display_name if holder else ""


async def _state(visit: Visit, conversation: Conversation) -> dict[str, Any]:
    room = await _room(visit, conversation)
    closed = room is not None and not room.is_open
    place = await visit.desk.threads.place(conversation)
    queue = await visit.desk.threads.queue(conversation)
    inbox = visit.desk.threads.inbox(conversation)
    allowed = permits(conversation, visit.me)
    there = queue or place
    waits = conversation.owner is Owner.WAITING_FOR_AGENT
    return {
        "conversation": conversation,
        # Nobody can give the bot a thread that somebody else has: it is taken back first, where that can be.
        "permits": replace(allowed, take=allowed.take and not queue, give_back=False) if there else allowed,
        "holder": visit.word(f"place.{there}") if there else await _holder_name(visit, conversation),
        "pass_to": inbox if allowed.reply or waits else None,
        "take_back_from": await visit.desk.threads.taken_from(conversation) if place or allowed.reply else None,
        "is_mine": conversation.agent_id == visit.me.id,
        "snooze": await visit.desk.snoozes.of(conversation),
        "snoozes": SNOOZES,
        "room": room,
        "largest": media.largest(visit),
        "sendable": visit.desk.media.sendable(conversation.channel) if visit.desk.media else "",
        "ways": await visit.desk.ways.of_conversation(conversation) if closed else None,
        "later": room is not None and not room.is_open and room.humans_until is None,
    }


async def _room(visit: Visit, conversation: Conversation) -> Room | None:
    """Ask what the platform still lets us send; None where it always does, or where it is over."""
    windows = visit.desk.stores.windows
    if windows is None or conversation.owner is Owner.RESOLVED:
        return None
    return await windows.of_conversation(conversation.id, visit.desk.clock.now())


async def _thread(visit: Visit, conversation: Conversation) -> dict[str, Any]:
    stores = visit.desk.stores
    lines = transcribe(await stores.conversations.events(conversation.id))
    deliveries = await stores.deliveries.of_conversation(conversation.id)
    shown = thread_lines(visit, lines[-_SHOWN_LINES:])
    marked = [
        ThreadLine(item.line, item.day, delivery if (delivery := deliveries.get(item.line.seq)) else None)
        for item in shown
    ]
    files = await media.of_conversation(visit, conversation.id)
    return {
        "media": files,
        "lines": marked,
        "hidden": max(len(lines) - _SHOWN_LINES, 0),
        "last_seq": lines[-1].seq if lines else 0,
    }


def thread_lines(visit: Visit, lines: tuple[TranscriptLine, ...]) -> list[ThreadLine]:
    """Mark where a new day begins in the reader's zone."""
    shown: list[ThreadLine] = []
    before: date | None = None
    for line in lines:
        day = line.at.astimezone(visit.zone).date()
        shown.append(ThreadLine(line, day if day != before else None, None))
        before = day
    return shown
