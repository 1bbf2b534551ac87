"""k-fold: train on most of one's own examples, ask about the rest, until each was asked about once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from bot.domain.errors import ConfigError
from intents.evaluation.rows import Row, labels_of
from intents.training_data import Example, data_files, read_examples

_SUFFIX = ".yml"


def deal(examples: Sequence[Example], folds: int) -> list[list[Example]]:
    """Deal examples to folds, evenly within each intent; those alike but for digits and marks stay together."""
    if folds < 2:  # noqa: PLR2004
        raise ConfigError(f"--folds {folds}: at least 2 are needed, one to ask and one to learn from")
    dealt: list[list[Example]] = [[] for _ in range(folds)]
    families: dict[tuple[str, str], int] = {}
    sizes: dict[str, int] = {}
    for example in examples:
        bare = "".join(char for char in example.text.casefold() if char.isalpha()) or example.text
        if (example.intent, bare) not in families:
            families[example.intent, bare] = sizes.get(example.intent, 0) % folds
            sizes[example.intent] = sizes.get(example.intent, 0) + 1
        dealt[families[example.intent, bare]].append(example)
    return dealt


def read_folds(source: Path, folds: int) -> list[list[Example]]:
    """Deal the training examples below ``source``; ConfigError when there are too few."""
    if source.is_file():
        raise ConfigError(f"{source}: folds are made of a folder of training data (nlu, faq), not of a file")
    dealt = deal(read_examples(source), folds)
    if not all(dealt):
        raise ConfigError(f"{source}: too few examples for {folds} folds")
    return dealt


def rows_of(fold: Sequence[Example]) -> list[Row]:
    """Make labelled messages of a fold; a group's name is its slice."""
    return [Row(example.text, labels_of(example.intent), _family(example.intent)) for example in fold]


def _family(intent: str) -> str:
    return intent.partition("/")[0] if "/" in intent else "actions"


def write_source(target: Path, source: Path, taught: Sequence[Example]) -> None:
    """Write a training folder that holds only ``taught``; what else lies in ``source`` is copied."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "nlu").mkdir(parents=True)
    by_intent: dict[str, list[dict[str, str]]] = {}
    for example in taught:
        by_intent.setdefault(example.intent, []).append({"text": example.text})
    blocks = [{"intent": intent, "examples": texts} for intent, texts in by_intent.items()]
    text = yaml.safe_dump({"version": "3.1", "nlu": blocks}, allow_unicode=True, width=10**6)
    (target / "nlu" / f"examples{_SUFFIX}").write_text(text, "utf-8")
    for path in (source / "domain.yml", source / "rules.yml", *data_files(source)):
        if path.parent == source and path.is_file():
            shutil.copyfile(path, target / path.name)
    (target / "faq").mkdir()
    for path in (source / "faq").glob(f"*{_SUFFIX}"):
        content = yaml.safe_load(path.read_text("utf-8"))
        content["nlu"] = []
        (target / "faq" / path.name).write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
