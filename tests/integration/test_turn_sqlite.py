"""Intake, turns, delivery and dispatcher on the real stores over a SQLite file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from bot.domain.channel_ports import Delivery, Failed
from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.forms import Form, SlotSpec
from bot.domain.ids import ConversationId
from bot.domain.line_ports import PendingTurn, TurnCommit
from bot.domain.messages import Sender
from bot.domain.ports import HandlerEntry
from bot.domain.replies import Reply
from bot.domain.tickets import TicketDraft, TicketKind
from bot.domain.turns import Outcome
from bot.engine.delivery import Deliverer
from bot.engine.dispatcher import EmbeddedDispatcher, Pace
from bot.engine.intake import Intake
from bot.engine.live import MemoryLiveFeed
from bot.engine.turn import TurnParts, TurnRunner
from storage import schema
from storage.database import Database
from storage.stream import SqlShopperStream
from storage.tables import TICKETS
from tests.contract.line import Line
from tests.unit.engine.fakes import (
    SENDER,
    START,
    FakeChannel,
    FakeHandler,
    FakeKnowledge,
    FakeQueue,
    FakeRecogniser,
    FakeRenderer,
    human,
    message,
    opens,
    says,
    understood,
)

COMPLAINT = Form(
    "file_complaint",
    (
        SlotSpec("category", "file_complaint.ask_category", options=("quality", "late")),
        SlotSpec("story", "c.ask_story"),
    ),
    confirm="file_complaint.confirm",
)


class Shop:
    """The whole line on one database file; opened again it is another process."""

    def __init__(self, line: Line, *answers: Delivery) -> None:
        self.line = line
        self.clock = ManualClock(START)
        self.channel = FakeChannel(*answers)
        self.feed = MemoryLiveFeed()
        recogniser = FakeRecogniser()
        recogniser.taught |= {"你好": understood("greet"), "投诉": understood("file_complaint")}
        filed = Outcome(
            replies=(Reply("file_complaint.filed"),),
            tickets=(TicketDraft("TK12345678", TicketKind.COMPLAINT, "broken"),),
        )
        self.turns = TurnRunner(
            TurnParts(
                store=line.turns,
                recogniser=recogniser,
                knowledge=FakeKnowledge(),
                renderer=FakeRenderer(),
                handlers={
                    "greet": HandlerEntry(says("greet.hello")),
                    "file_complaint": HandlerEntry(opens(COMPLAINT), COMPLAINT, FakeHandler(filed)),
                    "goodbye": HandlerEntry(says("goodbye.bye", resolve=True)),
                    "request_human": HandlerEntry(human()),
                },
                queue=FakeQueue(),
                feed=self.feed,
                clock=self.clock,
            )
        )
        delivery = Deliverer(line.outbox, {"web": self.channel}, self.feed, self.clock, Random(1))  # noqa: S311
        self.dispatcher = EmbeddedDispatcher(line.turns, self.turns, delivery, Pace(sweep_s=60))
        self.intake = Intake(line.inbox, self.dispatcher, self.feed, self.clock)
        self.stream = SqlShopperStream(line.database)

    async def hears(self, *texts: str) -> list[str]:
        """Take texts in, wait for the answers; give what was sent."""
        before = len(self.channel.sent)
        spoken = [message(payload=text) if text.startswith(("/", "=")) else message(text) for text in texts]
        await self.intake.accept(spoken)
        await self.dispatcher.settle()
        return self.channel.sent[before:]


@asynccontextmanager
async def opened(file: Path, *answers: Delivery) -> AsyncIterator[Shop]:
    """Open the shop on a database file."""
    schema.migrate(f"sqlite:///{file}")
    database = Database(f"sqlite:///{file}")
    try:
        yield Shop(Line(database), *answers)
    finally:
        database.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Name a database file."""
    return tmp_path / "shop.db"


async def test_message_is_answered_once_and_seen_by_the_shopper(file: Path):
    """A message and its repeat: one answer, both sides in the shopper's stream, nothing left to do."""
    async with opened(file) as shop:
        hello = message("你好", dedupe_key="same")
        await shop.intake.accept([hello])
        await shop.intake.accept([hello])
        await shop.dispatcher.settle()
        assert shop.channel.sent == ["[greet.hello]"]
        seen = await shop.stream.since(SENDER, 0, 10)
        assert [(item.sender, item.text) for item in seen] == [("customer", "你好"), ("bot", "[greet.hello]")]
        assert await shop.line.turns.pending_conversations() == ()


async def test_form_goes_on_after_a_restart_and_files_one_ticket(file: Path):
    """Each answer by another process; the ticket, its event and the words are committed together."""
    for said, answer in (
        ("投诉", "[file_complaint.ask_category]"),
        ("2", "[c.ask_story]"),
        ("杯子碎了", "[file_complaint.confirm]"),
        ("/affirm", "[file_complaint.filed]"),
    ):
        async with opened(file) as shop:
            assert await shop.hears(said) == [answer]
    async with opened(file) as shop:
        tickets = await shop.line.rows(TICKETS)
        assert [ticket["number"] for ticket in tickets] == ["TK12345678"]


async def test_message_left_by_a_killed_process_is_answered_by_the_next(file: Path):
    """Taken in, never rung for: the next start answers it."""
    async with opened(file) as shop:
        await shop.line.inbox.accept([message("你好")], START)
    async with opened(file) as shop:
        await shop.dispatcher.start()
        async with asyncio.timeout(60):
            while not shop.channel.sent:  # noqa: ASYNC110 - the sweep's own task sends it
                await asyncio.sleep(0.01)
        await shop.dispatcher.stop()
        assert shop.channel.sent == ["[greet.hello]"]


async def test_agent_who_takes_over_while_the_bot_thinks_is_not_talked_over(file: Path):
    """The turn decided before the takeover is never written; the words are on record for the agent."""
    async with opened(file) as shop:
        await shop.hears("/request_human")
        agent = await shop.line.hire("ann")
        (first,) = await shop.line.inbox.accept([message("在吗")], START)
        conversation_id = first.conversation_id
        await shop.line.ownership.take(conversation_id, agent, START)
        given = await shop.line.ownership.give_back(conversation_id, agent, START)
        assert given.owner is Owner.WITH_BOT
        shop.turns._parts.store.commit_turn = _taking_over(shop, conversation_id, agent)  # type: ignore[method-assign]
        assert await shop.turns.run(conversation_id)
        pending = await shop.line.turns.load_turn(conversation_id)
        assert pending is None
        await shop.dispatcher.ring(conversation_id)
        await shop.dispatcher.settle()
        assert "[engine" not in "".join(shop.channel.sent)


def _taking_over(shop: Shop, conversation_id: ConversationId, agent: object):  # noqa: ANN202
    store = shop.line.turns
    commit_turn = store.commit_turn

    async def commit(commit: TurnCommit) -> None:
        store.commit_turn = commit_turn  # type: ignore[method-assign]
        await shop.line.ownership.take(conversation_id, agent, START)  # type: ignore[arg-type]
        await commit_turn(commit)

    return commit


async def test_handoff_waits_and_later_messages_reach_the_agent(file: Path):
    """One handoff, the queue's word now and then, everything on record."""
    async with opened(file) as shop:
        assert await shop.hears("/request_human") == ["[request_human.queued]"]
        assert await shop.hears("喂") == []
        pending = await shop.line.inbox.accept([message("在吗")], START)
        turn: PendingTurn | None = await shop.line.turns.load_turn(pending[0].conversation_id)
        assert turn is not None
        assert turn.conversation.owner is Owner.WAITING_FOR_AGENT
        assert turn.tracker.handoffs == 1


async def test_failed_sending_keeps_the_order_over_a_restart(file: Path):
    """What could not be sent goes first when its time comes, also from another process."""
    async with opened(file, Failed("502", retryable=True)) as shop:
        assert await shop.hears("你好") == []
    async with opened(file) as shop:
        shop.clock.advance(timedelta(minutes=1))
        assert await shop.hears("投诉") == ["[greet.hello]", "[file_complaint.ask_category]"]


async def test_burst_over_many_shoppers_is_answered_for_each(file: Path):
    """Thirty shoppers at once, three messages each: one answer or more for each, none lost, none crossed."""
    async with opened(file) as shop:
        senders = [Sender("web", "shop", f"v{number}") for number in range(30)]
        await asyncio.gather(
            *(shop.intake.accept([message("你好", sender=sender)]) for _ in range(3) for sender in senders)
        )
        await shop.dispatcher.settle()
        assert await shop.line.turns.pending_conversations() == ()
        for sender in senders:
            seen = await shop.stream.since(sender, 0, 20)
            assert [item.text for item in seen if item.sender == "customer"] == ["你好"] * 3
            assert any(item.sender == "bot" for item in seen)


async def test_message_after_goodbye_opens_another_conversation(file: Path):
    """The end of one conversation is not the end of the shopper."""
    async with opened(file) as shop:
        assert await shop.hears("/goodbye") == ["[goodbye.bye]"]
        assert await shop.hears("你好") == ["[greet.hello]"]
