"""The folder Rasa works in: its configuration, training files and our components; and what was trained there."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.domain.errors import ConfigError, ModelRefused
from intents.rasa.environment import REQUIREMENTS
from intents.rasa.gate import UNLEARNED, Gate
from intents.rasa.server import quiet_environment
from intents.training_data import Example, hash_data

_COMPONENTS = ("__init__.py", "cutting.py", "tokeniser.py", "classifier.py", "launch.py")
_RECORD = "current.json"
_TRAIN_TIMEOUT_S = 6 * 3600
_LOG_LINES = 5


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a model was made from, by hashes: the training files, Rasa's keys of config.yml, Rasa's requirements."""

    data: str
    pipeline: str
    requirements: str


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model: its file, what it was made from, its gate, and its accuracy on what was held out (0..1)."""

    model: Path
    stamp: Stamp
    gate: Gate
    accuracy: float


def stamp_now(source: Path, keys: Mapping[str, Any]) -> Stamp:
    """Stamp the data, the pipeline and the requirements as they are."""
    pipeline = hashlib.sha256(json.dumps(keys, sort_keys=True).encode())
    for name in _COMPONENTS:
        pipeline.update((Path(__file__).parent / name).read_bytes())
    needed = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest() if REQUIREMENTS.is_file() else ""
    return Stamp(hash_data(source), pipeline.hexdigest(), needed)


def lay_out(project: Path, source: Path, keys: Mapping[str, Any]) -> None:
    """Write a whole Rasa project: config.yml, intents/ with all training files, and the components."""
    if not keys.get("pipeline"):
        raise ConfigError("config.yml has no key 'pipeline'; Rasa needs one, see docs/understanding.md")
    shutil.rmtree(project / "intents", ignore_errors=True)
    rooms = project / "intents" / "rasa"
    rooms.mkdir(parents=True)
    (project / "config.yml").write_text(yaml.safe_dump(dict(keys), allow_unicode=True, sort_keys=False), "utf-8")
    (project / "intents" / "__init__.py").write_text("")
    for name in _COMPONENTS:
        shutil.copyfile(Path(__file__).parent / name, rooms / name)
    for folder in ("nlu", "faq"):
        if (source / folder).is_dir():
            shutil.copytree(source / folder, project / "intents" / folder)
    for name in ("domain.yml", "rules.yml"):
        if (source / name).is_file():
            shutil.copyfile(source / name, project / "intents" / name)


def write_examples(project: Path, examples: Sequence[Example]) -> None:
    """Put bare examples in the place of a project's training files; the knowledge's answers stay."""
    for path in (project / "intents" / "faq").glob("*.yml"):
        content = yaml.safe_load(path.read_text("utf-8"))
        content["nlu"] = []
        path.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    shutil.rmtree(project / "intents" / "nlu", ignore_errors=True)
    (project / "intents" / "nlu").mkdir()
    by_intent: dict[str, list[dict[str, str]]] = {}
    for example in examples:
        by_intent.setdefault(example.intent, []).append({"text": example.text})
    blocks = [{"intent": intent, "examples": texts} for intent, texts in by_intent.items()]
    document = {"version": "3.1", "nlu": blocks}
    (project / "intents" / "nlu" / "examples.yml").write_text(
        yaml.safe_dump(document, allow_unicode=True, width=10**6), "utf-8"
    )


def train_model(python: Path, project: Path, out: Path, name: str, log: Path) -> Path:
    """Run ``rasa train nlu`` in a project; returns the model's file, ConfigError with the log's end when it fails."""
    out.mkdir(parents=True, exist_ok=True)
    command = [str(python.absolute()), "-m", "intents.rasa.launch", "train", "nlu", "--config", "config.yml"]
    command += ["--domain", "intents", "--nlu", "intents", "--out", str(out.absolute()), "--fixed-model-name", name]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as written:
        done = subprocess.run(  # noqa: S603 - Rasa's own interpreter, found by us
            command,
            check=False,
            cwd=project,
            env=quiet_environment(),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            timeout=_TRAIN_TIMEOUT_S,
        )
    model = out / f"{name}.tar.gz"
    if done.returncode or not model.is_file():
        last = " | ".join(log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:])
        raise ConfigError(f"Rasa could not train (exit code {done.returncode}); {log} ends: {last}")
    return model


def keep(trained: Trained, work: Path) -> None:
    """Make a model the current one, in one step, and remove those before it but the last.

    A running server of the last one may have to start again before the new one answers.
    """
    kept = {trained.model}
    with suppress(ModelRefused):
        kept.add(current(work).model)
    record = {
        "model": trained.model.name,
        "stamp": asdict(trained.stamp),
        "gate": {name: getattr(trained.gate, name) for name in ("sure", "clarify", "most_chars")},
        "accuracy": trained.accuracy,
    }
    beside = work / f"{_RECORD}.new"
    beside.write_text(json.dumps(record, indent=1), "utf-8")
    beside.replace(work / _RECORD)
    for old in trained.model.parent.glob("*.tar.gz"):
        if old not in kept:
            old.unlink(missing_ok=True)


def _gate(kept: Mapping[str, Any]) -> Gate:
    return Gate(float(kept["sure"]), float(kept["clarify"]), int(kept.get("most_chars", UNLEARNED.most_chars)))


def pointer(work: Path) -> Path:
    """Name the file that says which model is the current one; it is replaced in one step."""
    return work / _RECORD


def current(work: Path) -> Trained:
    """Read which model is the current one; ModelRefused when there is none."""
    try:
        record = json.loads((work / _RECORD).read_text("utf-8"))
        gate = _gate(record["gate"])
        trained = Trained(
            work / "models" / Path(record["model"]).name, Stamp(**record["stamp"]), gate, float(record["accuracy"])
        )
    except FileNotFoundError:
        raise ModelRefused("Rasa has no trained model; run: xiaoer train --engine rasa") from None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ModelRefused(f"{work / _RECORD} cannot be read ({problem}); run: xiaoer train --engine rasa") from problem
    if not trained.model.is_file():
        raise ModelRefused(f"{trained.model} is gone; run: xiaoer train --engine rasa")
    return trained
