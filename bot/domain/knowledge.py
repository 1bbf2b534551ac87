"""What the shop knows and answers from: the entries shipped with the training data, and the merchant's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.understanding import Recognition

MERCHANT_PREFIX = "merchant/"
LANGUAGES = ("zh", "en")
"""The languages entries are written in."""


@dataclass(frozen=True, slots=True)
class KnowledgeEntry:
    """One entry: ``topic`` is ``faq/<name>`` or ``merchant/<name>``; texts by language, ``zh`` and ``en``."""

    topic: str
    titles: Mapping[str, str]
    questions: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, str]

    def title_in(self, language: str) -> str:
        """Give the title in a language, else in the other one; ``""`` when there is none."""
        return _in(self.titles, language)

    def answer_in(self, language: str) -> str:
        """Give the answer in a language, else in the other one; ``""`` when there is none."""
        return _in(self.answers, language)


def _in(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or next((text for text in texts.values() if text), "")


@dataclass(frozen=True, slots=True)
class MerchantEntry:
    """An entry the merchant added: switched on or off; ``revision`` grows with every change of any entry."""

    entry: KnowledgeEntry
    active: bool
    updated_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class EntryChange:
    """An entry that changed: ``entry`` is None when it is not to be answered from any more."""

    topic: str
    entry: KnowledgeEntry | None
    revision: int


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One page of the merchant's entries and how many there are in all."""

    entries: tuple[MerchantEntry, ...]
    total: int


@dataclass(frozen=True, slots=True)
class EntriesSaved:
    """How many entries were new, changed or the same as before."""

    new: int
    changed: int
    unchanged: int


class MerchantKnowledge(Protocol):
    """The merchant's own entries, kept in the database."""

    async def changed_since(self, revision: int) -> tuple[EntryChange, ...]:
        """List what changed after ``revision`` (-1: everything), oldest change first."""
        ...

    async def page(self, number: int = 1, words: str = "") -> EntryPage:
        """List one page, last changed first; ``words`` keeps those in whose texts all of them are."""
        ...

    async def get(self, topic: str) -> MerchantEntry:
        """Find an entry; NotFound when there is none."""
        ...

    async def save(self, entries: Sequence[KnowledgeEntry], at: datetime) -> EntriesSaved:
        """Add entries or put them in the place of those of the same topic, all at once; new ones are switched on."""
        ...

    async def switch(self, topic: str, active: bool, at: datetime) -> None:
        """Switch an entry on or off; NotFound when there is none."""
        ...

    async def delete(self, topic: str, at: datetime) -> None:
        """Forget an entry; NotFound when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Nearest:
    """A knowledge topic and how near it is to what was asked: ``trust`` is the chance that it answers, 0..1."""

    topic: str
    trust: float


@dataclass(frozen=True, slots=True)
class LookUp:
    """What the knowledge has about a message.

    ``answer`` is the merchant's topic that surely answers it (``""``: none does). ``same_words``: the message is one of
    its questions word for word. ``nearer``: its questions are nearer to the message than any training example of the
    intent that was recognised. ``near`` are up to three topics worth offering, best first.
    """

    answer: str = ""
    same_words: bool = False
    nearer: bool = False
    near: tuple[Nearest, ...] = ()


NOTHING_KNOWN = LookUp()


class Library(Protocol):
    """The knowledge by meaning: the shop's topics and the merchant's entries as they are now."""

    async def look_up(self, text: str, recognition: Recognition) -> LookUp:
        """Find what answers a message (any text; never raises for what it holds)."""
        ...

    async def refresh(self) -> None:
        """Take in what was saved since the last time, by whatever process."""
        ...
