"""Intake: cleaned, committed, then rung for."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.clock import ManualClock
from bot.domain.errors import StorageError
from bot.domain.ids import ConversationId, InboxId
from bot.domain.line_ports import Accepted
from bot.domain.messages import MAX_TEXT_CHARS, InboundMessage
from bot.engine.intake import Intake, clean, clean_text
from tests.unit.engine.fakes import CONVERSATION, START, FakeFeed, message


class Inbox:
    """Takes messages, or is away."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.taken: list[InboundMessage] = []
        self.problem = problem

    async def accept(self, messages: Sequence[InboundMessage], at: datetime) -> tuple[Accepted, ...]:
        """Commit."""
        assert at == START
        if self.problem is not None:
            raise self.problem
        self.taken.extend(messages)
        return tuple(Accepted(CONVERSATION, InboxId(number), duplicate=False) for number, _ in enumerate(messages))


class Bell:
    """Counts rings."""

    def __init__(self) -> None:
        self.rung: list[ConversationId] = []
        self.quiet_s: list[float | None] = []

    async def ring(self, conversation_id: ConversationId, quiet_s: float | None = None) -> None:
        """Count one."""
        self.rung.append(conversation_id)
        self.quiet_s.append(quiet_s)


async def test_accept_commits_then_rings_once_a_conversation():
    """Two messages, one bell, after the commit."""
    inbox, bell, feed = Inbox(), Bell(), FakeFeed()
    accepted = await Intake(inbox, bell, feed, ManualClock(START)).accept([message("a"), message("b")])
    assert len(accepted) == 2
    assert bell.rung == [CONVERSATION]
    assert [event.topic for event in feed.published] == ["conversation:c1", "desk"]


async def test_accept_that_cannot_commit_raises_and_does_not_ring():
    """A channel must not acknowledge what is not kept."""
    bell, feed = Bell(), FakeFeed()
    with pytest.raises(StorageError):
        await Intake(Inbox(StorageError("away")), bell, feed, ManualClock(START)).accept([message("a")])
    assert bell.rung == []
    assert feed.published == []


async def test_accept_of_nothing_touches_nothing():
    """A webhook without messages is no work."""
    assert await Intake(Inbox(StorageError("away")), Bell(), FakeFeed(), ManualClock(START)).accept([]) == ()


def test_long_text_is_cut_and_marked():
    """A megabyte keeps its first part and says that it was cut."""
    kept = clean(message("好" * 1_000_000))
    assert len(kept.text) == MAX_TEXT_CHARS
    assert kept.truncated
    assert not clean(message("好" * MAX_TEXT_CHARS)).truncated


def test_control_characters_go_and_composed_letters_stay():
    """No control or direction marks, line ends as one, letters composed but width kept."""
    assert clean_text("a\x00b\x1b[31m\r\nc\u202ed\ufeff e\u0301 １２") == "ab[31m\ncd \u00e9 １２"


@given(st.text(max_size=300))
def test_clean_text_is_idempotent_and_showable(text: str):
    """Cleaning twice changes nothing; what is left can be encoded and shown."""
    kept = clean_text(text)
    assert clean_text(kept) == kept
    kept.encode()
    assert not {unicodedata.category(char) for char in kept} & {"Cc", "Cs"} or set(kept) & {"\n", "\t"}


async def test_accept_waits_for_a_burst_as_long_as_the_channel_says():
    """A channel with a quiet time of its own brings it; the others leave it to the usual one."""
    bell = Bell()
    for quiet_s in ({"web": 0.0}, {"telegram": 1.5}):
        await Intake(Inbox(), bell, FakeFeed(), ManualClock(START), quiet_s).accept([message("a")])
    assert bell.quiet_s == [0.0, None]
