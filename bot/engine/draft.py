"""A turn in the making: what was decided so far, folded as it grows, until it is committed at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.domain.conversation import Owner
from bot.domain.events import (
    ContactPolicySet,
    CustomerUttered,
    Event,
    FormEnded,
    HandoffRequested,
    TicketOpened,
)
from bot.domain.handoff import Handoff
from bot.domain.line_ports import OutboxDraft, PendingTurn, TurnCommit
from bot.domain.messages import InboundMessage
from bot.domain.replies import Choice, Locale, Reply
from bot.domain.tickets import TicketDraft
from bot.domain.turns import Outcome, ProofAttempt, TicketMove
from bot.engine import revisions


@dataclass(frozen=True, slots=True)
class Said:
    """A reply of this turn; a ``lead`` is put before the next reply's text instead of being sent alone."""

    reply: Reply
    lead: bool = False


class TurnDraft:
    """Collects one turn's events, replies and effects.

    ``tracker`` is folded with everything decided so far but without this turn's own messages, so that a handler still
    sees what was said and offered before. ``lead`` is the line to put before the next question, ``waits`` tells that
    the open question was already dealt with in this turn.
    """

    def __init__(self, pending: PendingTurn, locale: Locale, at: datetime) -> None:
        self.pending = pending
        self.locale = locale
        self.at = at
        self.tracker = pending.tracker
        self.events: list[Event] = []
        self.said: list[Said] = []
        self.lead = ""
        self.waits = False
        self.handoff: Handoff | None = None
        self.resolves = False
        self._summaries: dict[str, dict[str, Any]] = {}
        self._tickets: list[TicketDraft] = []
        self._moves: list[TicketMove] = []
        self._proofs: list[ProofAttempt] = []
        self._messages_allowed: bool | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether the conversation leaves the bot with this turn."""
        return self.handoff is not None or self.resolves

    def note(self, *events: Event) -> None:
        """Append events and fold them."""
        self.events.extend(events)
        self.tracker = self.tracker.fold(events)

    def say(self, key: str, data: Mapping[str, Any] | None = None, choices: Sequence[Choice] = ()) -> None:
        """Add one of the engine's own replies."""
        self.said.append(Said(Reply(key, data or {}, tuple(choices))))

    def summarise(self, message: InboundMessage, summary: Mapping[str, Any]) -> None:
        """Keep a recognition's summary for the event of the message it belongs to."""
        self._summaries[message.dedupe_key] = dict(summary)

    def absorb(self, outcome: Outcome) -> None:
        """Take over what a handler wants said and done, all but the form it opens."""
        self.said.extend(Said(reply) for reply in outcome.replies)
        self.note(*outcome.events, *(TicketOpened(one.number, one.kind.value) for one in outcome.tickets))
        self._tickets.extend(outcome.tickets)
        self._moves.extend(outcome.ticket_moves)
        self._proofs.extend(outcome.proof_attempts)
        if outcome.messages_allowed is not None:
            self._messages_allowed = outcome.messages_allowed
            if not any(isinstance(event, ContactPolicySet) for event in outcome.events):
                self.note(ContactPolicySet(outcome.messages_allowed))
        self.resolves = self.resolves or outcome.resolve
        if outcome.handoff is not None:
            self.hand_over(outcome.handoff)

    def hand_over(self, handoff: Handoff) -> None:
        """Ask for a human, once a turn; an open form is left."""
        if self.handoff is not None:
            return
        self.handoff = handoff
        if self.tracker.form:
            self.note(FormEnded(self.tracker.form, "replaced"))
        self.note(HandoffRequested(handoff.reason.value, handoff.summary, handoff.priority.value))

    def commit(self, outbox: Sequence[OutboxDraft]) -> TurnCommit:
        """Shape everything as the one commit."""
        if self.resolves and self.handoff is None and self.tracker.form:
            self.note(FormEnded(self.tracker.form, "stopped"))
        events = (*self._uttered(), *self.events)
        return TurnCommit(
            conversation_id=self.pending.conversation.id,
            expected_epoch=self.pending.conversation.epoch,
            inbox_ids=tuple(inbox_id for inbox_id, _ in self.pending.inbox),
            events=events,
            outbox=tuple(outbox),
            tracker=self.pending.tracker.fold(events),
            at=self.at,
            tickets=tuple(self._tickets),
            ticket_moves=tuple(self._moves),
            proof_attempts=tuple(self._proofs),
            owner=self._owner(),
            locale=self.locale.value if self.pending.conversation.owner is Owner.WITH_BOT else "",
            messages_allowed=self._messages_allowed,
        )

    def _owner(self) -> Owner | None:
        if self.handoff is not None:
            return Owner.WAITING_FOR_AGENT
        return Owner.RESOLVED if self.resolves else None

    def _uttered(self) -> tuple[Event, ...]:
        messages = [message for _, message in self.pending.inbox]
        # The words of a message that was taken back before anybody read it are not kept.
        gone = revisions.taken_back(messages)
        kept = [_emptied(one) if one.dedupe_key in gone else one for one in messages]
        return tuple(revisions.as_event(one) or self._utterance(one) for one in kept)

    def _utterance(self, message: InboundMessage) -> CustomerUttered:
        return CustomerUttered(
            text=message.text,
            message_kind=message.kind.value,
            dedupe_key=message.dedupe_key,
            payload=message.payload,
            attachments=[
                {"kind": one.kind.value, "reference": one.reference, "mime": one.mime, "name": one.name}
                for one in message.attachments
            ],
            recognition=self._summaries.get(message.dedupe_key, {}),
            platform_id=message.platform_id,
        )


def _emptied(message: InboundMessage) -> InboundMessage:
    return replace(message, text="", payload="", attachments=())
