"""The merchant's knowledge entries.

A deleted entry leaves its row behind, empty and ``gone``: a running process that asks for what changed after its last
revision hears of it. Writers take turns, so that revisions become visible in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, String, bindparam, cast, func, insert, literal_column, select, update

from bot.domain.desk_ports import PAGE_ROWS
from bot.domain.errors import NotFound
from bot.domain.knowledge import EntriesSaved, EntryChange, EntryPage, KnowledgeEntry, MerchantEntry
from storage.database import Database
from storage.tables import KNOWLEDGE

ON, OFF, GONE = "on", "off", "gone"
_LOCK = 0x786F_0005
_BATCH = 200
_NEWEST = select(func.coalesce(func.max(KNOWLEDGE.c.revision), -1))
_CHANGED = select(KNOWLEDGE).where(KNOWLEDGE.c.revision > bindparam("known")).order_by(KNOWLEDGE.c.revision)
_THERE = select(KNOWLEDGE).where(KNOWLEDGE.c.topic.in_(bindparam("topics", expanding=True)))
# Written out, so that every database sees that it is one value.
_KEPT = KNOWLEDGE.c.state != literal_column(f"'{GONE}'")
_TEXTS = (KNOWLEDGE.c.titles, KNOWLEDGE.c.questions, KNOWLEDGE.c.answers)
_ESCAPE = "\\"


class SqlMerchantKnowledge:
    """Entries in the table ``knowledge``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changed_since(self, revision: int) -> tuple[EntryChange, ...]:
        """List what changed after ``revision`` (-1: everything), oldest change first."""
        # Asked before every answer, and nearly always there is nothing: the newest alone is looked at first.
        newest = await self._database.glance(lambda on: on.execute(_NEWEST).scalar())
        if newest is None or newest <= revision:
            return ()
        return await self._database.read(
            lambda on: tuple(_change(row) for row in on.execute(_CHANGED, {"known": revision}))
        )

    async def page(self, number: int = 1, words: str = "") -> EntryPage:
        """List one page, last changed first; ``words`` keeps those in whose texts all of them are."""
        return await self._database.read(lambda on: _page(on, number, words))

    async def get(self, topic: str) -> MerchantEntry:
        """Find an entry; NotFound when there is none."""
        return await self._database.read(lambda on: _merchant_entry(_held(on, topic)))

    async def save(self, entries: Sequence[KnowledgeEntry], at: datetime) -> EntriesSaved:
        """Add entries or put them in the place of those of the same topic, all at once; new ones are switched on."""
        return await self._database.run(lambda on: _save(on, entries, at))

    async def switch(self, topic: str, active: bool, at: datetime) -> None:
        """Switch an entry on or off; NotFound when there is none."""
        await self._database.run(lambda on: _set(on, topic, {"state": ON if active else OFF, "updated_at": at}))

    async def delete(self, topic: str, at: datetime) -> None:
        """Forget an entry; NotFound when there is none."""
        empty = {"state": GONE, "titles": {}, "questions": {}, "answers": {}, "updated_at": at}
        await self._database.run(lambda on: _set(on, topic, empty))


def _next_revision(on: Connection) -> int:
    """Take the writers' turn and give the revision of this change."""
    if on.dialect.name == "postgresql":
        on.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    return int(on.execute(_NEWEST).scalar_one()) + 1


def _held(on: Connection, topic: str) -> Row[Any]:
    row = on.execute(select(KNOWLEDGE).where(KNOWLEDGE.c.topic == topic, _KEPT)).first()
    if row is None:
        raise NotFound(f"there is no knowledge entry {topic!r}; the console's knowledge page lists those there are")
    return row


def _set(on: Connection, topic: str, values: dict[str, Any]) -> None:
    revision = _next_revision(on)
    _held(on, topic)
    on.execute(update(KNOWLEDGE).where(KNOWLEDGE.c.topic == topic).values(**values, revision=revision))


def _save(on: Connection, entries: Sequence[KnowledgeEntry], at: datetime) -> EntriesSaved:
    revision = _next_revision(on)
    new = changed = 0
    wanted = {entry.topic: entry for entry in entries}
    for batch in _batches(list(wanted.values())):
        there = {row.topic: row for row in on.execute(_THERE, {"topics": [entry.topic for entry in batch]})}
        added = [_values(entry, at, revision, ON) for entry in batch if entry.topic not in there]
        for entry in batch:
            row = there.get(entry.topic)
            if row is None or (row.state != GONE and _entry(row) == entry):
                continue
            state = ON if row.state == GONE else row.state
            on.execute(
                update(KNOWLEDGE).where(KNOWLEDGE.c.topic == entry.topic).values(**_values(entry, at, revision, state))
            )
            new, changed = (new + 1, changed) if row.state == GONE else (new, changed + 1)
        if added:
            on.execute(insert(KNOWLEDGE), added)
        new += len(added)
    return EntriesSaved(new, changed, len(wanted) - new - changed)


def _batches(entries: Sequence[KnowledgeEntry]) -> Iterator[Sequence[KnowledgeEntry]]:
    for start in range(0, len(entries), _BATCH):
        yield entries[start : start + _BATCH]


def _values(entry: KnowledgeEntry, at: datetime, revision: int, state: str) -> dict[str, Any]:
    return {
        "topic": entry.topic,
        "titles": dict(entry.titles),
        "questions": {language: list(asked) for language, asked in entry.questions.items()},
        "answers": dict(entry.answers),
        "updated_at": at,
        "state": state,
        "revision": revision,
    }


def _page(on: Connection, number: int, words: str) -> EntryPage:
    conditions = [_KEPT, *(_has(word) for word in words.split())]
    total = on.execute(select(func.count()).select_from(KNOWLEDGE).where(*conditions)).scalar_one()
    order = (KNOWLEDGE.c.revision.desc(), KNOWLEDGE.c.topic)
    found = select(KNOWLEDGE).where(*conditions).order_by(*order).limit(PAGE_ROWS).offset((number - 1) * PAGE_ROWS)
    return EntryPage(tuple(_merchant_entry(row) for row in on.execute(found)), int(total))


def _has(word: str) -> Any:
    plain = word.replace(_ESCAPE, _ESCAPE * 2).replace("%", f"{_ESCAPE}%").replace("_", f"{_ESCAPE}_")
    texts = [func.lower(cast(column, String)) for column in _TEXTS]
    found = [text.like(f"%{plain.lower()}%", escape=_ESCAPE) for text in (*texts, func.lower(KNOWLEDGE.c.topic))]
    return found[0] | found[1] | found[2] | found[3]


def _entry(row: Row[Any]) -> KnowledgeEntry:
    questions = {language: tuple(asked) for language, asked in row.questions.items()}
    return KnowledgeEntry(row.topic, row.titles, questions, row.answers)


def _merchant_entry(row: Row[Any]) -> MerchantEntry:
    return MerchantEntry(_entry(row), row.state == ON, row.updated_at, row.revision)


def _change(row: Row[Any]) -> EntryChange:
    return EntryChange(row.topic, _entry(row) if row.state == ON else None, row.revision)
