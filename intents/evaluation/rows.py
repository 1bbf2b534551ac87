"""Read labelled messages: TSV, CSV, or Rasa's YAML."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bot.domain.errors import ConfigError
from bot.domain.understanding import ABSTAIN
from intents.training_data import strip_markup

_BOTH = "+"
_MARKED = re.compile(r"\[([^\]]+)\](?:\(([^)]+)\)|(\{[^}]+\}))")
_SHEETS = frozenset({".xlsx", ".xls", ".ods", ".numbers"})
_COLUMNS = "the columns are text and intent and, if you like, slice and entities"
_NAMES = {"category": "intent", "label": "intent", "utterance": "text"}


class _Tabbed(csv.excel_tab):
    """Tab-separated files are written without quotes: a quotation mark there belongs to the message."""

    quoting = csv.QUOTE_NONE


@dataclass(frozen=True, slots=True)
class Row:
    """A message with its labels; several when it says several things, ``()`` when nothing fits and we must abstain."""

    text: str
    intents: tuple[str, ...]
    slice: str = ""
    entities: tuple[tuple[str, str], ...] = field(default=())

    @property
    def in_scope(self) -> bool:
        """Tell whether there is a right answer."""
        return bool(self.intents)


def read_rows(file: Path) -> tuple[Row, ...]:
    """Read a file of labelled messages by its suffix; ConfigError says what is wrong and in which line."""
    if file.suffix.lower() in _SHEETS:
        raise ConfigError(f"{file}: is a spreadsheet; save it as CSV in UTF-8")
    try:
        rows = tuple(_from_yaml(file) if file.suffix.lower() in {".yml", ".yaml"} else _from_table(file))
    except OSError as problem:
        raise ConfigError(f"{file}: cannot be read: {problem.strerror}") from None
    except csv.Error as problem:
        raise ConfigError(f"{file}: is no table of one message a line: {problem}") from None
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{file}: byte {problem.start} is not UTF-8; save the file as UTF-8") from None
    if not rows:
        raise ConfigError(f"{file}: holds no labelled message")
    return rows


def _from_table(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        lines = csv.DictReader(stream, dialect=_Tabbed if file.suffix.lower() == ".tsv" else csv.excel)
        columns = [_NAMES.get(name.strip().lower(), name.strip().lower()) for name in lines.fieldnames or ()]
        missing = {"text", "intent"} - set(columns)
        if missing:
            lacks, found = " and ".join(sorted(missing)), ", ".join(lines.fieldnames or ()) or "nothing"
            raise ConfigError(f"{file}: line 1 names no column {lacks} (it says: {found}); {_COLUMNS}")
        lines.fieldnames = columns
        for values in lines:
            yield _row(file, lines.line_num, values)


def _row(file: Path, line: int, values: Mapping[str, Any]) -> Row:
    text, label = values.get("text") or "", (values.get("intent") or "").strip()
    if not text.strip() or not label:
        raise ConfigError(f"{file}: line {line} lacks its {'intent' if text.strip() else 'text'}")
    entities = tuple(_entities(file, line, values.get("entities") or ""))
    return Row(text, labels_of(label), (values.get("slice") or "").strip(), entities)


def unknown_intents(rows: Sequence[Row], known: AbstractSet[str]) -> dict[str, int]:
    """Count the labels that are not among ``known``, most frequent first: such messages can only count as wrong."""
    counts = Counter(intent for row in rows for intent in row.intents if intent not in known)
    return dict(counts.most_common())


def labels_of(label: str) -> tuple[str, ...]:
    """Split ``a+b`` into both labels; ``oos`` is none."""
    return tuple(part.strip() for part in label.split(_BOTH) if part.strip() not in {"", ABSTAIN})


def _entities(file: Path, line: int, written: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, (piece.strip() for piece in written.split(";"))):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"{file}: line {line}: entity {part!r} is not written name=value")
        yield name.strip(), value.strip()


def _from_yaml(file: Path) -> Iterator[Row]:
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except yaml.YAMLError as problem:
        raise ConfigError(f"{file}: is not valid YAML: {' '.join(str(problem).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{file}: must hold a mapping with the key 'nlu'")
    blocks = content.get("nlu") or []
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise ConfigError(f"{file}: 'nlu' must hold a list of blocks with 'intent' and 'examples'")
    for block in blocks:
        label, lines = block.get("intent"), block.get("examples")
        if not isinstance(label, str):
            continue
        if not isinstance(lines, str | list):
            raise ConfigError(f"{file}: 'examples' of {label} must be a block of lines starting with '- '")
        for text in _examples(lines):
            yield Row(strip_markup(text), labels_of(label), entities=tuple(_marked(text)))


def _marked(example: str) -> Iterator[tuple[str, str]]:
    """Read the entities that Rasa's markup labels: ``[W1](order_number)``, ``[W1]{"entity": "order_number"}``."""
    for words, name, shape in _MARKED.findall(example):
        try:
            told = json.loads(shape) if shape else {"entity": name}
        except ValueError:
            continue
        if isinstance(told.get("entity"), str):
            yield told["entity"], str(told.get("value", words))


def _examples(lines: str | list[Any]) -> Iterator[str]:
    if isinstance(lines, str):
        found = [line.strip() for line in lines.splitlines()]
        yield from (line[1:].strip() for line in found if line.startswith("-") and line[1:].strip())
        return
    yield from (str(item.get("text", "") if isinstance(item, dict) else item).strip() for item in lines)
