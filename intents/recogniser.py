"""Text -> Recognition, by the model trained from this package's data."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import numpy as np

from bot.domain.clock import Clock
from bot.domain.understanding import Expectation, IntentScore, Recognition, Script, Verdict
from intents.arithmetic import use_one_core
from intents.clauses import split_clauses, what_is_kept
from intents.context import answer_to, only_answers
from intents.encoder import Encoder, knower
from intents.features import Floats
from intents.fusion import claim_of, group_of, signs_of
from intents.kernels import head_scores
from intents.model import FULL, SURFACE_ONLY, Model
from intents.numbers import compile_shapes
from intents.reading import Reading, read
from intents.shapes import Shapes
from intents.spelling import Speller
from intents.weighing import Judgement, Weigher

_RANKED = 5
_WORKERS = min(2, os.cpu_count() or 1)
"""Threads that judge: half of the time is arithmetic, during which others may run."""
_BATCH = 8
_GATHERING_S = 0.004


class EmbeddedRecogniser:
    """The embedded engine; numpy only, a worker thread or two, what arrives together is judged together."""

    def __init__(self, model: Model, encoder: Encoder | None, clock: Clock, shapes: Shapes) -> None:
        """Take a model and, when there is one, the encoder it was trained with.

        Both can be seen from outside (``model``, ``encoder``), so that what else needs them loads neither again.
        """
        self._model = model
        self._encoder = encoder if model.examples.vectors is not None else None
        self.engine = FULL if self._encoder and FULL in model.profiles else SURFACE_ONLY
        self._profile = model.profiles[self.engine]
        self._weigher = Weigher(model.intents, self._profile.thresholds)
        self._clock = clock
        self._zone = ZoneInfo(shapes.zone)
        self._shapes = compile_shapes(shapes)
        usual = model.examples.surfaces["word"]
        self._speller = Speller(usual.vocabulary.frequencies(usual.postings.size), knower(self._encoder))
        self.model, self.encoder = model, self._encoder
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="understanding")
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()
        use_one_core()
        self.judge(["你好"], ["zh"])

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Understand ``text`` (any length, any characters; never raises for what the text holds)."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = _Queue(self, self._pool)
        return await queue.ask(text, expectation)

    def parse(self, texts: Sequence[str], expectations: Sequence[Expectation]) -> list[Recognition]:
        """Understand several texts at once, on the caller's thread."""
        today = self._clock.now().astimezone(self._zone).date()
        readings = [
            self._mended(read(text, self._shapes, today, expected))
            for text, expected in zip(texts, expectations, strict=True)
        ]
        cuts = [split_clauses(reading.words) for reading in readings]
        wanted: list[str] = []
        groups: list[str] = []
        for reading, clauses in zip(readings, cuts, strict=True):
            parts = [reading.words, *(clause.text for clause in clauses), *filter(None, [what_is_kept(clauses)])]
            wanted.extend(parts)
            groups.extend([group_of(reading.language, reading.script)] * len(parts))
        judged = iter(self._judge_once(wanted, groups))
        found = []
        for text, expected, reading, clauses in zip(texts, expectations, readings, cuts, strict=True):
            whole = next(judged)
            parts_judged = [(clause, next(judged)) for clause in clauses]
            kept = next(judged) if what_is_kept(clauses) else None
            meant = self._weigher.weigh(whole, parts_judged, kept)
            found.append(self._conclude(text, expected, reading, meant))
        return found

    def _mended(self, reading: Reading) -> Reading:
        return reading if reading.script is Script.PINYIN else replace(reading, words=self._speller.mend(reading.words))

    def _judge_once(self, words: Sequence[str], groups: Sequence[str]) -> list[Judgement]:
        """Judge bare words, the same ones once: what is kept of a message is often one of its clauses."""
        asked = list(zip(words, groups, strict=True))
        different = list(dict.fromkeys(asked))
        told = self.judge([text for text, _ in different], [group for _, group in different])
        judged = dict(zip(different, told, strict=True))
        return [judged[each] for each in asked]

    def judge(self, words: Sequence[str], groups: Sequence[str]) -> list[Judgement]:
        """Judge bare words, each with the name of its group of writing."""
        sight = self._model.examples.look(words, self._encoder)
        scores = {
            name: head_scores(head, self._model.learned[name], sight, groups)
            for name, head in self._profile.heads.items()
        }
        log_odds = self._profile.fusion.join(scores, groups)
        near = self._model.examples.nearest(sight.cosines)
        trust = self._profile.thresholds.trust(signs_of(log_odds, near, claim_of(scores)))
        chances = self._profile.thresholds.calibrated(log_odds)
        return [Judgement(row, float(value)) for row, value in zip(chances, trust, strict=True)]

    def _conclude(
        self, text: str, expected: Expectation, reading: Reading, meant: tuple[Judgement, str]
    ) -> Recognition:
        found = Recognition(
            entities=reading.entities,
            language=reading.language,
            script=reading.script,
            sentiment=reading.sentiment,
            engine=self.engine,
        )
        answer = answer_to(reading.words, expected)
        if answer:
            return replace(found, intents=(IntentScore(answer, 0.99),), verdict=Verdict.SURE)
        if not any(char.isalnum() for char in reading.words):
            return found
        whole, second = meant
        found = replace(found, intents=self._rank(whole.chances), verdict=self._verdict(whole, reading))
        found = replace(found, second_intent=second if found.verdict is Verdict.SURE else "")
        spare = len(text.strip()) - sum(entity.end - entity.start for entity in reading.entities)
        has_asked = any(entity.name == expected.entity for entity in reading.entities)
        if only_answers(spare, expected, has_asked, found.intent):
            return replace(found, verdict=Verdict.ABSTAIN, second_intent="")
        return found

    def _rank(self, chances: Floats) -> tuple[IntentScore, ...]:
        order = np.argsort(-chances)[:_RANKED]
        return tuple(IntentScore(self._model.intents[index], round(float(chances[index]), 4)) for index in order)

    def _verdict(self, judged: Judgement, reading: Reading) -> Verdict:
        if reading.is_foreign:
            return Verdict.ABSTAIN
        thresholds = self._profile.thresholds
        if judged.trust >= thresholds.sure:
            return Verdict.SURE
        return Verdict.CLARIFY if judged.trust >= thresholds.clarify else Verdict.ABSTAIN

    def close(self) -> None:
        """Let the worker threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Queue:
    """Messages of one event loop that wait to be judged; what gathers while a batch runs is the next batch.

    A batch costs four messages' time however small it is, so while many write at once a moment is given to gathering.
    A second worker begins when a whole batch waits.
    """

    def __init__(self, recogniser: EmbeddedRecogniser, pool: ThreadPoolExecutor) -> None:
        self._recogniser = recogniser
        self._pool = pool
        self._waiting: list[tuple[str, Expectation, asyncio.Future[Recognition]]] = []
        self._runners: list[asyncio.Task[None]] = []

    async def ask(self, text: str, expectation: Expectation) -> Recognition:
        """Wait for the text to be judged with the next batch."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Recognition] = loop.create_future()
        self._waiting.append((text, expectation, answer))
        self._runners = [runner for runner in self._runners if not runner.done()]
        if not self._runners or (len(self._runners) < _WORKERS and len(self._waiting) >= _BATCH):
            self._runners.append(loop.create_task(self._run()))
        return await answer

    async def _run(self) -> None:
        crowded = False
        while self._waiting:
            if crowded and len(self._waiting) < _BATCH:
                await asyncio.sleep(_GATHERING_S)
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            if batch:
                await self._judge(batch)
            crowded = len(batch) > 1
            await asyncio.sleep(0)  # whoever was answered may ask again

    async def _judge(self, batch: Sequence[tuple[str, Expectation, asyncio.Future[Recognition]]]) -> None:
        texts, expectations, answers = zip(*batch, strict=True)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._pool, self._recogniser.parse, texts, expectations)
        except Exception as error:  # noqa: BLE001 (every waiting caller gets it)
            for answer in answers:
                if not answer.done():
                    answer.set_exception(error)
            return
        for answer, recognition in zip(answers, found, strict=True):
            if not answer.done():
                answer.set_result(recognition)
