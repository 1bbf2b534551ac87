"""The engines that understand: trained, opened, and chosen by the configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bot.config import Config, Secrets
from bot.domain.clock import Clock
from bot.domain.errors import ModelRefused, XiaoerError
from bot.domain.ports import Recogniser
from bot.domain.understanding import Expectation, Recognition
from bot.wiring.preparation import intents_folder, model_folder, model_shapes
from intents import embedded
from intents.evaluation.measuring import resident_mb
from intents.rasa import project as rasa_project
from intents.rasa import training as rasa_training
from intents.rasa.engine import RasaSettings, open_rasa
from intents.rasa.environment import find_python
from intents.training_data import read_examples

EngineName = Literal["embedded", "rasa"]
Progress = Callable[[str, float], None]
_EVALUATION_TIMEOUT_S = 30.0
_RASA_READY_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class EnginePlace:
    """An engine, the training data it learns from, and the folder of its model."""

    engine: EngineName
    source: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class OpenEngine:
    """An engine to be measured; ``resident_mb`` tells the memory of the process that understands."""

    recogniser: Recogniser
    resident_mb: Callable[[], float]


def engine_place(config: Config, engine: EngineName) -> EnginePlace:
    """Tell where an engine's data and model lie."""
    folder = model_folder(config) if engine == "embedded" else rasa_folder(config)
    return EnginePlace(engine, intents_folder(), folder)


def rasa_folder(config: Config) -> Path:
    """Name the folder of Rasa's project, model and logs."""
    return config.data_dir / "rasa"


def rasa_is_current(config: Config, keys: Mapping[str, Any]) -> bool:
    """Tell whether Rasa's model fits the data, the pipeline in ``keys`` and Rasa's requirements."""
    try:
        trained = rasa_project.current(rasa_folder(config))
    except ModelRefused:
        return False
    return trained.stamp == rasa_project.stamp_now(intents_folder(), keys)


def train_engine(
    config: Config, place: EnginePlace, keys: Mapping[str, Any], progress: Progress
) -> embedded.TrainingReport | rasa_training.RasaReport:
    """Train an engine at a place; ``keys`` are Rasa's own keys of config.yml."""
    if place.engine == "embedded":
        return embedded.train(place.source, place.folder, progress)
    python = find_python(config.understanding.rasa.environment)
    return rasa_training.train(place.source, place.folder, keys, python, progress)


def rasa_settings(config: Config, secrets: Secrets) -> RasaSettings:
    """Tell how Rasa is reached."""
    settings = config.understanding.rasa
    return RasaSettings(
        work=rasa_folder(config),
        source=intents_folder(),
        start=settings.start,
        url=str(settings.url),
        timeout_s=settings.timeout_s,
        environment=settings.environment,
        token=secrets.rasa_token,
        sure=settings.sure_from,
        clarify=settings.clarify_from,
    )


def known_intents(place: EnginePlace) -> frozenset[str]:
    """List the intents an engine is taught at a place."""
    return frozenset(example.intent for example in read_examples(place.source))


@asynccontextmanager
async def open_engine(config: Config, secrets: Secrets, clock: Clock, place: EnginePlace) -> AsyncIterator[OpenEngine]:
    """Open one engine to be measured: no other stands behind it, and it has all the time it needs."""
    if place.engine == "embedded":
        yield OpenEngine(embedded.load(place.folder, place.source, clock, model_shapes(config)), resident_mb)
        return
    chosen = rasa_settings(config, secrets)
    settings = replace(chosen, work=place.folder, source=place.source, timeout_s=_EVALUATION_TIMEOUT_S)
    async with open_rasa(settings, NobodyElse(), clock, model_shapes(config)) as opened:
        server = opened.server
        if server is not None:
            await server.wait_ready(_RASA_READY_WITHIN_S)
        yield OpenEngine(opened.recogniser, lambda: resident_mb(server.pid) if server else 0.0)


class NobodyElse:
    """Stands behind an engine that is measured: an answer of another would spoil the figures."""

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Refuse."""
        del text, expectation
        raise XiaoerError("Rasa gave no usable answer while it was measured; its log is server.log in its folder")
