"""Rasa's front door: open the engine with a server of its own, or with one that runs already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bot.domain.clock import Clock
from bot.domain.errors import ModelRefused
from bot.domain.ports import Recogniser
from intents.rasa.environment import find_python
from intents.rasa.gate import UNLEARNED, Gate, words_of
from intents.rasa.parser import RasaParser
from intents.rasa.project import current
from intents.rasa.recogniser import RasaRecogniser
from intents.rasa.server import RasaServer
from intents.shapes import Shapes
from intents.training_data import hash_data, read_examples


@dataclass(frozen=True, slots=True)
class RasaSettings:
    """How the engine is reached; ``sure`` and ``clarify`` take the place of what training learned."""

    work: Path
    source: Path
    start: bool = True
    url: str = "http://127.0.0.1:5005"
    timeout_s: float = 1.0
    environment: Path | None = None
    token: str = ""
    sure: float | None = None
    clarify: float | None = None


@dataclass(frozen=True, slots=True)
class OpenRasa:
    """The engine, its model by name, and the server when it is our own."""

    recogniser: RasaRecogniser
    server: RasaServer | None
    model: str = ""


@asynccontextmanager
async def open_rasa(
    settings: RasaSettings, fallback: Recogniser, clock: Clock, shapes: Shapes
) -> AsyncIterator[OpenRasa]:
    """Open the engine; it starts in the background while ``fallback`` answers, and is stopped at the end.

    Raises ConfigError without an environment, ModelRefused without a model that fits the data.
    """
    gate = _gate(settings)
    if not settings.start:
        parser = RasaParser(lambda: settings.url.rstrip("/"), settings.timeout_s, settings.token)
        try:
            yield OpenRasa(RasaRecogniser(parser, fallback, gate, clock, shapes), None)
        finally:
            await parser.close()
        return
    trained = current(settings.work)
    if trained.stamp.data != hash_data(settings.source):
        raise ModelRefused(
            "the training data has changed since Rasa's model was trained; run: xiaoer train --engine rasa"
        )
    python = find_python(settings.environment)
    gate = replace(gate, known=await asyncio.to_thread(_words_taught, settings.source))
    server = RasaServer(python, settings.work / "project", trained.model, settings.work / "server.log")
    parser = RasaParser(lambda: server.url, settings.timeout_s, server.token)
    server.start()
    try:
        recogniser = RasaRecogniser(parser, fallback, gate, clock, shapes, server.is_ready)
        yield OpenRasa(recogniser, server, trained.model.name)
    finally:
        await parser.close()
        await server.stop()


def _gate(settings: RasaSettings) -> Gate:
    try:
        learned = current(settings.work).gate
    except ModelRefused:
        learned = UNLEARNED
    sure = learned.sure if settings.sure is None else settings.sure
    clarify = learned.clarify if settings.clarify is None else settings.clarify
    return Gate(sure, min(sure, clarify), learned.most_chars)


def _words_taught(source: Path) -> frozenset[str]:
    return frozenset().union(*(words_of(example.text) for example in read_examples(source)))
