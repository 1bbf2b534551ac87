"""Train Rasa from the same files: first on a part, to learn from the rest when to act; then on everything."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.domain.understanding import IntentScore
from intents.rasa.gate import learn_gate
from intents.rasa.parser import RasaParser, as_sent
from intents.rasa.project import Trained, keep, lay_out, stamp_now, train_model, write_examples
from intents.rasa.server import RasaServer
from intents.training_data import Example, read_examples

Progress = Callable[[str, float], None]
_HELD_OUT_SHARE = 0.2
_STRANGE_INTENTS = 10
"""One intent in this many is not taught to the first model at all: its messages show what the unknown looks like."""
_SEED = 5
_READY_WITHIN_S = 300
_ANSWER_TIMEOUT_S = 30
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class RasaReport:
    """What a training did; ``accuracy`` is of the first model on what was held out, in scope, before the gate."""

    examples: int
    intents: int
    seconds: float
    accuracy: float
    engine: str = "rasa"


@dataclass(frozen=True, slots=True)
class Split:
    """Examples to teach, to hold out, and those of intents that are not taught."""

    taught: tuple[Example, ...]
    held_out: tuple[Example, ...]
    strange: tuple[Example, ...]


def train(source: Path, work: Path, keys: Mapping[str, Any], python: Path, progress: Progress) -> RasaReport:
    """Train from the files below ``source`` with Rasa's ``keys`` of config.yml; the model is kept below ``work``.

    ``progress`` is called with what is being done and how much of it is done, 0..1. Raises ConfigError when Rasa
    refuses the pipeline or the data.
    """
    started = time.perf_counter()
    stamp = stamp_now(source, keys)
    examples = read_examples(source)
    log = work / "train.log"
    work.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    split = deal(examples)
    progress("a part, to learn when to act", 0.0)
    part = work / "part"
    lay_out(part, source, keys)
    write_examples(part, split.taught)
    model = train_model(python, part, work / "part" / "models", "part", log)
    progress("asking about the rest", 0.45)
    wanted = (*split.held_out, *split.strange)
    answers = asyncio.run(ask_all(RasaServer(python, part, model, work / "part.log"), [one.text for one in wanted]))
    judged = list(zip(wanted, answers, strict=True))
    inside = [_judge(example, ranking) for example, ranking in judged[: len(split.held_out)]]
    outside = [_judge(example, ranking)[0] for example, ranking in judged[len(split.held_out) :]]
    progress("everything", 0.55)
    project = work / "project"
    lay_out(project, source, keys)
    whole = train_model(python, project, work / "models", f"xiaoer-{int(time.time())}", log)
    accuracy = sum(right for _, right in inside) / max(1, len(inside))
    longest = max((len(as_sent(example.text)) for example in examples), default=0)
    keep(Trained(whole, stamp, learn_gate(inside, outside, longest), accuracy), work)
    progress("everything", 1.0)
    return RasaReport(
        len(examples), len({example.intent for example in examples}), time.perf_counter() - started, accuracy
    )


def deal(examples: Sequence[Example]) -> Split:
    """Deal the examples, the same way every time; small intents are always taught."""
    dice = random.Random(_SEED)  # noqa: S311 - deals cards, keeps no secret
    intents = sorted({example.intent for example in examples})
    unknown = set(dice.sample(intents, len(intents) // _STRANGE_INTENTS))
    taught: list[Example] = []
    held_out: list[Example] = []
    for intent in intents:
        mine = [example for example in examples if example.intent == intent]
        if intent in unknown:
            continue
        dice.shuffle(mine)
        border = int(len(mine) * _HELD_OUT_SHARE)
        held_out += mine[:border]
        taught += mine[border:]
    return Split(tuple(taught), tuple(held_out), tuple(one for one in examples if one.intent in unknown))


def _judge(example: Example, ranking: tuple[IntentScore, ...]) -> tuple[float, bool]:
    if not ranking:
        return 0.0, False
    return ranking[0].confidence, ranking[0].name == example.intent


async def ask_all(server: RasaServer, texts: Sequence[str]) -> list[tuple[IntentScore, ...]]:
    """Start a server, ask it everything, stop it."""
    server.start()
    parser = RasaParser(lambda: server.url, _ANSWER_TIMEOUT_S, server.token)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask(text: str) -> tuple[IntentScore, ...]:
        async with gate:
            return await parser.parse(text)

    try:
        await server.wait_ready(_READY_WITHIN_S)
        return await asyncio.gather(*(ask(text) for text in texts))
    finally:
        await parser.close()
        await server.stop()
