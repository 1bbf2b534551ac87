"""English as it is typed in a hurry: short forms written out, slips of the finger mended."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_DOUBLED = re.compile(r"([a-z])\1+")
_SHORTEST = 4
_LONGEST = 24
_TWO_SLIPS_FROM = 7
_USUAL = 3
"""A word must stand in so many examples before another is taken for its misspelling."""
_SHORT: dict[str, str] = {
    "u": "you",
    "ur": "your",
    "r": "are",
    "y'all": "you all",
    "yall": "you all",
    "ya": "you",
    "pls": "please",
    "plz": "please",
    "plss": "please",
    "thx": "thanks",
    "tnx": "thanks",
    "thanx": "thanks",
    "ty": "thank you",
    "tysm": "thank you so much",
    "wanna": "want to",
    "gonna": "going to",
    "gotta": "have to",
    "gimme": "give me",
    "lemme": "let me",
    "dunno": "do not know",
    "idk": "i do not know",
    "acc": "account",
    "acct": "account",
    "pw": "password",
    "pwd": "password",
    "msg": "message",
    "msgs": "messages",
    "txt": "text",
    "txts": "texts",
    "info": "information",
    "b4": "before",
    "l8r": "later",
    "tmrw": "tomorrow",
    "tmr": "tomorrow",
    "cuz": "because",
    "coz": "because",
    "bc": "because",
    "asap": "as soon as possible",
    "eta": "when will it arrive",
    "hmu": "message me",
    "atm": "at the moment",
    "rn": "right now",
    "nvm": "never mind",
    "fyi": "for your information",
    "ppl": "people",
    "smth": "something",
    "sth": "something",
    "sry": "sorry",
    "soz": "sorry",
    "abt": "about",
    "whats": "what is",
    "wats": "what is",
    "wat": "what",
    "wut": "what",
    "wheres": "where is",
    "hows": "how is",
    "thats": "that is",
    "im": "i am",
    "ive": "i have",
    "dont": "don't",
    "doesnt": "doesn't",
    "didnt": "didn't",
    "isnt": "isn't",
    "wasnt": "wasn't",
    "arent": "aren't",
    "hasnt": "hasn't",
    "havent": "haven't",
    "hadnt": "hadn't",
    "cant": "can't",
    "couldnt": "couldn't",
    "wont": "won't",
    "wouldnt": "wouldn't",
    "shouldnt": "shouldn't",
    "aint": "ain't",
    "addy": "address",
    "deets": "details",
    "convo": "conversation",
    "promo": "promotion",
    "promos": "promotions",
    "ord": "order",
    "qty": "quantity",
    "diff": "different",
    "fav": "favourite",
    "prob": "problem",
    "probs": "problems",
}


def write_out(text: str) -> str:
    """Write out the short forms of lower-case text."""
    return _WORD.sub(lambda found: _SHORT.get(found.group(), found.group()), text)


class Speller:
    """Mends Latin words that nobody knows and that are a slip or two away from a usual one."""

    def __init__(self, known: Mapping[str, int], knows: Callable[[str], bool]) -> None:
        """Take in how many examples each word stands (``known``), and who else knows words (``knows``)."""
        self._known, self._knows = dict(known), knows
        usual = [word for word, count in known.items() if count >= _USUAL and _SHORTEST <= len(word) <= _LONGEST]
        self._usual = {word for word in usual if word.isascii() and word.isalpha()}
        self._near: dict[str, list[str]] = defaultdict(list)
        for word in sorted(self._usual):
            for shorter in _shortened(word):
                self._near[shorter].append(word)
        self._mend = lru_cache(maxsize=4_096)(self._find)

    @classmethod
    def learn(cls, texts: Iterable[str], knows: Callable[[str], bool]) -> Speller:
        """Learn which words are usual from the examples."""
        counts: dict[str, int] = defaultdict(int)
        for text in texts:
            for word in set(_WORD.findall(text)):
                counts[word] += 1
        return cls(counts, knows)

    def mend(self, text: str) -> str:
        """Put usual words for their misspellings; anything else stays."""
        return _WORD.sub(lambda found: self._mend(found.group()), text)

    def _find(self, word: str) -> str:
        if not _SHORTEST <= len(word) <= _LONGEST or self._known.get(word, 0) > 1 or self._knows(word):
            return word
        single = _DOUBLED.sub(r"\1", word)
        if single in self._usual:
            return single
        found = {near for shorter in _shortened(word) for near in self._near.get(shorter, ())}
        ranked = sorted((slips(word, near), -self._known[near], near) for near in found if near[0] == word[0])
        return ranked[0][2] if ranked and ranked[0][0] <= _allowed(word) else word


def _allowed(word: str) -> int:
    return 2 if len(word) >= _TWO_SLIPS_FROM else 1


def _shortened(word: str) -> set[str]:
    """Give the word and what is left of it without one letter or, when it is long, two."""
    found = {word, *_without_one(word)}
    if _allowed(word) > 1:
        found |= {shorter for once in tuple(found) for shorter in _without_one(once)}
    return found


def _without_one(word: str) -> Iterator[str]:
    return (word[:place] + word[place + 1 :] for place in range(len(word)))


def slips(written: str, meant: str) -> int:
    """Count the slips between two words: a letter too many, missing, wrong, or two swapped."""
    before: list[int] = []
    above = list(range(len(meant) + 1))
    for row, char in enumerate(written, 1):
        line = [row]
        for column, wanted in enumerate(meant, 1):
            cost = min(above[column] + 1, line[-1] + 1, above[column - 1] + (char != wanted))
            if row > 1 < column and char == meant[column - 2] and written[row - 2] == wanted:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        before, above = above, line
    return above[-1]
