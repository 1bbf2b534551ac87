"""Trying a message at the desk: understood and looked up as a shopper's, with nothing said or kept.

Over Redis a worker is asked: what it says is what shoppers get, whichever engine it has, and the web process need not
hold a second copy of the model and the encoder (some 300 MB) for a box that is seldom used.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bot.config import Config
from bot.desk.knowledge import Rehearsal, Trial
from bot.domain.knowledge import KnowledgeEntry
from bot.domain.understanding import Expectation, Verdict
from bot.engine.consulting import settle
from bot.engine.policy import MOST_CHOICES, NEAREST, close_choices
from bot.wiring.knowing import Understanding
from bot.wiring.shared import OverRedis

if TYPE_CHECKING:
    from storage.redis.questions import RedisQuestions

ANSWERED_WITHIN_S = 5.0
_KIND = "trials"


class EngineRehearsal:
    """A rehearsal with the engine and the knowledge of this process."""

    def __init__(self, understanding: Understanding) -> None:
        self._parts = understanding

    async def try_it(self, text: str) -> Trial:
        """Tell what the bot would do with a message outside of any form."""
        heard = await self._parts.recogniser.recognise(text, Expectation())
        meant = settle(heard, await self._parts.library.look_up(text, heard))
        entry = self._parts.knowledge.entry
        if meant.verdict is Verdict.SURE:
            return Trial(meant.verdict, meant.intent, entry(meant.intent))
        most = MOST_CHOICES if meant.verdict is Verdict.CLARIFY else NEAREST
        offered = close_choices(meant.intents, bool)[:most]
        return Trial(meant.verdict, offered=tuple((name, entry(name)) for name in offered))


class AskedRehearsal:
    """A rehearsal that a worker does for this process."""

    def __init__(self, questions: RedisQuestions, within_s: float = ANSWERED_WITHIN_S) -> None:
        self._questions = questions
        self._within_s = within_s

    async def try_it(self, text: str) -> Trial | None:
        """Tell what a worker would do with a message; None when none answers in time."""
        told = await self._questions.ask(text, self._within_s)
        return None if told is None else read_trial(told)


def make_asked(config: Config, redis: OverRedis) -> AskedRehearsal:
    """Make the rehearsal of a process that leaves the work to workers."""
    return AskedRehearsal(_questions(config, redis))


@asynccontextmanager
async def rehearsing(config: Config, redis: OverRedis, rehearsal: Rehearsal) -> AsyncIterator[None]:
    """Answer what the desks of other processes try, until the end."""

    async def answer(text: str) -> str:
        trial = await rehearsal.try_it(text)
        return "" if trial is None else write_trial(trial)

    task = asyncio.create_task(_questions(config, redis).listen(answer), name="trials")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _questions(config: Config, redis: OverRedis) -> RedisQuestions:
    from storage.redis.questions import RedisQuestions  # noqa: PLC0415 - only where Redis is used

    return RedisQuestions(redis.client, config.redis.prefix, _KIND)


def write_trial(trial: Trial) -> str:
    """Write a trial for another process."""
    return json.dumps(asdict(trial))


def read_trial(told: str) -> Trial | None:
    """Read what ``write_trial`` wrote; None when it is none, as from a worker of another version."""
    try:
        shape = json.loads(told)
        offered = tuple((str(intent), _entry(entry)) for intent, entry in shape["offered"])
        return Trial(Verdict(shape["verdict"]), str(shape["intent"]), _entry(shape["entry"]), offered)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _entry(shape: Mapping[str, Any] | None) -> KnowledgeEntry | None:
    if shape is None:
        return None
    questions = {language: tuple(asked) for language, asked in shape["questions"].items()}
    return KnowledgeEntry(shape["topic"], dict(shape["titles"]), questions, dict(shape["answers"]))
