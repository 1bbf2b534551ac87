"""The merchant's entries: kept, changed, switched off, deleted; and whoever asks for what changed misses nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.domain.errors import NotFound
from bot.domain.knowledge import EntriesSaved, KnowledgeEntry
from storage.database import Database
from storage.knowledge import SqlMerchantKnowledge
from tests.contract.line import NOW

LATER = NOW + timedelta(minutes=1)


def _entry(name: str, answer: str = "我们可以刻字", **questions: tuple[str, ...]) -> KnowledgeEntry:
    return KnowledgeEntry(
        f"merchant/{name}",
        {"zh": f"标题 {name}", "en": f"Title {name}"},
        dict(questions) or {"zh": ("能刻字吗",), "en": ("do you engrave?",)},
        {"zh": answer, "en": "We engrave."},
    )


@pytest.fixture
def shelf(database: Database) -> SqlMerchantKnowledge:
    """Give the store over an empty database, once for each kind."""
    return SqlMerchantKnowledge(database)


async def test_saved_entry_comes_back_as_it_was(shelf: SqlMerchantKnowledge):
    """Both languages, the order of the questions, quotation marks and emoji."""
    entry = _entry("a", "“可以”👌 100% \\ it's", zh=("能刻字吗", "刻字"), en=("x",))
    assert await shelf.save([entry], NOW) == EntriesSaved(1, 0, 0)
    kept = await shelf.get("merchant/a")
    assert (kept.entry, kept.active, kept.updated_at) == (entry, True, NOW)


async def test_save_tells_new_from_changed_and_leaves_the_same_alone(shelf: SqlMerchantKnowledge):
    """The same file twice changes nothing, so running processes have nothing to read."""
    await shelf.save([_entry("a"), _entry("b")], NOW)
    before = (await shelf.changed_since(-1))[-1].revision
    assert await shelf.save([_entry("a"), _entry("b")], LATER) == EntriesSaved(0, 0, 2)
    assert await shelf.changed_since(before) == ()
    saved = await shelf.save([_entry("a", "别的答案"), _entry("b"), _entry("c"), _entry("c")], LATER)
    assert saved == EntriesSaved(1, 1, 1)
    assert {change.topic for change in await shelf.changed_since(before)} == {"merchant/a", "merchant/c"}


async def test_changes_tell_of_entries_switched_off_and_deleted(shelf: SqlMerchantKnowledge):
    """A process that knew them hears that they are not to be answered from any more."""
    await shelf.save([_entry("a"), _entry("b"), _entry("c")], NOW)
    known = (await shelf.changed_since(-1))[-1].revision
    await shelf.switch("merchant/a", active=False, at=LATER)
    await shelf.delete("merchant/b", LATER)
    changes = await shelf.changed_since(known)
    assert [(change.topic, change.entry) for change in changes] == [("merchant/a", None), ("merchant/b", None)]
    assert not (await shelf.get("merchant/a")).active
    with pytest.raises(NotFound, match="merchant/b"):
        await shelf.get("merchant/b")
    await shelf.switch("merchant/a", active=True, at=LATER)
    (change,) = await shelf.changed_since(changes[-1].revision)
    assert change.entry == _entry("a")


async def test_entry_that_was_deleted_can_be_added_again(shelf: SqlMerchantKnowledge):
    """It counts as new and is switched on."""
    await shelf.save([_entry("a")], NOW)
    await shelf.delete("merchant/a", NOW)
    assert await shelf.save([_entry("a")], LATER) == EntriesSaved(1, 0, 0)
    assert (await shelf.get("merchant/a")).active


async def test_change_keeps_an_entry_switched_off(shelf: SqlMerchantKnowledge):
    """Importing a file again must not switch on what somebody has switched off."""
    await shelf.save([_entry("a")], NOW)
    await shelf.switch("merchant/a", active=False, at=NOW)
    await shelf.save([_entry("a", "新的答案")], LATER)
    assert not (await shelf.get("merchant/a")).active


async def test_page_lists_last_changed_first_and_finds_words(shelf: SqlMerchantKnowledge):
    """Deleted ones are not there; all words must be in the entry; % and _ are letters."""
    await shelf.save([_entry("a", "礼品卡 100%"), _entry("b", "wrap_it")], NOW)
    await shelf.save([_entry("c")], LATER)
    await shelf.delete("merchant/b", LATER)
    page = await shelf.page()
    assert ([kept.entry.topic for kept in page.entries], page.total) == (["merchant/c", "merchant/a"], 2)
    assert [kept.entry.topic for kept in (await shelf.page(1, "礼品卡 TITLE")).entries] == ["merchant/a"]
    assert [kept.entry.topic for kept in (await shelf.page(1, "100%")).entries] == ["merchant/a"]
    assert (await shelf.page(1, "p_i")).total == 0
    assert (await shelf.page(2)).entries == ()


async def test_unknown_entry_is_not_found(shelf: SqlMerchantKnowledge):
    """Reading, switching and deleting say so."""
    for attempt in (
        shelf.get("merchant/x"),
        shelf.switch("merchant/x", active=False, at=NOW),
        shelf.delete("merchant/x", NOW),
    ):
        with pytest.raises(NotFound, match="merchant/x"):
            await attempt


async def test_reader_who_follows_revisions_misses_no_change(shelf: SqlMerchantKnowledge):
    """Many writers at once: whoever reads on from the last revision he saw ends with what is there."""
    seen: dict[str, KnowledgeEntry | None] = {}
    known = -1
    writing = asyncio.gather(*(shelf.save([_entry(f"n{number}")], NOW) for number in range(40)))
    while len(seen) < 40:
        for change in await shelf.changed_since(known):
            seen[change.topic] = change.entry
            known = change.revision
        await asyncio.sleep(0)  # SQLite reads on the spot: let the writers come back
    await writing
    assert set(seen) == {f"merchant/n{number}" for number in range(40)}
