"""Doing what the policy decided: running handlers, driving the open form, saying the engine's own lines."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.domain.events import AnswerRejected, FormEnded, FormStarted, IntentHandled, NotUnderstood
from bot.domain.forms import Form
from bot.domain.handoff import Handoff, HandoffReason, Priority
from bot.domain.messages import InboundMessage, MessageKind
from bot.domain.ports import Handler, HandlerEntry, QueueBoard, Recogniser
from bot.domain.replies import Choice, Reply
from bot.domain.turns import Outcome, Turn
from bot.domain.understanding import IntentScore, Recognition, Verdict
from bot.engine import forms, policy, questions
from bot.engine.draft import Said, TurnDraft
from bot.engine.faults import describe
from bot.engine.forms import Result, Step
from bot.engine.reading import Reading, understand
from bot.engine.speech import APOLOGY, HUMAN, NEITHER, STOP, Speech

_LOG = logging.getLogger(__name__)
_MAX_SUBMITS = 3
_LEADS = {
    Result.CORRECTED: "engine.corrected",
    Result.ADDED: "engine.photo_added",
    Result.NOTHING: "engine.not_an_answer",
}


@dataclass(frozen=True, slots=True)
class _Job:
    """One call of a handler: its intent, the words it reads, a submitted form's values."""

    intent: str
    messages: tuple[InboundMessage, ...]
    recognition: Recognition
    reason: HandoffReason | None = None
    slots: Mapping[str, Any] = field(default_factory=dict)


class Acts:
    """Turns decisions into a TurnDraft's events, replies and effects."""

    def __init__(
        self, handlers: Mapping[str, HandlerEntry], recogniser: Recogniser, speech: Speech, queue: QueueBoard
    ) -> None:
        self._handlers = handlers
        self._recogniser = recogniser
        self._speech = speech
        self._queue = queue
        self._forms = {entry.form.name: entry.form for entry in handlers.values() if entry.form is not None}
        self.opens_form = frozenset(name for name, entry in handlers.items() if entry.form is not None)

    def open_form(self, name: str) -> Form | None:
        """Find a form by its name."""
        return self._forms.get(name)

    async def perform(
        self, decision: policy.Decision, draft: TurnDraft, reading: Reading, messages: Sequence[InboundMessage]
    ) -> None:
        """Carry one decision out on the draft."""
        match decision:
            case policy.Say():
                await self._say(decision, draft)
            case policy.Run():
                await self._run(decision, draft, reading, messages)
            case policy.Fill(step=step, aside=aside):
                self._fill(step, draft)
                if aside:
                    await self._handle(draft, _Job(aside, tuple(messages), reading.recognition))
            case policy.Stop():
                draft.note(FormEnded(draft.tracker.form, "stopped"))
                draft.say("engine.form_stopped")
            case policy.Record():
                pass

    async def finish(self, draft: TurnDraft, reading: Reading, messages: Sequence[InboundMessage]) -> None:
        """Ask the open form's next question, or submit it when nothing is open."""
        heard = _Job(draft.tracker.form_intent, tuple(messages), reading.recognition)
        for _ in range(_MAX_SUBMITS):
            form = self._forms.get(draft.tracker.form)
            if draft.is_over or draft.waits or form is None:
                return
            name = questions.open_question(form, draft.tracker.slots)
            if name:
                self._ask(form, name, draft)
                return
            await self._submit(form, draft, heard)
        _LOG.error("form %s was submitted %s times in one turn and is given up", draft.tracker.form, _MAX_SUBMITS)
        await self._fail_form(draft, heard)

    # ------------------------------------------------------------ the engine's own lines

    async def _say(self, decision: policy.Say, draft: TurnDraft) -> None:
        draft.note(*decision.events)
        intents = [one for one in decision.intents if not (decision.human and one == policy.REQUEST_HUMAN)]
        choices = [*self._speech.offers(intents, draft.locale)]
        choices += [NEITHER] if decision.neither else []
        choices += [HUMAN] if decision.human else []
        data = await self._queue_state() if decision.key == "engine.still_waiting" else {}
        draft.say(decision.key, data, choices)
        draft.lead = "engine.back_to_form" if draft.tracker.form else ""

    async def _queue_state(self) -> dict[str, Any]:
        try:
            return {"online": await self._queue.agents_online(), "waiting": await self._queue.waiting()}
        except Exception as problem:  # noqa: BLE001 - a line without figures is better than none
            _LOG.error("the queue's state is not known: %s", describe(problem))
            return {"online": 1, "waiting": 0}

    # ------------------------------------------------------------ handlers

    async def _run(
        self, decision: policy.Run, draft: TurnDraft, reading: Reading, messages: Sequence[InboundMessage]
    ) -> None:
        job = _Job(decision.intent, tuple(messages), reading.recognition, decision.reason)
        if decision.text:
            meant = await understand(decision.text, self._recogniser)
            chosen = replace(meant, intents=(IntentScore(decision.intent, 1.0),), verdict=Verdict.SURE)
            job = replace(job, messages=(_worded(messages[-1], decision.text),), recognition=chosen)
        if decision.missed:
            draft.note(NotUnderstood())
        await self._handle(draft, job)
        if decision.reason is None and not decision.text:
            await self._do_further(reading, draft, job)

    async def _do_further(self, reading: Reading, draft: TurnDraft, job: _Job) -> None:
        """Do the other errands of the message that are quick, and speak of those that are not."""
        for intent in dict.fromkeys(reading.further):
            entry = self._handlers.get(policy.handler_key(intent))
            if draft.is_over or entry is None or intent == job.intent or not policy.is_worth_doing(intent):
                continue
            if entry.form is None:
                await self._handle(draft, replace(job, intent=intent))
            elif draft.tracker.form:
                draft.say("engine.second_later", {"what": self._speech.name_of(intent, draft.locale)})
            else:
                draft.say("engine.second_offer", {}, self._speech.offers([intent], draft.locale))

    async def _handle(self, draft: TurnDraft, job: _Job) -> None:
        entry = self._handlers[policy.handler_key(job.intent)]
        outcome = await self._call(entry.run, draft, job)
        if outcome is None:
            self._apologise(draft, job)
            return
        draft.note(IntentHandled(job.intent))
        self._take(outcome, draft, job)

    def _take(self, outcome: Outcome, draft: TurnDraft, job: _Job, submitted: str = "") -> None:
        form = self._forms.get(outcome.start_form)
        if outcome.start_form and form is None:
            _LOG.error("intent %s opens form %r, which no handler has", job.intent, outcome.start_form)
        if form is None:
            draft.absorb(outcome)
            draft.lead = "engine.back_to_form" if draft.tracker.form else ""
            return
        if draft.tracker.form:
            draft.say("engine.form_replaced")
            draft.note(FormEnded(draft.tracker.form, "replaced"))
        draft.absorb(outcome)
        if draft.is_over:
            return
        draft.lead = ""
        draft.waits = False
        # A form opened again by its own submission must not take the same words for an answer once more.
        heard = Recognition() if submitted == form.name else job.recognition
        draft.note(FormStarted(form.name, job.intent), *questions.opening(form, outcome.form_slots, heard))

    async def _call(self, handler: Handler, draft: TurnDraft, job: _Job) -> Outcome | None:
        turn = Turn(
            conversation=draft.pending.conversation,
            customer=draft.pending.customer,
            tracker=draft.tracker,
            messages=job.messages,
            recognition=job.recognition,
            locale=draft.locale,
            now=draft.at,
            intent=job.intent,
            handoff_reason=job.reason,
            slots=job.slots,
        )
        try:
            return await handler(turn)
        except Exception as problem:  # noqa: BLE001 - the shopper gets an apology, the line goes on
            _LOG.error(
                "handler of %s failed in conversation %s: %s", job.intent, turn.conversation.id, describe(problem)
            )
            return None

    def _apologise(self, draft: TurnDraft, job: _Job) -> None:
        if job.intent != policy.REQUEST_HUMAN:
            draft.said.append(Said(APOLOGY))
            draft.lead = "engine.back_to_form" if draft.tracker.form else ""
            return
        # Even the way to a human is broken: then the engine itself puts the conversation in the queue.
        draft.say("engine.handed_over")
        urgent = job.reason in {HandoffReason.URGENT, HandoffReason.ANGRY}
        reason = job.reason or HandoffReason.REQUESTED
        draft.hand_over(Handoff(reason, job.messages[-1].text[:200], Priority.URGENT if urgent else Priority.HIGH))

    # ------------------------------------------------------------ the open form

    def _fill(self, step: Step, draft: TurnDraft) -> None:
        draft.note(*step.events)
        if step.result is Result.NOTHING:
            draft.note(AnswerRejected(draft.tracker.asked_slot))
        if step.result is Result.REJECTED and step.reply is not None:
            self._say_rejected(step.reply, draft)
        elif step.result is Result.DENIED:
            form = self._forms[draft.tracker.form]
            draft.say("engine.confirm_no", {}, (*questions.edit_choices(form, draft.tracker.slots), STOP))
            draft.waits = True
        else:
            draft.lead = _LEADS.get(step.result, "")

    def _say_rejected(self, reply: Reply, draft: TurnDraft) -> None:
        spec = self._forms[draft.tracker.form].slot(draft.tracker.asked_slot)
        choices = (*reply.choices, *(questions.choices_of(spec) if spec else ()), *_way_out(draft))
        if _way_out(draft):
            draft.said.append(Said(Reply("engine.offer_human_in_form"), lead=True))
        draft.said.append(Said(replace(reply, choices=choices)))
        draft.waits = True

    def _ask(self, form: Form, name: str, draft: TurnDraft) -> None:
        reply, asked = questions.question(form, name, draft.tracker.slots)
        draft.note(asked)
        lead = "engine.offer_human_in_form" if _way_out(draft) else draft.lead
        if lead:
            draft.said.append(Said(Reply(lead), lead=True))
        draft.said.append(Said(replace(reply, choices=(*reply.choices, *_way_out(draft)))))

    async def _submit(self, form: Form, draft: TurnDraft, heard: _Job) -> None:
        intent = draft.tracker.form_intent
        entry = next(self._entries_of(form.name, intent))
        job = replace(heard, intent=intent, slots=dict(draft.tracker.slots))
        outcome = await self._call(entry.submit or entry.run, draft, job)
        if outcome is None:
            await self._fail_form(draft, heard)
            return
        draft.note(FormEnded(form.name, "submitted"))
        self._take(outcome, draft, job, submitted=form.name)

    def _entries_of(self, form: str, intent: str) -> Iterator[HandlerEntry]:
        own = self._handlers.get(intent)
        if own is not None and own.form is not None and own.form.name == form:
            yield own
        yield from (entry for entry in self._handlers.values() if entry.form is not None and entry.form.name == form)

    async def _fail_form(self, draft: TurnDraft, heard: _Job) -> None:
        """A complete form that cannot be filed goes to a human with its values, so that nobody repeats himself."""
        slots = dict(draft.tracker.slots)
        draft.note(FormEnded(draft.tracker.form, "stopped"))
        draft.say("engine.form_failed")
        job = replace(heard, intent=policy.REQUEST_HUMAN, reason=HandoffReason.FAILED, slots=slots)
        await self._handle(draft, job)


def _way_out(draft: TurnDraft) -> tuple[Choice, ...]:
    return (HUMAN, STOP) if draft.tracker.rejections >= forms.MAX_REJECTIONS else ()


def _worded(message: InboundMessage, text: str) -> InboundMessage:
    return replace(message, kind=MessageKind.TEXT, text=text, payload="")
