"""An edit, recall or reaction is recorded, and answered only by way of the message it is about."""

from __future__ import annotations

import pytest

from bot.domain.events import CustomerEdited, CustomerReacted, CustomerRecalled, CustomerUttered
from bot.domain.messages import InboundMessage, MessageKind
from bot.domain.ports import HandlerEntry
from tests.unit.engine.fakes import Stage, message, says


@pytest.fixture
def stage() -> Stage:
    """A shop that greets and says goodbye."""
    shop = Stage({"greet": HandlerEntry(says("greet.hello")), "goodbye": HandlerEntry(says("goodbye.bye"))})
    shop.teach("你好", "greet")
    shop.teach("再见", "goodbye")
    return shop


def about(kind: MessageKind, text: str = "", concerns: str = "p1") -> InboundMessage:
    """Make an edit, recall or reaction."""
    return message(text, kind, concerns=concerns)


async def test_edit_of_what_waits_is_what_the_turn_reads(stage: Stage):
    """The edited words are answered, once; the first ones and the edit are on record."""
    assert await stage.hears(message("你好", platform_id="p1"), about(MessageKind.EDIT, "再见")) == ["goodbye.bye"]
    said, edited = stage.commit.events[:2]
    assert isinstance(said, CustomerUttered)
    assert (said.text, said.recognition["intent"]) == ("你好", "goodbye")
    assert edited == CustomerEdited("p1", "再见")


async def test_edit_of_what_was_answered_is_no_new_question(stage: Stage):
    """It is recorded, and nothing is said."""
    await stage.hears(message("你好", platform_id="p1"))
    assert await stage.hears(about(MessageKind.EDIT, "再见")) == []
    assert stage.commit.events == (CustomerEdited("p1", "再见"),)
    assert len(stage.commit.inbox_ids) == 1


async def test_recall_of_what_waits_is_neither_answered_nor_kept(stage: Stage):
    """Nobody read it, so nobody can."""
    assert await stage.hears(message("你好", platform_id="p1"), about(MessageKind.RECALL)) == []
    said, recalled = stage.commit.events
    assert isinstance(said, CustomerUttered)
    assert (said.text, said.attachments) == ("", [])
    assert recalled == CustomerRecalled("p1")


async def test_rest_of_a_burst_is_answered_without_what_was_taken_back(stage: Stage):
    """Two messages, the first taken back: the second is answered."""
    first, second = message("再见", platform_id="p1"), message("你好", platform_id="p2")
    assert await stage.hears(first, second, about(MessageKind.RECALL)) == ["greet.hello"]


async def test_reaction_is_recorded_and_not_answered(stage: Stage):
    """A heart is no question; with a question beside it only that is answered."""
    assert await stage.hears(about(MessageKind.REACTION, "❤")) == []
    assert stage.commit.events == (CustomerReacted("p1", "❤"),)
    assert await stage.hears(about(MessageKind.REACTION, "👍"), message("你好")) == ["greet.hello"]


async def test_revision_counts_as_no_word_of_the_customer(stage: Stage):
    """The tracker counts what was said."""
    await stage.hears(message("你好", platform_id="p1"))
    await stage.hears(about(MessageKind.EDIT, "再见"), about(MessageKind.REACTION, "👍"))
    assert (stage.commit.tracker.customer_turns, stage.commit.tracker.unanswered) == (1, 0)
