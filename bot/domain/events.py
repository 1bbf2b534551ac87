"""Facts of a conversation, appended and never changed (but for names of attachments that are erased).

Each event is a frozen dataclass of plain JSON values; ``encode`` and ``decode`` are the only way to and from a row.
An event kind that is not known (written by a newer version) is refused, not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from bot.domain.errors import StorageError


@dataclass(frozen=True, slots=True)
class Event:
    """A fact; the time it was recorded and its sequence number are the row's."""

    kind: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class CustomerUttered(Event):
    """The shopper wrote; ``recognition`` is the summary when the bot read it, empty when a human owned it."""

    kind: ClassVar[str] = "customer_uttered"
    text: str
    message_kind: str = "text"
    dedupe_key: str = ""
    payload: str = ""
    attachments: list[dict[str, str]] = field(default_factory=list)
    recognition: dict[str, Any] = field(default_factory=dict)
    platform_id: str = ""


@dataclass(frozen=True, slots=True)
class CustomerEdited(Event):
    """The shopper changed a message to ``text``; it is named by the platform's id and, once on record, by ``seq``."""

    kind: ClassVar[str] = "customer_edited"
    concerns: str
    text: str
    seq: int = 0


@dataclass(frozen=True, slots=True)
class CustomerRecalled(Event):
    """The shopper took a message back; its words stay on record and are not shown any more."""

    kind: ClassVar[str] = "customer_recalled"
    concerns: str
    seq: int = 0


@dataclass(frozen=True, slots=True)
class CustomerReacted(Event):
    """The shopper put an emoji on a message, his own or ours (``""``: took it away)."""

    kind: ClassVar[str] = "customer_reacted"
    concerns: str
    emoji: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class BotUttered(Event):
    """The bot said ``text``; ``reply_key`` is the template it came from."""

    kind: ClassVar[str] = "bot_uttered"
    text: str
    reply_key: str = ""
    buttons: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AgentUttered(Event):
    """An agent wrote to the shopper; ``template`` names the platform's template, ``agent_id`` is empty elsewhere."""

    kind: ClassVar[str] = "agent_uttered"
    text: str
    agent_id: str
    agent_name: str
    template: str = ""
    attachments: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NoticeSent(Event):
    """The shop told the shopper something unasked for by this turn (a ticket moved, an agent came)."""

    kind: ClassVar[str] = "notice_sent"
    text: str
    reply_key: str = ""


@dataclass(frozen=True, slots=True)
class NoteWritten(Event):
    """An agent left a private note; never shown to the shopper."""

    kind: ClassVar[str] = "note_written"
    text: str
    agent_id: str
    agent_name: str


@dataclass(frozen=True, slots=True)
class IntentHandled(Event):
    """A handler did ``intent``."""

    kind: ClassVar[str] = "intent_handled"
    intent: str


@dataclass(frozen=True, slots=True)
class NotUnderstood(Event):
    """The bot abstained."""

    kind: ClassVar[str] = "not_understood"


@dataclass(frozen=True, slots=True)
class ClarificationAsked(Event):
    """The bot asked which of ``intents`` was meant; ``text`` is what is to be understood again."""

    kind: ClassVar[str] = "clarification_asked"
    intents: list[str]
    text: str = ""


@dataclass(frozen=True, slots=True)
class FormStarted(Event):
    """A form was opened by ``intent``."""

    kind: ClassVar[str] = "form_started"
    form: str
    intent: str


@dataclass(frozen=True, slots=True)
class SlotAsked(Event):
    """The open form asked for ``slot``; ``options`` are the values in the order of the buttons."""

    kind: ClassVar[str] = "slot_asked"
    slot: str
    options: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SlotSet(Event):
    """A slot got its value (None: emptied)."""

    kind: ClassVar[str] = "slot_set"
    slot: str
    value: Any


@dataclass(frozen=True, slots=True)
class AnswerRejected(Event):
    """The open question ``slot`` was answered with something that cannot be taken."""

    kind: ClassVar[str] = "answer_rejected"
    slot: str


@dataclass(frozen=True, slots=True)
class FormEnded(Event):
    """The form is over: ``submitted``, ``stopped`` or ``replaced``; its slots are forgotten."""

    kind: ClassVar[str] = "form_ended"
    form: str
    reason: str


@dataclass(frozen=True, slots=True)
class OrderProved(Event):
    """The shopper showed that the order is his."""

    kind: ClassVar[str] = "order_proved"
    order_number: str


@dataclass(frozen=True, slots=True)
class ProofFailed(Event):
    """The shopper's proof for the order was wrong."""

    kind: ClassVar[str] = "proof_failed"
    order_number: str


@dataclass(frozen=True, slots=True)
class TicketOpened(Event):
    """A ticket was opened."""

    kind: ClassVar[str] = "ticket_opened"
    number: str
    ticket_kind: str


@dataclass(frozen=True, slots=True)
class TicketMoved(Event):
    """A ticket's state changed; ``by`` is an agent's id, ``customer`` or ``bot``."""

    kind: ClassVar[str] = "ticket_moved"
    number: str
    before: str
    after: str
    by: str


@dataclass(frozen=True, slots=True)
class HandoffRequested(Event):
    """A human was asked for."""

    kind: ClassVar[str] = "handoff_requested"
    reason: str
    summary: str
    priority: str


@dataclass(frozen=True, slots=True)
class OwnerChanged(Event):
    """The owner changed and the epoch grew; ``by`` is an agent's id, ``customer``, ``bot`` or ``<channel>:<place>``.

    With a place a human there has the conversation, or had it; ``passed_by`` names the agent of ours who passed it.
    """

    kind: ClassVar[str] = "owner_changed"
    before: str
    after: str
    epoch: int
    by: str
    agent_id: str = ""
    agent_name: str = ""
    passed_by: str = ""


@dataclass(frozen=True, slots=True)
class Rated(Event):
    """The shopper judged the service: ``score`` 1..5, or 0 when only words were given."""

    kind: ClassVar[str] = "rated"
    score: int
    words: str = ""


@dataclass(frozen=True, slots=True)
class ContactPolicySet(Event):
    """The shopper allowed or forbade messages unasked for."""

    kind: ClassVar[str] = "contact_policy_set"
    messages_allowed: bool


@dataclass(frozen=True, slots=True)
class IdentityLinked(Event):
    """Another identity was found to be the same person's; ``evidence`` is the kind, ``value`` what fitted."""

    kind: ClassVar[str] = "identity_linked"
    link_id: str
    channel: str
    name: str
    evidence: str
    value: str = ""
    by_name: str = ""


@dataclass(frozen=True, slots=True)
class IdentityUnlinked(Event):
    """A link was undone: the other identity is its own person again."""

    kind: ClassVar[str] = "identity_unlinked"
    link_id: str
    channel: str
    name: str
    by_name: str
    reason: str


@dataclass(frozen=True, slots=True)
class AttachmentsErased(Event):
    """A person erased the customer's attachments, ``files`` of them in this conversation."""

    kind: ClassVar[str] = "attachments_erased"
    files: int
    agent_id: str
    agent_name: str
    reason: str


@dataclass(frozen=True, slots=True)
class PriorityRaised(Event):
    """Somebody waits too long: ``reason`` is ``overdue`` or ``window_closing``; ``number`` of a ticket, else ``""``."""

    kind: ClassVar[str] = "priority_raised"
    reason: str
    before: str
    after: str
    number: str = ""


@dataclass(frozen=True, slots=True)
class Snoozed(Event):
    """An agent put the conversation aside until ``until`` (ISO 8601, ``""``: no time) or until the shopper writes."""

    kind: ClassVar[str] = "snoozed"
    agent_id: str
    agent_name: str
    until: str = ""


@dataclass(frozen=True, slots=True)
class SnoozeEnded(Event):
    """The conversation is back with its agent; ``reason`` is ``time``, ``customer`` or ``agent``."""

    kind: ClassVar[str] = "snooze_ended"
    reason: str


@dataclass(frozen=True, slots=True)
class SurveyAsked(Event):
    """The shopper is asked how the conversation ``about`` was, served by ``agent`` or ``bot``."""

    kind: ClassVar[str] = "survey_asked"
    about: str
    served_by: str


EVENT_KINDS: dict[str, type[Event]] = {
    kind.kind: kind
    for kind in (
        CustomerUttered,
        CustomerEdited,
        CustomerRecalled,
        CustomerReacted,
        BotUttered,
        AgentUttered,
        NoticeSent,
        NoteWritten,
        IntentHandled,
        NotUnderstood,
        ClarificationAsked,
        FormStarted,
        SlotAsked,
        SlotSet,
        AnswerRejected,
        FormEnded,
        OrderProved,
        ProofFailed,
        TicketOpened,
        TicketMoved,
        HandoffRequested,
        OwnerChanged,
        Rated,
        ContactPolicySet,
        IdentityLinked,
        IdentityUnlinked,
        AttachmentsErased,
        PriorityRaised,
        Snoozed,
        SnoozeEnded,
        SurveyAsked,
    )
}

_FIELD_NAMES: dict[str, tuple[str, ...]] = {
    kind: tuple(known_field.name for known_field in fields(event_type)) for kind, event_type in EVENT_KINDS.items()
}


def encode(event: Event) -> dict[str, Any]:
    """Shape an event's data for a row (its kind is a column of its own); shares the event's lists, copy to change."""
    return {name: getattr(event, name) for name in _FIELD_NAMES[event.kind]}


def decode(kind: str, data: Mapping[str, Any]) -> Event:
    """Make the event of a row again; unknown fields are ignored, an unknown kind raises StorageError."""
    event_type = EVENT_KINDS.get(kind)
    if event_type is None:
        message = f"event kind {kind!r} is not known to this version; upgrade Xiaoer to read this conversation"
        raise StorageError(message)
    known = _FIELD_NAMES[kind]
    return event_type(**{name: value for name, value in data.items() if name in known})
