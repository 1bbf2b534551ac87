"""A message tried at the desk of a web process: a worker understands it, over a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from uuid import uuid4

import pytest

from bot.app import House, open_house, open_worker
from bot.config import Config, Secrets, parse
from bot.desk.knowledge import Trial
from bot.domain.clock import SystemClock
from bot.domain.knowledge import KnowledgeEntry
from bot.domain.understanding import Expectation, IntentScore, Recognition, Verdict
from bot.wiring.rehearsal import AskedRehearsal, read_trial, write_trial
from storage.redis.questions import RedisQuestions
from storage.redis.server import connect
from tests.conftest import running_redis
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis
SECRETS = Secrets(secret_key="a key for tests, long enough to sign with")
WITHIN_S = 60.0
SOON_S = 0.5
ENTRY = KnowledgeEntry(
    "merchant/x", {"zh": "刻字", "en": "Engraving"}, {"zh": ("能刻字吗", "刻名字")}, {"zh": "可以。", "en": "Yes."}
)


class Echo:
    """Answers with what it was asked; ``heard`` keeps it."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.heard: list[str] = []

    async def answer(self, text: str) -> str:
        """Say who answers, and what was asked."""
        if text == "a secret wish":
            raise RuntimeError(text)
        self.heard.append(text)
        return f"{self.name}:{text}"


class Wire:
    """Two processes at one Redis: ``questions`` asks, ``listening`` answers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._prefix = f"test-{uuid4().hex}"
        self._stack = AsyncExitStack()
        self.questions = self.another()

    def another(self) -> RedisQuestions:
        """Give the end of another process."""
        self.client = connect(self._url)
        self._stack.push_async_callback(self.client.aclose)
        return RedisQuestions(self.client, self._prefix, "trials")

    @asynccontextmanager
    async def listening(self, echo: Echo) -> AsyncIterator[None]:
        """Answer for a while."""
        task = asyncio.create_task(self.another().listen(echo.answer))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def left(self) -> list[bytes]:
        """List what lies in Redis."""
        return [key async for key in self.client.scan_iter(match=f"{self._prefix}*")]

    async def close(self) -> None:
        """Let the connections go."""
        await self._stack.aclose()


@pytest.fixture
async def wire(redis_server: RedisServer) -> AsyncIterator[Wire]:
    opened = Wire(redis_server.url)
    yield opened
    await opened.close()


async def test_question_is_answered_by_one_listener_and_leaves_nothing(wire: Wire) -> None:
    """Whoever asks gets the answer to his own question, any text, from one of two listeners."""
    one, other = Echo("one"), Echo("other")
    texts = [f'能刻字吗 {number} \ud83d\n"' for number in range(20)]
    async with wire.listening(one), wire.listening(other):
        answers = await asyncio.gather(*(wire.questions.ask(text, WITHIN_S) for text in texts))
    assert [str(answer).partition(":")[2] for answer in answers] == texts
    assert sorted(one.heard + other.heard) == sorted(texts)
    assert await wire.left() == []


async def test_question_nobody_answers_is_given_up_and_forgotten(wire: Wire) -> None:
    """In time; who comes too late hears nothing of it."""
    took_s = WITHIN_S
    for _ in range(5):  # a busy machine may be late now and then
        begin = time.monotonic()
        assert await wire.questions.ask("anyone?", SOON_S) is None
        took_s = min(took_s, time.monotonic() - begin)
        if took_s < SOON_S + 1:
            break
    assert took_s < SOON_S + 1
    assert await wire.left() == []
    echo = Echo()
    async with wire.listening(echo):
        assert await wire.questions.ask("now?", WITHIN_S) == ":now?"
    assert echo.heard == ["now?"]


async def test_listener_goes_on_after_what_it_could_not_answer(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """A fault costs that one answer, and the words are not logged."""
    async with wire.listening(Echo()):
        assert await wire.questions.ask("are you there", WITHIN_S) == ":are you there"
        assert await wire.questions.ask("a secret wish", SOON_S) is None
        assert await wire.questions.ask("and now", WITHIN_S) == ":and now"
    assert "(RuntimeError)" in caplog.text
    assert "a secret wish" not in caplog.text


@pytest.fixture
def mortal() -> Iterator[RedisServer]:
    """Give a server that may be killed."""
    with running_redis() as server:
        yield server


async def test_no_redis_is_as_nobody_and_both_ends_come_back(mortal: RedisServer) -> None:
    """While it is away asking ends at once; afterwards the same two ends work again."""
    wire = Wire(mortal.url)
    async with wire.listening(Echo()):
        assert await wire.questions.ask("one", WITHIN_S) == ":one"
        await asyncio.to_thread(mortal.kill)
        begin = time.monotonic()
        for _ in range(50):
            assert await wire.questions.ask("two", WITHIN_S) is None
        assert time.monotonic() - begin < WITHIN_S / 2
        await asyncio.to_thread(mortal.start)
        async with asyncio.timeout(WITHIN_S):
            while await wire.questions.ask("three", SOON_S) != ":three":  # noqa: ASYNC110 - it asks, it does not wait
                await asyncio.sleep(0.05)
    await wire.close()


@pytest.mark.parametrize(
    "trial",
    [
        Trial(Verdict.SURE, "merchant/x", ENTRY),
        Trial(Verdict.SURE, "track_order"),
        Trial(Verdict.CLARIFY, offered=(("merchant/x", ENTRY), ("greet", None))),
        Trial(Verdict.ABSTAIN),
    ],
    ids=range(4),
)
def test_trial_comes_through_whole(trial: Trial) -> None:
    """What a worker found is what the desk shows."""
    assert read_trial(write_trial(trial)) == trial


@pytest.mark.parametrize("told", ["", "{", "[]", "null", '{"verdict": "sure"}', '{"offered": [1], "verdict": "x"}'])
def test_trial_of_another_version_is_as_none(told: str) -> None:
    """No exception at the desk."""
    assert read_trial(told) is None


class Refunds:
    """Takes everything for a refund."""

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Understand."""
        del text, expectation
        return Recognition((IntentScore("request_refund", 0.99),), Verdict.SURE)


@pytest.fixture
def config(postgresql_url: str, redis_server: RedisServer) -> Config:
    shop = {
        "database": {"url": postgresql_url},
        "redis": {"url": redis_server.url, "prefix": f"test-{uuid4().hex}"},
    }
    return parse({"xiaoer": shop}, "trials")


async def _try(house: House, text: str) -> Trial | None:
    assert house.desk.knowledge is not None
    return await house.desk.knowledge.try_it(text)


@pytest.mark.postgresql
async def test_desk_of_a_web_process_tries_with_a_worker(config: Config) -> None:
    """The worker's engine understands; without any worker the desk is told so."""
    async with open_house(config, SECRETS, SystemClock()) as house:
        assert house.understanding is None
        assert house.desk.knowledge is not None
        rehearsal = house.desk.knowledge.rehearsal
        assert isinstance(rehearsal, AskedRehearsal)
        rehearsal._within_s = WITHIN_S
        async with open_worker(config, SECRETS, SystemClock(), Refunds()):
            assert await _try(house, "钱退给我") == Trial(Verdict.SURE, "request_refund")
        rehearsal._within_s = SOON_S
        assert await _try(house, "钱退给我") is None
