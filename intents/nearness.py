"""How near is near enough: learned at training, by letting the shop's own topics play a merchant's entries.

A topic plays an entry by its title and a few of its questions, in one language or in both; its other examples are the
questions that should find it. What should find nothing: examples of topics and intents that play no entry, and messages
of another trade.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.domain.knowledge import KnowledgeEntry
from intents.encoder import Vectors
from intents.features import Floats
from intents.retrieval import Found, KnowledgeSearch, Question, Reader, TaughtTopics, plain_words
from intents.training import KEPT_OUT, WRONG_SHARE

_SEED = 7
_DEALS = 2
_PLAYED_SHARE = 0.6
_QUESTIONS_SHOWN = 4
_ASKED_OF_A_TOPIC = 10
_STRANGERS = 300
_FEWEST_TOPICS = 4
_AT_ONCE = 128
_STEPS = 20
_LANGUAGES = (("zh",), ("en",), ("zh", "en"))


@dataclass(frozen=True, slots=True)
class Signs:
    """How a find looks: its score, its lead over the next entry, its margin over the nearest training example.

    ``across``: the question and what it matched are of different languages.
    """

    score: float
    lead: float
    margin: float
    across: bool

    def row(self) -> tuple[float, float, float, float]:
        """Give them as numbers."""
        return self.score, self.lead, self.margin, float(self.across)


@dataclass(frozen=True, slots=True)
class Nearness:
    """From the signs of a find to the chance that it answers; ``sure`` and ``near`` are such chances."""

    weights: tuple[float, ...]
    bias: float
    sure: float
    near: float

    def trust(self, signs: Signs) -> float:
        """Give the chance, 0..1, that what was found answers."""
        odds = sum(weight * sign for weight, sign in zip(self.weights, signs.row(), strict=True)) + self.bias
        return float(1 / (1 + np.exp(-np.clip(odds, -30, 30))))

    def to_json(self) -> dict[str, Any]:
        """Shape for the manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Nearness:
        """Make it again from the manifest."""
        return cls(tuple(float(weight) for weight in data["weights"]), data["bias"], data["sure"], data["near"])


UNLEARNED = Nearness((10.0, 5.0, 5.0, 2.0), -9.5, 0.5, 0.2)
"""For data too small to learn from."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned from: the shop's topics, messages no topic answers, and the training examples.

    ``words`` are the bare words of each training example, ``vectors`` those of all bare words that are encoded,
    ``read`` what ``plain_words`` makes of texts that were read already.
    """

    topics: Sequence[KnowledgeEntry]
    strangers: Sequence[str]
    words: Sequence[str]
    taught: TaughtTopics
    vectors: Mapping[str, Vectors]
    read: Mapping[str, tuple[str, bool]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that was tried: how the first find looked, and whether it was right."""

    signs: Signs
    right: bool


def learn_nearness(lesson: Lesson, reader: Reader) -> Nearness:
    """Learn from the shop's own topics and the messages that none of them answers."""
    if len(lesson.topics) < _FEWEST_TOPICS:
        return UNLEARNED
    random = np.random.default_rng(_SEED)
    tried: list[_Asked] = []
    strangers = lesson.strangers
    for _ in range(_DEALS):
        entries, questions = _deal({topic.topic: topic for topic in lesson.topics}, random)
        drawn = random.choice(len(strangers), min(_STRANGERS, len(strangers)), replace=False)
        questions += [(strangers[index], "") for index in drawn]
        tried += _try(entries, questions, lesson, reader)
    return _learn(tried)


def _deal(
    topics: Mapping[str, KnowledgeEntry], random: np.random.Generator
) -> tuple[list[KnowledgeEntry], list[tuple[str, str]]]:
    """Deal the topics: entries of a part of them, and (question, topic that answers it or nothing) of all."""
    names = sorted(topics)
    played = set(random.choice(names, int(len(names) * _PLAYED_SHARE), replace=False).tolist())
    entries: list[KnowledgeEntry] = []
    questions: list[tuple[str, str]] = []
    for place, name in enumerate(names):
        told = _LANGUAGES[place % len(_LANGUAGES)]
        shown: dict[str, tuple[str, ...]] = {}
        for language, texts in topics[name].questions.items():
            dealt = [texts[index] for index in random.permutation(len(texts))]
            cut = _QUESTIONS_SHOWN if language in told else 0
            shown[language] = tuple(dealt[:cut])
            questions += [(text, name if name in played else "") for text in dealt[cut:][:_ASKED_OF_A_TOPIC]]
        if name in played:
            titles = {language: topics[name].titles[language] for language in told}
            entries.append(KnowledgeEntry(name, titles, shown, {}))
    return entries, questions


def _try(
    entries: Sequence[KnowledgeEntry], questions: Sequence[tuple[str, str]], lesson: Lesson, reader: Reader
) -> list[_Asked]:
    search = KnowledgeSearch(reader.entries(entries, lesson.vectors))
    played = frozenset(entry.topic for entry in entries)
    own: dict[str, list[int]] = {}
    for place, words in enumerate(lesson.words):
        own.setdefault(words, []).append(place)
    tried: list[_Asked] = []
    for start in range(0, len(questions), _AT_ONCE):
        part = questions[start : start + _AT_ONCE]
        asked = [_question(text, lesson, reader) for text, _ in part]
        rows = [own.get(question.words, ()) for question in asked]
        for question, (_, topic), rivals in zip(
            asked, part, lesson.taught.nearest_all(asked, played, rows), strict=True
        ):
            found = search.nearest(question, 2)
            if found:
                signs = signs_of(found, max(rivals.values(), default=0.0))
                tried.append(_Asked(signs, found[0].topic == topic))
    return tried


def _question(text: str, lesson: Lesson, reader: Reader) -> Question:
    words, chinese = lesson.read.get(text) or plain_words(text)
    return reader.shaped(words, chinese, lesson.vectors.get(words))


def signs_of(found: Sequence[Found], rival: float) -> Signs:
    """Sum up a find: ``found`` best first, ``rival`` the score of the nearest training example."""
    first = found[0]
    lead = first.score - found[1].score if len(found) > 1 else first.score
    return Signs(first.score, lead, first.score - rival, first.across)


def _learn(tried: Sequence[_Asked]) -> Nearness:
    signs = np.array([one.signs.row() for one in tried], np.float32)
    right = np.array([one.right for one in tried], bool)
    if right.all() or not right.any():
        return UNLEARNED
    weights, bias = _fit(signs, right)
    learned = Nearness(tuple(float(weight) for weight in weights), float(bias), 1.0, 1.0)
    trust = np.array([learned.trust(one.signs) for one in tried], np.float32)
    sure = _sure(trust, right)
    near = min(sure, float(np.quantile(trust[~right], KEPT_OUT)))
    return Nearness(learned.weights, learned.bias, sure, near)


def _sure(trust: Floats, right: NDArray[np.bool_]) -> float:
    """Find the lowest trust from which on at most ``WRONG_SHARE`` of all that was asked is answered wrongly.

    Most of what is asked here fits no entry, far more than of what an entry is asked in the shop: the share of wrong
    answers among answers would close the bar for all.
    """
    order = np.argsort(-trust, kind="stable")
    wrong = np.cumsum(~right[order]) / len(order)
    allowed = np.flatnonzero(wrong <= WRONG_SHARE)
    return float(trust[order[allowed[-1]]]) if len(allowed) else 1.0


def _fit(signs: Floats, right: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Fit a logistic regression by Newton's steps: (weights, bias); right and wrong count the same in all."""
    middle, spread = signs.mean(axis=0), signs.std(axis=0) + 1e-6
    rows = np.column_stack([(signs - middle) / spread, np.ones(len(signs))]).astype(np.float64)
    share = np.where(right, 0.5 / right.mean(), 0.5 / (~right).mean())
    found = np.zeros(rows.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(rows @ found, -30, 30)))
        slope = rows.T @ (share * (chance - right)) + found
        curve = (rows * (share * chance * (1 - chance))[:, None]).T @ rows + np.eye(len(found))
        found = found - np.linalg.solve(curve, slope)
    weights = found[:-1] / spread
    return weights, float(found[-1] - weights @ middle)
