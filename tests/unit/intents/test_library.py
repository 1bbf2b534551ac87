"""The living knowledge: what is saved is found at the next look, in every process; imports make nobody wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.errors import StorageError
from bot.domain.knowledge import EntryChange, KnowledgeEntry, LookUp
from bot.domain.understanding import IntentScore, Recognition, Verdict
from intents.library import Eyes, LiveLibrary
from intents.recogniser import EmbeddedRecogniser
from intents.training_data import read_knowledge

NOTHING = Recognition()


class Shelf:
    """Entries in memory, with their revisions."""

    def __init__(self) -> None:
        self.changes: dict[str, EntryChange] = {}
        self.is_away = False

    def put(self, *entries: KnowledgeEntry) -> None:
        """Save entries."""
        revision = 1 + max((change.revision for change in self.changes.values()), default=-1)
        for entry in entries:
            self.changes[entry.topic] = EntryChange(entry.topic, entry, revision)

    def drop(self, name: str) -> None:
        """Switch an entry off."""
        revision = 1 + max(change.revision for change in self.changes.values())
        self.changes[f"merchant/{name}"] = EntryChange(f"merchant/{name}", None, revision)

    async def changed_since(self, revision: int) -> tuple[EntryChange, ...]:
        """List changes."""
        if self.is_away:
            raise StorageError("the database cannot be used now")
        found = [change for change in self.changes.values() if change.revision > revision]
        return tuple(sorted(found, key=lambda change: change.revision))


def entry(name: str, *questions: str, answer: str = "答") -> KnowledgeEntry:
    """Make an entry."""
    return KnowledgeEntry(f"merchant/{name}", {"zh": questions[0]}, {"zh": questions[1:]}, {"zh": answer})


ENGRAVING = entry("engraving", "刻字服务", "能刻字吗", "可以在杯子上刻名字吗")


@pytest.fixture
def shelf() -> Shelf:
    """An empty shelf."""
    return Shelf()


def make(shelf: Shelf, model: EmbeddedRecogniser, source: Path, folder: Path) -> LiveLibrary:
    """Make the library of one process."""
    return LiveLibrary(read_knowledge(source), shelf, Eyes.of(model.model, model.encoder), folder)  # type: ignore[arg-type]


@pytest.fixture
async def library(
    shelf: Shelf, small: EmbeddedRecogniser, small_source: Path, tmp_path: Path
) -> AsyncIterator[LiveLibrary]:
    """The library of a process."""
    library = make(shelf, small, small_source, tmp_path)
    yield library
    await library.close()


async def ask(library: LiveLibrary, text: str, recognition: Recognition = NOTHING) -> LookUp:
    """Look a message up."""
    return await library.look_up(text, recognition)


async def test_entry_answers_from_the_next_look_on_in_every_process(
    shelf: Shelf, library: LiveLibrary, small: EmbeddedRecogniser, small_source: Path, tmp_path: Path
) -> None:
    """Added, changed, switched off: each is seen at once, also by who was there before."""
    other = make(shelf, small, small_source, tmp_path / "other")
    assert (await ask(library, "能刻字吗")).answer == ""
    shelf.put(ENGRAVING)
    for process in (library, other):
        found = await ask(process, "能刻字吗？")
        assert (found.answer, found.same_words) == ("merchant/engraving", True)
    shelf.put(entry("engraving", "刻字服务", "能刻字吗", answer="新的答案"))
    await other.refresh()
    seen = other.entry("merchant/engraving")
    assert seen is not None
    assert seen.answers == {"zh": "新的答案"}
    shelf.drop("engraving")
    for process in (library, other):
        assert (await ask(process, "能刻字吗")).answer == ""
        assert process.entry("merchant/engraving") is None
    await other.close()


async def test_library_knows_the_shops_topics_too(shelf: Shelf, library: LiveLibrary) -> None:
    """Shipped topics and entries are one knowledge; an entry cannot take a topic's place."""
    shelf.put(ENGRAVING)
    await library.refresh()
    assert library.topics() == ("faq/coupon", "faq/invoice", "merchant/engraving")
    assert library.entry("faq/coupon") is not None


async def test_entry_is_nearer_only_when_it_is_nearer_than_the_intents_own_examples(
    shelf: Shelf, library: LiveLibrary
) -> None:
    """What is surely an errand by its own examples is not the entry's."""
    shelf.put(entry("parcels", "快递柜", "我的快递到哪了"))
    sure = Recognition(intents=(IntentScore("track_order", 0.99),), verdict=Verdict.SURE)
    assert not (await ask(library, "我的快递到哪了", sure)).nearer
    unsure = Recognition(intents=(IntentScore("request_refund", 0.2),))
    assert (await ask(library, "快递柜", unsure)).nearer


async def test_import_is_read_in_the_background_and_all_of_it_is_found(shelf: Shelf, library: LiveLibrary) -> None:
    """Nobody waits for many entries; once they are read each is found, also those saved meanwhile."""
    await ask(library, "x")
    shelf.put(*(entry(f"n{number}", f"第{number}号问题怎么办") for number in range(450)))
    await library.refresh()
    shelf.put(ENGRAVING)
    await library.settle()
    for number in (0, 222, 449):
        assert (await ask(library, f"第{number}号问题怎么办")).answer == f"merchant/n{number}"
    assert (await ask(library, "能刻字吗")).answer == "merchant/engraving"


async def test_vectors_of_an_import_are_kept_for_the_next_start(
    shelf: Shelf, library: LiveLibrary, small: EmbeddedRecogniser, small_source: Path, tmp_path: Path
) -> None:
    """The next start encodes nothing anew."""
    shelf.put(*(entry(f"n{number}", f"第{number}号问题怎么办") for number in range(250)))
    await library.settle()

    class Counting:
        name, dimensions = small.encoder.name, 512  # type: ignore[union-attr]

        def __init__(self) -> None:
            self.encoded = 0

        def encode(self, texts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            self.encoded += len(texts)
            return small.encoder.encode(texts)  # type: ignore[union-attr]

    encoder = Counting()
    again = LiveLibrary(read_knowledge(small_source), shelf, Eyes.of(small.model, encoder), tmp_path)  # type: ignore[arg-type]
    await again.settle()
    assert (await ask(again, "第7号问题怎么办")).answer == "merchant/n7"
    assert encoder.encoded <= 51
    await again.close()


async def test_database_that_is_away_leaves_what_is_known(shelf: Shelf, library: LiveLibrary) -> None:
    """Answers go on from what was read before."""
    shelf.put(ENGRAVING)
    await library.refresh()
    shelf.is_away = True
    assert (await ask(library, "能刻字吗")).answer == "merchant/engraving"


async def test_new_model_sees_the_same_entries(shelf: Shelf, library: LiveLibrary, small: EmbeddedRecogniser) -> None:
    """After a swap everything is found as before, while messages keep coming."""
    shelf.put(ENGRAVING)
    await library.refresh()
    swapping = asyncio.create_task(library.use(Eyes.of(small.model, None)))
    found = await asyncio.gather(*(ask(library, "能刻字吗") for _ in range(5)))
    await swapping
    assert {one.answer for one in found} == {"merchant/engraving"}
    assert (await ask(library, "能刻字吗")).answer == "merchant/engraving"


@pytest.mark.parametrize("text", ["", " ", "😡", "!!!", "x" * 100_000, "\ud800", "\x00"])
async def test_odd_message_finds_nothing_and_never_raises(shelf: Shelf, library: LiveLibrary, text: str) -> None:
    """Anything may come."""
    shelf.put(ENGRAVING)
    assert (await ask(library, text)).answer == ""
