"""A file of knowledge entries, CSV or YAML, read whole: every row that is wrong is told with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bot.domain.errors import ImportRefused
from bot.domain.knowledge import LANGUAGES, KnowledgeEntry
from bot.domain.knowledge_rules import fault_of, make_entry

BETWEEN_QUESTIONS = "|"
COLUMNS = ("name", *(f"{part}_{language}" for part in ("title", "questions", "answer") for language in LANGUAGES))
_KEYS = frozenset({"name", "title", "questions", "answer"})
_MOST_BYTES = 50_000_000

Written = tuple[int, Mapping[str, Any]]
"""A line and what stands there, as ``make_entry`` takes it."""


def read_entries(file: Path, encoding: str = "utf-8") -> list[KnowledgeEntry]:
    """Read a file of entries; ImportRefused lists every row that is wrong, and nothing is to be imported then."""
    text = _text(file, encoding)
    rows = _from_yaml(text) if file.suffix.lower() in {".yml", ".yaml"} else _from_csv(text)
    entries: dict[str, tuple[int, KnowledgeEntry]] = {}
    problems: list[tuple[int, str]] = []
    for line, written in rows:
        try:
            entry = _entry(written)
        except ValueError as wrong:
            problems.append((line, str(wrong)))
            continue
        if entry.topic in entries:
            problems.append((line, f"the same entry stands in line {entries[entry.topic][0]} already; give it a name"))
        entries.setdefault(entry.topic, (line, entry))
    if not entries and not problems:
        problems.append((0, "the file holds no entry"))
    if problems:
        raise ImportRefused("nothing was imported; mend these and try again:", tuple(problems))
    return [entry for _, entry in entries.values()]


def _text(file: Path, encoding: str) -> str:
    try:
        content = file.read_bytes()
        if len(content) > _MOST_BYTES:
            raise _refused(f"the file has more than {_MOST_BYTES // 1_000_000} MB; divide it")
        return content.decode("utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding)
    except OSError as problem:
        raise _refused(f"the file cannot be read: {problem.strerror}") from None
    except LookupError:
        raise _refused(f"{encoding!r} is no encoding; use utf-8 or gb18030") from None
    except UnicodeDecodeError as problem:
        raise _refused(
            f"byte {problem.start} is not {encoding}; name another with --encoding, or save as UTF-8"
        ) from None


def _refused(reason: str) -> ImportRefused:
    return ImportRefused("nothing was imported:", ((0, reason),))


def _entry(written: Mapping[str, Any]) -> KnowledgeEntry:
    entry = make_entry(written["name"], written["title"], written["questions"], written["answer"])
    fault = fault_of(entry)
    if fault is not None:
        raise ValueError(fault.sentence)
    return entry


# ---------------------------------------------------------------- CSV


def _from_csv(text: str) -> Iterator[Written]:
    lines = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = [(name or "").strip().lower() for name in lines.fieldnames or ()]
        unknown = [name for name in columns if name not in COLUMNS]
        if unknown or not columns:
            known = ", ".join(COLUMNS)
            raise _refused(
                f"line 1: unknown columns {', '.join(map(repr, unknown)) or '(none at all)'}; known: {known}"
            )
        lines.fieldnames = columns
        for row in lines:
            if any(isinstance(value, str) and value.strip() for value in row.values()):
                yield lines.line_num, _cells(row)
    except csv.Error as problem:
        raise _refused(f"line {lines.line_num}: {problem}") from None


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    def cell(name: str) -> str:
        return str(row.get(name) or "")

    return {
        "name": cell("name"),
        "title": {language: cell(f"title_{language}") for language in LANGUAGES},
        "questions": {
            language: cell(f"questions_{language}").replace("\n", BETWEEN_QUESTIONS).split(BETWEEN_QUESTIONS)
            for language in LANGUAGES
        },
        "answer": {language: cell(f"answer_{language}") for language in LANGUAGES},
    }


# ---------------------------------------------------------------- YAML


def _from_yaml(text: str) -> Iterator[Written]:
    try:
        document = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise _refused(f"the file is not valid YAML: {problem}") from None
    if not isinstance(content, list) or not isinstance(document, yaml.SequenceNode):
        raise _refused("the file must hold a list of entries, each with title, questions and answer")
    for node, one in zip(document.value, content, strict=True):
        yield node.start_mark.line + 1, _written(one, node.start_mark.line + 1)


def _written(one: Any, line: int) -> dict[str, Any]:
    if not isinstance(one, dict) or not set(one) <= _KEYS:
        raise ImportRefused("nothing was imported:", ((line, f"an entry has the keys {', '.join(sorted(_KEYS))}"),))
    texts = {part: _by_language(one.get(part), part, line) for part in ("title", "questions", "answer")}
    questions = {language: _list(asked) for language, asked in texts["questions"].items()}
    return {
        "name": str(one.get("name") or ""),
        "title": {language: str(text) for language, text in texts["title"].items()},
        "questions": questions,
        "answer": {language: str(text) for language, text in texts["answer"].items()},
    }


def _by_language(value: Any, part: str, line: int) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not set(value) <= set(LANGUAGES):
        reason = f"{part} is written by language: {{zh: ..., en: ...}}"
        raise ImportRefused("nothing was imported:", ((line, reason),))
    return {language: text for language, text in value.items() if text is not None}


def _list(asked: Any) -> Sequence[str]:
    return [str(one) for one in asked] if isinstance(asked, list) else str(asked).splitlines()
