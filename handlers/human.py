"""Humans: request_human, rate_service, give_suggestion."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from bot.domain.conversation import Owner
from bot.domain.events import Rated
from bot.domain.forms import Form, Missing, ParsedSlot, SlotSpec
from bot.domain.handoff import Handoff, HandoffReason, Priority
from bot.domain.ids import new_ticket_number
from bot.domain.messages import InboundMessage, MessageKind
from bot.domain.ports import HandlerEntry
from bot.domain.replies import Choice, Locale, Reply
from bot.domain.tickets import Ticket, TicketDraft, TicketKind, TicketState
from bot.domain.turns import Outcome, Turn
from bot.domain.understanding import FAQ_PREFIX, Recognition
from handlers.answers import answer_of, parse_text, tells_a_story
from handlers.proof import HUMAN
from handlers.services import Services

_PRIORITIES = {HandoffReason.URGENT: Priority.URGENT, HandoffReason.ANGRY: Priority.HIGH}
_FIRST_WORD_AFTER_OPENING = timedelta(hours=1)
_FIRST_WORD_WHEN_OPEN = timedelta(hours=2)
_ENDED = frozenset({TicketState.SOLVED, TicketState.CLOSED})
_HIDDEN_SLOTS = frozenset({"phone_last4", "proved", "verified", "stage", "several", "photos", "confirm", "sure"})
_SAID_CHARS = 200
_GOOD_SCORE = 4
_HIGHEST = 5
_GLAD = 0.0
_PRESSED = "button"


def parse_score(message: InboundMessage, recognition: Recognition) -> ParsedSlot:
    """Take a score of 1 to 5."""
    said = recognition.entity("score") or answer_of(message)
    found = re.fullmatch(r"\D*([1-5])\D*", said)
    return found.group(1) if found else Missing.VALUE


RATING_FORM = Form(
    "rate_service",
    (
        SlotSpec(
            "score",
            ask="rate_service.ask_score",
            entity="score",
            parse=parse_score,
            options=("5", "4", "3", "2", "1"),
        ),
    ),
)
SUGGESTION_FORM = Form(
    "give_suggestion", (SlotSpec("suggestion", ask="give_suggestion.ask_suggestion", parse=parse_text),)
)


def entries(services: Services, forms: Mapping[str, Form]) -> dict[str, HandlerEntry]:
    """Give this family's rows of the table; ``forms`` of all handlers name what a summary tells."""
    return {
        "request_human": HandlerEntry(partial(_request, services, forms)),
        "rate_service": HandlerEntry(_rate, RATING_FORM, _rate_asked),
        "give_suggestion": HandlerEntry(
            partial(_suggest, services), SUGGESTION_FORM, partial(_suggest_asked, services)
        ),
    }


# ---------------------------------------------------------------- a person, please


async def _request(services: Services, forms: Mapping[str, Form], turn: Turn) -> Outcome:
    waiting = await services.queue.waiting()
    if turn.conversation.owner is Owner.WAITING_FOR_AGENT:
        return Outcome(replies=(Reply("request_human.still_waiting", {"place": max(waiting, 1)}),))
    reason = turn.handoff_reason or HandoffReason.REQUESTED
    summary = await summarise(services, forms, turn)
    handoff = Handoff(reason, summary, _PRIORITIES.get(reason, Priority.NORMAL))
    why = {"reason": reason.value, "urgency": turn.recognition.sentiment.urgency.value}
    online = await services.queue.agents_online()
    if online:
        minutes = max(1, math.ceil((waiting + 1) * services.shop.minutes_per_case / online))
        queued = Reply("request_human.queued", why | {"place": waiting + 1, "minutes": minutes})
        return Outcome(replies=(queued,), handoff=handoff)
    return await _promise(services, turn, handoff, why)


async def _promise(services: Services, turn: Turn, handoff: Handoff, why: dict[str, str]) -> Outcome:
    known = await _open_callback(services, turn)
    due_at = known.due_at if known else _first_word_at(services, turn.now)
    number = known.number if known else new_ticket_number()
    hours = services.shop.hours
    data = why | {
        "ticket": number,
        "due_at": due_at.isoformat(),
        "is_open": hours.is_open(turn.now),
        "opens": f"{hours.opens:%H:%M}",
        "closes": f"{hours.closes:%H:%M}",
    }
    reply = Reply("request_human.promised", data)
    if known:
        return Outcome(replies=(reply,), handoff=handoff)
    draft = TicketDraft(
        number, TicketKind.CALLBACK, handoff.summary, handoff.priority, category=handoff.reason.value, due_at=due_at
    )
    return Outcome(replies=(reply,), handoff=handoff, tickets=(draft,))


def _first_word_at(services: Services, now: datetime) -> datetime:
    if services.shop.hours.is_open(now):
        return now + _FIRST_WORD_WHEN_OPEN
    return services.shop.hours.next_opening(now) + _FIRST_WORD_AFTER_OPENING


async def _open_callback(services: Services, turn: Turn) -> Ticket | None:
    for ticket in await services.tickets.of_customer(turn.customer.id):
        if ticket.kind is TicketKind.CALLBACK and ticket.state not in _ENDED and ticket.due_at > turn.now:
            return ticket
    return None


async def summarise(services: Services, forms: Mapping[str, Form], turn: Turn) -> str:
    """Sum up for the agent, in the shopper's language: what was wanted, order, answers so far, last words."""
    tracker, slots = turn.tracker, turn.slots or turn.tracker.slots
    form = forms.get(tracker.form or tracker.last_intent)
    known = [
        _say_slot(services, form, name, value, turn.locale)
        for name, value in slots.items()
        if name not in _HIDDEN_SLOTS and name != "order_number" and value
    ]
    order = slots.get("order_number") or "".join(tracker.proved_orders[-1:])
    data = {
        "wanted": _wanted(services, tracker.form_intent or tracker.last_intent, turn.locale),
        "order": str(order or ""),
        "known": known,
        "tickets": list(tracker.ticket_numbers),
        "words": turn.text[:_SAID_CHARS],
    }
    return services.say("handoff.summary", turn.locale, data)


def _wanted(services: Services, intent: str, locale: Locale) -> str:
    if intent.startswith(FAQ_PREFIX):
        entry = services.knowledge.entry(intent)
        return entry.titles.get(locale.base, "") if entry else ""
    return services.say(f"intent.{intent}", locale) if intent and intent != "request_human" else ""


def _say_slot(services: Services, form: Form | None, name: str, value: Any, locale: Locale) -> str:
    spec = form.slot(name) if form else None
    if spec and value in spec.options:
        return services.say(f"{spec.ask}.{value}", locale)
    return str(value)[:_SAID_CHARS]


# ---------------------------------------------------------------- what the shopper thinks of us


async def _rate(turn: Turn) -> Outcome:
    score = turn.recognition.entity("score")
    if score:
        return _rated(_number(score), "" if turn.recognition.engine == _PRESSED else turn.text)
    if turn.message.kind is MessageKind.BUTTON or not turn.text:
        return Outcome(start_form=RATING_FORM.name)
    # Praise or blame without a number is kept as it is said.
    is_glad = turn.recognition.sentiment.score >= _GLAD
    reply = Reply("rate_service.glad", {}) if is_glad else Reply("rate_service.sorry", {}, _after_blame())
    return Outcome(replies=(reply,), events=(Rated(0, turn.text[:_SAID_CHARS]),))


async def _rate_asked(turn: Turn) -> Outcome:
    return _rated(_number(str(turn.slots.get("score") or _HIGHEST)), "")


def _number(score: str) -> int:
    """Read a score; what no button of ours holds counts as the highest."""
    found = re.search(r"\d", score)
    return int(found.group()) if found else _HIGHEST


def _rated(score: int, words: str) -> Outcome:
    score = min(max(score, 1), _HIGHEST)
    is_good = score >= _GOOD_SCORE
    reply = (
        Reply("rate_service.good", {"score": score})
        if is_good
        else Reply("rate_service.bad", {"score": score}, _after_blame())
    )
    return Outcome(replies=(reply,), events=(Rated(score, words[:_SAID_CHARS]),))


def _after_blame() -> tuple[Choice, ...]:
    return (Choice("/file_complaint", "intent.file_complaint"), HUMAN)


async def _suggest(services: Services, turn: Turn) -> Outcome:
    if not tells_a_story(turn.text):
        return Outcome(start_form=SUGGESTION_FORM.name)
    return _suggested(services, turn, turn.text)


async def _suggest_asked(services: Services, turn: Turn) -> Outcome:
    return _suggested(services, turn, str(turn.slots.get("suggestion") or turn.text))


def _suggested(services: Services, turn: Turn, words: str) -> Outcome:
    draft = TicketDraft(
        number=new_ticket_number(),
        kind=TicketKind.SUGGESTION,
        summary=services.say("give_suggestion.summary", turn.locale, {"words": words[:_SAID_CHARS]}),
        details={"suggestion": words},
    )
    return Outcome(replies=(Reply("give_suggestion.noted", {}),), tickets=(replace(draft, category="suggestion"),))
