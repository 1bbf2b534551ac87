"""Knowledge search: the right entry across languages, quickly, with odd questions."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bot.domain.knowledge import KnowledgeEntry
from intents.encoder import load_encoder
from intents.retrieval import KnowledgeSearch


def _entry(topic: str, *questions: str) -> KnowledgeEntry:
    return KnowledgeEntry(f"merchant/{topic}", {"en": questions[0]}, {"en": questions[1:]}, {"en": "answer"})


@pytest.fixture(scope="module")
def search() -> KnowledgeSearch:
    """A merchant's own entries, in English only."""
    return KnowledgeSearch(
        [
            _entry("gift_wrap", "Gift wrapping", "Can you wrap it as a present?"),
            _entry("bulk", "Buying in bulk", "Is there a discount for large orders?"),
            _entry("repair", "Repairs", "Can you repair my watch?", "How do I get it mended?"),
            _entry("store", "Our shop in town", "Where is your physical store?"),
        ],
        load_encoder(),
    )


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("could you gift-wrap this", "gift_wrap"),
        ("可以包成礼物吗", "gift_wrap"),
        ("买得多有优惠吗", "bulk"),
        ("手表坏了能修吗", "repair"),
        ("你们的实体店在哪里", "store"),
    ],
)
def test_question_finds_its_entry_in_either_language(search: KnowledgeSearch, question: str, topic: str) -> None:
    """A Chinese question finds an English entry."""
    assert search.nearest(question)[0].topic == f"merchant/{topic}"


def test_nearest_are_ranked_and_at_most_as_many_as_asked(search: KnowledgeSearch) -> None:
    """Best first, no entry twice."""
    found = search.nearest("repair", most=3)
    assert len({one.topic for one in found}) == 3
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


@pytest.mark.parametrize("question", ["", "   ", "\u200b", "a" * 100_000, "😡", "مرحبا"])
def test_odd_question_never_raises(search: KnowledgeSearch, question: str) -> None:
    """Anything may be asked, and nothing may be known."""
    search.nearest(question)
    assert KnowledgeSearch([], None).nearest(question) == ()


def test_characters_alone_find_entries_without_an_encoder() -> None:
    """Without the encoder the same search works within a language."""
    search = KnowledgeSearch([_entry("repair", "Repairs", "Can you repair my watch?"), _entry("x", "Gift")], None)
    assert search.nearest("watch repair")[0].topic == "merchant/repair"


def test_ten_thousand_entries_are_searched_in_time() -> None:
    """One question over 10,000 entries takes a few milliseconds of this thread."""

    class Noise:
        name, dimensions = "noise", 512

        def encode(self, texts: list[str]) -> np.ndarray:
            vectors = np.random.default_rng(len(texts)).normal(size=(len(texts), 512)).astype(np.float32)
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    search = KnowledgeSearch(
        [_entry(str(number), f"entry {number} about thing {number * 7}") for number in range(10_000)], Noise()
    )
    search.nearest("entry 4711")
    taken = []
    for _ in range(5):
        started = time.thread_time()
        search.nearest("entry 4711 about what")
        taken.append(time.thread_time() - started)
    assert min(taken) < 0.02
