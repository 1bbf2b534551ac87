"""Threads that another app let lie are the bot's again; those in use, ours, and other channels' are left alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from bot.domain.messages import Sender
from bot.domain.staff import StaffWords, ThreadMove
from storage.conversations import SqlConversationReader
from storage.expired_threads import SqlExpiredThreads
from storage.platform_moves import SqlPlatformMoves
from storage.tables import EVENTS
from tests.contract.line import NOW, Line, message

DAY = timedelta(hours=24)


class Elsewhere:
    """A customer whose thread an inbox has."""

    def __init__(self, line: Line, channel: str = "messenger") -> None:
        self.line = line
        self.who = Sender(channel, "main", "7001")
        self.clock = ManualClock(NOW)
        self.moves = SqlPlatformMoves(line.database)
        self.reader = SqlConversationReader(line.database)
        self.expired = SqlExpiredThreads(line.database, self.clock)
        self.conversation = ConversationId("")

    async def begin(self) -> None:
        """Let the customer write, and the inbox take the thread."""
        (accepted,) = await self.line.inbox.accept([message("k1", who=self.who)], NOW)
        self.conversation = accepted.conversation_id
        self.clock.advance(timedelta(minutes=1))
        await self.move(Owner.WITH_AGENT)

    async def move(self, owner: Owner) -> None:
        """Let the thread change hands."""
        now = self.clock.now()
        await self.moves.follow(ThreadMove(self.who, owner, now, "page_inbox"), now)

    async def owner(self) -> Owner:
        """Tell whose it is."""
        return (await self.reader.get(self.conversation)).owner


@pytest.mark.parametrize("channel", ["messenger", "instagram"])
async def test_thread_that_was_let_lie_for_a_day_is_the_bots(line: Line, channel: str):
    """Once, also with several looking, and on record."""
    there = Elsewhere(line, channel)
    await there.begin()
    there.clock.advance(DAY - timedelta(seconds=1))
    assert await there.expired.run_due() == []
    there.clock.advance(timedelta(seconds=2))
    looks = [SqlExpiredThreads(line.database, there.clock).run_due() for _ in range(3)]
    assert [one for found in await asyncio.gather(*looks) for one in found] == [there.conversation]
    assert await there.owner() is Owner.WITH_BOT
    changes = [row["data"]["after"] for row in await line.rows(EVENTS) if row["kind"] == "owner_changed"]
    assert changes == ["with_agent", "with_bot"]
    assert await there.expired.run_due() == []


async def test_thread_in_which_the_inbox_speaks_stays_there(line: Line):
    """A day is counted from its last word."""
    there = Elsewhere(line)
    await there.begin()
    there.clock.advance(DAY / 2)
    now = there.clock.now()
    await there.moves.said(StaffWords(there.who, "m1", "one moment", "Page inbox", now), now)
    there.clock.advance(DAY - timedelta(minutes=1))
    assert await there.expired.run_due() == []
    assert await there.owner() is Owner.WITH_AGENT
    there.clock.advance(timedelta(minutes=2))
    assert list(await there.expired.run_due()) == [there.conversation]


@pytest.mark.parametrize("number", ["m\x00", "m\ud800", "m" * 300], ids=["nul", "half a pair", "long"])
async def test_words_are_kept_once_whatever_the_platform_calls_them(line: Line, number: str):
    """A name that no column takes, or that is too long for one, does not end in a fault."""
    there = Elsewhere(line)
    await there.begin()
    words = StaffWords(there.who, number, "one moment", "Page inbox", NOW)
    assert await there.moves.said(words, NOW) == there.conversation
    assert await there.moves.said(words, NOW) is None


async def test_what_an_agent_of_ours_has_is_his_however_long(line: Line):
    """Nobody takes it from him."""
    there = Elsewhere(line)
    (accepted,) = await line.inbox.accept([message("k1", who=there.who)], NOW)
    agent = await line.hire("mei")
    await line.ownership.take(accepted.conversation_id, agent, NOW)
    there.clock.advance(DAY * 9)
    assert await there.expired.run_due() == []


async def test_channel_whose_sessions_do_not_run_out_is_left_alone(line: Line):
    """WeCom tells when a session ends."""
    there = Elsewhere(line, "wecom_kf")
    await there.begin()
    there.clock.advance(DAY * 9)
    assert await there.expired.run_due() == []


async def test_thread_that_is_still_elsewhere_goes_there_again(line: Line):
    """The next word in standby says so, before the bot says one."""
    there = Elsewhere(line)
    await there.begin()
    there.clock.advance(DAY + timedelta(minutes=1))
    await there.expired.run_due()
    there.clock.advance(timedelta(minutes=1))
    await there.move(Owner.WITH_AGENT)
    assert await there.owner() is Owner.WITH_AGENT
