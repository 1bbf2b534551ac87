"""The merchant's knowledge at the desk: listed, written, switched, deleted, and tried before a shopper does."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.desk.refusals import Refusal
from bot.domain.clock import Clock
from bot.domain.knowledge import MERCHANT_PREFIX, EntryPage, KnowledgeEntry, MerchantEntry, MerchantKnowledge
from bot.domain.knowledge_rules import fault_of, make_entry
from bot.domain.understanding import Verdict

_NAME_BYTES = 6


@dataclass(frozen=True, slots=True)
class Trial:
    """What a shopper would get: ``sure`` acts on ``intent`` (``entry`` when that is knowledge), ``clarify`` offers.

    ``offered`` are intents, best first, with the entries behind those that are knowledge.
    """

    verdict: Verdict
    intent: str = ""
    entry: KnowledgeEntry | None = None
    offered: tuple[tuple[str, KnowledgeEntry | None], ...] = ()


class Rehearsal(Protocol):
    """Asks the bot without a shopper."""

    async def try_it(self, text: str) -> Trial | None:
        """Tell what the bot would do with a message outside of any form; None when nobody is there to tell."""
        ...


class NobodyThere:
    """Stands where nobody understands."""

    async def try_it(self, text: str) -> Trial | None:
        """Tell nothing."""
        del text
        return None


class DeskKnowledge:
    """The entries behind the console's knowledge pages."""

    def __init__(self, shelf: MerchantKnowledge, clock: Clock) -> None:
        self._shelf = shelf
        self._clock = clock
        self.rehearsal: Rehearsal = NobodyThere()

    async def page(self, number: int, words: str) -> EntryPage:
        """List one page, last changed first."""
        return await self._shelf.page(number, words)

    async def get(self, name: str) -> MerchantEntry:
        """Find an entry by its name; NotFound when there is none."""
        return await self._shelf.get(MERCHANT_PREFIX + name)

    async def add(
        self, titles: Mapping[str, str], questions: Mapping[str, Sequence[str]], answers: Mapping[str, str]
    ) -> str:
        """Add an entry and give its name; Refusal says what is wrong with it."""
        name = secrets.token_hex(_NAME_BYTES)
        await self._save(make_entry(name, titles, questions, answers))
        return name

    async def change(
        self, name: str, titles: Mapping[str, str], questions: Mapping[str, Sequence[str]], answers: Mapping[str, str]
    ) -> None:
        """Write an entry anew; NotFound when there is none, Refusal says what is wrong with it."""
        await self.get(name)
        await self._save(make_entry(name, titles, questions, answers))

    async def _save(self, entry: KnowledgeEntry) -> None:
        fault = fault_of(entry)
        if fault is not None:
            raise Refusal(fault.key, fault.sentence)
        await self._shelf.save([entry], self._clock.now())

    async def switch(self, name: str, active: bool) -> None:
        """Switch an entry on or off."""
        await self._shelf.switch(MERCHANT_PREFIX + name, active, self._clock.now())

    async def delete(self, name: str) -> None:
        """Forget an entry."""
        await self._shelf.delete(MERCHANT_PREFIX + name, self._clock.now())

    async def try_it(self, text: str) -> Trial | None:
        """Tell what the bot would do with a message; None when nobody is there to tell."""
        return await self.rehearsal.try_it(text)
