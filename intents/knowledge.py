"""The shop's knowledge entries by topic."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bot.domain.knowledge import KnowledgeEntry
from intents.training_data import read_knowledge


class FileKnowledge:
    """Knowledge from ``intents/faq/*.yml``, with the merchant's own entries beside it."""

    def __init__(self, entries: Iterable[KnowledgeEntry]) -> None:
        """Keep the entries; a later one of the same topic takes the place of an earlier one."""
        self._entries = {entry.topic: entry for entry in entries}

    @classmethod
    def read(cls, source: Path, added: Iterable[KnowledgeEntry] = ()) -> FileKnowledge:
        """Read the entries below ``source`` and add the merchant's."""
        return cls((*read_knowledge(source), *added))

    def entry(self, topic: str) -> KnowledgeEntry | None:
        """Find the entry of a topic (``faq/refund_time``)."""
        return self._entries.get(topic)

    def topics(self) -> tuple[str, ...]:
        """List all topics."""
        return tuple(self._entries)
