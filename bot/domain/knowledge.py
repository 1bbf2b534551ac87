"""What the shop knows and answers from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnowledgeEntry:
    """One entry: ``topic`` is ``faq/<name>`` or ``merchant/<name>``; texts by language, ``zh`` and ``en``."""

    topic: str
    titles: Mapping[str, str]
    questions: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, str]
