"""Dialogues through the whole engine with a taught recogniser: forms, corrections, digressions, clarification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bot.domain.events import FormEnded, SlotSet
from bot.domain.forms import Form, Missing, ParsedSlot, Rejected, SlotSpec
from bot.domain.handoff import Handoff, HandoffReason
from bot.domain.messages import Attachment, InboundMessage, MessageKind
from bot.domain.ports import HandlerEntry
from bot.domain.replies import Choice, Reply
from bot.domain.tickets import TicketDraft, TicketKind
from bot.domain.turns import Outcome
from bot.domain.understanding import Recognition, Urgency, Verdict
from tests.unit.engine.fakes import FakeHandler, Stage, entity, message, opens, says, urgent


def _digits(said: InboundMessage, _recognition: Recognition) -> ParsedSlot:
    digits = "".join(char for char in said.text if char.isdecimal())
    if not digits:
        return Missing.VALUE
    return digits[-4:] if len(digits) >= 4 else Rejected(Reply("proof.four_digits"))


def _photos(said: InboundMessage, _recognition: Recognition) -> ParsedSlot:
    return [one.reference for one in said.attachments] or Missing.VALUE


def _with_order(slots: Mapping[str, Any]) -> bool:
    return slots.get("category") != "attitude"


PROOF = Form(
    "track_order",
    (
        SlotSpec("order_number", "proof.ask_order", entity="order_number"),
        SlotSpec("phone_last4", "proof.ask_phone", parse=_digits),
    ),
)
COMPLAINT = Form(
    "file_complaint",
    (
        SlotSpec("category", "file_complaint.ask_category", options=("quality", "late", "attitude")),
        SlotSpec("order_number", "file_complaint.ask_order", entity="order_number", wanted=_with_order),
        SlotSpec("story", "file_complaint.ask_story"),
        SlotSpec("photos", "file_complaint.ask_photos", parse=_photos, optional=True),
    ),
    confirm="file_complaint.confirm",
)
ASKED_CATEGORY = "file_complaint.ask_category"


@pytest.fixture
def stage() -> Stage:
    """A shop with two forms, a topic and small talk."""
    filed = FakeHandler(
        Outcome(
            replies=(Reply("file_complaint.filed"),),
            tickets=(TicketDraft("TK12345678", TicketKind.COMPLAINT, "broken"),),
        )
    )
    shop = Stage(
        {
            "track_order": HandlerEntry(opens(PROOF), PROOF, says("track_order.found")),
            "file_complaint": HandlerEntry(opens(COMPLAINT), COMPLAINT, filed),
            "ticket_status": HandlerEntry(says("ticket_status.list")),
            "greet": HandlerEntry(says("greet.hello")),
            "thank": HandlerEntry(says("thank.welcome")),
            "faq": HandlerEntry(says("faq.answer")),
        },
        "faq/refund_time",
        "faq/delivery_fee",
    )
    shop.teach("我要投诉", "file_complaint")
    shop.teach("我的快递呢", "track_order")
    shop.teach("退款要多久？", "faq/refund_time")
    shop.teach("算了不弄了", "stop")
    shop.teach("转人工", "request_human")
    shop.teach("你好", "greet")
    shop.teach("好的", "affirm")
    shop.teach("不对", "deny")
    return shop


def submitted(stage: Stage, intent: str) -> dict[str, Any]:
    """Give the slots the intent's submit got last."""
    handler = stage.handlers[intent].submit
    assert isinstance(handler, FakeHandler)
    return dict(handler.turns[-1].slots)


async def test_form_asks_each_question_and_submits(stage: Stage):
    """Number, then phone, then the answer; the submit gets both values."""
    assert await stage.hears("我的快递呢") == ["proof.ask_order"]
    assert await stage.hears("W10001") == ["proof.ask_phone"]
    assert await stage.hears("8899") == ["track_order.found"]
    assert submitted(stage, "track_order") == {"order_number": "W10001", "phone_last4": "8899"}
    assert stage.store.tracker.form == ""


async def test_form_opening_message_fills_slots(stage: Stage):
    """What the opening message names is not asked again."""
    text = "W10001的快递呢"
    stage.teach(text, "track_order", entities=(entity("order_number", "W10001", text),))
    assert await stage.hears(text) == ["proof.ask_phone"]


@pytest.mark.parametrize("answer", ["2", "第二个", "the second one", "late", "=late", "２", "送晚了", "是送晚了的问题"])
async def test_option_is_picked_by_number_word_label_or_button(stage: Stage, answer: str):
    """Every way to name the second option picks it."""
    stage.renderer.texts["file_complaint.ask_category.late"] = "送晚了"
    assert await stage.hears("我要投诉") == [ASKED_CATEGORY]
    assert stage.payloads == ["=quality", "=late", "=attitude"]
    assert await stage.hears(answer) == ["file_complaint.ask_order"]
    assert stage.store.tracker.slots == {"category": "late"}


async def test_rejected_answer_says_why_and_offers_a_human_after_three(stage: Stage):
    """The reason replaces the question; the third time a way out is offered."""
    await stage.hears("我的快递呢")
    await stage.hears("W10001")
    assert await stage.hears("12") == ["proof.four_digits"]
    assert stage.payloads == []
    await stage.hears("13")
    assert await stage.hears("14") == ["proof.four_digits"]
    assert stage.payloads == ["/request_human", "/stop"]
    assert await stage.hears("8899") == ["track_order.found"]


async def test_unusable_answer_asks_again_with_a_line(stage: Stage):
    """Nonsense to a question with options is asked again, with buttons, and counted."""
    await stage.hears("我要投诉")
    assert await stage.hears("呜呜呜") == [ASKED_CATEGORY]
    assert stage.text.startswith("[engine.not_an_answer]\n")
    assert stage.store.tracker.rejections == 1
    await stage.hears("啦啦啦")
    await stage.hears("嘻嘻")
    assert stage.payloads[-2:] == ["/request_human", "/stop"]


@pytest.mark.parametrize(
    "text",
    ["不对，订单号是W20002", "no, it's W20002", "改成W20002", "W20002", "不是W10001，是W20002", "订单号填错了 W20002"],
)
async def test_correction_sets_an_earlier_slot_again(stage: Stage, text: str):
    """A correction in the next question changes the earlier answer and asks the open question again."""
    await stage.hears("我的快递呢")
    await stage.hears("W10001")
    assert await stage.hears(text) == ["proof.ask_phone"]
    assert stage.store.tracker.slots == {"order_number": "W20002"}
    assert stage.text.startswith("[engine.corrected]")


async def test_same_value_again_is_no_answer_to_another_question(stage: Stage):
    """The order number said twice is not taken for the phone's digits."""
    await stage.hears("我的快递呢")
    await stage.hears("W10001")
    assert await stage.hears("W10001") == ["proof.ask_phone"]
    assert stage.store.tracker.slots == {"order_number": "W10001"}


async def to_confirmation(stage: Stage) -> None:
    """Answer a complaint up to its confirmation."""
    await stage.hears("我要投诉")
    await stage.hears("=quality")
    await stage.hears("W10001")
    await stage.hears("杯子收到就是碎的")
    assert await stage.hears("=") == ["file_complaint.confirm"]


@pytest.mark.parametrize("yes", ["好的", "/affirm", "yes", "对", "1"])
async def test_confirmation_yes_submits_once(stage: Stage, yes: str):
    """Yes files the complaint with the turn: one ticket, one event, one commit."""
    await to_confirmation(stage)
    assert await stage.hears(yes) == ["file_complaint.filed"]
    assert len(stage.commit.tickets) == 1
    assert stage.kinds.count("ticket_opened") == 1
    assert submitted(stage, "file_complaint")["story"] == "杯子收到就是碎的"


async def test_confirmation_no_asks_what_to_change(stage: Stage):
    """No files nothing; each answered question can be opened again by its button."""
    await to_confirmation(stage)
    assert await stage.hears("不对") == ["engine.confirm_no"]
    assert "=edit:story" in stage.payloads
    assert await stage.hears("=edit:story") == ["file_complaint.ask_story"]
    assert await stage.hears("其实是颜色发错") == ["file_complaint.confirm"]
    assert stage.store.tracker.slots["story"] == "其实是颜色发错"


@pytest.mark.parametrize(
    ("text", "slot", "value"),
    [
        ("不对，订单号是W20002", "order_number", "W20002"),
        ("改成W20002", "order_number", "W20002"),
        ("类型改成送晚了", "category", "late"),
        ("经过改成盒子压扁了", "story", "盒子压扁了"),
        ("actually the order is W20002", "order_number", "W20002"),
    ],
)
async def test_correction_during_confirmation_confirms_again(stage: Stage, text: str, slot: str, value: str):
    """A correction instead of yes changes that value and repeats the summary."""
    stage.renderer.texts["file_complaint.ask_category.late"] = "送晚了"
    await to_confirmation(stage)
    stage.teach(text, "deny")
    assert await stage.hears(text) == ["file_complaint.confirm"]
    assert stage.store.tracker.slots[slot] == value
    assert not stage.commit.tickets


async def test_naming_a_question_at_confirmation_opens_it_again(stage: Stage):
    """A wish to change without the new value asks that question."""
    await to_confirmation(stage)
    assert await stage.hears("订单号要改一下") == ["file_complaint.ask_order"]


async def test_question_no_longer_wanted_is_not_asked(stage: Stage):
    """Conditions are looked at each time."""
    await stage.hears("我要投诉")
    assert await stage.hears("=attitude") == ["file_complaint.ask_story"]


async def test_picture_fills_the_photo_question_and_more_are_added(stage: Stage):
    """A picture answers; a later one joins it, even with another question open."""
    kind = MessageKind.IMAGE
    await stage.hears("我要投诉")
    first = message(kind=kind, attachments=(Attachment(kind, "p1"),))
    assert await stage.hears(first) == [ASKED_CATEGORY]
    second = message(kind=kind, attachments=(Attachment(kind, "p2"),))
    assert await stage.hears(second) == [ASKED_CATEGORY]
    assert stage.text.startswith("[engine.photo_added]")
    assert stage.store.tracker.slots == {"photos": ["p1", "p2"]}


async def test_digression_answers_and_returns_with_the_reminder(stage: Stage):
    """A question in the middle is answered, then the open question comes back."""
    await stage.hears("我的快递呢")
    assert await stage.hears("退款要多久？") == ["faq.answer", "proof.ask_order"]
    assert stage.text.splitlines()[1] == "[engine.back_to_form]"
    assert await stage.hears("W10001") == ["proof.ask_phone"]


async def test_question_to_a_free_question_is_a_digression_and_a_story_is_not(stage: Stage):
    """Free words are the answer unless they surely are a question of another kind."""
    await stage.hears("我要投诉")
    await stage.hears("=attitude")
    assert await stage.hears("退款要多久？") == ["faq.answer", "file_complaint.ask_story"]
    stage.teach("客服说退款七天到账结果没到", "faq/refund_time")
    assert await stage.hears("客服说退款七天到账结果没到") == ["file_complaint.ask_photos"]


async def test_another_form_takes_over_after_telling(stage: Stage):
    """A sure wish for another form leaves the open one, with a word."""
    await stage.hears("我的快递呢")
    assert await stage.hears("我要投诉") == ["engine.form_replaced", ASKED_CATEGORY]
    assert FormEnded("track_order", "replaced") in stage.commit.events
    assert stage.store.tracker.form == "file_complaint"


async def test_form_intent_that_answers_at_once_is_a_digression(stage: Stage):
    """A handler that opens no form this time leaves the open form alone."""
    stage.handlers["track_order"] = HandlerEntry(says("track_order.found"), PROOF, says("track_order.found"))
    quick = Stage(stage.handlers, recogniser=stage.recogniser)
    await quick.hears("我要投诉")
    assert await quick.hears("我的快递呢") == ["track_order.found", ASKED_CATEGORY]


async def test_stop_leaves_nothing_half_filed(stage: Stage):
    """Stop ends the form: no ticket, no slots, no question."""
    await to_confirmation(stage)
    assert await stage.hears("算了不弄了") == ["engine.form_stopped"]
    assert stage.store.tracker.form == ""
    assert stage.store.tracker.slots == {}
    assert not stage.commit.tickets


@pytest.mark.parametrize("text", ["算了", "算了不退了", "还是算了吧", "never mind", "Forget it!", "退出"])
async def test_stop_in_plain_words_needs_no_recogniser(stage: Stage, text: str):
    """The usual words leave a form even when the recogniser is unsure."""
    await stage.hears("我要投诉")
    assert await stage.hears(text) == ["engine.form_stopped"]


async def test_other_number_after_an_errand_does_it_again(stage: Stage):
    """A corrected or further number right after an answer means the same errand."""
    await stage.hears("我的快递呢")
    await stage.hears("W10001")
    await stage.hears("8899")
    assert await stage.hears("no, it's W20002") == ["proof.ask_phone"]
    assert stage.store.tracker.slots == {"order_number": "W20002"}


async def test_question_naming_an_option_is_a_digression(stage: Stage):
    """A question that happens to hold an option's label is answered, not taken for the option."""
    stage.renderer.texts["file_complaint.ask_category.late"] = "退款"
    await stage.hears("我要投诉")
    assert await stage.hears("退款要多久？") == ["faq.answer", ASKED_CATEGORY]
    assert stage.store.tracker.slots == {}


async def test_repeat_in_a_form_asks_the_question_once_more(stage: Stage):
    """Only the open question is what is to be heard again."""
    stage.teach("再说一遍", "repeat")
    await stage.hears("我要投诉")
    assert await stage.hears("再说一遍") == [ASKED_CATEGORY]


async def test_form_survives_restart(stage: Stage):
    """All state is in the tracker: another process goes on where this one stopped."""
    await stage.hears("我要投诉")
    other = Stage(stage.handlers)
    other.store.tracker = stage.store.tracker
    assert await other.hears("2") == ["file_complaint.ask_order"]


async def test_human_in_the_middle_of_a_form_hands_over(stage: Stage):
    """The form is left, the conversation waits for an agent."""
    await stage.hears("我要投诉")
    assert await stage.hears("转人工") == ["request_human.queued"]
    assert stage.store.conversation.owner.value == "waiting_for_agent"
    assert stage.store.tracker.form == ""
    assert stage.kinds.count("handoff_requested") == 1


@pytest.mark.parametrize(
    ("urgency", "reason"), [(Urgency.ANGRY, HandoffReason.ANGRY), (Urgency.SELF_HARM, HandoffReason.URGENT)]
)
async def test_urgency_fetches_a_human_at_once(stage: Stage, urgency: Urgency, reason: HandoffReason):
    """Anger and danger go to a human whatever the intent, with their reason."""
    stage.recogniser.taught["!!"] = urgent(urgency)
    assert await stage.hears("!!") == ["request_human.queued"]
    handler = stage.handlers["request_human"].run
    assert isinstance(handler, FakeHandler)
    assert handler.turns[0].handoff_reason is reason


async def test_misses_abstain_then_offer_then_hand_over(stage: Stage):
    """First the nearest two, then a human is offered, then fetched; each kept on record."""
    stage.teach("东边日出", "faq/refund_time", "greet", "ticket_status", "track_order", verdict=Verdict.ABSTAIN)
    assert await stage.hears("东边日出") == ["engine.fallback"]
    assert stage.payloads == ["/faq/refund_time", "/ticket_status", "/request_human"]
    assert await stage.hears("西边雨") == ["engine.offer_human"]
    assert await stage.hears("道是无晴") == ["request_human.queued"]
    handler = stage.handlers["request_human"].run
    assert isinstance(handler, FakeHandler)
    assert handler.turns[0].handoff_reason is HandoffReason.NOT_UNDERSTOOD
    assert [event.kind for event in stage.store.events].count("not_understood") == 3


async def test_yes_to_the_offer_of_a_human_fetches_one(stage: Stage):
    """A plain yes takes the only thing offered."""
    await stage.hears("东边日出")
    assert await stage.hears("西边雨") == ["engine.offer_human"]
    assert await stage.hears("好的") == ["request_human.queued"]


@pytest.mark.parametrize("answer", ["2", "第二个", "/ticket_status", "[intent.ticket_status]", "the second one"])
async def test_clarification_is_answered_in_every_way(stage: Stage, answer: str):
    """The chosen intent runs with the words that were unclear."""
    stage.teach("那个怎么样了", "track_order", "ticket_status", sure=False)
    assert await stage.hears("那个怎么样了") == ["engine.clarify"]
    assert stage.payloads == ["/track_order", "/ticket_status", "/deny"]
    assert await stage.hears(answer) == ["ticket_status.list"]
    handler = stage.handlers["ticket_status"].run
    assert isinstance(handler, FakeHandler)
    assert handler.turns[0].text == "那个怎么样了"
    assert stage.store.tracker.clarify_intents == ()


async def test_clarification_neither_and_repeat_do_not_go_round(stage: Stage):
    """Neither leads on; the same unclear words are not asked about twice in a row."""
    stage.teach("那个怎么样了", "track_order", "ticket_status", sure=False)
    await stage.hears("那个怎么样了")
    assert await stage.hears("那个怎么样了") == ["engine.fallback"]
    await stage.hears("那个怎么样了")
    assert await stage.hears("/deny") == ["engine.neither"]


async def test_bare_order_number_asks_how_it_stands(stage: Stage):
    """Nothing but an order number opens the parcel question with it."""
    assert await stage.hears("W10001") == ["proof.ask_phone"]
    assert SlotSet("order_number", "W10001") in stage.commit.events


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (MessageKind.IMAGE, "engine.image_received"),
        (MessageKind.VOICE, "engine.voice_without_text"),
        (MessageKind.STICKER, "engine.sticker_received"),
        (MessageKind.LOCATION, "engine.location_received"),
        (MessageKind.FILE, "engine.file_received"),
        (MessageKind.UNKNOWN, "engine.unknown_kind"),
        (MessageKind.TEXT, "engine.empty_message"),
        (MessageKind.FOLLOW, "greet.hello"),
    ],
)
async def test_wordless_message_gets_one_polite_line(stage: Stage, kind: MessageKind, key: str):
    """Every kind without words is recorded and answered politely."""
    assert await stage.hears(message(kind=kind)) == [key]
    assert stage.kinds[0] == "customer_uttered"


@pytest.mark.parametrize("place", ["31.230400,121.473700", "31.2304,121.4737 人民广场 上海市黄浦区人民大道"])
async def test_place_is_no_question(stage: Stage, place: str):
    """What it is called is not taken for words, and does not count as not understood."""
    assert await stage.hears(message(place, kind=MessageKind.LOCATION)) == ["engine.location_received"]
    assert stage.store.tracker.misses == 0


@pytest.mark.parametrize("text", ["😀", "👍🏻👍🏻", "❤️ 🎉"])
async def test_emoji_alone_is_no_miss(stage: Stage, text: str):
    """A smile is answered like a sticker and does not count as not understood."""
    assert await stage.hears(text) == ["engine.sticker_received"]
    assert stage.store.tracker.misses == 0


async def test_answers_offered_by_a_handler_are_counted_too(stage: Stage):
    """A number picks the button the handler put above a question that has no options of its own."""
    which = Reply("proof.which_order", {}, (Choice("=W10001", label="W10001"), Choice("=W20002", label="W20002")))
    stage.handlers["track_order"].run.outcome = Outcome(replies=(which,), start_form="track_order")  # type: ignore[attr-defined]
    await stage.hears("我的快递呢")
    assert await stage.hears("第二个") == ["proof.ask_phone"]
    assert stage.store.tracker.slots == {"order_number": "W20002"}


async def test_unfollow_is_recorded_silently(stage: Stage):
    """Who left is not talked to."""
    assert await stage.hears(message(kind=MessageKind.UNFOLLOW)) == []
    assert stage.kinds == ["customer_uttered"]


@pytest.mark.parametrize("payload", ["=late", "/no_such_thing", "garbage"])
async def test_button_that_means_nothing_now_is_answered(stage: Stage, payload: str):
    """An old or forged button gets a line and does nothing."""
    assert await stage.hears(message(payload=payload)) == ["engine.button_stale"]


async def test_value_button_of_another_question_is_not_taken(stage: Stage):
    """Only the open question's values count."""
    await stage.hears("我要投诉")
    assert await stage.hears("=personal") == [ASKED_CATEGORY]
    assert stage.store.tracker.slots == {}


async def test_submission_may_open_the_same_form_again_without_reading_the_words_twice(stage: Stage):
    """A wrong proof asks again; the same message does not fill the answer in once more."""
    stage.handlers["track_order"].submit.outcome = Outcome(  # type: ignore[union-attr]
        replies=(Reply("proof.wrong"),), start_form="track_order"
    )
    await stage.hears("我的快递呢")
    await stage.hears("8899")
    assert await stage.hears("W10001") == ["proof.ask_phone"]
    assert await stage.hears("8899") == ["proof.wrong", "proof.ask_order"]


async def test_endless_submission_is_given_up(stage: Stage):
    """A form that is complete each time it opens ends with a human, not in a loop."""
    submit = stage.handlers["track_order"].submit
    assert isinstance(submit, FakeHandler)
    submit.outcome = Outcome(start_form="track_order", form_slots={"order_number": "W1", "phone_last4": "1"})
    await stage.hears("我的快递呢")
    await stage.hears("W10001")
    assert await stage.hears("8899") == ["engine.form_failed", "request_human.queued"]
    assert len(submit.turns) == 3


async def test_second_intent_quick_is_done_and_a_form_is_offered(stage: Stage):
    """Both wishes of a message are met: the quick one now, the long one by a button."""
    stage.teach("你好，退款多久到", "ticket_status", second_intent="faq/refund_time")
    assert await stage.hears("你好，退款多久到") == ["ticket_status.list", "faq.answer"]
    stage.teach("退款多久，我还要投诉", "faq/refund_time", second_intent="file_complaint")
    assert await stage.hears("退款多久，我还要投诉") == ["faq.answer", "engine.second_offer"]
    assert stage.payloads == ["/file_complaint"]


async def test_burst_of_fragments_is_read_as_one_and_of_wishes_each(stage: Stage):
    """Fragments make one meaning, whole wishes stay apart, a greeting beside them is not answered."""
    stage.teach("我的\n快递呢", "track_order")
    assert await stage.hears("我的", "快递呢") == ["proof.ask_order"]
    await stage.hears("算了不弄了")
    assert await stage.hears("你好", "退款要多久？") == ["faq.answer"]
    stage.teach("工单呢", "ticket_status")
    assert await stage.hears("退款要多久？", "工单呢") == ["faq.answer", "ticket_status.list"]


async def test_burst_in_a_form_answers_one_question_once(stage: Stage):
    """Lines written before the next question are one answer, a double click is one press."""
    await stage.hears("我要投诉")
    assert await stage.hears("=attitude", "=attitude") == ["file_complaint.ask_story"]
    assert await stage.hears("他一直不回", "还骂人") == ["file_complaint.ask_photos"]
    assert stage.store.tracker.slots["story"] == "他一直不回\n还骂人"


async def test_handoff_from_submission_keeps_the_outcome_whole(stage: Stage):
    """Ticket, words and handoff of one outcome are one commit."""
    submit = stage.handlers["file_complaint"].submit
    assert isinstance(submit, FakeHandler)
    submit.outcome = Outcome(
        replies=(Reply("file_complaint.filed"),),
        tickets=(TicketDraft("TK87654321", TicketKind.COMPLAINT, "x"),),
        handoff=Handoff(HandoffReason.POLICY, "needs a person"),
    )
    await to_confirmation(stage)
    before = len(stage.store.commits)
    assert await stage.hears("/affirm") == ["file_complaint.filed"]
    assert len(stage.store.commits) == before + 1
    assert stage.kinds == ["customer_uttered", "slot_set", "form_ended", "ticket_opened", "handoff_requested"]


@pytest.mark.parametrize("answer", ["1", "１", "=", "第一个"])
async def test_optional_question_is_skipped_by_the_number_of_its_button(stage: Stage, answer: str):
    """Where buttons are numbers, the only button of an optional question is skipped with a one."""
    for said in ("我要投诉", "3", "客服一直不回我"):
        await stage.hears(said)
    assert stage.store.tracker.asked_slot == "photos"
    assert stage.payloads == ["="]
    await stage.hears(answer)
    assert stage.store.tracker.slots["photos"] == ""


@pytest.mark.parametrize("answer", ["skip", "Skip it", "跳过吧"])
async def test_skipping_a_question_does_not_drop_the_form(stage: Stage, answer: str):
    """What the recogniser takes for stop is a skip where the open question is optional."""
    stage.teach(answer, "stop")
    for said in ("我要投诉", "3", "客服一直不回我"):
        await stage.hears(said)
    await stage.hears(answer)
    assert stage.store.tracker.form == "file_complaint"
    assert stage.store.tracker.slots["photos"] == ""
