"""What an entry of the merchant must be like, wherever it comes from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.domain.knowledge import LANGUAGES, MERCHANT_PREFIX, KnowledgeEntry

MAX_TITLE_CHARS = 60
MAX_QUESTION_CHARS = 300
MAX_QUESTIONS = 100
MAX_ANSWER_CHARS = 2_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_RESERVED = frozenset({"new"})
_NAME_CHARS = 12


@dataclass(frozen=True, slots=True)
class EntryFault:
    """What is wrong with an entry: a key for the console's catalogue, and the English sentence."""

    key: str
    sentence: str


def make_entry(
    name: str,
    titles: Mapping[str, str],
    questions: Mapping[str, Sequence[str]],
    answers: Mapping[str, str],
) -> KnowledgeEntry:
    """Make an entry of what a person wrote: spaces trimmed, what is empty left out.

    Without a name it is named after its titles, so that the same entry again takes its own place.
    """
    asked = {language: _lines(questions.get(language, ())) for language in LANGUAGES}
    return KnowledgeEntry(
        MERCHANT_PREFIX + (name.strip() or name_after(titles)),
        {
            language: " ".join(titles.get(language, "").split())
            for language in LANGUAGES
            if titles.get(language, "").strip()
        },
        {language: lines for language, lines in asked.items() if lines},
        {language: answers[language].strip() for language in LANGUAGES if answers.get(language, "").strip()},
    )


def _lines(written: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for line in written if (text := " ".join(line.split()))))


def name_after(titles: Mapping[str, str]) -> str:
    """Make a short name of titles; the same titles give the same name."""
    told = "\n".join(" ".join(titles.get(language, "").split()) for language in LANGUAGES)
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:_NAME_CHARS]


def fault_of(entry: KnowledgeEntry) -> EntryFault | None:
    """Find what is wrong with an entry, or None when it is good."""
    name = entry.topic.removeprefix(MERCHANT_PREFIX)
    questions = [question for asked in entry.questions.values() for question in asked]
    rules = (
        (not _NAME.fullmatch(name) or name in _RESERVED, "entry_name", _about_name(name)),
        (not entry.titles, "entry_title", "the entry has no title; write one in Chinese or English"),
        (not entry.answers, "entry_answer", "the entry has no answer; write one in Chinese or English"),
        (
            any(len(title) > MAX_TITLE_CHARS for title in entry.titles.values()),
            "entry_long_title",
            f"a title has more than {MAX_TITLE_CHARS} characters, which no button shows; shorten it",
        ),
        (
            any(len(question) > MAX_QUESTION_CHARS for question in questions),
            "entry_long_question",
            f"a question has more than {MAX_QUESTION_CHARS} characters; shorten it",
        ),
        (
            len(questions) > MAX_QUESTIONS,
            "entry_many_questions",
            f"the entry has {len(questions)} questions, {MAX_QUESTIONS} are enough; keep those that differ most",
        ),
        (
            any(len(answer) > MAX_ANSWER_CHARS for answer in entry.answers.values()),
            "entry_long_answer",
            f"an answer has more than {MAX_ANSWER_CHARS} characters; shorten it",
        ),
    )
    return next((EntryFault(key, sentence) for wrong, key, sentence in rules if wrong), None)


def _about_name(name: str) -> str:
    return f"{name[:80]!r} cannot be a name; use 1 to 60 small letters, digits, - or _ (but not 'new')"
