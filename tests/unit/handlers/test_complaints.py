"""Complaints become tickets; tickets are told and reopened only to their own customer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.handoff import Priority
from bot.domain.ids import CustomerId
from bot.domain.replies import Locale
from bot.domain.tickets import ALLOWED_STATES, TicketState
from bot.domain.tracker import Tracker
from bot.domain.understanding import Urgency
from handlers import build_handlers
from tests.unit.handlers.fakes import NOW, Said, keys, make_services, make_ticket, run, said_in, submit

FILLED = {"category": "damaged", "order_number": "W1234567", "story": "杯子碎了", "photos": ["m1"], "wish": "refund"}
STRANGERS = replace(make_ticket("TK99999999"), customer_id=CustomerId("somebody else"))


async def test_complaint_ends_in_a_ticket() -> None:
    """Category, order, story, photos and wish are on the ticket; number and promised time are said."""
    services = make_services()
    outcome = await submit(services, "file_complaint", Said(slots=FILLED))
    (ticket,) = outcome.tickets
    assert (ticket.category, ticket.order_number, ticket.photos) == ("damaged", "W1234567", ("m1",))
    assert ticket.details == {"story": "杯子碎了", "wish": "refund", "order_proved": False}
    text = said_in(services, outcome)
    assert ticket.number in text
    assert "明天 10:00" in text


async def test_complaint_needs_no_order_and_no_photo() -> None:
    """Optional questions may be skipped."""
    slots = {"category": "attitude", "order_number": "", "story": "不理人", "wish": "apology"}
    (ticket,) = (await submit(make_services(), "file_complaint", Said(slots=slots))).tickets
    assert ticket.order_number == ""
    assert ticket.photos == ()


@pytest.mark.parametrize(
    ("said", "priority"),
    [
        (Said(slots=FILLED), Priority.NORMAL),
        (Said(slots=FILLED, mood=-0.9), Priority.HIGH),
        (Said(slots=FILLED, urgency=Urgency.LEGAL), Priority.HIGH),
        (Said(slots=FILLED | {"category": "safety"}), Priority.URGENT),
    ],
)
async def test_complaint_priority_follows_danger_and_mood(said: Said, priority: Priority) -> None:
    """Safety is urgent, anger is high."""
    (ticket,) = (await submit(make_services(), "file_complaint", said)).tickets
    assert ticket.priority is priority


async def test_complaint_story_told_at_once_is_kept() -> None:
    """A first message that says what happened is not asked for again."""
    text = "我收到的马克杯碎成了三块，包装也烂了"
    outcome = await run(make_services(), "file_complaint", Said(text, entities={"complaint_category": "damaged"}))
    assert outcome.form_slots == {"story": text, "category": "damaged"}
    bare = await run(make_services(), "file_complaint", Said("我要投诉"))
    assert bare.form_slots == {}


async def test_complaint_takes_the_order_just_proved() -> None:
    """The order talked about is the order complained about."""
    outcome = await run(make_services(), "file_complaint", Said("投诉", tracker=Tracker(proved_orders=("W1234567",))))
    assert outcome.form_slots == {"order_number": "W1234567"}


@pytest.mark.parametrize("locale", list(Locale))
@pytest.mark.parametrize("slots", [FILLED, {"category": "other", "order_number": "", "story": "x", "wish": "other"}])
def test_complaint_confirmation_repeats_what_was_said(slots: dict[str, str], locale: Locale) -> None:
    """The confirmation holds every answer, also when some were skipped."""
    services = make_services()
    text = services.say("file_complaint.confirm", locale, slots)
    assert slots["story"] in text
    assert (slots["order_number"] or "W") in text or not slots["order_number"]


@pytest.mark.parametrize("state", list(TicketState))
async def test_ticket_state_is_told(state: TicketState) -> None:
    """Every state has words."""
    services = make_services(tickets=(make_ticket(state=state),))
    outcome = await run(services, "ticket_status", Said("我的投诉怎么样了"))
    assert "TK10000001" in said_in(services, outcome)


async def test_ticket_overdue_is_admitted() -> None:
    """A broken promise is not hidden behind a new one."""
    late = make_ticket(due_at=NOW - timedelta(hours=1))
    services = make_services(tickets=(late,))
    assert "已经过了答应您的时间" in said_in(services, await run(services, "ticket_status", Said("进度")))


async def test_ticket_of_somebody_else_is_like_none() -> None:
    """Another customer's number sounds like a number that never was."""
    services = make_services(tickets=(STRANGERS,))
    theirs = await run(services, "ticket_status", Said("TK99999999 怎么样了"))
    never = await run(services, "ticket_status", Said("TK88888888 怎么样了"))
    assert said_in(services, theirs).replace("TK99999999", "TK88888888") == said_in(services, never)
    reopened = await run(services, "ticket_unresolved", Said("TK99999999 没解决"))
    assert not reopened.ticket_moves
    chosen = await submit(services, "ticket_unresolved", Said(slots={"ticket_number": "TK99999999"}))
    assert not chosen.ticket_moves


async def test_ticket_list_shows_three_and_counts_the_rest() -> None:
    """Many tickets do not flood the chat."""
    tickets = tuple(make_ticket(f"TK1000000{digit}") for digit in range(5))
    services = make_services(tickets=tickets)
    text = said_in(services, await run(services, "ticket_status", Said("工单")), Locale.EN)
    assert text.count("TK") == 3
    assert "are 2 more" in text


@pytest.mark.parametrize("state", list(TicketState))
@pytest.mark.parametrize("owned", [True, False])
async def test_reopening_is_a_permitted_move(state: TicketState, owned: bool) -> None:
    """Whatever the state, the move can be committed and the shopper's words go with it."""
    ticket = make_ticket(state=state, owner_id=make_ticket().owner_id if owned else None)
    outcome = await run(make_services(tickets=(ticket,)), "ticket_unresolved", Said("还是没解决"))
    (move,) = outcome.ticket_moves
    assert move.to is state or move.to in ALLOWED_STATES[state]
    assert move.note == "还是没解决"
    assert move.to not in {TicketState.SOLVED, TicketState.CLOSED}


async def test_reopening_asks_which_of_several() -> None:
    """Two ended tickets are offered; open ones are not in the way."""
    tickets = (
        make_ticket("TK10000001"),
        make_ticket("TK10000002", TicketState.SOLVED),
        make_ticket("TK10000003", TicketState.CLOSED),
    )
    services = make_services(tickets=tickets)
    outcome = await run(services, "ticket_unresolved", Said("没解决"))
    assert outcome.start_form == "ticket_unresolved"
    assert [choice.label for choice in outcome.replies[0].choices] == ["TK10000002", "TK10000003"]
    chosen = await submit(services, "ticket_unresolved", Said("TK10000003", slots={"ticket_number": "TK10000003"}))
    assert [(move.number, move.to) for move in chosen.ticket_moves] == [("TK10000003", TicketState.OPEN)]


@pytest.mark.parametrize("intent", ["ticket_status", "ticket_unresolved"])
async def test_no_tickets_offers_to_file_one(intent: str) -> None:
    """A shopper without tickets is not left standing."""
    outcome = await run(make_services(), intent, Said("我的投诉呢"))
    assert keys(outcome) == [f"{intent}.none"]
    assert outcome.replies[0].choices[0].payload == "/file_complaint"


def test_complaint_form_asks_in_its_order() -> None:
    """The form is the one the page promises."""
    form = build_handlers(make_services())["file_complaint"].form
    assert form is not None
    assert [spec.name for spec in form.slots] == ["category", "order_number", "story", "photos", "wish"]
    assert form.confirm
