"""The training examples are many, varied and in every spelling; no line of the test sets is one of them."""

from __future__ import annotations

import csv
import itertools
import re
import statistics
from collections import Counter, defaultdict
from functools import cache

import pytest

from bot.domain.understanding import Language, Script
from intents.language import detect
from intents.training_data import Example, read_examples, read_outside
from tests.project.tree import ROOT

_FEWEST = {"nlu": 25, "faq": 15}
_ALIKE = 0.8
_NEAR_DUPLICATES = 0.05
_DISTINCT_STARTS = 0.35
_LENGTH_SPREAD = 2.0
_EXAMPLES = read_examples(ROOT / "intents")


def _bare(text: str) -> str:
    """Write text without case, marks and spaces, every number as one 0."""
    return re.sub(r"\d+", "0", "".join(char for char in text.casefold() if char.isalnum()))


@cache
def _shelves() -> dict[tuple[str, bool], list[Example]]:
    """Sort the examples by intent and by whether they are English."""
    shelves: dict[tuple[str, bool], list[Example]] = defaultdict(list)
    for example in _EXAMPLES:
        shelves[example.intent, detect(example.text)[0] is Language.EN].append(example)
    return shelves


def _pairs(text: str) -> frozenset[str]:
    return frozenset(text[place : place + 2] for place in range(max(1, len(text) - 1)))


def _repeats(texts: list[str]) -> int:
    """Count the texts that are nearly an earlier one: the same once bare, or sharing most pairs of letters."""
    pairs = [_pairs(_bare(text)) for text in texts]
    return sum(
        any(len(one & other) >= _ALIKE * len(one | other) for other in pairs[:index]) for index, one in enumerate(pairs)
    )


def _start(example: Example, english: bool) -> str:
    bare = example.text.casefold().lstrip(" '\"[(")
    return bare.split()[0] if english else bare[:2]


@pytest.mark.parametrize("english", [False, True], ids=["zh", "en"])
def test_every_intent_has_enough_examples_in_both_languages(english: bool) -> None:
    """At least 25 an intent and language, 15 a topic; written with and without English in them."""
    counts = {intent: len(found) for (intent, is_english), found in _shelves().items() if is_english is english}
    intents = {example.intent for example in _EXAMPLES}
    few = {
        intent: counts.get(intent, 0)
        for intent in intents
        if counts.get(intent, 0) < _FEWEST["faq" if intent.startswith("faq/") else "nlu"]
    }
    assert not few


def test_every_intent_is_written_in_both_scripts_and_in_pinyin() -> None:
    """Shoppers of Taiwan and Hong Kong, and those who type pinyin, are among the examples of every intent."""
    scripts: dict[str, Counter[Script]] = defaultdict(Counter)
    for example in _EXAMPLES:
        scripts[example.intent][detect(example.text)[1]] += 1
    wanted = (Script.HANS, Script.HANT, Script.PINYIN, Script.LATIN)
    lacking = {intent: script for intent, found in scripts.items() for script in wanted if found[script] < 2}
    assert not lacking


def test_examples_are_not_multiplied_from_templates() -> None:
    """Once numbers are put alike, fewer than 5 % nearly repeat another example of their intent."""
    repeats = {shelf: _repeats([example.text for example in found]) for shelf, found in _shelves().items()}
    assert sum(repeats.values()) < _NEAR_DUPLICATES * len(_EXAMPLES), repeats
    crowded = {
        shelf: count for shelf, count in repeats.items() if count > 3 * _NEAR_DUPLICATES * len(_shelves()[shelf])
    }
    assert not crowded


def test_examples_of_an_intent_start_and_run_differently() -> None:
    """Many first words, and short, plain and long messages, for every intent and language."""
    alike, even = {}, {}
    for (intent, english), found in _shelves().items():
        starts = len({_start(example, english) for example in found}) / len(found)
        lengths = [len(example.text.split()) if english else len(example.text) for example in found]
        tenths = statistics.quantiles(lengths, n=10)
        if starts < _DISTINCT_STARTS:
            alike[intent, english] = round(starts, 2)
        if tenths[-1] < _LENGTH_SPREAD * tenths[0]:
            even[intent, english] = (tenths[0], tenths[-1])
    assert not alike
    assert not even


def test_no_intent_takes_a_message_of_another() -> None:
    """A message means one thing: no example stands below two intents, nor outside of the trade too."""
    owners: dict[str, set[str]] = defaultdict(set)
    for example in _EXAMPLES:
        owners[_bare(example.text) or example.text].add(example.intent)
    for text in read_outside(ROOT / "intents"):
        owners[_bare(text) or text].add("outside")
    assert not {text: found for text, found in owners.items() if len(found) > 1 and text.strip("0")}


@pytest.mark.parametrize("name", ["shopper_zh.tsv", "shopper_en.tsv"])
def test_no_line_of_the_test_sets_is_taught(name: str) -> None:
    """Once case, marks and numbers are put aside, no test message is an example or an outside message."""
    taught = {_bare(example.text) for example in _EXAMPLES} | {_bare(text) for text in read_outside(ROOT / "intents")}
    with (ROOT / "bench" / "data" / name).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(rows) >= 400
    equal = [row["id"] for row in rows if _bare(row["text"]).strip("0") and _bare(row["text"]) in taught]
    assert not equal
    texts = [row["text"] for row in rows]
    assert not [one for one, other in itertools.pairwise(sorted(texts)) if one == other]
