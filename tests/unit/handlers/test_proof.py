"""Nothing about an order is said to someone who has not shown it is his."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.events import OrderProved, ProofFailed
from bot.domain.replies import Locale
from bot.domain.tracker import Tracker
from bot.domain.turns import ProofAttempt
from handlers import build_handlers
from tests.unit.handlers.fakes import (
    NOW,
    MemoryNetworkTries,
    MemoryProofLedger,
    Said,
    keys,
    make_order,
    make_services,
    run,
    said_in,
    submit,
)

GATED = (
    "track_order",
    "order_status",
    "urge_shipping",
    "track_refund",
    "cancel_order",
    "change_order",
    "change_address",
    "request_return",
    "request_exchange",
    "request_refund",
    "request_invoice",
    "export_my_data",
    "erase_my_data",
)
RIGHT = {"order_number": "W1234567", "phone_last4": "0001"}
SECRETS = ("电热水壶", "中通", "73000000001001", "129", "李小雨", "杭州", "已发货", "shipped", "0001")


@pytest.mark.parametrize("intent", GATED)
async def test_proof_is_asked_first(intent: str) -> None:
    """An order number alone opens the form and says nothing."""
    services = make_services((make_order(),))
    outcome = await run(services, intent, Said("W1234567", entities={"order_number": "W1234567"}))
    assert outcome.start_form == intent
    assert outcome.form_slots["order_number"] == "W1234567"
    assert not any(secret in said_in(services, outcome) for secret in SECRETS)


@pytest.mark.parametrize("intent", GATED)
async def test_proof_refuses_wrong_digits_and_missing_orders_alike(intent: str) -> None:
    """A wrong phone and an order that does not exist get the same words."""
    services = make_services((make_order(),))
    wrong = await submit(services, intent, Said(slots={"order_number": "W1234567", "phone_last4": "9999"}))
    absent = await submit(services, intent, Said(slots={"order_number": "W7654321", "phone_last4": "9999"}))
    assert said_in(services, wrong) == said_in(services, absent).replace("W7654321", "W1234567")
    assert not any(secret in said_in(services, wrong) for secret in SECRETS)
    for outcome, number in ((wrong, "W1234567"), (absent, "W7654321")):
        assert outcome.proof_attempts == (ProofAttempt(number, right=False),)
        assert ProofFailed(number) in outcome.events
        assert outcome.start_form == intent
        assert not outcome.tickets


@pytest.mark.parametrize("digits", ["", "0", "001", "00010", " 0001", "٠٠٠١", "0001\n", "None"])
async def test_proof_takes_nothing_but_the_digits(digits: str) -> None:
    """An empty or odd answer never proves an order; a whole number does by its end."""
    services = make_services((make_order(),))
    outcome = await submit(services, "track_order", Said(slots={"order_number": "W1234567", "phone_last4": digits}))
    proved = digits.strip() == "0001"
    assert (keys(outcome) == ["track_order.found"]) is proved


async def test_proof_never_matches_an_order_without_a_phone() -> None:
    """An order imported without a phone is proved by nothing."""
    services = make_services((make_order(phone_last4=""),))
    outcome = await submit(services, "track_order", Said(slots={"order_number": "W1234567", "phone_last4": ""}))
    assert keys(outcome) == ["proof.wrong"]


async def test_proof_right_at_once_is_recorded() -> None:
    """Number and digits in one message are enough; the proof is kept."""
    services = make_services((make_order(),))
    said = Said("W1234567 尾号0001 到哪了", entities={"order_number": "W1234567"})
    outcome = await run(services, "track_order", said)
    assert keys(outcome) == ["track_order.found"]
    assert outcome.events == (OrderProved("W1234567"),)
    assert outcome.proof_attempts == (ProofAttempt("W1234567", right=True),)


@pytest.mark.parametrize("words", ["手机13800000001", "13800000001", "phone ends in 0001", "手机后四位是0001"])
async def test_proof_hears_the_phone_in_the_opening_words(words: str) -> None:
    """Nobody is asked for what he already said, also when only the number itself was recognised."""
    services = make_services((make_order(),))
    said = Said(f"单号W1234567，{words}，到哪了", entities={"order_number": "W1234567"})
    assert keys(await run(services, "track_order", said)) == ["track_order.found"]


async def test_proof_takes_a_whole_phone_number() -> None:
    """The whole number proves by its end."""
    services = make_services((make_order(),))
    slots = {"order_number": "#w123 4567", "phone_last4": "+8613800000001"}
    assert keys(await submit(services, "track_order", Said(slots=slots))) == ["track_order.found"]


@pytest.mark.parametrize("intent", GATED)
async def test_proof_locks_after_three_failures(intent: str) -> None:
    """Once locked, even the right digits open nothing, and a human is offered."""
    services = make_services((make_order(),), wrong=3)
    for outcome in (
        await submit(services, intent, Said(slots=RIGHT)),
        await run(services, intent, Said("W1234567 尾号0001", entities={"order_number": "W1234567"})),
    ):
        assert keys(outcome) == ["proof.locked"]
        assert outcome.replies[0].choices[0].payload == "/request_human"
        assert not outcome.start_form
        assert not outcome.events


async def test_proof_third_failure_locks_at_once() -> None:
    """The third wrong try is answered by the lock, over thirty minutes."""
    services = make_services((make_order(),), wrong=2)
    outcome = await submit(services, "track_order", Said(slots=RIGHT | {"phone_last4": "1111"}))
    assert keys(outcome) == ["proof.locked"]
    assert outcome.proof_attempts == (ProofAttempt("W1234567", right=False),)
    assert isinstance(services.proofs, MemoryProofLedger)
    assert services.proofs.asked_since == NOW - timedelta(minutes=30)


async def test_proof_counts_one_order_however_it_is_written() -> None:
    """Spelling the number another way does not open another set of tries."""
    services = make_services((make_order(),))
    for spelling in ("w1234567", "#W1234567", "W123 4567"):
        outcome = await submit(services, "track_order", Said(slots={"order_number": spelling, "phone_last4": "9"}))
        assert outcome.proof_attempts[0].order_number == "W1234567"


async def test_proof_is_not_asked_twice() -> None:
    """An order proved in this conversation is used as it is."""
    services = make_services((make_order(),))
    proved = Tracker(proved_orders=("W1234567",))
    assert keys(await run(services, "track_order", Said("到哪了", tracker=proved))) == ["track_order.found"]


async def test_proof_of_one_order_opens_no_other() -> None:
    """A second order is asked for anew, whatever the form claims about it."""
    services = make_services((make_order(), make_order(number="W2222222", phone_last4="7777")))
    proved = Tracker(proved_orders=("W1234567",))
    asked = await run(services, "track_order", Said("W2222222", entities={"order_number": "W2222222"}, tracker=proved))
    assert asked.start_form == "track_order"
    claimed = {"order_number": "W2222222", "verified": "W2222222", "proved": ["W2222222"], "phone_last4": "0001"}
    assert keys(await submit(services, "track_order", Said(slots=claimed, tracker=proved))) == ["proof.wrong"]


async def test_proof_asks_which_of_several() -> None:
    """Two proved orders are offered as buttons."""
    services = make_services((make_order(), make_order(number="W2222222")))
    said = Said("到哪了", tracker=Tracker(proved_orders=("W1234567", "W2222222")))
    outcome = await run(services, "track_order", said)
    assert [choice.payload for choice in outcome.replies[0].choices] == ["=W2222222", "=W1234567"]
    form = build_handlers(services)["track_order"].form
    assert form is not None
    phone = form.slot("phone_last4")
    assert phone is not None
    assert phone.wanted is not None
    assert not phone.wanted(dict(outcome.form_slots) | {"order_number": "W2222222"})
    assert phone.wanted(dict(outcome.form_slots) | {"order_number": "W3333333"})


async def test_proof_other_order_is_heard() -> None:
    """Asking for another order does not show the known one again."""
    services = make_services((make_order(),))
    outcome = await run(services, "track_order", Said("另一个单呢", tracker=Tracker(proved_orders=("W1234567",))))
    assert outcome.start_form == "track_order"


async def test_proof_survives_an_order_taken_away() -> None:
    """An order that vanished after its proof is said to be gone, not a fault."""
    outcome = await run(make_services(), "track_order", Said("到哪了", tracker=Tracker(proved_orders=("W1234567",))))
    assert keys(outcome) == ["proof.gone"]


async def test_corrected_number_asks_for_its_own_proof() -> None:
    """Changing the number in the middle of a proved form wants the digits again."""
    services = make_services((make_order(),))
    form = build_handlers(services)["cancel_order"].form
    assert form is not None
    proved = {"order_number": "W1234567", "verified": "W1234567", "stage": "open"}
    wanted = {spec.name for spec in form.slots if spec.wanted is None or spec.wanted(proved)}
    assert "sure" in wanted
    assert "phone_last4" not in wanted
    moved = proved | {"order_number": "W2222222"}
    wanted = {spec.name for spec in form.slots if spec.wanted is None or spec.wanted(moved)}
    assert "sure" not in wanted
    assert "phone_last4" in wanted


async def test_wrong_says_how_many_tries_are_left_in_english() -> None:
    """One try left is singular."""
    services = make_services((make_order(),), wrong=1)
    outcome = await submit(services, "track_order", Said(slots=RIGHT | {"phone_last4": "1111"}))
    assert "(1 try left)" in said_in(services, outcome, Locale.EN)


async def test_proof_counts_wrong_tries_of_a_network_whoever_makes_them() -> None:
    """Who is somebody new for every try is stopped, also with the right digits; the shop next door is not."""
    services = make_services((make_order(),), wrong=0)
    networks = MemoryNetworkTries(limit=2)
    services = replace(services, networks=networks)
    for number in ("W1000001", "W1000002"):
        slots = {"order_number": number, "phone_last4": "9999"}
        outcome = await submit(services, "track_order", Said(slots=slots, network="there"))
    assert (keys(outcome), outcome.start_form) == (["proof.crowded"], "")
    assert outcome.proof_attempts == (ProofAttempt("W1000002", right=False),)
    right = await submit(services, "track_order", Said(slots=RIGHT, network="there"))
    assert (keys(right), right.events, right.proof_attempts) == (["proof.crowded"], (), ())
    asked = await run(services, "track_order", Said("W1234567 尾号0001", network="there"))
    assert (keys(asked), asked.start_form) == (["proof.crowded"], "")
    for elsewhere in ("here", ""):
        outcome = await submit(services, "track_order", Said(slots=RIGHT, network=elsewhere))
        assert keys(outcome) == ["track_order.found"]
    assert {name: len(tries) for name, tries in networks.counted.items()} == {"there": 2, "here": 0}


@pytest.mark.parametrize(("locale", "words"), [(Locale.ZH, "大约 59 分钟后"), (Locale.EN, "in about 59 minutes")])
async def test_proof_tells_how_long_a_network_has_to_wait_and_offers_a_person(locale: Locale, words: str) -> None:
    """In both languages, without blaming who reads it."""
    services = replace(make_services((make_order(),)), networks=MemoryNetworkTries(limit=0))
    outcome = await run(services, "track_order", Said("W1234567", locale=locale, network="there"))
    assert words in services.renderer.render(outcome.replies[0], locale).text
    assert [choice.payload for choice in outcome.replies[0].choices] == ["/request_human"]


async def test_proof_locked_for_the_shopper_says_so_and_counts_nothing_for_the_network() -> None:
    """His own lock comes first."""
    services = replace(make_services((make_order(),), wrong=3), networks=MemoryNetworkTries(limit=1))
    outcome = await submit(services, "track_order", Said(slots=RIGHT, network="there"))
    assert keys(outcome) == ["proof.locked"]
    assert await services.networks.begin("there")
