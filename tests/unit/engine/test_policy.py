"""The policy's rules as a table: any situation gets one decision, and some promises hold in all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.conversation import Owner
from bot.domain.forms import Form, SlotSpec
from bot.domain.handoff import HandoffReason
from bot.domain.messages import MessageKind
from bot.domain.tracker import Tracker
from bot.domain.understanding import Sentiment, Urgency, Verdict
from bot.engine import policy
from bot.engine.policy import Fill, Record, Run, Say, Situation, Stop
from bot.engine.reading import Reading
from tests.unit.engine.fakes import message, understood

FORM = Form("track_order", (SlotSpec("order_number", "proof.ask_order", entity="order_number"),))
INTENTS = frozenset({"greet", "thank", "track_order", "ticket_status", "request_human", "faq", "stop"})
OPEN = Tracker(form="track_order", form_intent="track_order", asked_slot="order_number")
NAMES = st.sampled_from([*sorted(INTENTS - {"faq"}), "faq/refund_time", "affirm", "deny", "unheard_of"])


def situation(reading: Reading, tracker: Tracker | None = None, owner: Owner = Owner.WITH_BOT) -> Situation:
    """Make a situation of a small shop."""
    known = tracker or Tracker()
    form = FORM if known.form else None
    return Situation(owner, known, reading, INTENTS, form, frozenset({"track_order"}))


def said(text: str, *ranked: str, sure: bool = True, urgency: Urgency = Urgency.NONE) -> Reading:
    """Make a reading of a text."""
    return Reading(message(text), understood(*ranked, sure=sure, sentiment=Sentiment(0, urgency)))


READINGS = st.builds(
    lambda text, names, verdict, urgency, kind, value: Reading(
        replace(message(text), kind=kind),
        understood(*names, verdict=verdict, sentiment=Sentiment(0, urgency)),
        value=value,
        pressed=value is not None,
    ),
    st.sampled_from(["", "2", "不对", "你好", "W12345", "好的", "😀", "退款多久？"]),
    st.lists(NAMES, max_size=3, unique=True),
    st.sampled_from(list(Verdict)),
    st.sampled_from(list(Urgency)),
    st.sampled_from(list(MessageKind)),
    st.sampled_from([None, None, "late", ""]),
)
TRACKERS = st.sampled_from(
    [
        Tracker(),
        OPEN,
        Tracker(clarify_intents=("track_order", "ticket_status"), clarify_text="那个"),
        Tracker(misses=1),
        Tracker(misses=2, last_buttons=({"label": "人工", "payload": "/request_human"},)),
        Tracker(last_intent="request_human"),
    ]
)


@given(READINGS, TRACKERS, st.sampled_from(list(Owner)))
def test_decide_always_decides_and_never_for_a_human(reading: Reading, tracker: Tracker, owner: Owner):
    """No situation is without a decision; only intents with a handler are run; what is a human's stays so."""
    at = situation(reading, tracker, owner)
    decision = policy.decide(at)
    assert isinstance(decision, Record | Say | Run | Fill | Stop)
    if isinstance(decision, Run):
        assert at.can_do(decision.intent)
        assert owner is Owner.WITH_BOT
    if isinstance(decision, Fill | Stop):
        assert tracker.form
    if isinstance(decision, Say):
        assert all(at.can_do(intent) for intent in decision.intents)
    if owner in {Owner.WITH_AGENT, Owner.RESOLVED}:
        assert decision == Record()


@given(READINGS, TRACKERS)
def test_danger_always_fetches_a_human(reading: Reading, tracker: Tracker):
    """Whatever else is open or said, danger comes first."""
    urgent = replace(reading, recognition=replace(reading.recognition, sentiment=Sentiment(-1, Urgency.SELF_HARM)))
    if urgent.message.kind not in {MessageKind.FOLLOW, MessageKind.UNFOLLOW}:
        assert policy.decide(situation(urgent, tracker)) == Run("request_human", HandoffReason.URGENT)


@pytest.mark.parametrize(
    ("reading", "tracker", "decision"),
    [
        (said("你好", "greet"), Tracker(), Run("greet")),
        (said("退款多久", "faq/refund_time"), Tracker(), Run("faq/refund_time")),
        (said("转人工", "request_human"), OPEN, Run("request_human")),
        (said("算了", "stop"), OPEN, Stop()),
        (said("算了", "stop"), Tracker(), Run("stop")),
        (said("退款多久？", "faq/refund_time"), OPEN, Run("faq/refund_time")),
        (said("不知道"), Tracker(misses=2), Run("request_human", HandoffReason.NOT_UNDERSTOOD, missed=True)),
        (said("TK12345678"), Tracker(), Run("ticket_status")),
        (said("滚", urgency=Urgency.ANGRY), OPEN, Run("request_human", HandoffReason.ANGRY)),
        (said("faq", "faq"), Tracker(), Say("engine.fallback_nothing_near", (), human=True)),
    ],
)
def test_rule_of_the_table(reading: Reading, tracker: Tracker, decision: policy.Decision):
    """One situation a rule."""
    made = policy.decide(situation(reading, tracker))
    assert replace(made, events=()) == decision if isinstance(made, Say) else made == decision


def test_anger_where_nobody_was_there_is_not_promised_again():
    """A second angry word right after a promise opens no further one; a real handoff before does not forbid it."""
    angry = said("气死了", urgency=Urgency.ANGRY)
    assert policy.decide(situation(angry, Tracker(last_intent="request_human"))) != Run(
        "request_human", HandoffReason.ANGRY
    )
    before = Tracker(last_intent="request_human", handoffs=1)
    assert policy.decide(situation(angry, before)) == Run("request_human", HandoffReason.ANGRY)
