"""The turn runner: one commit, conflicts, failures, owners, languages."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from bot.domain.conversation import Owner
from bot.domain.errors import ConfigError, NotFound, StorageError
from bot.domain.events import BotUttered, ContactPolicySet, CustomerUttered
from bot.domain.forms import Form, SlotSpec
from bot.domain.ports import HandlerEntry
from bot.domain.replies import Reply
from bot.domain.tickets import TicketState
from bot.domain.turns import Outcome, TicketMove
from bot.domain.understanding import Language, Script
from bot.engine.turn import TurnParts, TurnRunner
from bot.engine.typing_signs import TypingPace, TypingSigns
from tests.unit.engine.fakes import CONVERSATION, FakeHandler, Stage, human, message, opens, says
from tests.unit.engine.test_typing_signs import Platform

SECRET = "我的手机13800138000被客服泄露"
FORM = Form("secret", (SlotSpec("story", "secret.ask"),))


@pytest.fixture
def stage() -> Stage:
    """A shop with a greeting, a goodbye and a form that fails when it is filed."""
    broken = FakeHandler(Outcome(), problem=RuntimeError(SECRET))
    shop = Stage(
        {
            "greet": HandlerEntry(says("greet.hello")),
            "goodbye": HandlerEntry(says("goodbye.bye", resolve=True)),
            "unsubscribe": HandlerEntry(says("unsubscribe.done", messages_allowed=False)),
            "broken": HandlerEntry(broken),
            "secret": HandlerEntry(opens(FORM), FORM, broken),
        }
    )
    for text, intent in {"你好": "greet", "再见": "goodbye", "退订": "unsubscribe", "坏的": "broken"}.items():
        shop.teach(text, intent)
    shop.teach("保密", "secret")
    return shop


async def test_run_without_pending_messages_does_nothing(stage: Stage):
    """A bell rung for nothing costs one look."""
    assert await stage.runner.run(CONVERSATION) is None
    assert stage.store.commits == []
    assert stage.feed.published == []


async def test_turn_commits_once_with_everything(stage: Stage):
    """Inbox, events, tracker and outbox are one commit; the tracker is that of its events."""
    await stage.hears("你好")
    (commit,) = stage.store.commits
    assert len(commit.inbox_ids) == 1
    assert [type(event) for event in commit.events][:1] == [CustomerUttered]
    assert commit.events[0].recognition["intent"] == "greet"  # type: ignore[attr-defined]
    assert isinstance(commit.outbox[0].event, BotUttered)
    assert commit.outbox[0].sender == "bot"
    assert commit.tracker.customer_turns == 1
    assert commit.owner is None


async def test_turn_tells_the_pages(stage: Stage):
    """Typing goes to the shopper before, changed to the desk after."""
    await stage.hears("你好")
    assert [(bell.topic, bell.kind) for bell in stage.feed.published] == [
        ("shopper:web:shop:visitor-1", "typing"),
        ("conversation:c1", "changed"),
        ("desk", "changed"),
    ]


async def test_long_turn_is_shown_on_the_platform(stage: Stage):
    """The platform is told which message is being answered, and no more once the answer is there."""
    platform = Platform()
    parts = replace(stage.runner._parts, typing=TypingSigns({"web": platform}, TypingPace(after_s=0)))
    stage.runner = TurnRunner(parts)

    async def take_long() -> None:
        await asyncio.wait_for(platform.shown.wait(), 60)

    stage.store.before_commit = take_long
    assert await stage.hears(message("你好", platform_id="m7")) == ["greet.hello"]
    await asyncio.wait_for(parts.typing.settle(), 60)
    assert platform.told == [("visitor-1", "m7")]


async def test_conflict_decides_again_and_leaves_it_to_the_human(stage: Stage):
    """An agent who takes over while the bot thinks gets the message; the bot's answer is never written."""

    async def take_over() -> None:
        stage.store.change_owner(Owner.WITH_AGENT)

    stage.store.before_commit = take_over
    assert await stage.hears("你好") == []
    assert stage.kinds == ["customer_uttered"]
    assert stage.commit.events[0].recognition == {}  # type: ignore[attr-defined]
    assert stage.store.inbox == []


@pytest.mark.parametrize("owner", [Owner.WITH_AGENT, Owner.RESOLVED])
async def test_message_to_a_human_is_recorded_only(stage: Stage, owner: Owner):
    """The bot neither reads nor answers what is an agent's."""
    stage.store.change_owner(owner)
    assert await stage.hears("你好", "/greet") == []
    assert stage.kinds == ["customer_uttered", "customer_uttered"]
    assert stage.recogniser.heard == []
    assert all(bell.kind != "typing" for bell in stage.feed.published)


async def test_waiting_shopper_is_told_so_once_every_few_messages(stage: Stage):
    """No second handoff, no answer to each message, but a word now and then."""
    await stage.hears("/request_human")
    answers = [await stage.hears(f"喂{count}") for count in range(6)]
    assert answers == [[], [], ["engine.still_waiting"], [], [], ["engine.still_waiting"]]
    assert [event.kind for event in stage.store.events].count("handoff_requested") == 1


async def test_handler_failure_apologises_and_offers_a_human(stage: Stage, caplog: pytest.LogCaptureFixture):
    """The message is done, the shopper hears of it, the log holds no words of his."""
    with caplog.at_level(logging.DEBUG):
        assert await stage.hears("坏的") == ["engine.failed"]
    assert stage.payloads == ["/request_human"]
    assert stage.store.inbox == []
    assert SECRET not in caplog.text
    assert "RuntimeError" in caplog.text
    assert "c1" in caplog.text


async def test_failed_submission_goes_to_a_human_with_its_values(stage: Stage):
    """Nobody has to say it again."""
    await stage.hears("保密")
    assert await stage.hears("一件小事") == ["engine.form_failed", "request_human.queued"]
    handler = stage.handlers["request_human"].run
    assert isinstance(handler, FakeHandler)
    assert handler.turns[0].slots == {"story": "一件小事"}
    assert stage.store.conversation.owner is Owner.WAITING_FOR_AGENT


async def test_failing_way_to_a_human_still_leads_to_one(stage: Stage):
    """The engine queues the conversation itself when even that handler fails."""
    handler = human()
    handler.problem = ValueError("no")
    stage.handlers["request_human"] = HandlerEntry(handler)
    runner_stage = Stage(stage.handlers)
    assert await runner_stage.hears("/request_human") == ["engine.handed_over"]
    assert runner_stage.commit.owner is Owner.WAITING_FOR_AGENT


async def test_failing_recogniser_reads_as_not_understood(stage: Stage, caplog: pytest.LogCaptureFixture):
    """No model, no crash."""
    stage.recogniser.broken = True
    assert await stage.hears(SECRET) == ["engine.fallback_nothing_near"]
    assert SECRET not in caplog.text


async def test_broken_template_becomes_one_apology_and_loses_no_effect(stage: Stage):
    """What the handler did is kept even when it cannot be said."""
    stage.renderer.broken = {"unsubscribe.done"}
    await stage.hears("退订")
    assert stage.text == "[engine.failed]"
    assert stage.commit.messages_allowed is False


async def test_everything_broken_still_records_the_message(stage: Stage):
    """Without any template the turn is silent, but done."""
    stage.renderer.broken = {"greet.hello", "engine.failed", "engine.button_human"}
    assert await stage.hears("你好") == []
    assert stage.store.inbox == []


async def test_storage_fault_leaves_the_message_pending(stage: Stage):
    """A database that is away is the dispatcher's to try again."""
    stage.store.faults = [StorageError("away")]
    stage.store.add(message("你好"))
    with pytest.raises(StorageError):
        await stage.runner.run(CONVERSATION)
    assert stage.store.inbox
    assert await stage.runner.run(CONVERSATION)
    assert stage.keys == ["greet.hello"]


async def test_turn_that_never_commits_is_recorded_with_an_apology(stage: Stage):
    """A poisoned turn must not block the line: after three faults only the words are kept."""
    stage.store.faults = [StorageError("bad row")] * 3
    stage.store.add(message("你好"))
    for _ in range(2):
        with pytest.raises(StorageError):
            await stage.runner.run(CONVERSATION)
    assert await stage.runner.run(CONVERSATION)
    assert stage.keys == ["engine.failed"]
    assert stage.store.inbox == []


async def test_refusal_of_our_own_is_not_tried_again(stage: Stage):
    """What is refused for good (another's ticket) comes to an apology at once."""
    stage.handlers["greet"].run.outcome = Outcome(  # type: ignore[attr-defined]
        replies=(Reply("greet.hello"),), ticket_moves=(TicketMove("TK1", TicketState.OPEN),)
    )
    stage.store.faults = [NotFound("no such ticket")]
    assert await stage.hears("你好") == ["engine.failed"]
    assert stage.commit.ticket_moves == ()


async def test_goodbye_resolves_after_the_reply(stage: Stage):
    """The last words are in the same commit as the end."""
    assert await stage.hears("再见") == ["goodbye.bye"]
    assert stage.commit.owner is Owner.RESOLVED


async def test_contact_policy_is_an_event_too(stage: Stage):
    """The transcript shows when it changed."""
    await stage.hears("退订")
    assert ContactPolicySet(messages_allowed=False) in stage.commit.events


async def test_every_message_of_a_burst_is_on_record(stage: Stage):
    """Also the double click and the arrival that were passed over."""
    await stage.hears("你好", "/greet", "/greet")
    assert stage.kinds.count("customer_uttered") == 3
    assert len(stage.commit.inbox_ids) == 3


async def test_locale_follows_the_message_and_sticks(stage: Stage):
    """English in, English out; digits, emoji and "ok" change nothing; the script is kept."""
    stage.teach("hello there", "greet", language=Language.EN, script=Script.LATIN)
    stage.teach("您好請問", "greet", script=Script.HANT)
    stage.teach("ok", "greet", language=Language.EN, script=Script.LATIN)
    stage.teach("123", "greet", language=Language.OTHER, script=Script.OTHER)
    stage.teach("hello 你好呀", "greet", language=Language.MIXED)
    heard = []
    for text in ("你好", "hello there", "123", "您好請問", "ok", "你好", "hello 你好呀"):
        await stage.hears(text)
        heard.append(stage.commit.locale)
    assert heard == ["zh", "en", "en", "zh-Hant", "zh-Hant", "zh-Hant", "zh-Hant"]


def test_runner_without_a_way_to_a_human_is_refused(stage: Stage):
    """A shop whose bot cannot fetch a human does not open."""
    parts = TurnParts(
        store=stage.store,
        recogniser=stage.recogniser,
        knowledge=stage.runner._parts.knowledge,
        renderer=stage.renderer,
        handlers={},
        queue=stage.runner._parts.queue,
        feed=stage.feed,
        clock=stage.clock,
    )
    with pytest.raises(ConfigError, match="request_human"):
        TurnRunner(parts)
