"""Text -> Recognition by a Rasa server, and by the embedded engine whenever that does not answer."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

from bot.domain.clock import Clock
from bot.domain.ports import Recogniser
from bot.domain.understanding import Expectation, IntentScore, Language, Recognition, Verdict
from intents.context import answer_to, only_answers
from intents.numbers import compile_shapes
from intents.rasa.circuit import Circuit
from intents.rasa.gate import Gate
from intents.rasa.parser import RasaDown, RasaParser, as_sent
from intents.reading import Reading, read
from intents.shapes import Shapes

ENGINE = "rasa"
_LOG = logging.getLogger(__name__)
_READ_ASIDE_FROM_CHARS = 2_000


class RasaRecogniser:
    """The second engine: intents from Rasa; language, entities and mood from our own reading."""

    engine = ENGINE

    def __init__(
        self,
        parser: RasaParser,
        fallback: Recogniser,
        gate: Gate,
        clock: Clock,
        shapes: Shapes,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take the server's parser, who answers in its place, and ``ready``: whether it has finished starting."""
        self._parser = parser
        self._fallback = fallback
        self._gate = gate
        self._clock = clock
        self._zone = ZoneInfo(shapes.zone)
        self._shapes = compile_shapes(shapes)
        self._ready = ready
        self._circuit = Circuit(clock)
        self._counts: Counter[str] = Counter()
        self._is_told = False

    @property
    def is_answering(self) -> bool:
        """Tell whether Rasa answers at present (else the embedded engine does)."""
        return self._ready() and not self._circuit.is_open

    def figures(self) -> Mapping[str, int]:
        """Count since the start: ``answered`` by Rasa, ``fallback_<reason>`` by the embedded engine in its place.

        Reasons: starting, open (given up for now), timeout, unreachable, refused, junk.
        """
        return dict(self._counts)

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Understand ``text`` (any length, any characters; never raises for what the text holds)."""
        reading = await self._read(text, expectation)
        answer = answer_to(reading.words, expectation)
        if answer:
            return replace(_start(reading), intents=(IntentScore(answer, 0.99),), verdict=Verdict.SURE)
        if not any(char.isalnum() for char in reading.words):
            return _start(reading)
        ranking = await self._ask(text)
        if ranking is None:
            return await self._fallback.recognise(text, expectation)
        return self._conclude(text, expectation, reading, ranking)

    async def _read(self, text: str, expectation: Expectation) -> Reading:
        today = self._clock.now().astimezone(self._zone).date()
        if len(text) < _READ_ASIDE_FROM_CHARS:
            return read(text, self._shapes, today, expectation)
        return await asyncio.to_thread(read, text, self._shapes, today, expectation)

    async def _ask(self, text: str) -> tuple[IntentScore, ...] | None:
        """Ask Rasa when it may be asked; None when another must answer."""
        if not self._ready():
            self._counts["fallback_starting"] += 1
            return None
        if not self._circuit.admits():
            self._counts["fallback_open"] += 1
            return None
        try:
            ranking = await self._parser.parse(text)
        except RasaDown as problem:
            self._note(problem)
            return None
        except BaseException:
            self._circuit.abandoned()
            raise
        self._circuit.succeeded()
        if self._is_told:
            self._is_told = False
            _LOG.info("Rasa answers again")
        self._counts["answered"] += 1
        return ranking

    def _note(self, problem: RasaDown) -> None:
        self._counts[f"fallback_{problem.reason}"] += 1
        self._circuit.failed()
        if not self._is_told:
            # Once an outage: the metric counts the rest.
            self._is_told = True
            doing = "the embedded engine answers until it does"
            _LOG.warning("Rasa gave no usable answer (%s: %s); %s", problem.reason, problem, doing)

    def _conclude(
        self, text: str, expected: Expectation, reading: Reading, ranking: tuple[IntentScore, ...]
    ) -> Recognition:
        verdict = self._gate.verdict(ranking[0].confidence, as_sent(text)) if ranking else Verdict.ABSTAIN
        if reading.language is Language.OTHER:
            # Marks, a bare number, another script: Rasa ranks by nothing then. The number is among the entities.
            verdict = Verdict.ABSTAIN
        found = replace(_start(reading), intents=ranking, verdict=verdict)
        spare = len(text.strip()) - sum(entity.end - entity.start for entity in reading.entities)
        has_asked = any(entity.name == expected.entity for entity in reading.entities)
        if only_answers(spare, expected, has_asked, found.intent):
            return replace(found, verdict=Verdict.ABSTAIN)
        return found


def _start(reading: Reading) -> Recognition:
    return Recognition(
        entities=reading.entities,
        language=reading.language,
        script=reading.script,
        sentiment=reading.sentiment,
        engine=ENGINE,
    )
