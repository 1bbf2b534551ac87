"""Small strict doubles of the engine's ports, and a stage to play dialogues on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bot.domain.channel_ports import Addressee, Capabilities, Delivery, Sent
from bot.domain.clock import ManualClock
from bot.domain.conversation import ALLOWED_CHANGES, Conversation, Owner
from bot.domain.customers import Customer
from bot.domain.errors import Conflict, NotFound
from bot.domain.events import Event, OwnerChanged, decode, encode
from bot.domain.forms import Form
from bot.domain.handoff import Handoff, HandoffReason
from bot.domain.ids import ConversationId, CustomerId, IdentityId, InboxId, OutboxId
from bot.domain.knowledge import KnowledgeEntry, Library
from bot.domain.line_ports import NO_PARTS, OutboxItem, PartsRecord, PendingTurn, TurnCommit, TurnOutbox
from bot.domain.messages import Button, InboundMessage, MessageKind, OutboundMessage, Sender
from bot.domain.ports import HandlerEntry, LiveEvent
from bot.domain.replies import Locale, Reply
from bot.domain.tracker import Tracker
from bot.domain.turns import Outcome, Turn
from bot.domain.understanding import (
    Entity,
    Expectation,
    IntentScore,
    Language,
    Recognition,
    Script,
    Sentiment,
    Urgency,
    Verdict,
)
from bot.engine.consulting import NoLibrary
from bot.engine.turn import TurnParts, TurnRunner

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CONVERSATION = ConversationId("c1")
SENDER = Sender("web", "shop", "visitor-1")


def message(text: str = "", kind: MessageKind = MessageKind.TEXT, **fields: Any) -> InboundMessage:
    """Make an inbound message; a payload makes it a button."""
    if fields.get("payload"):
        kind = MessageKind.BUTTON
    key = fields.pop("dedupe_key", "") or f"m{next(_KEYS)}"
    return InboundMessage(fields.pop("sender", SENDER), key, kind, START, text=text, **fields)


_KEYS = iter(range(10**9))


def understood(*ranked: str, sure: bool = True, **fields: Any) -> Recognition:
    """Make a recognition of intents, best first."""
    verdict = (Verdict.SURE if sure else Verdict.CLARIFY) if ranked else Verdict.ABSTAIN
    scores = tuple(IntentScore(name, 0.9 - 0.1 * place) for place, name in enumerate(ranked))
    shape: dict[str, Any] = {"verdict": verdict, "language": Language.ZH, "script": Script.HANS, "engine": "fake"}
    return Recognition(intents=scores, **(shape | fields))


def entity(name: str, value: str, text: str = "") -> Entity:
    """Make an entity, placed where its value stands in the text."""
    start = text.index(value) if value in text else 0
    return Entity(name, value, start, start + len(value) if text else 0)


def urgent(urgency: Urgency) -> Recognition:
    """Make a recognition of nothing but urgency."""
    return understood(sentiment=Sentiment(-0.9, urgency))


class FakeRecogniser:
    """Knows the texts it was taught; anything else it abstains from. Order numbers (W + digits) it always finds."""

    def __init__(self) -> None:
        self.taught: dict[str, Recognition] = {}
        self.heard: list[tuple[str, Expectation]] = []
        self.broken = False

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Recall what was taught, adding order numbers found in the text."""
        if self.broken:
            raise RuntimeError(f"the model choked on {text}")
        self.heard.append((text, expectation))
        known = self.taught.get(text, understood())
        if known.entities:
            return known
        found = tuple(
            Entity("order_number", word, text.index(word), text.index(word) + len(word))
            for word in _order_numbers(text)
        )
        return replace(known, entities=found)


def _order_numbers(text: str) -> list[str]:
    words = "".join(char if char.isascii() and char.isalnum() else " " for char in text).split()
    return [word for word in words if word[0] == "W" and word[1:].isdecimal() and len(word) > 4]


class FakeRenderer:
    """Says ``[key]`` in angle brackets of the locale's base; refuses keys marked broken."""

    def __init__(self) -> None:
        self.rendered: list[tuple[Reply, Locale]] = []
        self.broken: set[str] = set()
        self.texts: dict[str, str] = {}

    def render(self, reply: Reply, locale: Locale) -> OutboundMessage:
        """Fill in nothing; keep what was asked for."""
        if reply.key in self.broken:
            raise NotFound(f"no text {reply.key}")
        self.rendered.append((reply, locale))
        buttons = tuple(
            Button(choice.label or self._text(choice.label_key), choice.payload) for choice in reply.choices
        )
        return OutboundMessage(self._text(reply.key), buttons)

    def _text(self, key: str) -> str:
        if key in self.broken:
            raise NotFound(f"no text {key}")
        return self.texts.get(key, f"[{key}]")


class FakeKnowledge:
    """Knows the topics it is given."""

    def __init__(self, *topics: str) -> None:
        self._topics = topics

    def entry(self, topic: str) -> KnowledgeEntry | None:
        """Find a topic's entry."""
        if topic not in self._topics:
            return None
        return KnowledgeEntry(topic, {"zh": f"{topic}标题", "en": f"{topic} title"}, {}, {"zh": "答", "en": "A"})

    def topics(self) -> tuple[str, ...]:
        """List the topics."""
        return self._topics


class FakeQueue:
    """One agent there, nobody waiting."""

    async def agents_online(self) -> int:
        """Count agents."""
        return 1

    async def waiting(self) -> int:
        """Count waiting conversations."""
        return 0


class FakeFeed:
    """Keeps what was published."""

    def __init__(self) -> None:
        self.published: list[LiveEvent] = []

    async def publish(self, event: LiveEvent) -> None:
        """Keep the event."""
        self.published.append(event)

    def subscribe(self, topics: Sequence[str]) -> Any:
        """Nobody subscribes here."""
        raise AssertionError(f"nothing follows {topics}")


class FakeTurnStore:
    """Inbox, events and outbox of one conversation, with the real store's guards."""

    def __init__(self, channel: str = "web") -> None:
        self.conversation = Conversation(
            id=CONVERSATION,
            customer_id=CustomerId("p1"),
            identity_id=IdentityId("i1"),
            channel=channel,
            account="shop",
            channel_user_id="visitor-1",
            owner=Owner.WITH_BOT,
            epoch=0,
            agent_id=None,
            locale="",
            opened_at=START,
            updated_at=START,
        )
        self.tracker = Tracker()
        self.inbox: list[tuple[InboxId, InboundMessage]] = []
        self.events: list[Event] = []
        self.commits: list[TurnCommit] = []
        self.before_commit: Callable[[], Awaitable[None]] | None = None
        self.faults: list[Exception] = []

    def add(self, *messages: InboundMessage) -> None:
        """Put messages into the inbox."""
        for one in messages:
            self.inbox.append((InboxId(len(self.inbox) + len(self.events) + 1000 * len(self.commits)), one))

    def change_owner(self, owner: Owner) -> None:
        """Change the owner as the desk does."""
        before = self.conversation.owner
        assert owner in ALLOWED_CHANGES[before], (before, owner)
        self.conversation = replace(self.conversation, owner=owner, epoch=self.conversation.epoch + 1)
        changed = OwnerChanged(before.value, owner.value, self.conversation.epoch, "a1")
        self.events.append(changed)
        self.tracker = self.tracker.fold([changed])

    async def pending_conversations(self) -> tuple[ConversationId, ...]:
        """List the one conversation when something is pending."""
        return (CONVERSATION,) if self.inbox else ()

    async def load_turn(self, conversation_id: ConversationId) -> PendingTurn | None:
        """Load the pending messages, the tracker as a restart would read it."""
        assert conversation_id == CONVERSATION
        if not self.inbox:
            return None
        customer = Customer(CustomerId("p1"), "小王", messages_allowed=True, created_at=START)
        tracker = Tracker.from_snapshot(self.tracker.snapshot())
        return PendingTurn(self.conversation, customer, tracker, tuple(self.inbox))

    async def commit_turn(self, commit: TurnCommit) -> TurnOutbox:
        """Commit as the real store does: guarded by the epoch, all or nothing."""
        if self.before_commit is not None:
            before, self.before_commit = self.before_commit, None
            await before()
        if self.faults:
            raise self.faults.pop(0)
        if commit.expected_epoch != self.conversation.epoch:
            raise Conflict("the epoch has changed")
        pending = {inbox_id for inbox_id, _ in self.inbox}
        assert set(commit.inbox_ids) <= pending
        self.commits.append(commit)
        self.inbox = [row for row in self.inbox if row[0] not in commit.inbox_ids]
        for event in (*commit.events, *(draft.event for draft in commit.outbox)):
            assert decode(event.kind, encode(event)) == event
        self.events.extend(commit.events)
        self.tracker = commit.tracker
        if commit.owner is not None:
            self.change_owner(commit.owner)
        spoken = [draft.event for draft in commit.outbox]
        self.events.extend(spoken)
        self.tracker = self.tracker.fold(spoken)
        self.conversation = replace(self.conversation, locale=commit.locale or self.conversation.locale)
        return TurnOutbox()


@dataclass
class FakeHandler:
    """Answers ``reply``; keeps the turns it was given."""

    outcome: Outcome
    turns: list[Turn] = field(default_factory=list)
    problem: Exception | None = None

    async def __call__(self, turn: Turn) -> Outcome:
        """Give the outcome, or raise the problem."""
        self.turns.append(turn)
        if self.problem is not None:
            raise self.problem
        return self.outcome


def says(key: str, **fields: Any) -> FakeHandler:
    """Make a handler that says one thing."""
    return FakeHandler(Outcome(replies=(Reply(key),), **fields))


def human() -> FakeHandler:
    """Make the handler that fetches a human."""
    return says("request_human.queued", handoff=Handoff(HandoffReason.REQUESTED, "the summary"))


class Stage:
    """A shopper and the engine, with everything else faked."""

    def __init__(
        self,
        handlers: Mapping[str, HandlerEntry],
        *topics: str,
        recogniser: FakeRecogniser | None = None,
        library: Library | None = None,
    ) -> None:
        self.store = FakeTurnStore()
        self.recogniser = recogniser or FakeRecogniser()
        self.renderer = FakeRenderer()
        self.feed = FakeFeed()
        self.clock = ManualClock(START)
        self.handlers = dict(handlers)
        self.handlers.setdefault("request_human", HandlerEntry(human()))
        parts = TurnParts(
            store=self.store,
            recogniser=self.recogniser,
            knowledge=FakeKnowledge(*topics),
            renderer=self.renderer,
            handlers=self.handlers,
            queue=FakeQueue(),
            feed=self.feed,
            clock=self.clock,
            library=library or NoLibrary(),
        )
        self.runner = TurnRunner(parts)

    def teach(self, text: str, *ranked: str, sure: bool = True, **fields: Any) -> str:
        """Teach the recogniser a text; give the text."""
        self.recogniser.taught[text] = understood(*ranked, sure=sure, **fields)
        return text

    async def hears(self, *said: str | InboundMessage) -> list[str]:
        """Run one turn of what was said; give the keys of the replies. A text with ``/`` or ``=`` first is a button."""
        messages = [one if isinstance(one, InboundMessage) else _spoken(one) for one in said]
        self.store.add(*messages)
        assert await self.runner.run(CONVERSATION)
        return self.keys

    @property
    def commit(self) -> TurnCommit:
        """Give the last commit."""
        return self.store.commits[-1]

    @property
    def keys(self) -> list[str]:
        """Give the last turn's reply keys."""
        return [draft.event.reply_key for draft in self.commit.outbox]  # type: ignore[attr-defined]

    @property
    def text(self) -> str:
        """Give the last turn's words."""
        return "\n".join(draft.message.text for draft in self.commit.outbox)

    @property
    def payloads(self) -> list[str]:
        """Give the last turn's buttons."""
        return [button.payload for draft in self.commit.outbox for button in draft.message.buttons]

    @property
    def kinds(self) -> list[str]:
        """Give the last turn's event kinds."""
        return [event.kind for event in self.commit.events]


def _spoken(text: str) -> InboundMessage:
    return message(payload=text) if text[:1] in {"/", "="} else message(text)


def opens(form: Form, **slots: Any) -> FakeHandler:
    """Make a handler that opens a form."""
    return FakeHandler(Outcome(start_form=form.name, form_slots=slots))


class FakeOutboxStore:
    """An outbox in a list; rows of an older epoch are the real store's business."""

    def __init__(self, *texts: str, channel: str = "web") -> None:
        self.rows = [
            OutboxItem(OutboxId(number), CONVERSATION, channel, "shop", "visitor-1", "bot", _out(text), 0, START)
            for number, text in enumerate(texts)
        ]
        self.due: dict[OutboxId, datetime] = {}
        self.done: list[tuple[str, int, str]] = []
        self.begun: list[int] = []
        self.kinds: list[str] = []
        self.parts: list[PartsRecord] = []

    async def next_due(self, conversation_id: ConversationId, at: datetime) -> OutboxItem | None:
        """Give the first row if its time has come."""
        assert conversation_id == CONVERSATION
        if not self.rows or self.due.get(self.rows[0].id, START) > at:
            return None
        return self.rows[0]

    async def mark_sending(self, item: OutboxId, at: datetime) -> bool:
        """Note that the first row is being sent."""
        assert at >= START
        assert self.rows[0].id == item
        self.begun.append(int(item))
        return True

    async def publish(self, item: OutboxId, at: datetime, platform_id: str, parts: PartsRecord = NO_PARTS) -> bool:
        """Take the first row off."""
        await self.mark_sent(item, at, platform_id, parts)
        return True

    async def mark_unclear(self, item: OutboxId, at: datetime, reason: str, parts: PartsRecord = NO_PARTS) -> None:
        """Take the first row off."""
        assert at >= START
        self.parts.append(parts)
        self._finish("unclear", item, reason)

    async def mark_sent(self, item: OutboxId, at: datetime, platform_id: str, parts: PartsRecord = NO_PARTS) -> None:
        """Take the first row off."""
        assert at >= START
        self.parts.append(parts)
        self._finish("sent", item, platform_id)

    async def mark_deferred(self, item: OutboxId, due_at: datetime, reason: str, parts: PartsRecord = NO_PARTS) -> None:
        """Count a try and set the time."""
        assert self.rows[0].id == item
        assert reason
        self.parts.append(parts)
        self.rows[0] = replace(self.rows[0], tries=self.rows[0].tries + 1, parts_taken=parts.taken)
        self.due[item] = due_at

    async def mark_refused(
        self, item: OutboxId, at: datetime, reason: str, kind: str, parts: PartsRecord = NO_PARTS
    ) -> None:
        """Take the first row off."""
        assert at >= START
        self.parts.append(parts)
        self.kinds.append(kind)
        self._finish("refused", item, reason)

    def _finish(self, state: str, item: OutboxId, note: str) -> None:
        assert self.rows[0].id == item
        self.rows.pop(0)
        self.done.append((state, int(item), note))


def _out(text: str) -> OutboundMessage:
    return OutboundMessage(text)


class FakeChannel:
    """Takes messages; answers from a list first, then Sent."""

    name = "web"
    capabilities = Capabilities(max_text=1000)

    def __init__(self, *answers: Delivery | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[str] = []

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Answer as told."""
        assert to.account == "shop"
        answer = self.answers.pop(0) if self.answers else Sent(f"p{outbox_id}")
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Sent):
            self.sent.append(message.text)
        return answer
