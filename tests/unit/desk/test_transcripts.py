"""Transcripts are a pure function of events."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.desk.transcripts import Speaker, as_json, as_text, mark_words, transcribe
from bot.domain import events as ev
from bot.domain.conversation import Owner
from tests.unit.desk.doubles import NOW, conversation

SAID: tuple[ev.Event, ...] = (
    ev.CustomerUttered("我的壶裂了", recognition={"intent": "file_complaint"}),
    ev.IntentHandled("file_complaint"),
    ev.BotUttered("是哪方面的问题？", "file_complaint.ask", [{"label": "质量", "payload": "=quality"}]),
    ev.CustomerUttered("", "image", attachments=[{"kind": "image", "reference": "r1", "name": "壶.jpg"}]),
    ev.SlotSet("category", "quality"),
    ev.TicketOpened("TK12345678", "complaint"),
    ev.HandoffRequested("angry", "壶裂了", "urgent"),
    ev.OwnerChanged("with_bot", "with_agent", 1, "li", "li", "Li"),
    ev.AgentUttered("您好\n我是 Li", "li", "Li"),
    ev.NoteWritten("先查仓库", "li", "Li"),
    ev.TicketMoved("TK12345678", "open", "solved", "li"),
    ev.NoticeSent("已处理好", "notice.ticket_solved"),
    ev.OrderProved("2026"),
    ev.Rated(5, "好"),
    ev.ContactPolicySet(messages_allowed=False),
    ev.PriorityRaised("overdue", "normal", "high"),
    ev.Snoozed("a1", "Li"),
    ev.SnoozeEnded("time"),
    ev.SurveyAsked("c1", "agent"),
    ev.IdentityLinked("l1", "telegram", "Fang", "order", "W1"),
    ev.IdentityUnlinked("l1", "telegram", "Fang", "Li", "wrong"),
    ev.AttachmentsErased(2, "a1", "Li", "asked for by phone"),
)
ROWS = tuple((number, NOW + timedelta(minutes=number), event) for number, event in enumerate(SAID, 1))


def word(key: str, /, **data: Any) -> str:
    """Word a key as itself and its values."""
    return f"<{key}{''.join(f' {value}' for value in data.values())}>"


def test_transcript_keeps_who_said_what_in_order():
    """Every word is there once, under its speaker, and the bot's memory is not."""
    lines = transcribe(ROWS)
    assert [line.speaker for line in lines] == [
        Speaker.CUSTOMER,
        Speaker.BOT,
        Speaker.CUSTOMER,
        Speaker.MARK,
        Speaker.MARK,
        Speaker.MARK,
        Speaker.AGENT,
        Speaker.NOTE,
        Speaker.MARK,
        Speaker.NOTICE,
        *[Speaker.MARK] * 10,
    ]
    assert [line.seq for line in lines] == sorted(line.seq for line in lines)
    assert lines[0].intent == "file_complaint"
    assert lines[1].buttons == ("质量",)
    assert lines[2].attachments[0]["name"] == "壶.jpg"


def test_transcript_of_the_same_events_is_the_same():
    """Nothing but the events goes in."""
    assert transcribe(ROWS) == transcribe(list(ROWS))
    assert transcribe(()) == ()


def test_transcript_shapes_every_event_that_is_not_only_memory():
    """An event added later is either shown or listed here as the bot's memory."""
    memory = {
        ev.IntentHandled,
        ev.NotUnderstood,
        ev.ClarificationAsked,
        ev.FormStarted,
        ev.SlotAsked,
        ev.SlotSet,
        ev.FormEnded,
        ev.ProofFailed,
        ev.AnswerRejected,
    }
    # These change how another line reads, and have none of their own.
    memory |= {ev.CustomerEdited, ev.CustomerRecalled, ev.CustomerReacted}
    shown = {type(event) for event in SAID if transcribe(((1, NOW, event),))}
    assert shown | memory == set(ev.EVENT_KINDS.values())


def test_transcript_as_text_tells_time_in_the_readers_zone():
    """One line an utterance, following lines indented, times as the reader's clock has them."""
    text = as_text(conversation(Owner.RESOLVED), transcribe(ROWS), word, ZoneInfo("Asia/Shanghai"))
    assert "[2026-11-21 14:01:00] <speaker.customer>: 我的壶裂了" in text
    assert "<speaker.agent> Li: 您好\n    我是 Li" in text
    assert "[<attachment.image> 壶.jpg]" in text
    assert "— <mark.handoff <reason.angry> 壶裂了>" in text
    assert text.endswith("\n")


def test_transcript_as_json_is_plain_json():
    """It survives a round trip and holds nothing empty."""
    shaped = as_json(conversation(Owner.RESOLVED), transcribe(ROWS))
    assert json.loads(json.dumps(shaped)) == shaped
    assert shaped["lines"][0] == {
        "seq": 1,
        "at": "2026-11-21T06:01:00+00:00",
        "speaker": "customer",
        "text": "我的壶裂了",
        "intent": "file_complaint",
    }


def test_mark_words_put_codes_into_words():
    """States and kinds are worded, numbers stay."""
    lines = {line.mark: line for line in transcribe(ROWS) if line.mark}
    moved = mark_words(lines["ticket_moved"], word)
    assert moved == "<mark.ticket_moved TK12345678 <ticket_state.open> <ticket_state.solved>>"
