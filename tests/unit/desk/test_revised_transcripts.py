"""A transcript reads as the conversation does now: edited, taken back, with reactions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from bot.desk.transcripts import TranscriptLine, as_json, as_text, transcribe
from bot.domain import events as ev
from bot.domain.conversation import Conversation, Owner
from bot.domain.ids import ConversationId, CustomerId, IdentityId

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SAID = ev.CustomerUttered("my card is 6222", platform_id="p1", attachments=[{"kind": "image", "reference": "r"}])


def lines(*events: ev.Event) -> tuple[TranscriptLine, ...]:
    """Transcribe events in order."""
    return transcribe([(seq, NOW, event) for seq, event in enumerate(events, 1)])


def test_edit_shows_the_new_words_and_keeps_the_former():
    """Twice edited: the last words stand, both former ones are kept in order."""
    edits = (ev.CustomerEdited("p1", "size L"), ev.CustomerEdited("p1", "size M", seq=1))
    (line,) = lines(SAID, *edits)
    assert (line.text, line.former) == ("size M", ("my card is 6222", "size L"))


def test_recalled_message_shows_nothing_of_itself_anywhere():
    """Neither page nor export holds the words, the former words or what was attached."""
    (line,) = shown = lines(SAID, ev.CustomerEdited("p1", "my card is 6333"), ev.CustomerRecalled("p1", seq=1))
    assert line.taken_back
    conversation = Conversation(
        ConversationId("c"),
        CustomerId("k"),
        IdentityId("i"),
        "line",
        "main",
        "u",
        Owner.WITH_BOT,
        0,
        None,
        "en",
        NOW,
        NOW,
    )

    def word(key: str, /, **_data: Any) -> str:
        return key

    exported = f"{as_json(conversation, shown)}{as_text(conversation, shown, word, ZoneInfo('UTC'))}{line}"
    assert "6222" not in exported
    assert "6333" not in exported
    assert "reference" not in exported
    assert "said.taken_back" in exported


def test_edit_after_a_recall_brings_nothing_back():
    """What was taken back stays so."""
    (line,) = lines(SAID, ev.CustomerRecalled("p1"), ev.CustomerEdited("p1", "back again"))
    assert (line.text, line.former) == ("", ())


def test_reaction_stands_on_its_message_until_it_is_taken_away():
    """On the shopper's own words and on ours; the last one counts."""
    bot = ev.BotUttered("shipped")
    said, answered = lines(SAID, bot, ev.CustomerReacted("x", "👍", seq=2), ev.CustomerReacted("p1", "❤"))
    assert (said.reactions, answered.reactions) == (("❤",), ("👍",))
    assert lines(SAID, ev.CustomerReacted("p1", "❤"), ev.CustomerReacted("p1"))[0].reactions == ()


def test_revision_of_a_message_that_is_not_here_changes_nothing():
    """What is about an unknown message leaves no trace in the lines."""
    assert (
        lines(SAID, ev.CustomerRecalled("other"), ev.CustomerEdited("", "x"), ev.CustomerReacted("y", "!"))[0].text
        == SAID.text
    )
