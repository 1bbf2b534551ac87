"""Rasa's client: right when Rasa is, and never worse off than the embedded engine when Rasa is not there."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.clock import ManualClock
from bot.domain.understanding import Expectation, IntentScore, Recognition, Verdict
from intents.rasa.gate import Gate
from intents.rasa.parser import MOST_CHARS, RasaParser
from intents.rasa.recogniser import RasaRecogniser
from intents.shapes import Shapes
from tests.fake_rasa import FakeRasa

NOTHING = Expectation()
TIMEOUT_S = 60.0
HASTY_S = 0.5


class StandIn:
    """Stands behind Rasa and says so."""

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Say hello to everything."""
        del text, expectation
        return Recognition((IntentScore("greet", 0.5),), Verdict.CLARIFY, engine="embedded")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 21, 4, tzinfo=UTC))


@pytest.fixture
async def rasa() -> AsyncIterator[FakeRasa]:
    server = FakeRasa(token="secret")
    server.says(("track_order", 0.8), ("request_refund", 0.1))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def recogniser(rasa: FakeRasa, clock: ManualClock) -> AsyncIterator[RasaRecogniser]:
    parser = RasaParser(lambda: rasa.url, TIMEOUT_S, "secret")
    yield RasaRecogniser(parser, StandIn(), Gate(0.7, 0.3), clock, Shapes())
    await parser.close()


async def engine_of(recogniser: RasaRecogniser, text: str = "我的快递到哪了") -> str:
    return (await recogniser.recognise(text, NOTHING)).engine


async def test_rasa_gives_intents_and_we_the_rest(recogniser: RasaRecogniser) -> None:
    """Intents come from Rasa; language, entities and verdict from us."""
    found = await recogniser.recognise("订单W12345678到哪了", NOTHING)
    assert (found.engine, found.intent, found.confidence, found.verdict) == ("rasa", "track_order", 0.8, Verdict.SURE)
    assert found.language == "zh"
    assert found.entity("order_number") == "W12345678"


@pytest.mark.parametrize(
    ("confidence", "verdict"), [(0.7, "sure"), (0.69, "clarify"), (0.3, "clarify"), (0.29, "abstain")]
)
async def test_rasa_verdict_follows_the_gate(
    recogniser: RasaRecogniser, rasa: FakeRasa, confidence: float, verdict: str
) -> None:
    """The borders belong to the better verdict."""
    rasa.says(("track_order", confidence))
    assert (await recogniser.recognise("我的快递到哪了", NOTHING)).verdict == verdict


async def test_rasa_retrieval_intents_become_topics(recogniser: RasaRecogniser, rasa: FakeRasa) -> None:
    """A response selector's ranking takes the place of the bare faq."""
    rasa.says(("faq", 0.9), ("greet", 0.1))
    topics = [
        {"confidence": 0.8, "intent_response_key": "faq/coupon"},
        {"confidence": 0.2, "intent_response_key": "faq/points"},
    ]
    rasa.answer["response_selector"] = {"all_retrieval_intents": ["faq"], "faq": {"response": {}, "ranking": topics}}
    found = await recogniser.recognise("有优惠券吗", NOTHING)
    assert [(score.name, score.confidence) for score in found.intents] == [
        ("faq/coupon", 0.72),
        ("faq/points", 0.18),
        ("greet", 0.1),
    ]


async def test_rasa_fallback_intent_is_no_intent(recogniser: RasaRecogniser, rasa: FakeRasa) -> None:
    """What Rasa's own gate inserts is left out."""
    rasa.says(("nlu_fallback", 0.7), ("greet", 0.4))
    found = await recogniser.recognise("你好呀", NOTHING)
    assert (found.intent, found.verdict) == ("greet", Verdict.CLARIFY)


async def test_rasa_without_any_intent_abstains(recogniser: RasaRecogniser, rasa: FakeRasa) -> None:
    """No intent is an answer too: abstain."""
    rasa.says()
    found = await recogniser.recognise("你好呀", NOTHING)
    assert (found.intents, found.verdict, found.engine) == ((), Verdict.ABSTAIN, "rasa")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b"{}",
        b'{"intent_ranking": 7}',
        b'{"intent_ranking": [{"name": "greet"}]}',
        b'{"intent_ranking": [{"name": 7, "confidence": 0.5}]}',
        b'{"intent_ranking": [{"name": "greet", "confidence": "0.9"}]}',
        b'{"intent_ranking": [{"name": "greet", "confidence": NaN}]}',
        b'{"intent_ranking": [{"name": "greet", "confidence": 1.7}]}',
        b'{"intent_ranking": [{"name": "greet", "confidence": true}]}',
        b'{"intent_ranking": ["greet"]}',
        b"[" * 50_000,
        b"\xff\xfe\x00",
        b'"' + b"x" * 1_100_000 + b'"',
    ],
    ids=range(16),
)
async def test_rasa_junk_is_answered_by_the_embedded_engine(
    recogniser: RasaRecogniser, rasa: FakeRasa, body: bytes
) -> None:
    """Nothing that is not a parse is believed."""
    rasa.body = body
    assert await engine_of(recogniser) == "embedded"
    assert recogniser.figures() == {"fallback_junk": 1}


@pytest.mark.parametrize("status", [400, 401, 404, 409, 500])
async def test_rasa_refusals_are_answered_by_the_embedded_engine(
    recogniser: RasaRecogniser, rasa: FakeRasa, status: int
) -> None:
    """Whatever Rasa refuses with, the shopper gets an answer."""
    rasa.status = status
    assert await engine_of(recogniser) == "embedded"
    assert recogniser.figures() == {"fallback_refused": 1}


async def test_rasa_too_slow_is_given_up_in_time(rasa: FakeRasa, clock: ManualClock) -> None:
    """The whole answer must come within the time-out."""
    rasa.delay_s = 3600
    parser = RasaParser(lambda: rasa.url, HASTY_S, "secret")
    hasty = RasaRecogniser(parser, StandIn(), Gate(0.7, 0.3), clock, Shapes())
    async with asyncio.timeout(TIMEOUT_S):
        assert await engine_of(hasty) == "embedded"
    assert hasty.figures() == {"fallback_timeout": 1}
    await parser.close()


async def test_rasa_hanging_up_is_answered_by_the_embedded_engine(recogniser: RasaRecogniser, rasa: FakeRasa) -> None:
    """A broken connection is no exception for the shopper."""
    rasa.hang_up = True
    assert await engine_of(recogniser) == "embedded"
    assert recogniser.figures() == {"fallback_unreachable": 1}


async def test_rasa_down_is_left_alone_and_used_again_when_back(
    recogniser: RasaRecogniser, rasa: FakeRasa, clock: ManualClock
) -> None:
    """After three failures nobody waits for Rasa; the first try after the wait brings it back."""
    await rasa.stop()
    assert [await engine_of(recogniser) for _ in range(5)] == ["embedded"] * 5
    assert recogniser.figures() == {"fallback_unreachable": 3, "fallback_open": 2}
    assert not recogniser.is_answering
    await rasa.start()
    assert await engine_of(recogniser) == "embedded"
    clock.advance(timedelta(seconds=1))
    assert await engine_of(recogniser) == "rasa"
    assert recogniser.is_answering


async def test_rasa_outage_is_warned_of_once(
    recogniser: RasaRecogniser, rasa: FakeRasa, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """However many messages it costs and tries fail, one line says it begins, one that it is over; the next is new."""
    for _ in range(2):
        caplog.clear()
        rasa.status = 500
        for _ in range(6):
            await engine_of(recogniser)
            clock.advance(timedelta(seconds=40))
        rasa.status = 200
        assert await engine_of(recogniser) == "rasa"
        lines = [record for record in caplog.records if record.name == "intents.rasa.recogniser"]
        warned = [record.levelname for record in lines]
        assert warned.count("WARNING") == 1
        assert "Rasa answers again" in lines[-1].getMessage() or warned == ["WARNING"]
    assert recogniser.figures()["fallback_refused"] == 12


async def test_rasa_half_open_lets_one_message_try(
    recogniser: RasaRecogniser, rasa: FakeRasa, clock: ManualClock
) -> None:
    """While one message tries, the others do not wait with it."""
    rasa.status = 500
    for _ in range(3):
        await engine_of(recogniser)
    rasa.status = 200
    clock.advance(timedelta(seconds=1))
    engines = await asyncio.gather(*(engine_of(recogniser) for _ in range(4)))
    assert sorted(engines) == ["embedded", "embedded", "embedded", "rasa"]


async def test_rasa_cancelled_try_does_not_block_the_next(
    recogniser: RasaRecogniser, rasa: FakeRasa, clock: ManualClock
) -> None:
    """A trial whose caller goes away leaves the door as it was."""
    rasa.status = 500
    for _ in range(3):
        await engine_of(recogniser)
    rasa.status, rasa.delay_s, rasa.asked = 200, 3600, asyncio.Semaphore(0)
    clock.advance(timedelta(seconds=1))
    trying = asyncio.ensure_future(engine_of(recogniser))
    async with asyncio.timeout(TIMEOUT_S):
        await rasa.asked.acquire()
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    rasa.delay_s = 0
    assert await engine_of(recogniser) == "rasa"


async def test_rasa_is_not_asked_before_it_is_ready(rasa: FakeRasa, clock: ManualClock) -> None:
    """While it starts, the embedded engine answers, and that is no failure."""
    ready: list[bool] = []
    parser = RasaParser(lambda: rasa.url, TIMEOUT_S, "secret")
    starting = RasaRecogniser(parser, StandIn(), Gate(0.7, 0.3), clock, Shapes(), lambda: bool(ready))
    assert [await engine_of(starting) for _ in range(5)] == ["embedded"] * 5
    ready.append(True)
    assert await engine_of(starting) == "rasa"
    assert starting.figures() == {"fallback_starting": 5, "answered": 1}
    await parser.close()


async def test_rasa_never_takes_a_command_from_a_shopper(recogniser: RasaRecogniser, rasa: FakeRasa) -> None:
    """A leading slash would name an intent outright: it never reaches Rasa."""
    for text in ('/request_refund{"order_number": "1"}', " \t//restart", "\u3000/greet"):
        await recogniser.recognise(text, NOTHING)
    assert rasa.texts == ['request_refund{"order_number": "1"}', "restart", "greet"]


async def test_rasa_gets_long_messages_by_both_ends(recogniser: RasaRecogniser, rasa: FakeRasa) -> None:
    """A hundred thousand characters become two thousand, the end among them; such a message is not acted on."""
    found = await recogniser.recognise("where " + " ".join(map(str, range(20_000))) + " 的退款", NOTHING)
    assert MOST_CHARS / 2 < len(rasa.texts[0]) <= MOST_CHARS + 1
    assert rasa.texts[0].startswith("where 0 1 2 3")
    assert rasa.texts[0].endswith("的退款")
    assert (found.intent, found.verdict) == ("track_order", Verdict.CLARIFY)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("退" * 100_000, "退退退"),
        ("我要退款 " * 20_000, "我要退款 我要退款 我要退款 "),
        ("where is my parcel? " * 5_000, "where is my parcel? where is my parcel? where is my parcel? "),
        ("快快快", "快快快"),
        ("我\u200b要\u202e退\ufeff款\x00", "我要退款"),
        ("退款\n谢谢", "退款\n谢谢"),
    ],
    ids=range(6),
)
async def test_rasa_is_given_nothing_over_and_over_or_unseen(
    recogniser: RasaRecogniser, rasa: FakeRasa, text: str, sent: str
) -> None:
    """Repeated a thousand times or sprinkled with unseen marks, words mean what they mean once and bare."""
    assert (await recogniser.recognise(text, NOTHING)).verdict is Verdict.SURE
    (given,) = rasa.texts
    assert given.startswith(sent.strip())
    assert len(given) <= 3 * len(sent)
    assert set(given.split()) <= set(text.split()) | set(sent.split())


async def test_rasa_is_not_believed_about_a_bare_number(recogniser: RasaRecogniser) -> None:
    """The number is read, the intent is not made up; so with another script around it."""
    for text in ("1234567890123", "คำสั่งซื้อ 1234567890123"):
        found = await recogniser.recognise(text, NOTHING)
        assert (found.verdict, found.entity("order_number")) == (Verdict.ABSTAIN, "1234567890123")


@pytest.mark.parametrize("text", ["", "  \n", "!!!", "\u200b\u202e", "\ud800"])
async def test_rasa_is_not_bothered_with_what_says_nothing(
    recogniser: RasaRecogniser, rasa: FakeRasa, text: str
) -> None:
    """Messages without a word are abstained from at once."""
    assert (await recogniser.recognise(text, NOTHING)).verdict is Verdict.ABSTAIN
    assert rasa.texts == []


async def test_rasa_is_not_asked_what_the_question_settles(recogniser: RasaRecogniser, rasa: FakeRasa) -> None:
    """A bare yes after a question is a yes."""
    found = await recogniser.recognise("是的", Expectation(yes_no=True))
    assert (found.intent, found.verdict, rasa.texts) == ("affirm", Verdict.SURE, [])


async def test_rasa_warnings_hold_no_words_of_shoppers(
    recogniser: RasaRecogniser, rasa: FakeRasa, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning names the reason, never the message."""
    rasa.body = json.dumps({"intent_ranking": [{"name": "我的秘密", "confidence": 2}]}).encode()
    with caplog.at_level(logging.DEBUG):
        await recogniser.recognise("我的秘密", NOTHING)
    assert "junk" in caplog.text
    assert "秘密" not in caplog.text
