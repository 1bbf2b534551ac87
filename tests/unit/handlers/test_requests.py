"""Invoices, payments, privacy, manners, and questions of knowledge."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.events import ContactPolicySet
from bot.domain.handoff import Priority
from bot.domain.orders import OrderState
from bot.domain.replies import Locale
from bot.domain.tickets import TicketKind
from bot.domain.tracker import Tracker
from handlers import HANDLED, build_handlers
from tests.unit.handlers.fakes import Said, delivered, keys, make_order, make_services, make_turn, run, said_in, submit

PROVED = Tracker(proved_orders=("W1234567",))


def filled(**slots: Any) -> Said:
    """Say everything the second stage knows."""
    return Said(slots={"order_number": "W1234567", "verified": "W1234567"} | slots, tracker=PROVED)


def test_table_keeps_what_it_promises() -> None:
    """Every listed intent has its row, every form its submit and a name of its own."""
    table = build_handlers(make_services())
    assert set(table) == {intent for intents in HANDLED.values() for intent in intents}
    for intent, entry in table.items():
        assert (entry.form is None) is (entry.submit is None)
        assert entry.form is None or entry.form.name == intent


def test_buttons_of_every_form_fit_their_channels() -> None:
    """A payload is at most 64 bytes."""
    for entry in build_handlers(make_services()).values():
        for spec in entry.form.slots if entry.form else ():
            assert all(len(f"={value}".encode()) <= 64 for value in spec.options)


async def test_invoice_ends_in_a_ticket() -> None:
    """Title, tax number and e-mail are on the ticket and said back."""
    services = make_services((delivered(1),))
    said = {"title_kind": "company", "title": "甲公司", "tax_number": "91330106MA2CXY123K", "email": "a@b.cn"}
    outcome = await submit(services, "request_invoice", filled(**said))
    (ticket,) = outcome.tickets
    assert ticket.kind is TicketKind.INVOICE
    assert ticket.details == said
    text = said_in(services, outcome)
    assert all(part in text for part in ("甲公司", "91330106MA2CXY123K", "a@b.cn", ticket.number))


async def test_invoice_for_a_person_wants_no_tax_number() -> None:
    """Only a company is asked for one."""
    form = build_handlers(make_services())["request_invoice"].form
    assert form is not None
    tax = form.slot("tax_number")
    assert tax is not None
    assert tax.wanted is not None
    assert not tax.wanted({"order_number": "W1", "verified": "W1", "title_kind": "personal"})
    services = make_services((delivered(1),))
    outcome = await submit(services, "request_invoice", filled(title_kind="personal", title="李", email="a@b.cn"))
    assert "税号" not in said_in(services, outcome)


@pytest.mark.parametrize("state", [OrderState.PENDING_PAYMENT, OrderState.CANCELLED, OrderState.REFUNDED])
async def test_invoice_of_nothing_paid_is_refused(state: OrderState) -> None:
    """There is no invoice where there is no money."""
    outcome = await run(make_services((make_order(state),)), "request_invoice", Said("开票", tracker=PROVED))
    assert keys(outcome) == ["request_invoice.not_possible"]


async def test_payment_problem_is_urgent() -> None:
    """Money gone wrong is looked at first; what was said at once is not asked again."""
    services = make_services()
    opened = await run(services, "payment_problem", Said("昨晚付款的时候被扣了两次钱，一共两百多"))
    assert opened.form_slots["problem"] == "charged_twice"
    assert "story" in opened.form_slots
    outcome = await submit(services, "payment_problem", Said(slots=dict(opened.form_slots) | {"order_number": ""}))
    (ticket,) = outcome.tickets
    assert (ticket.kind, ticket.priority) == (TicketKind.PAYMENT, Priority.URGENT)
    assert "今天 12:00" in said_in(services, outcome)


@pytest.mark.parametrize(("intent", "allowed"), [("subscribe", True), ("unsubscribe", False)])
async def test_contact_policy_is_set_at_once(intent: str, allowed: bool) -> None:
    """No form, no delay; the way back is offered."""
    outcome = await run(make_services(), intent, Said("别再发了"))
    assert outcome.messages_allowed is allowed
    assert outcome.events == (ContactPolicySet(allowed),)
    assert outcome.replies[0].choices


async def test_export_is_a_privacy_ticket_with_its_time() -> None:
    """After proof, a ticket due within the promised days."""
    services = make_services((make_order(),))
    (ticket,) = (await run(services, "export_my_data", Said("导出", tracker=PROVED))).tickets
    assert (ticket.kind, ticket.category) == (TicketKind.PRIVACY, "export")
    assert ticket.due_at is not None


async def test_erasing_asks_before_it_is_filed() -> None:
    """Nothing is erased by one word."""
    services = make_services((make_order(),))
    asked = await run(services, "erase_my_data", Said("删掉我的数据", tracker=PROVED))
    assert asked.start_form == "erase_my_data"
    assert not asked.tickets
    assert not (await submit(services, "erase_my_data", filled(sure="no"))).tickets
    assert (await submit(services, "erase_my_data", filled(sure="yes"))).tickets


@pytest.mark.parametrize("intent", HANDLED["smalltalk"])
async def test_manners_answer_in_one_line(intent: str) -> None:
    """Every pleasantry has one short answer."""
    outcome = await run(make_services(), intent, Said("嗯"))
    assert len(outcome.replies) == 1


async def test_greeting_is_by_name_when_known() -> None:
    """A name we know is used, and the bot says what it is."""
    services = make_services()
    assert "小雨" in said_in(services, await run(services, "greet", Said("在吗", name="小雨")))
    text = said_in(services, await run(services, "greet", Said("hi")), Locale.EN)
    assert "the bot" in text


async def test_bot_challenge_is_answered_honestly() -> None:
    """A bot says that it is one and offers a human."""
    services = make_services()
    outcome = await run(services, "bot_challenge", Said("你是真人吗"))
    assert "不是真人" in said_in(services, outcome)
    assert outcome.replies[0].choices[0].payload == "/request_human"


async def test_repeat_says_it_again_with_its_buttons() -> None:
    """The last answer comes back whole."""
    tracker = Tracker(last_replies=("第一句", "第二句"), last_buttons=({"label": "查物流", "payload": "/track_order"},))
    services = make_services()
    outcome = await run(services, "repeat", Said("再说一遍", tracker=tracker))
    assert "第一句" in said_in(services, outcome)
    assert "第二句" in said_in(services, outcome)
    assert outcome.replies[0].choices[0].label == "查物流"


async def test_topic_is_answered_from_knowledge() -> None:
    """The answer is the shop's, with the errand that goes with it; an unknown topic is not guessed."""
    services = make_services()
    handler = build_handlers(services)["faq"]
    assert handler.form is None
    outcome = await run_topic("faq/refund_time", Locale.EN)
    assert said_in(services, outcome, Locale.EN) == "Within 3 days."
    assert outcome.replies[0].choices[0].payload == "/track_refund"
    assert keys(await run_topic("faq/unheard_of", Locale.ZH)) == ["faq.unknown"]


async def run_topic(topic: str, locale: Locale) -> Any:
    """Run the row of all topics for one of them."""
    return await build_handlers(make_services())["faq"].run(make_turn(Said("?", intent=topic, locale=locale)))
