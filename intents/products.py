"""Things a message speaks of, by the words shops and shoppers use for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import NamedTuple

_TOKEN = re.compile(r"[a-z][a-z'-]*")
_SINGLE = re.compile(
    r"(?:[这那呢双只個个口盏把块本张台对款条件顶床瓶套部]|[这那]一?[双只个口盏把块本张台对款条件顶床瓶套部])"
    r"(鞋|锅|灯|伞|表|书|被|茶|酒|帽|碗|刀|琴|包(?=拿|是|包|坏|破|的|我|了|,|，|。|有|要|到|不|$)|机(?=坏|还|仲|是|用|不|,|，|$))"
    r"(?![示格单签面里裹邮装套])"
)
_BEFORE = "before: "
"""Begins the lines that hold words of material, colour and use, which belong to the thing after them."""
_NO_THING = re.compile(
    r"手机(?=号|上|尾号|里|端|短信|支付|银行|[:： ]?\d)|电脑(?=上|端)|"
    r"\b(?:ring|phone|watch|book|vacuum|drill|cup|mirror) (?:me|us|you|him|her|back|out|for|number|call|up)\b|"
    r"\b(?:by|over|via|on|on the|by the) phone\b|\bphone (?:number|call)s?\b|\b(?:will|can|could|to|please|i'll) "
    r"(?:ring|phone|watch|book|table|cup)\b"
)
"""Words of the list that mean something else here."""
_SHORTEST_NAME = 2
_LONGEST_PHRASE = 3
"""Words of the longest English name in the list."""


class _Words(NamedTuple):
    chinese: frozenset[str]
    beginnings: frozenset[str]
    longest: int
    english: frozenset[tuple[str, ...]]
    heads: frozenset[str]
    before: frozenset[str]


@cache
def _words() -> _Words:
    lines = resources.files("intents").joinpath("products.txt").read_text(encoding="utf-8").splitlines()
    before = frozenset(word for line in lines if line.startswith(_BEFORE) for word in line.split()[1:])
    shown = [line for line in lines if line and not line.startswith(("#", _BEFORE))]
    chinese = frozenset(word.lower() for line in shown if not line[0].isascii() for word in line.split())
    english = frozenset(tuple(word.split()) for line in shown if line[0].isascii() for word in line.split(", "))
    heads = frozenset(phrase[0] for phrase in english)
    return _Words(chinese, frozenset(word[:2] for word in chinese), max(map(len, chinese)), english, heads, before)


def find_products(text: str) -> Iterator[tuple[int, int, str]]:
    """Find things in lower-case simplified text: (start, end, the words)."""
    found = sorted((*_chinese(text), *_singles(text), *_english(text)))
    other = [other.span() for other in _NO_THING.finditer(text)] if found else []
    for start, end in found:
        if all(end <= first or last <= start for first, last in other):
            yield start, end, text[start:end]


def _chinese(text: str) -> Iterator[tuple[int, int]]:
    words = _words()
    after = 0
    for place in range(len(text) - 1):
        if place >= after and text[place : place + 2] in words.beginnings:
            sizes = range(words.longest, 1, -1)
            size = next((size for size in sizes if text[place : place + size] in words.chinese), 0)
            if size:
                after = min(place + size, len(text))
                yield place - _before(text, place), after


def _singles(text: str) -> Iterator[tuple[int, int]]:
    for single in _SINGLE.finditer(text):
        if text[single.start(1) : single.end(1) + 1] not in _words().chinese:
            yield single.span(1)


def _before(text: str, place: int) -> int:
    """Tell how many characters before a thing say what it is made of or for whom."""
    return next((size for size in (3, 2) if place >= size and text[place - size : place] in _words().before), 0)


def _english(text: str) -> Iterator[tuple[int, int]]:
    tokens = [(token.group(), *token.span()) for token in _TOKEN.finditer(text)]
    at = 0
    while at < len(tokens):
        size = _phrase(tokens[at : at + _LONGEST_PHRASE], text) if len(tokens[at][0]) >= _SHORTEST_NAME else 0
        if size:
            first = at
            while first and tokens[first - 1][0] in _words().before and _joined(text, tokens[first - 1], tokens[first]):
                first -= 1
            yield tokens[first][1], tokens[at + size - 1][2]
        at += size or 1


def _phrase(tokens: list[tuple[str, int, int]], text: str) -> int:
    words = _words()
    if tokens[0][0] not in words.heads and not any((form,) in words.english for form in _forms(tokens[0][0])):
        return 0
    for size in range(len(tokens), 0, -1):
        *head, last = (token[0] for token in tokens[:size])
        together = all(_joined(text, one, other) for one, other in pairwise(tokens[:size]))
        if together and any((*head, form) in words.english for form in _forms(last)):
            return size
    return 0


def _joined(text: str, one: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
    return text[one[2] : other[1]] == " "


def _forms(word: str) -> Iterator[str]:
    """Give a word and what may be its singular."""
    yield word
    for ending, singular in (("ies", "y"), ("ves", "f"), ("ves", "fe"), ("es", ""), ("s", "")):
        if word[-1] == "s" and word.endswith(ending):
            yield word.removesuffix(ending) + singular
