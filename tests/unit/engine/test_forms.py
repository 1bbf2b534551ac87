"""The form driver's promises, whatever is said."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.events import FormStarted, SlotAsked, SlotSet
from bot.domain.forms import CONFIRM_SLOT, Form, Missing, SlotSpec
from bot.domain.tracker import Tracker
from bot.domain.understanding import Entity, Recognition
from bot.engine import forms, questions
from bot.engine.forms import Result
from bot.engine.reading import Reading
from tests.unit.engine.fakes import message, understood

FORM = Form(
    "f",
    (
        SlotSpec("verified", "f.never", wanted=lambda _slots: False),
        SlotSpec("order_number", "f.order", entity="order_number"),
        SlotSpec("category", "f.category", options=("quality", "late")),
        SlotSpec("reason", "f.reason"),
        SlotSpec("photos", "f.photos", parse=lambda said, _: [a.reference for a in said.attachments] or Missing.VALUE),
        SlotSpec("email", "f.email", entity="email", optional=True),
    ),
    confirm="f.confirm",
)
LABELS = {"category": {"quality": ("质量问题", "Quality"), "late": ("送晚了", "Late")}}
WORDS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "不对",
            "改成W20002",
            "no, it's W20002",
            "2",
            "第二个",
            "好的",
            "跳过",
            "订单号是W1",
            "质量问题",
            "改成late",
            "不是W1，是W2",
        ]
    ),
)
INTENTS = st.sampled_from(["", "affirm", "deny", "stop", "track_order", "faq/x", "greet"])


def tracker_with(asked: str = "", **slots: Any) -> Tracker:
    """Make a tracker with the form open."""
    opened = [FormStarted("f", "i"), *(SlotSet(name, value) for name, value in slots.items())]
    options = {"category": ["quality", "late"], CONFIRM_SLOT: ["yes", "no"]}.get(asked, [])
    return Tracker().fold([*opened, *([SlotAsked(asked, options)] if asked else [])])


def said(text: str, *entities: Entity, intent: str = "") -> Reading:
    """Make a reading of a text."""
    ranked = (intent,) if intent else ()
    return Reading(message(text), understood(*ranked, entities=entities))


@given(WORDS, INTENTS, st.sampled_from(["order_number", "category", "reason", "photos", "email", CONFIRM_SLOT, ""]))
def test_advance_never_raises_and_never_sets_what_is_not_the_shoppers(text: str, intent: str, asked: str):
    """Any words in any state: only questions of the form are set, options keep to their values, notes are safe."""
    tracker = tracker_with(asked, verified="W1", order_number="W10001", reason="too small")
    found = tuple(
        Entity("order_number", word, text.index(word), text.index(word) + len(word))
        for word in ("W20002", "W2")
        if word in text
    )
    step = forms.advance(FORM, tracker, said(text, *found, intent=intent), LABELS)
    for event in step.events:
        assert isinstance(event, SlotSet)
        assert event.slot != "verified"
        assert event.slot == CONFIRM_SLOT or FORM.slot(event.slot)
        assert event.slot != "category" or event.value in {"quality", "late", None}
        assert event.slot != CONFIRM_SLOT or asked == CONFIRM_SLOT


@given(st.lists(st.sampled_from(["W10001", "=late", "words", "=", "好的", "不对", "算了", "2", "改成W3"]), max_size=12))
def test_form_always_has_a_question_or_is_complete(answers: list[str]):
    """Whatever is answered, the driver knows what to ask; it is complete only after yes."""
    tracker = tracker_with()
    for answer in answers:
        name = questions.open_question(FORM, tracker.slots)
        if not name:
            break
        _, asked = questions.question(FORM, name, tracker.slots)
        tracker = tracker.fold([asked])
        reading = said(answer)
        if answer.startswith("="):
            reading = Reading(message(payload=answer), Recognition(), value=answer[1:], pressed=True)
        if answer.startswith("W"):
            reading = said(answer, Entity("order_number", answer, 0, len(answer)))
        tracker = tracker.fold(forms.advance(FORM, tracker, reading, LABELS).events)
    if not questions.open_question(FORM, tracker.slots):
        assert tracker.slots[CONFIRM_SLOT] == "yes"


def test_opening_takes_known_values_before_words():
    """What the handler knows wins; an entity is used once; unwanted questions stay empty."""
    heard = Recognition(entities=(Entity("order_number", "W2"), Entity("email", "a@b.cn")))
    given_slots = questions.opening(FORM, {"order_number": "W1"}, heard)
    assert given_slots == (SlotSet("order_number", "W1"), SlotSet("email", "a@b.cn"))


def test_question_offers_options_and_skip():
    """Values are buttons labelled under the question's key; an optional question can be skipped."""
    reply, asked = questions.question(FORM, "category", {})
    assert [choice.payload for choice in reply.choices] == ["=quality", "=late"]
    assert reply.choices[0].label_key == "f.category.quality"
    assert asked.options == ["quality", "late"]
    reply, _ = questions.question(FORM, "email", {})
    assert [(choice.payload, choice.label_key) for choice in reply.choices] == [("=", "engine.button_skip")]


def test_value_of_many_in_a_correction_is_the_one_meant():
    """Of two numbers in a correction the one that is not denied counts, wherever it stands."""
    tracker = tracker_with(CONFIRM_SLOT, order_number="W10001")
    for text in ("是W20002不是W30003", "不是W30003，是W20002", "不对，是W20002"):
        found = [
            Entity("order_number", number, text.index(number), text.index(number) + 6)
            for number in ("W20002", "W30003")
            if number in text
        ]
        found.sort(key=lambda one: one.start)
        step = forms.advance(FORM, tracker, said(text, *found, intent="deny"), LABELS)
        assert step.events == (SlotSet("order_number", "W20002"),)
        assert step.result is Result.CORRECTED


def test_not_at_the_start_of_a_story_is_no_correction():
    """A story may begin with "不是正品": it is what happened, not a correction."""
    tracker = tracker_with("reason", order_number="W10001", category="quality")
    for text in ("不是正品，是假的", "no, really bad quality", "等了半个月，东西也不对"):
        step = forms.advance(FORM, tracker, said(text), LABELS)
        assert step.events == (SlotSet("reason", text),)
        assert step.free


def test_deny_skips_an_optional_question():
    """No to an optional question leaves it empty, and it is not asked again."""
    tracker = tracker_with("email", order_number="W10001")
    for reading in (said("没有"), said("我不想给", intent="deny"), said("skip")):
        assert forms.advance(FORM, tracker, reading, LABELS).events == (SlotSet("email", ""),)
