"""One turn: load -> understand -> decide -> handle -> render -> commit once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from bot.domain.channel_ports import Addressee
from bot.domain.clock import Clock
from bot.domain.conversation import Owner
from bot.domain.errors import ConfigError, Conflict, StorageError, XiaoerError
from bot.domain.ids import ConversationId, InboxId
from bot.domain.knowledge import Library
from bot.domain.line_ports import PendingTurn, TurnCommit, TurnOutbox, TurnStore
from bot.domain.messages import InboundMessage
from bot.domain.ports import HandlerEntry, Knowledge, LiveFeed, QueueBoard, Recogniser, Renderer
from bot.domain.replies import Locale
from bot.engine import live, policy, revisions
from bot.engine.acts import Acts
from bot.engine.consulting import Consulting, NoLibrary
from bot.engine.draft import Said, TurnDraft
from bot.engine.faults import describe
from bot.engine.locales import choose_locale, parse_locale
from bot.engine.reading import Reading, read, segments
from bot.engine.speech import APOLOGY, Speech
from bot.engine.typing_signs import TypingSigns

_LOG = logging.getLogger(__name__)
_MAX_CONFLICTS = 5
_MAX_FAULTS = 3


@dataclass(frozen=True, slots=True)
class TurnParts:
    """Everything a turn works with; ``handlers`` is keyed by intent, ``faq`` does every ``faq/...``."""

    store: TurnStore
    recogniser: Recogniser
    knowledge: Knowledge
    renderer: Renderer
    handlers: Mapping[str, HandlerEntry]
    queue: QueueBoard
    feed: LiveFeed
    clock: Clock
    default_locale: Locale = Locale.ZH
    library: Library = field(default_factory=NoLibrary)
    typing: TypingSigns = field(default_factory=lambda: TypingSigns({}))


class TurnRunner:
    """Runs turns; call it for one conversation at a time."""

    def __init__(self, parts: TurnParts) -> None:
        """Take the parts; ConfigError when no handler fetches a human."""
        if policy.REQUEST_HUMAN not in parts.handlers:
            raise ConfigError(f"no handler does {policy.REQUEST_HUMAN!r}; add it to the HANDLERS table")
        self._parts = parts
        self._speech = Speech(parts.renderer, parts.knowledge)
        self._acts = Acts(parts.handlers, parts.recogniser, self._speech, parts.queue)
        self._consulting = Consulting(parts.library)
        self._faults: dict[ConversationId, tuple[InboxId, int]] = {}

    async def run(self, conversation_id: ConversationId) -> TurnOutbox | None:
        """Handle the pending messages as one turn, committed at once; None when nothing was pending.

        What the turn put in the outbox is returned, to be delivered.

        Raises what the store raises when it cannot be used; the messages stay pending. A turn that cannot be
        committed three times over is recorded with an apology instead, so that it never blocks the line.
        """
        pending = await self._parts.store.load_turn(conversation_id)
        if pending is None:
            return None
        if pending.conversation.owner is Owner.WITH_BOT:
            await self._parts.feed.publish(live.typing(pending.conversation))
        with self._typing(pending):
            try:
                put = await self._attempt(pending)
            except Exception as problem:  # noqa: BLE001 - see _settle_fault, which raises again what may pass by itself
                put = await self._settle_fault(conversation_id, problem)
        self._faults.pop(conversation_id, None)
        for bell in live.changed(conversation_id):
            await self._parts.feed.publish(bell)
        return put

    def _typing(self, pending: PendingTurn) -> AbstractContextManager[None]:
        """Let the shopper see that the bot is at it, should it take long."""
        conversation = pending.conversation
        if conversation.owner is not Owner.WITH_BOT or not pending.inbox:
            return nullcontext()
        to = Addressee(conversation.account, conversation.channel_user_id, conversation.id, "bot")
        return self._parts.typing.while_answering(conversation.channel, to, pending.inbox[-1][1].platform_id)

    async def _attempt(self, pending: PendingTurn | None) -> TurnOutbox:
        """Decide and commit; when somebody else was first, load and decide again."""
        for tries_left in reversed(range(_MAX_CONFLICTS)):
            if pending is None:
                break
            try:
                return await self._parts.store.commit_turn(await self._decided(pending))
            except Conflict:
                if not tries_left:
                    raise
                pending = await self._parts.store.load_turn(pending.conversation.id)
        return TurnOutbox()

    async def _settle_fault(self, conversation_id: ConversationId, problem: Exception) -> TurnOutbox:
        pending = await self._parts.store.load_turn(conversation_id)
        if pending is None:
            return TurnOutbox()
        head = pending.inbox[0][0]
        seen_head, count = self._faults.get(conversation_id, (head, 0))
        count = count + 1 if seen_head == head else 1
        self._faults[conversation_id] = (head, count)
        # What we raise ourselves (but for the database) comes again with every try; the rest may be passing.
        lasting = isinstance(problem, XiaoerError) and not isinstance(problem, StorageError)
        _LOG.error("turn of conversation %s failed (try %s): %s", conversation_id, count, describe(problem))
        if not lasting and count < _MAX_FAULTS:
            raise problem
        return await self._parts.store.commit_turn(self._apology(pending))

    def _apology(self, pending: PendingTurn) -> TurnCommit:
        draft = self._draft(pending)
        if pending.conversation.owner is Owner.WITH_BOT:
            draft.said.append(Said(APOLOGY))
        return self._rendered(draft)

    async def _decided(self, pending: PendingTurn) -> TurnCommit:
        draft = self._draft(pending)
        heard = revisions.as_they_read(message for _, message in pending.inbox)
        if not heard:
            return self._rendered(draft)
        if pending.conversation.owner is not Owner.WITH_BOT:
            last = heard
            unread = Reading(last[-1])
            await self._acts.perform(policy.decide(self._situation(draft, unread)), draft, unread, last)
            return self._rendered(draft)
        for group in segments(heard):
            reading = await self._hear(draft, group)
            if draft.is_over:
                return self._rendered(draft)
        # Only now, once for the whole turn, the form's next question.
        await self._acts.finish(draft, reading, group)
        return self._rendered(draft)

    async def _hear(self, draft: TurnDraft, group: Sequence[InboundMessage]) -> Reading:
        """Understand one segment, decide and act."""
        form = self._acts.open_form(draft.tracker.form)
        heard = await read(group, draft.tracker, form, self._parts.recogniser)
        reading = await self._consulting.consult(heard)
        draft.summarise(group[-1], reading.recognition.summary() if reading.recognition.engine else {})
        if reading.text and not reading.pressed:
            firm = bool(draft.said or draft.pending.conversation.locale)
            draft.locale = choose_locale(reading.text, reading.recognition, draft.locale, firm=firm)
        messages = group if len(group) > 1 else (reading.message,)
        await self._acts.perform(policy.decide(self._situation(draft, reading)), draft, reading, messages)
        return reading

    def _situation(self, draft: TurnDraft, reading: Reading) -> policy.Situation:
        form = self._acts.open_form(draft.tracker.form)
        return policy.Situation(
            owner=draft.pending.conversation.owner,
            tracker=draft.tracker,
            reading=reading,
            intents=frozenset(self._parts.handlers),
            form=form,
            opens_form=self._acts.opens_form,
            labels=self._speech.labels(form),
        )

    def _draft(self, pending: PendingTurn) -> TurnDraft:
        locale = parse_locale(pending.conversation.locale) or _hinted(pending) or self._parts.default_locale
        return TurnDraft(pending, locale, self._parts.clock.now())

    def _rendered(self, draft: TurnDraft) -> TurnCommit:
        turn = draft.pending.tracker.customer_turns
        return draft.commit(self._speech.outbox(draft.said, draft.locale, turn))


def _hinted(pending: PendingTurn) -> Locale | None:
    return parse_locale(pending.inbox[-1][1].sender.locale_hint)
