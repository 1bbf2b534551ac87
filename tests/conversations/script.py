"""Dialogues as YAML: reading them, with a clear word on what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

HERE = Path(__file__).parent
LANGUAGES = ("zh", "en", "mixed")
DEFAULT_START = "2026-03-04 10:00"
"""A Wednesday morning in the shop."""

_HEAD = {"name", "start", "shopper_name", "agents", "steps"}
_STEPS = {
    "shopper": {"shopper", "photos"},
    "press": {"press"},
    "photo": {"photo"},
    "bot": {"bot"},
    "silent": {"silent"},
    "notice": {"notice"},
    "ticket": {"ticket"},
    "tickets": {"tickets"},
    "owner": {"owner"},
    "handoff": {"handoff"},
    "event": {"event"},
    "agent": {"agent", "ticket_to"},
    "agent_says": {"agent_says"},
    "wait_minutes": {"wait_minutes"},
    "restart": {"restart"},
    "order": {"order", "state"},
    "knowledge": {"knowledge"},
    "knowledge_off": {"knowledge_off"},
}


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One dialogue: ``start`` is local shop time, ``agents`` how many people are signed in at first."""

    name: str
    language: str
    steps: tuple[Mapping[str, Any], ...]
    start: str = DEFAULT_START
    shopper_name: str = ""
    agents: int = 0


def dialogues() -> tuple[Dialogue, ...]:
    """Read every dialogue of every file."""
    return tuple(one for path in sorted(HERE.glob("*.yml")) for one in _read(path))


def _read(path: Path) -> Iterator[Dialogue]:
    stem, language = path.stem.split(".")
    assert language in LANGUAGES, f"{path.name}: name it <intent>.<zh|en|mixed>.yml"
    for one in yaml.safe_load(path.read_text(encoding="utf-8")):
        where = f"{path.name}: {one.get('name')}"
        assert set(one) <= _HEAD, f"{where}: unknown keys {set(one) - _HEAD}"
        for step in one["steps"]:
            _check_step(step, where)
        yield Dialogue(
            name=f"{stem}.{language}: {one['name']}",
            language=language,
            steps=tuple(one["steps"]),
            start=str(one.get("start", DEFAULT_START)),
            shopper_name=one.get("shopper_name", ""),
            agents=one.get("agents", 0),
        )


def _check_step(step: Mapping[str, Any], where: str) -> None:
    kind = next(iter(step))
    assert kind in _STEPS, f"{where}: unknown step {step}"
    assert set(step) <= _STEPS[kind], f"{where}: unknown keys in {step}"


def local_time(text: str) -> datetime:
    """Read a shop's local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai"))


def said_by_shoppers() -> Iterator[tuple[str, str]]:
    """List (dialogue, words) of everything shoppers write."""
    for dialogue in dialogues():
        for step in dialogue.steps:
            said = step.get("shopper", [])
            for text in said if isinstance(said, list) else [said]:
                yield dialogue.name, str(text)
