"""Due dates on both databases: each is done once, by whoever looks, and not before its time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from bot.domain import events as ev
from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.due import ServiceLevels, SurveyRules
from bot.domain.errors import Conflict, RefusedInput
from bot.domain.handoff import HandoffReason, Priority
from bot.domain.ids import ConversationId
from bot.domain.line_ports import OutboxDraft
from bot.domain.messages import Button, InboundMessage, MessageKind, OutboundMessage, Sender
from bot.domain.tickets import TicketDraft, TicketKind, TicketState
from bot.domain.turns import TicketMove
from handlers.services import BusinessHours
from storage.abandoned import SqlAbandoned
from storage.conversations import SqlConversationReader
from storage.service_levels import SqlClosingWindows, SqlOverdueHandoffs, SqlOverdueTickets
from storage.snoozes import SqlSnoozes
from storage.surveys import SqlSurveys
from storage.tables import AGENTS, CONVERSATIONS, CUSTOMERS, OUTBOX, SURVEYS, TICKET_NOTES, TICKETS, WINDOWS
from tests.contract.line import NOW, Line, sender

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# NOW is 17:30 in the shop's time zone.
HOURS = BusinessHours(time(9), time(21))
LEVELS = ServiceLevels(
    {Priority.NORMAL: 15 * MINUTE, Priority.HIGH: 10 * MINUTE, Priority.URGENT: 5 * MINUTE}, 2 * HOUR
)
RULES = SurveyRules(quiet=10 * MINUTE, at_latest=20 * HOUR, period=30 * DAY)


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands at NOW."""
    return ManualClock(NOW)


def ticket(number: str = "TK10000001", **changes: Any) -> TicketDraft:
    """Make a ticket promised within 24 hours."""
    return replace(TicketDraft(number, TicketKind.COMPLAINT, "broken"), **changes)


async def handed_over(line: Line, priority: Priority = Priority.NORMAL, who: Sender | None = None) -> ConversationId:
    """Let a conversation wait for an agent since NOW."""
    conversation_id = await line.accept(f"h-{who}", who=who)
    asked = ev.HandoffRequested(HandoffReason.REQUESTED.value, "order lost", priority.value)
    await line.commit(await line.pending(conversation_id), "一会儿", events=(asked,), owner=Owner.WAITING_FOR_AGENT)
    return conversation_id


async def told(line: Line, conversation_id: ConversationId, kind: type[ev.Event]) -> list[Any]:
    """List a conversation's events of a kind."""
    found = await SqlConversationReader(line.database).events(conversation_id)
    return [event for _, _, event in found if isinstance(event, kind)]


async def conversation(line: Line, conversation_id: ConversationId) -> dict[str, Any]:
    """Load a conversation's row."""
    (row,) = [row for row in await line.rows(CONVERSATIONS) if row["id"] == conversation_id]
    return row


async def at_once(*works: Any) -> None:
    """Let several processes look at the same moment."""
    await asyncio.gather(*(work.run_due() for work in works))


# ---------------------------------------------------------------- tickets


async def test_overdue_ticket_is_raised_once_however_many_look(line: Line, clock: ManualClock):
    """Not before its time; then one step up, one event, one line in its history."""
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), tickets=(ticket(),))
    looks = [SqlOverdueTickets(line.database, clock) for _ in range(4)]
    clock.advance(DAY - timedelta(seconds=1))
    await at_once(*looks)
    assert await told(line, conversation_id, ev.PriorityRaised) == []
    clock.advance(timedelta(seconds=1))
    await at_once(*looks)
    await at_once(*looks)
    (raised,) = await told(line, conversation_id, ev.PriorityRaised)
    assert raised == ev.PriorityRaised("overdue", "normal", "high", "TK10000001")
    (row,) = await line.rows(TICKETS)
    assert (row["priority"], row["overdue_at"]) == ("high", NOW + DAY)
    assert [note["change"].get("raised") for note in await line.rows(TICKET_NOTES)] == [None, "overdue"]


async def test_solved_ticket_is_not_overdue_and_a_new_promise_may_be_passed_again(line: Line, clock: ManualClock):
    """Solved in time: silence. Opened again: another due time, which counts anew."""
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), tickets=(ticket(),))
    look = SqlOverdueTickets(line.database, clock)
    clock.advance(2 * DAY)
    await look.run_due()
    for number, to in enumerate((TicketState.SOLVED, TicketState.OPEN), 2):
        await line.accept(f"k{number}")
        turn = await line.pending(conversation_id)
        await line.commit(turn, ticket_moves=(TicketMove("TK10000001", to),), at=clock.now())
        await look.run_due()
        assert len(await told(line, conversation_id, ev.PriorityRaised)) == 1
    clock.advance(9 * DAY)
    await look.run_due()
    assert [each.after for each in await told(line, conversation_id, ev.PriorityRaised)] == ["high", "urgent"]


# ---------------------------------------------------------------- hand-offs


@pytest.mark.parametrize(
    ("priority", "minutes", "after"), [("normal", 15, "high"), ("high", 10, "urgent"), ("urgent", 5, "urgent")]
)
async def test_handoff_that_waits_too_long_is_raised_once(
    line: Line, clock: ManualClock, priority: str, minutes: int, after: str
):
    """By its own priority's promise, by whoever looks, once a wait."""
    conversation_id = await handed_over(line, Priority(priority))
    looks = [SqlOverdueHandoffs(line.database, clock, LEVELS, HOURS) for _ in range(3)]
    clock.advance(minutes * MINUTE - timedelta(seconds=1))
    await at_once(*looks)
    assert (await conversation(line, conversation_id))["overdue_at"] is None
    clock.advance(timedelta(seconds=1))
    await at_once(*looks)
    clock.advance(HOUR)
    await at_once(*looks)
    (raised,) = await told(line, conversation_id, ev.PriorityRaised)
    assert raised == ev.PriorityRaised("overdue", priority, after)
    assert (await conversation(line, conversation_id))["handoff_priority"] == after


async def test_handoff_of_the_night_is_overdue_by_opening_time(line: Line, clock: ManualClock):
    """The hours in which nobody sits there do not count."""
    conversation_id = await handed_over(line)
    late = NOW + 3 * HOUR + 25 * MINUTE  # 20:55, five minutes before closing
    await set_row(line, CONVERSATIONS, conversation_id, waiting_since=late)
    look = SqlOverdueHandoffs(line.database, clock, LEVELS, HOURS)
    clock.advance(late - NOW + 12 * HOUR + 5 * MINUTE)  # 09:00
    assert await look.run_due() == []
    clock.advance(10 * MINUTE)
    assert await look.run_due() == [conversation_id]


async def test_promise_made_when_nobody_was_there_counts(line: Line, clock: ManualClock):
    """The callback's time, not the queue's."""
    conversation_id = await line.accept("k1")
    callback = ticket(kind=TicketKind.CALLBACK, due_at=NOW + 2 * HOUR)
    asked = ev.HandoffRequested("requested", "", "normal")
    turn = await line.pending(conversation_id)
    await line.commit(turn, events=(asked,), owner=Owner.WAITING_FOR_AGENT, tickets=(callback,))
    look = SqlOverdueHandoffs(line.database, clock, LEVELS, HOURS)
    clock.advance(HOUR)
    assert await look.run_due() == []
    clock.advance(HOUR)
    assert await look.run_due() == [conversation_id]


async def test_taken_conversation_is_not_overdue_but_waiting_again_counts_anew(line: Line, clock: ManualClock):
    """Who has an agent waits no more; a second hand-off has a promise of its own."""
    conversation_id = await handed_over(line)
    agent = await line.hire("mei")
    look = SqlOverdueHandoffs(line.database, clock, LEVELS, HOURS)
    clock.advance(HOUR)
    assert await look.run_due() == [conversation_id]
    await line.ownership.take(conversation_id, agent, clock.now())
    clock.advance(HOUR)
    assert await look.run_due() == []
    await line.ownership.give_back(conversation_id, agent, clock.now())
    await line.accept("again")
    turn = await line.pending(conversation_id)
    asked = ev.HandoffRequested("requested", "", "normal")
    await line.commit(turn, events=(asked,), owner=Owner.WAITING_FOR_AGENT, at=clock.now())
    clock.advance(HOUR)
    assert await look.run_due() == [conversation_id]
    assert len(await told(line, conversation_id, ev.PriorityRaised)) == 2


# ---------------------------------------------------------------- windows


async def test_closing_window_raises_a_waiting_shopper_once_a_window(line: Line, clock: ManualClock):
    """Two hours before WhatsApp's day is over; another message opens the window anew."""
    shopper = Sender("whatsapp", "1", "8613800000000")
    conversation_id = await handed_over(line, who=shopper)
    looks = [SqlClosingWindows(line.database, clock, LEVELS.window_warning) for _ in range(3)]
    clock.advance(21 * HOUR)
    await at_once(*looks)
    assert await told(line, conversation_id, ev.PriorityRaised) == []
    clock.advance(HOUR)
    await at_once(*looks)
    await at_once(*looks)
    assert await told(line, conversation_id, ev.PriorityRaised) == [
        ev.PriorityRaised("window_closing", "normal", "high")
    ]
    again = InboundMessage(shopper, "again", MessageKind.TEXT, clock.now(), "在吗")
    await line.inbox.accept([again], clock.now())
    clock.advance(22 * HOUR)
    await at_once(*looks)
    assert [each.after for each in await told(line, conversation_id, ev.PriorityRaised)] == ["high", "urgent"]


async def test_closing_window_of_an_answered_shopper_is_no_matter(line: Line, clock: ManualClock):
    """Answered by his agent: nobody waits. A window that is closed already, or a channel without: nothing either."""
    agent = await line.hire("mei")
    shopper = Sender("whatsapp", "1", "8613800000000")
    conversation_id = await handed_over(line, who=shopper)
    await handed_over(line)
    await line.ownership.take(conversation_id, agent, NOW)
    await line.ownership.reply(conversation_id, agent, "好的", NOW, "")
    look = SqlClosingWindows(line.database, clock, LEVELS.window_warning)
    clock.advance(23 * HOUR)
    assert await look.run_due() == []
    await set_row(line, CONVERSATIONS, conversation_id, last_sender="customer")
    assert await look.run_due() == [conversation_id]
    other = await handed_over(line, who=Sender("whatsapp", "1", "8613800000001"))
    clock.advance(2 * HOUR)
    assert other not in await look.run_due()


# ---------------------------------------------------------------- snoozes


async def test_snooze_ends_at_its_time_once(line: Line, clock: ManualClock):
    """Put aside until tomorrow; back then, and recorded once."""
    conversation_id, agent = await held(line)
    looks = [SqlSnoozes(line.database, clock) for _ in range(3)]
    await looks[0].snooze(conversation_id, agent, NOW + DAY, NOW)
    clock.advance(DAY - MINUTE)
    await at_once(*looks)
    assert (await conversation(line, conversation_id))["snoozed_seq"] is not None
    clock.advance(MINUTE)
    await at_once(*looks)
    await at_once(*looks)
    assert await told(line, conversation_id, ev.SnoozeEnded) == [ev.SnoozeEnded("time")]
    assert (await conversation(line, conversation_id))["snoozed_seq"] is None


@pytest.mark.parametrize("until", [None, NOW + DAY])
async def test_snooze_ends_when_the_shopper_writes(line: Line, clock: ManualClock, until: datetime | None):
    """What was written before counts for nothing, what is written now brings it back."""
    conversation_id, agent = await held(line)
    snoozes = SqlSnoozes(line.database, clock)
    await snoozes.snooze(conversation_id, agent, until, NOW)
    assert await snoozes.run_due() == []
    await line.accept("more")
    await line.commit(await line.pending(conversation_id))
    assert await snoozes.run_due() == [conversation_id]
    assert await told(line, conversation_id, ev.SnoozeEnded) == [ev.SnoozeEnded("customer")]


async def test_snooze_is_the_holders_and_ends_with_his_holding(line: Line, clock: ManualClock):
    """Nobody else may; a time that is over is refused; resolved is not snoozed."""
    conversation_id, agent = await held(line)
    other = await line.hire("tom")
    snoozes = SqlSnoozes(line.database, clock)
    with pytest.raises(Conflict):
        await snoozes.snooze(conversation_id, other, None, NOW)
    with pytest.raises(RefusedInput):
        await snoozes.snooze(conversation_id, agent, NOW, NOW)
    await snoozes.snooze(conversation_id, agent, None, NOW)
    with pytest.raises(Conflict):
        await snoozes.wake(conversation_id, other, NOW)
    await snoozes.wake(conversation_id, agent, NOW)
    await snoozes.wake(conversation_id, agent, NOW)
    assert await told(line, conversation_id, ev.SnoozeEnded) == [ev.SnoozeEnded("agent")]
    await snoozes.snooze(conversation_id, agent, NOW + DAY, NOW)
    await line.ownership.resolve(conversation_id, agent, NOW)
    clock.advance(2 * DAY)
    assert await snoozes.run_due() == []
    assert (await conversation(line, conversation_id))["snoozed_seq"] is None


async def test_what_a_shut_out_agent_holds_waits_for_another(line: Line, clock: ManualClock):
    """Once, whoever looks; what others hold stays where it is."""
    left, gone = await held(line, sender("left"))
    kept, _ = await held(line, sender("kept"))
    await line.ownership.reply(left, gone, "稍等", NOW, "")
    await set_row(line, AGENTS, gone.id, active=False)
    clock.advance(MINUTE)
    looks = [SqlAbandoned(line.database, line.ownership, clock) for _ in range(3)]
    await at_once(*looks)
    await at_once(*looks)
    row = await conversation(line, left)
    assert (row["owner"], row["agent_id"], row["waiting_since"]) == ("waiting_for_agent", None, clock.now())
    assert (row["handoff_reason"], row["handoff_priority"]) == ("agent_gone", "high")
    assert (await conversation(line, kept))["owner"] == "with_agent"
    changes = await told(line, left, ev.OwnerChanged)
    assert [(each.after, each.by) for each in changes][1:] == [("waiting_for_agent", gone.id)]


# ---------------------------------------------------------------- surveys


def surveys(line: Line, clock: ManualClock, **changes: Any) -> SqlSurveys:
    """Make the work, asking in the words ``How was it? <locale>``."""
    return SqlSurveys(line.database, clock, replace(RULES, **changes), HOURS, question)


def question(locale: str) -> OutboxDraft:
    """Word the question."""
    message = OutboundMessage(f"How was it? {locale}", (Button("5", "/rate_service=score:5"),))
    return OutboxDraft(message, "bot", ev.BotUttered(message.text, "rate_service.ask_afterwards"))


async def resolved(line: Line, who: Sender | None = None, at: datetime = NOW) -> ConversationId:
    """Let an agent take and end a conversation."""
    conversation_id, agent = await held(line, who)
    await line.ownership.resolve(conversation_id, agent, at)
    return conversation_id


async def asked(line: Line) -> list[dict[str, Any]]:
    """List the questions in the outbox."""
    return [row for row in await line.rows(OUTBOX) if "How was it" in row["message"]["text"]]


async def test_survey_is_asked_once_after_the_quiet_time(line: Line, clock: ManualClock):
    """In a new conversation of the same shopper, bound to its owner, whoever looks and however often."""
    looks = [surveys(line, clock) for _ in range(3)]
    await at_once(*looks)
    conversation_id = await resolved(line)
    clock.advance(10 * MINUTE - timedelta(seconds=1))
    await at_once(*looks)
    assert await asked(line) == []
    clock.advance(timedelta(seconds=1))
    await at_once(*looks)
    for _ in range(3):
        clock.advance(HOUR)
        await at_once(*looks)
    (row,) = await asked(line)
    assert (row["sender"], row["epoch"]) == ("bot", 0)
    assert row["conversation_id"] != conversation_id
    (survey,) = await line.rows(SURVEYS)
    assert (survey["conversation_id"], survey["asked_in"]) == (conversation_id, row["conversation_id"])
    assert (survey["outcome"], survey["served_by"]) == ("asked", "agent")
    assert await told(line, row["conversation_id"], ev.SurveyAsked) == [ev.SurveyAsked(conversation_id, "agent")]
    assert await line.accept("answer") == row["conversation_id"]
    tracker = (await line.pending(row["conversation_id"])).tracker
    assert tracker.last_buttons == () or tracker.last_buttons[0]["payload"]


async def test_survey_is_not_asked_twice_in_its_period(line: Line, clock: ManualClock):
    """Another conversation of the same customer in the same month is not asked about; in the next it is."""
    look = surveys(line, clock)
    await look.run_due()
    await resolved(line)
    clock.advance(20 * MINUTE)
    await look.run_due()
    agent = await line.hire("tom")
    for day, expected in ((1, 1), (29, 1), (31, 2)):
        clock._now = NOW + day * DAY
        conversation_id = await line.accept(f"k{day}")
        await line.commit(await line.pending(conversation_id), "您好", at=clock.now())
        await line.ownership.take(conversation_id, agent, clock.now())
        await line.ownership.resolve(conversation_id, agent, clock.now())
        clock.advance(20 * MINUTE)
        await look.run_due()
        assert len(await asked(line)) == expected


async def test_survey_waits_for_the_opening_and_not_for_ever(line: Line, clock: ManualClock):
    """What ended in the evening is asked in the morning; what ended too long ago is not."""
    look = surveys(line, clock)
    await look.run_due()
    evening = NOW + 3 * HOUR + 25 * MINUTE
    await resolved(line, at=evening)
    for hours in range(4, 15):
        clock._now = NOW + hours * HOUR
        await look.run_due()
        assert await asked(line) == []
    clock._now = evening + 12 * HOUR + 5 * MINUTE
    assert len(await look.run_due()) == 1
    await resolved(line, sender("late"), at=clock.now())
    clock.advance(21 * HOUR + 10 * MINUTE)
    while not HOURS.is_open(clock.now()):
        clock.advance(HOUR)
    assert await look.run_due() == []


async def test_survey_goes_only_where_it_is_wanted(line: Line, clock: ManualClock):
    """Not to those who want no messages, wrote again, rated already, or whose platform has no room left."""
    look = surveys(line, clock)
    await look.run_due()
    quiet = await resolved(line, sender("quiet"))
    await set_row(line, CUSTOMERS, (await conversation(line, quiet))["customer_id"], messages_allowed=False)
    await resolved(line, sender("again"))
    await line.accept("new", who=sender("again"))
    rated = await line.accept("r1", who=sender("rated"))
    await line.commit(await line.pending(rated), "谢谢", events=(ev.Rated(5),))
    agent = await line.hire("ann")
    await line.ownership.take(rated, agent, NOW)
    await line.ownership.resolve(rated, agent, NOW)
    await resolved(line, Sender("wechat_oa", "gh", "openid"))
    await use_up(line, 4)
    clock.advance(HOUR)
    assert await look.run_due() == []
    assert [row["outcome"] for row in await line.rows(SURVEYS)] == ["no_room"]
    assert len(await line.rows(CONVERSATIONS)) == 5


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ((ev.IntentHandled("track_order"),), True),
        ((ev.IntentHandled("greet"), ev.IntentHandled("thank")), False),
        ((ev.IntentHandled("request_return"), ev.FormStarted("request_return", "request_return")), False),
        ((), False),
    ],
)
async def test_bots_work_is_asked_about_when_it_did_something(
    line: Line, clock: ManualClock, events: Sequence[ev.Event], wanted: bool
):
    """An errand done and nothing open; in the same conversation."""
    look = surveys(line, clock)
    await look.run_due()
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), "查到了", events=tuple(events))
    clock.advance(20 * MINUTE)
    assert await look.run_due() == ([conversation_id] if wanted else [])
    clock.advance(HOUR)
    assert await look.run_due() == []
    assert len(await asked(line)) == wanted
    assert await surveys(line, clock, after_bot=False).run_due() == []


async def test_survey_of_a_conversation_that_moves_on_is_left(line: Line, clock: ManualClock):
    """A shopper who writes between the look and the question is not disturbed."""
    look = surveys(line, clock)
    await look.run_due()
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), "查到了", events=(ev.IntentHandled("track_order"),))
    clock.advance(20 * MINUTE)
    (row,), _ = await look._page(NOW - HOUR, clock.now())
    await line.accept("k2")
    assert await line.database.run(lambda on: look._decide(on, row, clock.now())) is None
    assert await asked(line) == []


async def test_survey_of_what_ended_before_the_first_look_is_not_asked(line: Line, clock: ManualClock):
    """An upgrade does not write to everybody who was here yesterday."""
    await resolved(line)
    clock.advance(HOUR)
    look = surveys(line, clock)
    await look.run_due()
    await look.run_due()
    assert await asked(line) == []


async def test_survey_that_was_broken_off_asks_nobody_twice(line: Line, clock: ManualClock):
    """Stopped after the question and before the look was remembered: the next look finds it asked."""
    look = surveys(line, clock)
    await look.run_due()
    await resolved(line)
    clock.advance(HOUR)

    async def killed(_until: datetime) -> None:
        raise KeyboardInterrupt

    broken = surveys(line, clock, period=timedelta(0))
    broken._move = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        await broken.run_due()
    clock.advance(MINUTE)
    await surveys(line, clock, period=timedelta(0)).run_due()
    assert len(await asked(line)) == 1


# ---------------------------------------------------------------- short ways


async def held(line: Line, who: Sender | None = None) -> tuple[ConversationId, Any]:
    """Let a new agent take an answered conversation."""
    conversation_id = await line.answered(f"k-{who}", who)
    agent = await line.hire(f"a{len(await line.rows(CONVERSATIONS))}")
    await line.ownership.take(conversation_id, agent, NOW)
    return conversation_id, agent


async def set_row(line: Line, table: Any, row_id: str, **values: Any) -> None:
    """Change a row by hand."""
    await line.database.run(lambda on: on.execute(update(table).where(table.c.id == row_id).values(values)) and None)


async def use_up(line: Line, messages: int) -> None:
    """Count messages in every window."""
    await line.database.run(lambda on: on.execute(update(WINDOWS).values(used=messages)) and None)


def test_events_of_due_dates_survive_their_row():
    """What is written is read again."""
    for event in (ev.PriorityRaised("overdue", "normal", "high"), ev.Snoozed("a", "A"), ev.SnoozeEnded("time")):
        assert ev.decode(event.kind, ev.encode(event)) == event
