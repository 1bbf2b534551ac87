"""A transcript is a pure function of a conversation's events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any, Protocol

from bot.domain import events as ev
from bot.domain.conversation import Conversation, Owner
from bot.domain.thread_ports import place_of


class Speaker(StrEnum):
    """Whose words a line holds; ``MARK`` is not words but something that happened."""

    CUSTOMER = "customer"
    BOT = "bot"
    AGENT = "agent"
    NOTICE = "notice"
    NOTE = "note"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """One line: who, when (aware UTC), what. A mark has its kind in ``mark`` and its values in ``data``.

    ``former`` are the words an edit has replaced, oldest first; ``taken_back`` tells that the shopper recalled it, and
    then nothing of it is here. ``dedupe_key`` names the shopper's own message, and with it its attachments.
    """

    seq: int
    at: datetime
    speaker: Speaker
    text: str = ""
    name: str = ""
    mark: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    intent: str = ""
    buttons: tuple[str, ...] = ()
    attachments: tuple[Mapping[str, str], ...] = ()
    dedupe_key: str = ""
    former: tuple[str, ...] = ()
    taken_back: bool = False
    reactions: tuple[str, ...] = ()


class Word(Protocol):
    """Words of a catalogue."""

    def __call__(self, key: str, /, **data: Any) -> str:
        """Give the words of a key."""
        ...


def transcribe(events: Iterable[tuple[int, datetime, ev.Event]]) -> tuple[TranscriptLine, ...]:
    """Make the lines of a conversation; events that are only the bot's memory have none."""
    lines: dict[int, TranscriptLine] = {}
    seqs: dict[str, int] = {}
    for seq, at, event in events:
        if isinstance(event, ev.CustomerEdited | ev.CustomerRecalled | ev.CustomerReacted):
            _revise(lines, event.seq or seqs.get(event.concerns, 0), event)
            continue
        shape = _SHAPES.get(type(event))
        if shape is not None:
            lines[seq] = TranscriptLine(seq, at, **shape(event))
        if isinstance(event, ev.CustomerUttered) and event.platform_id:
            seqs[event.platform_id] = seq
    return tuple(lines.values())


def _revise(lines: dict[int, TranscriptLine], seq: int, event: ev.Event) -> None:
    """Let a line read as it does now; what is about a line we do not have changes nothing."""
    line = lines.get(seq)
    if line is None or (line.taken_back and not isinstance(event, ev.CustomerReacted)):
        return
    if isinstance(event, ev.CustomerEdited):
        lines[seq] = replace(line, text=event.text, former=(*line.former, line.text))
    elif isinstance(event, ev.CustomerRecalled):
        lines[seq] = TranscriptLine(line.seq, line.at, line.speaker, taken_back=True)
    elif isinstance(event, ev.CustomerReacted):
        lines[seq] = replace(line, reactions=(event.emoji,) if event.emoji else ())


def as_json(conversation: Conversation, lines: Iterable[TranscriptLine]) -> dict[str, Any]:
    """Shape a transcript as plain JSON; times in ISO 8601, UTC."""
    return {
        "conversation": conversation.id,
        "customer": conversation.customer_id,
        "channel": conversation.channel,
        "owner": conversation.owner.value,
        "opened_at": conversation.opened_at.isoformat(),
        "lines": [_json_line(line) for line in lines],
    }


def as_text(conversation: Conversation, lines: Iterable[TranscriptLine], word: Word, zone: tzinfo) -> str:
    """Write a transcript as plain text, one line an utterance, times in ``zone``."""
    opened = conversation.opened_at.astimezone(zone)
    head = f"{conversation.channel}  {conversation.id}  {opened:%Y-%m-%d %H:%M %Z}"
    return "\n".join([head, "", *(_text_line(line, word, zone) for line in lines), ""])


def mark_words(line: TranscriptLine, word: Word) -> str:
    """Put a mark into words."""
    data = {
        name: word(f"{_WORDED[name]}.{value}") if name in _WORDED and value else value
        for name, value in line.data.items()
    }
    return word(f"mark.{line.mark}", **data)


_WORDED = {
    "reason": "reason",
    "channel": "channel",
    "evidence": "evidence_mark",
    "priority": "priority",
    "place": "place",
    "ticket_kind": "ticket_kind",
    "before": "ticket_state",
    "after": "ticket_state",
}


def _json_line(line: TranscriptLine) -> dict[str, Any]:
    shaped: dict[str, Any] = {"seq": line.seq, "at": line.at.isoformat(), "speaker": line.speaker.value}
    for name in ("text", "name", "mark", "intent", "taken_back"):
        if getattr(line, name):
            shaped[name] = getattr(line, name)
    if line.data:
        shaped["data"] = dict(line.data)
    for name in ("buttons", "former", "reactions"):
        if getattr(line, name):
            shaped[name] = list(getattr(line, name))
    if line.attachments:
        shaped["attachments"] = [dict(attachment) for attachment in line.attachments]
    return shaped


def _text_line(line: TranscriptLine, word: Word, zone: tzinfo) -> str:
    moment = f"[{line.at.astimezone(zone):%Y-%m-%d %H:%M:%S}]"
    if line.speaker is Speaker.MARK:
        return f"{moment} — {mark_words(line, word)}"
    parts = [line.text.replace("\n", "\n    ")]
    parts += [_attachment_text(item, word) for item in line.attachments]
    parts += [f"[{label}]" for label in line.buttons]
    parts += [f"[{word('said.taken_back')}]"] if line.taken_back else []
    parts += [f"[{word('said.edited')}: {' → '.join(line.former)}]"] if line.former else []
    parts += [f"({emoji})" for emoji in line.reactions]
    who = word(f"speaker.{line.speaker}")
    return f"{moment} {f'{who} {line.name}' if line.name else who}: {' '.join(filter(None, parts))}"


def _attachment_text(item: Mapping[str, str], word: Word) -> str:
    kind = word(f"attachment.{item.get('kind', 'file')}")
    return f"[{kind} {item.get('name', '')}".rstrip() + "]"


def _customer(event: ev.CustomerUttered) -> dict[str, Any]:
    return {
        "speaker": Speaker.CUSTOMER,
        "text": event.text,
        "intent": str(event.recognition.get("intent", "")),
        "attachments": tuple(event.attachments),
        "dedupe_key": event.dedupe_key,
    }


def _bot(event: ev.BotUttered) -> dict[str, Any]:
    labels = tuple(str(button.get("label", "")) for button in event.buttons)
    return {"speaker": Speaker.BOT, "text": event.text, "buttons": labels}


def _agent(event: ev.AgentUttered) -> dict[str, Any]:
    data = {"template": event.template} if event.template else {}
    return {
        "speaker": Speaker.AGENT,
        "text": event.text,
        "name": event.agent_name,
        "data": data,
        "attachments": tuple(event.attachments),
    }


def _notice(event: ev.NoticeSent) -> dict[str, Any]:
    return {"speaker": Speaker.NOTICE, "text": event.text}


def _note(event: ev.NoteWritten) -> dict[str, Any]:
    return {"speaker": Speaker.NOTE, "text": event.text, "name": event.agent_name}


def _mark(kind: str, **data: Any) -> dict[str, Any]:
    return {"speaker": Speaker.MARK, "mark": kind, "data": data}


def _ticket_opened(event: ev.TicketOpened) -> dict[str, Any]:
    return _mark("ticket_opened", number=event.number, ticket_kind=event.ticket_kind)


def _ticket_moved(event: ev.TicketMoved) -> dict[str, Any]:
    return _mark("ticket_moved", number=event.number, before=event.before, after=event.after)


def _handoff(event: ev.HandoffRequested) -> dict[str, Any]:
    return _mark("handoff", reason=event.reason, summary=event.summary)


def _owner(event: ev.OwnerChanged) -> dict[str, Any]:
    place = place_of(event.by) if event.after == Owner.WITH_AGENT and not event.agent_id else None
    if place is None:
        return _mark(f"owner_{event.after}", name=event.agent_name)
    return _mark("owner_passed" if event.passed_by else "owner_elsewhere", name=event.passed_by, place=place.value)


def _order_proved(event: ev.OrderProved) -> dict[str, Any]:
    return _mark("order_proved", number=event.order_number)


def _linked(event: ev.IdentityLinked) -> dict[str, Any]:
    value = f" {event.value}" if event.value and event.evidence == "order" else ""
    return _mark("identity_linked", channel=event.channel, name=event.name, value=value, evidence=event.evidence)


def _unlinked(event: ev.IdentityUnlinked) -> dict[str, Any]:
    return _mark("identity_unlinked", channel=event.channel, name=event.name, by=event.by_name, why=event.reason)


def _erased(event: ev.AttachmentsErased) -> dict[str, Any]:
    return _mark("attachments_erased", n=event.files, name=event.agent_name, why=event.reason)


def _rated(event: ev.Rated) -> dict[str, Any]:
    return _mark("rated", score=event.score, words=event.words)


def _contact_policy(event: ev.ContactPolicySet) -> dict[str, Any]:
    return _mark("messages_allowed" if event.messages_allowed else "messages_forbidden")


def _raised(event: ev.PriorityRaised) -> dict[str, Any]:
    kind = "ticket_overdue" if event.number else event.reason
    return _mark(kind, number=event.number, priority=event.after)


def _snoozed(event: ev.Snoozed) -> dict[str, Any]:
    return _mark("snoozed", name=event.agent_name, until=event.until)


def _snooze_ended(event: ev.SnoozeEnded) -> dict[str, Any]:
    return _mark(f"snooze_ended_{event.reason}")


def _survey_asked(event: ev.SurveyAsked) -> dict[str, Any]:
    return _mark("survey_asked", about=event.about)


_SHAPES: dict[type[ev.Event], Callable[[Any], dict[str, Any]]] = {
    ev.CustomerUttered: _customer,
    ev.BotUttered: _bot,
    ev.AgentUttered: _agent,
    ev.NoticeSent: _notice,
    ev.NoteWritten: _note,
    ev.TicketOpened: _ticket_opened,
    ev.TicketMoved: _ticket_moved,
    ev.HandoffRequested: _handoff,
    ev.OwnerChanged: _owner,
    ev.OrderProved: _order_proved,
    ev.IdentityLinked: _linked,
    ev.IdentityUnlinked: _unlinked,
    ev.AttachmentsErased: _erased,
    ev.Rated: _rated,
    ev.ContactPolicySet: _contact_policy,
    ev.PriorityRaised: _raised,
    ev.Snoozed: _snoozed,
    ev.SnoozeEnded: _snooze_ended,
    ev.SurveyAsked: _survey_asked,
}
