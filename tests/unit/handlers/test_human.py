"""A person is fetched or promised; scores and suggestions are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.conversation import Owner
from bot.domain.events import Rated
from bot.domain.handoff import HandoffReason, Priority
from bot.domain.messages import MessageKind
from bot.domain.replies import Locale
from bot.domain.tickets import TicketKind
from bot.domain.tracker import Tracker
from bot.domain.understanding import Urgency
from handlers.services import BusinessHours
from tests.unit.handlers.fakes import NIGHT, NOW, Said, keys, make_services, make_ticket, run, said_in, submit


async def test_human_tells_place_and_wait() -> None:
    """With people there, the shopper hears the place and the minutes; no ticket is needed."""
    services = make_services(online=2, queue=3)
    outcome = await run(services, "request_human", Said("转人工"))
    assert outcome.handoff is not None
    assert outcome.handoff.reason is HandoffReason.REQUESTED
    assert not outcome.tickets
    assert outcome.replies[0].data["place"] == 4
    assert outcome.replies[0].data["minutes"] == 8


@pytest.mark.parametrize(
    ("now", "promise"), [(NOW, "今天 12:00"), (NIGHT, "明天 10:00"), (NIGHT - timedelta(hours=15), "今天 10:00")]
)
async def test_human_nobody_there_is_a_promise_with_a_ticket(now: datetime, promise: str) -> None:
    """Nobody online or off hours: still queued, a time that can be kept, a ticket due then."""
    services = make_services(now=now)
    outcome = await run(services, "request_human", Said("转人工", now=now))
    (ticket,) = outcome.tickets
    assert ticket.kind is TicketKind.CALLBACK
    assert outcome.handoff is not None
    text = said_in(services, outcome)
    assert promise in text
    assert ticket.number in text
    assert ticket.due_at is not None
    assert ticket.due_at.isoformat() == outcome.replies[0].data["due_at"]


async def test_human_asked_twice_opens_one_ticket() -> None:
    """The second ask names the first ticket."""
    known = make_ticket(kind=TicketKind.CALLBACK)
    outcome = await run(make_services(tickets=(known,)), "request_human", Said("人呢"))
    assert not outcome.tickets
    assert outcome.replies[0].data["ticket"] == known.number


async def test_human_while_waiting_makes_no_second_handoff() -> None:
    """No hand-off loop."""
    outcome = await run(make_services(queue=2), "request_human", Said("人呢", owner=Owner.WAITING_FOR_AGENT))
    assert outcome.handoff is None
    assert keys(outcome) == ["request_human.still_waiting"]


@pytest.mark.parametrize("online", [0, 1])
@pytest.mark.parametrize("urgency", list(Urgency))
@pytest.mark.parametrize("reason", list(HandoffReason))
async def test_human_wording_fits_every_reason(reason: HandoffReason, urgency: Urgency, online: int) -> None:
    """Each reason and each danger has words, in every locale."""
    services = make_services(online=online)
    outcome = await run(services, "request_human", Said("", reason=reason, urgency=urgency))
    assert outcome.handoff is not None
    assert outcome.handoff.reason is reason
    helped = "12356" in said_in(services, outcome)
    assert helped is (urgency is Urgency.SELF_HARM)


@pytest.mark.parametrize(
    ("reason", "priority"),
    [
        (HandoffReason.URGENT, Priority.URGENT),
        (HandoffReason.ANGRY, Priority.HIGH),
        (HandoffReason.NOT_UNDERSTOOD, Priority.NORMAL),
    ],
)
async def test_human_priority_follows_the_reason(reason: HandoffReason, priority: Priority) -> None:
    """Danger first, anger next."""
    outcome = await run(make_services(), "request_human", Said("啊", reason=reason))
    assert outcome.handoff is not None
    assert outcome.handoff.priority is priority


async def test_handoff_summary_tells_what_is_known() -> None:
    """Want, order, answers and last words are there; the phone's digits are not."""
    tracker = Tracker(
        form="file_complaint",
        form_intent="file_complaint",
        slots={"category": "damaged", "order_number": "W1234567", "story": "杯子碎了", "phone_last4": "4829"},
        ticket_numbers=("TK10000001",),
    )
    services = make_services()
    for locale, parts in (
        (Locale.ZH, ("我要投诉", "W1234567", "破损漏液", "杯子碎了", "TK10000001", "找人工")),
        (Locale.EN, ("Make a complaint", "W1234567", "Arrived damaged", "找人工")),
    ):
        outcome = await run(services, "request_human", Said("找人工", tracker=tracker, locale=locale))
        assert outcome.handoff is not None
        for part in parts:
            assert part in outcome.handoff.summary
        assert "4829" not in outcome.handoff.summary


async def test_handoff_summary_names_a_topic() -> None:
    """A question asked before is named by its title."""
    tracker = Tracker(last_intent="faq/refund_time")
    outcome = await run(make_services(), "request_human", Said("人工", tracker=tracker))
    assert outcome.handoff is not None
    assert "退款时间" in outcome.handoff.summary


async def test_handoff_summary_is_never_empty() -> None:
    """Nothing said is said to be nothing."""
    outcome = await run(make_services(), "request_human", Said(""))
    assert outcome.handoff is not None
    assert outcome.handoff.summary


@pytest.mark.parametrize(("score", "key"), [("5", "good"), ("4", "good"), ("3", "bad"), ("1", "bad"), ("0", "bad")])
async def test_score_is_recorded(score: str, key: str) -> None:
    """A score is kept between 1 and 5 with its words."""
    outcome = await run(make_services(), "rate_service", Said(f"给{score}分", entities={"score": score}))
    assert keys(outcome) == [f"rate_service.{key}"]
    assert outcome.events == (Rated(max(1, int(score)), f"给{score}分"),)


async def test_praise_and_blame_without_a_number_are_recorded() -> None:
    """Words alone count as 0; blame is offered a way on."""
    praise = await run(make_services(), "rate_service", Said("客服小姐姐真好", mood=0.8))
    assert praise.events == (Rated(0, "客服小姐姐真好"),)
    blame = await run(make_services(), "rate_service", Said("服务真差", mood=-0.8))
    assert blame.replies[0].choices


async def test_score_is_asked_when_only_the_button_was_pressed() -> None:
    """A button without words asks for the score, which is then recorded."""
    asked = await run(make_services(), "rate_service", Said("给服务打分", kind=MessageKind.BUTTON))
    assert asked.start_form == "rate_service"
    given = await submit(make_services(), "rate_service", Said(slots={"score": "2"}))
    assert given.events == (Rated(2, ""),)


async def test_suggestion_is_kept_word_for_word() -> None:
    """A told suggestion is a ticket at once; an announced one is asked for."""
    text = "建议你们出一款小一点的保温杯，放包里方便"
    (ticket,) = (await run(make_services(), "give_suggestion", Said(text))).tickets
    assert ticket.kind is TicketKind.SUGGESTION
    assert ticket.details == {"suggestion": text}
    asked = await run(make_services(), "give_suggestion", Said("我有个建议"))
    assert asked.start_form == "give_suggestion"
    assert not asked.tickets


@pytest.mark.parametrize(
    ("at", "opening"),
    [
        (datetime(2026, 3, 6, 14, tzinfo=UTC), datetime(2026, 3, 9, 1, tzinfo=UTC)),
        (datetime(2026, 3, 6, 0, tzinfo=UTC), datetime(2026, 3, 6, 1, tzinfo=UTC)),
        (datetime(2026, 3, 7, 5, tzinfo=UTC), datetime(2026, 3, 9, 1, tzinfo=UTC)),
    ],
)
def test_hours_next_opening_skips_days_off(at: datetime, opening: datetime) -> None:
    """Friday night's promise is Monday's."""
    assert BusinessHours(weekdays=frozenset(range(5))).next_opening(at) == opening


def test_hours_with_no_day_at_all_still_promise() -> None:
    """A shop that is never open still gets an answer, a day later."""
    assert BusinessHours(weekdays=frozenset()).next_opening(NOW) == NOW + timedelta(days=1)
    assert not BusinessHours(weekdays=frozenset()).is_open(NOW)
