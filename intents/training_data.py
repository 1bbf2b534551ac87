"""Read the Rasa training data: examples of intents, and the shop's knowledge."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from bot.domain.errors import ConfigError
from bot.domain.knowledge import KnowledgeEntry
from bot.domain.understanding import FAQ_PREFIX, Language
from intents.language import detect

_MARKUP = re.compile(r"\[([^\]]+)\](?:\([^)]+\)|\{[^}]+\})")
_BULLET = re.compile(r"^\s*-\s?")
_LANGUAGES = ("zh", "en")
_OUTSIDE = "outside.txt"
_BOOL = "tag:yaml.org,2002:bool"
_SAFE: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SAFE):  # type: ignore[misc]
    """Reads YAML 1.2 as Rasa does: an intent may be called yes or no."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {
        first: [resolver for resolver in resolvers if resolver[0] != _BOOL]
        for first, resolvers in _SAFE.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


@dataclass(frozen=True, slots=True)
class Example:
    """A message and the intent it has."""

    text: str
    intent: str


def data_files(source: Path) -> tuple[Path, ...]:
    """List the training files below ``source`` (``nlu/*.yml``, ``faq/*.yml`` and ``outside.txt``), sorted."""
    found = [path for folder in ("nlu", "faq") for path in (source / folder).glob("*.yml")]
    return tuple(sorted((*found, *source.glob(_OUTSIDE))))


def hash_data(source: Path) -> str:
    """Hash the names and bytes of all training files (SHA-256, hexadecimal)."""
    digest = hashlib.sha256()
    for path in data_files(source):
        content = path.read_bytes()
        digest.update(f"{path.parent.name}/{path.name}:{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def strip_markup(example: str) -> str:
    """Turn ``[SF123](tracking_number)`` into ``SF123``."""
    return _MARKUP.sub(r"\1", example)


def read_examples(source: Path) -> tuple[Example, ...]:
    """Read every example, without repeats; ConfigError names the file that cannot be read."""
    found: dict[Example, None] = {}
    for path in data_files(source):
        if path.name == _OUTSIDE:
            continue
        for block in _load(path).get("nlu") or ():
            intent = block.get("intent")
            if intent is None:
                continue  # synonyms, look-up tables and the like
            if not isinstance(intent, str):
                raise ConfigError(f"{path.parent.name}/{path.name}: the intent {intent!r} is no name; put it in quotes")
            for text in _texts(block.get("examples"), path):
                found[Example(strip_markup(text), intent)] = None
    return tuple(found)


def read_outside(source: Path) -> tuple[str, ...]:
    """Read the messages of ``outside.txt`` that lie outside of the shop's trade; none when there is no such file."""
    path = source / _OUTSIDE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.parent.name}/{path.name} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path.parent.name}/{path.name} must hold a mapping with the key 'nlu'")
    return content


def _texts(examples: Any, path: Path) -> Iterator[str]:
    if isinstance(examples, list):
        lines = [item.get("text", "") if isinstance(item, dict) else str(item) for item in examples]
    elif isinstance(examples, str):
        lines = [_BULLET.sub("", line) for line in examples.splitlines() if _BULLET.match(line)]
    else:
        raise ConfigError(f"{path.parent.name}/{path.name}: 'examples' must be a block of lines starting with '- '")
    yield from (line.strip() for line in lines if line.strip())


def read_knowledge(source: Path) -> tuple[KnowledgeEntry, ...]:
    """Read the knowledge entries of ``faq/*.yml``: their answers by language, their examples as questions."""
    entries = []
    for path in sorted((source / "faq").glob("*.yml")):
        content = _load(path)
        questions = {
            block["intent"]: tuple(strip_markup(text) for text in _texts(block.get("examples"), path))
            for block in content.get("nlu") or ()
            if isinstance(block.get("intent"), str)
        }
        for key, variants in (content.get("responses") or {}).items():
            topic = key.removeprefix("utter_")
            if topic.startswith(FAQ_PREFIX):
                entries.append(_entry(topic, questions.get(topic, ()), variants, path))
    return tuple(entries)


def _entry(topic: str, questions: tuple[str, ...], variants: Any, path: Path) -> KnowledgeEntry:
    titles, answers = {}, {}
    for variant in variants or ():
        about = variant.get("metadata") or {}
        if about.get("language") in _LANGUAGES:
            answers[about["language"]] = str(variant.get("text", "")).strip()
            titles[about["language"]] = str(about.get("title", "")).strip()
    missing = [language for language in _LANGUAGES if not answers.get(language) or not titles.get(language)]
    if missing:
        raise ConfigError(f"{path.parent.name}/{path.name}: {topic} has no answer or no title in {', '.join(missing)}")
    by_language: dict[str, list[str]] = {language: [] for language in _LANGUAGES}
    for text in questions:
        by_language["en" if detect(text)[0] is Language.EN else "zh"].append(text)
    return KnowledgeEntry(topic, titles, {name: tuple(texts) for name, texts in by_language.items()}, answers)
