"""Knowledge search: the right entry across languages, quickly, with odd questions."""

from __future__ import annotations

import numpy as np
import pytest

from bot.domain.knowledge import KnowledgeEntry
from intents.encoder import load_encoder
from intents.recogniser import EmbeddedRecogniser
from intents.retrieval import KnowledgeSearch, Rarity, Reader, TaughtTopics, lines_of


def _entry(topic: str, *questions: str) -> KnowledgeEntry:
    return KnowledgeEntry(f"merchant/{topic}", {"en": questions[0]}, {"en": questions[1:]}, {"en": "answer"})


@pytest.fixture(scope="module")
def reader() -> Reader:
    """The encoder, with all characters weighing the same."""
    return Reader(Rarity(), load_encoder())


@pytest.fixture(scope="module")
def search(reader: Reader) -> KnowledgeSearch:
    """A merchant's own entries, in English only."""
    entries = [
        _entry("gift_wrap", "Gift wrapping", "Can you wrap it as a present?"),
        _entry("bulk", "Buying in bulk", "Is there a discount for large orders?"),
        _entry("repair", "Repairs", "Can you repair my watch?", "How do I get it mended?"),
        _entry("store", "Our shop in town", "Where is your physical store?"),
    ]
    return KnowledgeSearch(reader.entries(entries))


@pytest.mark.parametrize(
    ("question", "topic", "across"),
    [
        ("could you gift-wrap this", "gift_wrap", False),
        ("可以包成礼物吗", "gift_wrap", True),
        ("买得多有优惠吗", "bulk", True),
        ("手表坏了能修吗", "repair", True),
        ("你们的实体店在哪里", "store", True),
        ("可以帮我 gift wrap 吗", "gift_wrap", True),
    ],
)
def test_question_finds_its_entry_in_either_language(
    search: KnowledgeSearch, reader: Reader, question: str, topic: str, across: bool
) -> None:
    """A Chinese question finds an English entry, and it is told that the languages differ."""
    found = search.nearest(reader.question(question))[0]
    assert (found.topic, found.across) == (f"merchant/{topic}", across)


def test_nearest_are_ranked_and_at_most_as_many_as_asked(search: KnowledgeSearch, reader: Reader) -> None:
    """Best first, no entry twice."""
    found = search.nearest(reader.question("repair"), most=3)
    assert len({one.topic for one in found}) == 3
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert len(search.nearest(reader.question("repair"), most=9)) == 4


def test_same_words_are_known_whatever_their_marks_and_case(search: KnowledgeSearch, reader: Reader) -> None:
    """Word for word means the words, not the punctuation's width."""
    assert search.same_words(reader.question("CAN YOU repair my watch?")) == "merchant/repair"
    assert search.same_words(reader.question("can you repair my clock?")) == ""


@pytest.mark.parametrize("question", ["", "   ", "\u200b", "a" * 100_000, "😡", "مرحبا", "\ud800"])
def test_odd_question_never_raises(search: KnowledgeSearch, reader: Reader, question: str) -> None:
    """Anything may be asked, and nothing may be known."""
    search.nearest(reader.question(question))
    assert KnowledgeSearch([]).nearest(reader.question(question)) == ()


def test_characters_alone_find_entries_without_an_encoder() -> None:
    """Without the encoder the same search works within a language."""
    reader = Reader(Rarity(), None)
    entries = [_entry("repair", "Repairs", "Can you repair my watch?"), _entry("x", "Gift")]
    found = KnowledgeSearch(reader.entries(entries)).nearest(reader.question("watch repair"))
    assert found[0].topic == "merchant/repair"


def test_adding_an_entry_changes_no_other_score(reader: Reader) -> None:
    """An entry's rows do not depend on its neighbours, so adding one is cheap and safe."""
    first, second = _entry("repair", "Repairs", "Can you repair my watch?"), _entry("wrap", "Watches as gifts")
    question = reader.question("is there somebody who repairs watches")
    alone = KnowledgeSearch(reader.entries([first])).nearest(question)
    both = {one.topic: one for one in KnowledgeSearch(reader.entries([first, second])).nearest(question)}
    assert both["merchant/repair"] == alone[0]


def test_entry_without_words_is_passed_over(reader: Reader) -> None:
    """Nothing can be found by an empty title."""
    empty = KnowledgeEntry("merchant/empty", {"zh": "", "en": " "}, {"zh": ()}, {"zh": "答"})
    assert lines_of(empty) == []
    assert len(KnowledgeSearch(reader.entries([empty, _entry("x", "Gift")]))) == 1


class _Noise:
    """An encoder that gives each text a direction of its own; near-equal texts are no nearer than others."""

    name, dimensions = "noise", 512

    def encode(self, texts: list[str]) -> np.ndarray:
        """Encode texts."""
        rows = [np.random.default_rng(sum(text.encode()) + len(text)).normal(size=512) for text in texts]
        vectors = np.array(rows, np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_ten_thousand_entries_are_found_exactly_as_among_few() -> None:
    """With many rows the search takes a short cut, which must not change what is found, nor its score."""
    reader = Reader(Rarity(), _Noise())
    entries = [_entry(str(number), f"entry {number}", f"what about thing {number * 7}") for number in range(10_000)]
    read = reader.entries(entries)
    large = KnowledgeSearch(read)
    assert len(large) == 10_000
    for number in (0, 4711, 9999):
        question = reader.question(f"what about thing {number * 7}")
        few = KnowledgeSearch(read[max(0, number - 5) : number + 5])
        assert large.nearest(question, 1) == few.nearest(question, 1)
        assert large.nearest(question, 1)[0].topic == f"merchant/{number}"
        assert large.same_words(question) == f"merchant/{number}"


def test_taught_topics_know_their_own_examples(small: EmbeddedRecogniser) -> None:
    """A training example is nearest to its own intent, unless it does not count."""
    reader = Reader(Rarity(), small.encoder)
    taught = TaughtTopics(small.model.intents, small.model.labels, small.model.examples)
    question = reader.question("where is my parcel")
    near = taught.nearest(question)
    assert max(near, key=lambda intent: near[intent]) == "track_order"
    assert near["track_order"] > 1.2
    assert "track_order" not in taught.nearest_all([question], but={"track_order"})[0]
