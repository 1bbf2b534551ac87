"""The figures of an evaluation, from what was wanted and what was recognised. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot.domain.understanding import Recognition, Verdict
from intents.evaluation.rows import Row

_TOP = 3
_BINS = 15
NOTHING = "(nothing)"
"""Stands in the confusions for a message in which no intent was found."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A message, what was made of it, and how long that took (milliseconds)."""

    row: Row
    found: Recognition
    ms: float

    @property
    def right(self) -> bool:
        """Tell whether the first intent is a right one, whatever the verdict."""
        return self.found.intent in self.row.intents

    @property
    def answered(self) -> bool:
        """Tell whether the bot would act on it."""
        return self.found.verdict is Verdict.SURE

    @property
    def wanted(self) -> str:
        """Name the label it counts under: the one that was found, else the first."""
        return self.found.intent if self.right else self.row.intents[0]


@dataclass(frozen=True, slots=True)
class Shares:
    """What is told of all messages and of each slice; shares 0..1, None where there is nothing to share.

    Of the messages in scope: ``accuracy`` first intent right and ``top3`` right among the first three, both with the
    gate off; gate on, ``answered_right``, ``wrong_answer_rate``, ``clarify_rate`` and ``abstain_rate`` sum to 1.
    ``oos_recall`` is the share of messages out of scope that were not answered. ``both_seen`` is the share of messages
    with two labels of which both were seen.
    """

    rows: int
    in_scope: int
    accuracy: float | None
    top3: float | None
    answered_right: float | None
    wrong_answer_rate: float | None
    clarify_rate: float | None
    abstain_rate: float | None
    oos_recall: float | None
    both_seen: float | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """An intent that was taken for another, how often, and one message of it."""

    wanted: str
    found: str
    count: int
    example: str


def shares(judged: Sequence[Judged]) -> Shares:
    """Compute the shares of a set of messages."""
    inside = [one for one in judged if one.row.in_scope]
    outside = [one for one in judged if not one.row.in_scope]
    twofold = [one for one in inside if len(one.row.intents) > 1]

    def gated(verdict: Verdict) -> float | None:
        return _share([one.found.verdict is verdict for one in inside])

    return Shares(
        rows=len(judged),
        in_scope=len(inside),
        accuracy=_share([one.right for one in inside]),
        top3=_share([any(score.name in one.row.intents for score in one.found.intents[:_TOP]) for one in inside]),
        answered_right=_share([one.answered and one.right for one in inside]),
        wrong_answer_rate=_share([one.answered and not one.right for one in inside]),
        clarify_rate=gated(Verdict.CLARIFY),
        abstain_rate=gated(Verdict.ABSTAIN),
        oos_recall=_share([not one.answered for one in outside]),
        both_seen=_share([set(one.row.intents) <= {one.found.intent, one.found.second_intent} for one in twofold]),
    )


def _share(marks: Sequence[bool]) -> float | None:
    return sum(marks) / len(marks) if marks else None


def by_slice(judged: Sequence[Judged]) -> dict[str, Shares]:
    """Compute the shares of every slice, by name."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        groups[one.row.slice].append(one)
    return {name: shares(groups[name]) for name in sorted(groups) if name}


def macro_f1(judged: Sequence[Judged]) -> float | None:
    """Average the F1 of every wanted intent, gate off, messages in scope."""
    inside = [one for one in judged if one.row.in_scope]
    wanted, found, both = Counter[str](), Counter[str](), Counter[str]()
    for one in inside:
        wanted[one.wanted] += 1
        found[one.found.intent] += 1
        both[one.wanted] += one.right
    scores = [2 * both[intent] / (wanted[intent] + found[intent]) for intent in wanted]
    return sum(scores) / len(scores) if scores else None


def calibration_error(judged: Sequence[Judged]) -> float | None:
    """Compute the expected calibration error of the first intent's confidence (in scope, 15 equal bins)."""
    inside = [one for one in judged if one.row.in_scope]
    bins: dict[int, list[Judged]] = defaultdict(list)
    for one in inside:
        bins[min(_BINS - 1, int(one.found.confidence * _BINS))].append(one)
    gaps = [abs(sum(one.found.confidence for one in box) - sum(one.right for one in box)) for box in bins.values()]
    return sum(gaps) / len(inside) if inside else None


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that ``share`` of all do not exceed (nearest rank); 0 without values."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else 0.0


def confusions(judged: Sequence[Judged]) -> list[Confusion]:
    """List who was taken for whom, most frequent first (in scope, gate off)."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for one in judged:
        if one.row.in_scope and not one.right:
            pair = (one.wanted, one.found.intent or NOTHING)
            counts[pair] += 1
            examples.setdefault(pair, one.row.text)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Confusion(*pair, count, examples[pair]) for pair, count in ranked]


def entity_shares(judged: Sequence[Judged]) -> dict[str, dict[str, float | int | None]]:
    """Tell for every labelled kind of entity how many were found with their value (recall) and were right (precision).

    Precision counts only messages whose file labels entities of that kind at all; a kind that is never labelled is
    left out.
    """
    wanted, found, both = Counter[str](), Counter[str](), Counter[str]()
    for one in judged:
        labelled = Counter(_plain(name, value) for name, value in one.row.entities)
        seen = Counter(_plain(entity.name, entity.value) for entity in one.found.entities)
        for counter, source in ((wanted, labelled), (found, seen), (both, labelled & seen)):
            for (name, _), count in source.items():
                counter[name] += count
    return {
        name: {
            "wanted": wanted[name],
            "recall": both[name] / wanted[name],
            "precision": both[name] / found[name] if found[name] else None,
        }
        for name in sorted(wanted)
    }


def _plain(name: str, value: str) -> tuple[str, str]:
    return name, "".join(value.split()).casefold()


def summary(judged: Sequence[Judged], engine: str, rss_mb: float) -> dict[str, Any]:
    """Put all figures into one object for machines; shares rounded to four digits."""
    times = [one.ms for one in judged]
    figures: dict[str, Any] = {
        "engine": engine,
        **asdict(shares(judged)),
        "macro_f1": macro_f1(judged),
        "ece": calibration_error(judged),
        "p50_ms": percentile(times, 0.5),
        "p99_ms": percentile(times, 0.99),
        "rss_mb": rss_mb,
        "answered_by": dict(Counter(one.found.engine for one in judged)),
        "entities": entity_shares(judged),
        "confusions": [asdict(one) for one in confusions(judged)[:50]],
        "slices": {name: asdict(part) for name, part in by_slice(judged).items()},
    }
    return dict(_rounded(figures))


def _rounded(figures: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, float):
            yield name, round(value, 4)
        elif isinstance(value, dict):
            yield name, dict(_rounded(value))
        else:
            yield name, value
