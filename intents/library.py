"""The knowledge as it is now: the shop's topics, and the merchant's entries as soon as they are saved, in any process.

Every look-up first asks the database for what changed; a few changed entries are read at once, many in the background,
part by part, so that no shopper waits for an import.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from bot.domain.errors import StorageError
from bot.domain.knowledge import NOTHING_KNOWN, EntryChange, KnowledgeEntry, LookUp, MerchantKnowledge, Nearest
from bot.domain.understanding import FAQ_PREFIX, Recognition, Verdict
from intents.encoder import Encoder, Vectors
from intents.encodings import EncodingCache
from intents.model import Model
from intents.nearness import signs_of
from intents.retrieval import VIEW, Found, KnowledgeSearch, Question, Rarity, ReadEntry, Reader, TaughtTopics

_LOG = logging.getLogger(__name__)
_AT_ONCE = 20
"""So many changed entries are read before the next answer; more are read in the background."""
_PART = 200
_OFFERED = 3
_LOOKED_AT = 4
_AS_NEAR = 0.05
"""Training examples are compared in fewer directions than entries, which costs the same words up to this much."""
_MOST_CHARS = 500
_VECTORS_FILE = "knowledge.npz"
_KEPT_FROM = 200
"""So many new vectors are worth writing the file of vectors anew."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """What a trained model lends to the search."""

    model: Model
    reader: Reader
    taught: TaughtTopics

    @classmethod
    def of(cls, model: Model, encoder: Encoder | None) -> Eyes:
        """Take a model and the encoder it was trained with."""
        rarity = Rarity(model.examples.surfaces[VIEW].vocabulary)
        used = encoder if model.examples.vectors is not None else None
        return cls(model, Reader(rarity, used), TaughtTopics(model.intents, model.labels, model.examples))


class LiveLibrary:
    """Knowledge and Library over the shipped topics and the merchant's entries."""

    def __init__(self, shipped: Iterable[KnowledgeEntry], shelf: MerchantKnowledge, eyes: Eyes, folder: Path) -> None:
        """Take the shipped topics, the merchant's entries, a model, and the folder vectors are kept in."""
        self._shipped = {entry.topic: entry for entry in shipped}
        self._shelf = shelf
        self._eyes = eyes
        self._cache = EncodingCache(folder, eyes.reader.encoder, _VECTORS_FILE) if eyes.reader.encoder else None
        self._entries: dict[str, KnowledgeEntry] = {}
        self._read: dict[str, ReadEntry] = {}
        self._search = KnowledgeSearch([])
        self._revision = -1
        self._unsaved = 0
        self._refreshing = asyncio.Lock()
        self._next_look: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked = ThreadPoolExecutor(1, thread_name_prefix="library")
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="library-reader")

    # ------------------------------------------------------------ Knowledge

    def entry(self, topic: str) -> KnowledgeEntry | None:
        """Find the entry of a topic (``faq/refund_time``, ``merchant/gift-card``)."""
        return self._shipped.get(topic) or self._entries.get(topic)

    def topics(self) -> tuple[str, ...]:
        """List all topics."""
        return (*self._shipped, *self._entries)

    # ------------------------------------------------------------ Library

    async def look_up(self, text: str, recognition: Recognition) -> LookUp:
        """Find what answers a message (any text; never raises for what it holds)."""
        await self.refresh()
        if recognition.verdict is Verdict.SURE and not len(self._search):
            return NOTHING_KNOWN
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._asked, self._look, text[:_MOST_CHARS], recognition.intent)

    async def refresh(self) -> None:
        """Take in what was saved since the last time; when the database cannot be asked, what is known stays.

        Those who ask while a look is going on share the next one: it begins after all of them have asked.
        """
        if self._next_look is None:
            self._next_look = asyncio.get_running_loop().create_task(self._take_in_changes())
        await asyncio.shield(self._next_look)

    async def _take_in_changes(self) -> None:
        async with self._refreshing:
            self._next_look = None
            try:
                changes = await self._shelf.changed_since(self._revision)
            except StorageError as problem:
                _LOG.warning("the merchant's entries cannot be looked at now: %s", problem)
                return
            if not changes:
                return
            self._revision = changes[-1].revision
            self._note(changes)
            if len(changes) <= _AT_ONCE and self._reading is None:
                await self._on_thread(changes)
                return
            before = self._reading
            self._reading = asyncio.get_running_loop().create_task(self._read_parts(changes, before))

    async def settle(self) -> None:
        """Wait until everything that was saved is found; for starts and tests."""
        await self.refresh()
        while self._reading is not None:
            await self._reading

    async def use(self, eyes: Eyes) -> None:
        """See by another model from now on; answers go on by the old one until all is read again."""
        async with self._refreshing:
            while self._reading is not None:
                await self._reading
            entries = list(self._entries.values())
            loop = asyncio.get_running_loop()
            read = await loop.run_in_executor(self._readers, self._read_all, eyes, entries)
            search = await loop.run_in_executor(self._readers, KnowledgeSearch, read)
            self._read = {one.entry.topic: one for one in read}
            self._eyes, self._search = eyes, search

    async def close(self) -> None:
        """Let the threads go."""
        if self._reading is not None:
            self._reading.cancel()
        for pool in (self._asked, self._readers):
            pool.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------ reading entries

    def _note(self, changes: Sequence[EntryChange]) -> None:
        for change in changes:
            if change.entry is None:
                self._entries.pop(change.topic, None)
            else:
                self._entries[change.topic] = change.entry

    async def _read_parts(self, changes: Sequence[EntryChange], before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await before
            for start in range(0, len(changes), _PART):
                await self._on_thread(changes[start : start + _PART])
        finally:
            if self._reading is asyncio.current_task():
                self._reading = None

    async def _on_thread(self, changes: Sequence[EntryChange]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._readers, self._take_in, changes)

    def _take_in(self, changes: Sequence[EntryChange]) -> None:
        read = dict(self._read)
        for one in self._read_all(self._eyes, [change.entry for change in changes if change.entry is not None]):
            read[one.entry.topic] = one
        for change in changes:
            if change.entry is None:
                read.pop(change.topic, None)
        self._search = KnowledgeSearch(list(read.values()))
        self._read = read

    def _read_all(self, eyes: Eyes, entries: Sequence[KnowledgeEntry]) -> list[ReadEntry]:
        known: dict[str, Vectors] = {
            row.words: row.vector for one in self._read.values() for row in one.rows if row.vector is not None
        }
        missing = self._cache.known(eyes.reader.words_of(entries)) if self._cache else {}
        read = eyes.reader.entries(entries, {**missing, **known})
        self._keep(read, {*known, *missing})
        return read

    def _keep(self, read: Sequence[ReadEntry], known: set[str]) -> None:
        if self._cache is None:
            return
        rows = [row for one in (*self._read.values(), *read) for row in one.rows if row.vector is not None]
        self._unsaved += len({row.words for row in rows} - known)
        if self._unsaved >= _KEPT_FROM:
            self._cache.keep({row.words: row.vector for row in rows if row.vector is not None})
            self._unsaved = 0

    # ------------------------------------------------------------ looking up

    def _look(self, text: str, intent: str) -> LookUp:
        eyes, search = self._eyes, self._search
        question = eyes.reader.question(text)
        if not any(char.isalnum() for char in question.words):
            return NOTHING_KNOWN
        found = search.nearest(question, _LOOKED_AT)
        taught = eyes.taught.nearest(question)
        near = [*_trusted(found, taught, eyes), *_topics_near(taught, eyes)]
        near.sort(key=lambda one: -one.trust)
        limits = eyes.model.nearness
        worth = tuple(one for one in near if one.trust >= limits.near and one.topic in {*self._entries, *self._shipped})
        return replace(self._answer(question, found, near, taught.get(intent, 0.0)), near=worth[:_OFFERED])

    def _answer(self, question: Question, found: Sequence[Found], near: Sequence[Nearest], rival: float) -> LookUp:
        same = self._search.same_words(question)
        trusted = {one.topic: one.trust for one in near}
        topic = same or (found[0].topic if found else "")
        sure = bool(same) or trusted.get(topic, 0.0) >= self._eyes.model.nearness.sure
        if not sure or topic not in self._entries:
            return NOTHING_KNOWN
        score = next((one.score for one in found if one.topic == topic), 0.0)
        return LookUp(topic, bool(same), score > rival + _AS_NEAR)


def _trusted(found: Sequence[Found], taught: Mapping[str, float], eyes: Eyes) -> list[Nearest]:
    rival = max(taught.values(), default=0.0)
    return _judged(found, rival, eyes)


def _topics_near(taught: Mapping[str, float], eyes: Eyes) -> list[Nearest]:
    """Judge the shop's own topics as if they were entries."""
    topics = sorted(((score, name) for name, score in taught.items() if name.startswith(FAQ_PREFIX)), reverse=True)
    rival = max((score for name, score in taught.items() if not name.startswith(FAQ_PREFIX)), default=0.0)
    return _judged([Found(name, score) for score, name in topics[:_LOOKED_AT]], rival, eyes)


def _judged(found: Sequence[Found], rival: float, eyes: Eyes) -> list[Nearest]:
    """Give each find its trust; all but the first are behind another, which is a lead below zero."""
    judged = []
    for place, one in enumerate(found):
        others = [*found[:place], *found[place + 1 :]]
        signs = signs_of([one, *sorted(others, key=lambda other: -other.score)], rival)
        judged.append(Nearest(one.topic, round(eyes.model.nearness.trust(signs), 4)))
    return judged
