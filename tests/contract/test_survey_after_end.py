"""The question that goes out with an end's code: at once, once, for a person's work, while there is time for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import time, timedelta
from typing import Any

import pytest

from bot.domain import events as ev
from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.due import SurveyRules
from bot.domain.ids import ConversationId
from bot.domain.line_ports import OutboxDraft
from bot.domain.messages import InboundMessage, MessageKind, OutboundMessage, Sender
from bot.domain.people import Agent
from bot.domain.staff import Follower, SessionOver, ThreadMove
from handlers.services import BusinessHours
from storage.platform_moves import SqlPlatformMoves
from storage.platform_sessions import SqlPlatformSessions
from storage.surveys import SqlSurveys
from storage.tables import CONVERSATIONS, CUSTOMERS, OUTBOX, SURVEYS, WINDOWS
from storage.windows import SqlWindowLedger
from tests.contract.line import NOW, Line

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
LI = Sender("wecom_kf", "wk1", "wmLi")
# NOW is 17:30 in the shop's time zone.
OPEN, SHUT = BusinessHours(time(9), time(21)), BusinessHours(time(9), time(17))
RULES = SurveyRules(quiet=10 * MINUTE, at_latest=timedelta(hours=20), period=timedelta(days=30))


def question(locale: str) -> OutboxDraft:
    """Word the question."""
    message = OutboundMessage(f"How was it? {locale}")
    return OutboxDraft(message, "bot", ev.BotUttered(message.text, "rate_service.ask_afterwards"))


class Shop:
    """A customer of WeCom's, one of ours, and several looks for due surveys."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.clock = ManualClock(NOW)
        self.moves = SqlPlatformMoves(line.database)
        self._said = 0

    async def looks(self, hours: BusinessHours = OPEN, **rules: Any) -> Sequence[SqlSurveys]:
        """Make three looks, which have looked once."""
        kept = SurveyRules(**{name: getattr(RULES, name) for name in RULES.__slots__} | rules)
        made = [SqlSurveys(self.line.database, self.clock, kept, hours, question) for _ in range(3)]
        await made[0].run_due()
        self.clock.advance(SECOND)
        return made

    async def writes(self) -> ConversationId:
        """Let the customer write and the bot answer."""
        self._said += 1
        said = InboundMessage(LI, f"m{self._said}", MessageKind.TEXT, self.clock.now(), "在吗")
        (accepted,) = await self.line.inbox.accept([said], self.clock.now())
        conversation = accepted.conversation_id
        await self.line.commit(await self.line.pending(conversation), "您好", at=self.clock.now())
        self.clock.advance(SECOND)
        return conversation

    async def ended_by_staff(self, code: str = "code", took: bool = True) -> ConversationId:
        """Let WeCom's staff take (or not) and end it."""
        conversation = await self.writes()
        if took:
            await self._told(Owner.WITH_AGENT, "")
        await self._told(Owner.RESOLVED, code)
        return conversation

    async def ended_by(self, agent: Agent, code: str = "code") -> ConversationId:
        """Let one of ours take it and end it, and the platform give a code for that."""
        conversation = await self.writes()
        await self.line.ownership.take(conversation, agent, self.clock.now())
        await self.line.ownership.resolve(conversation, agent, self.clock.now())
        follower = Follower(conversation, LI.account, LI.channel_user_id, Owner.RESOLVED, 2)
        sessions = SqlPlatformSessions(self.line.database)
        await sessions.mark("wecom_kf", follower, self.clock.now(), SessionOver(code))
        return conversation

    async def asked(self) -> list[dict[str, Any]]:
        """List the questions in the outbox."""
        return [row for row in await self.line.rows(OUTBOX) if "How was it" in row["message"]["text"]]

    async def _told(self, owner: Owner, code: str) -> None:
        at = self.clock.now()
        await self.moves.follow(ThreadMove(LI, owner, at, "lisi", f"e{self._said}{owner}", end_code=code), at)
        self.clock.advance(SECOND)


@pytest.fixture
def shop(line: Line) -> Shop:
    """Give the shop."""
    return Shop(line)


async def test_person_of_the_platforms_who_ends_is_asked_about_at_once_and_once(shop: Shop) -> None:
    """In a new conversation, as an agent's work, whoever looks and however often; the code is left for the sender."""
    looks = await shop.looks()
    conversation = await shop.ended_by_staff()
    await asyncio.gather(*(look.run_due() for look in looks))
    (row,) = await shop.asked()
    assert row["conversation_id"] != conversation
    (survey,) = await shop.line.rows(SURVEYS)
    assert (survey["conversation_id"], survey["asked_in"]) == (conversation, row["conversation_id"])
    assert (survey["outcome"], survey["served_by"]) == ("asked", "agent")
    for _ in range(40):
        shop.clock.advance(30 * SECOND)
        await looks[0].run_due()
    assert len(await shop.asked()) == len(await shop.line.rows(SURVEYS)) == 1


async def test_agent_of_ours_who_ends_is_asked_about_by_the_platforms_code(shop: Shop) -> None:
    """The session's end closes its windows and leaves the one word."""
    looks = await shop.looks()
    conversation = await shop.ended_by(await shop.line.hire("mei"))
    room = await SqlWindowLedger(shop.line.database).of_conversation(conversation, shop.clock.now())
    assert room is not None
    assert room.left == 1
    assert len(await looks[0].run_due()) == 1
    assert [row["served_by"] for row in await shop.line.rows(SURVEYS)] == ["agent"]


@pytest.mark.parametrize(("waited", "code"), [(16, "code"), (21, "code"), (0, "")])
async def test_end_whose_code_is_over_is_not_asked_about(shop: Shop, waited: int, code: str) -> None:
    """Too late to go out, or no code: nothing at once, and no room once it has been quiet."""
    looks = await shop.looks()
    await shop.ended_by_staff(code)
    shop.clock.advance(waited * SECOND)
    assert await looks[0].run_due() == []
    assert await shop.line.rows(SURVEYS) == []
    shop.clock.advance(11 * MINUTE)
    assert await looks[0].run_due() == []
    assert [row["outcome"] for row in await shop.line.rows(SURVEYS)] == ["no_room"]
    assert len(await shop.line.rows(CONVERSATIONS)) == 1


async def test_code_that_somebody_has_used_pays_for_no_question(shop: Shop) -> None:
    """An agent's last words went out by it."""
    looks = await shop.looks()
    await shop.ended_by_staff()
    await shop.line.database.run(lambda on: on.exec_driver_sql("UPDATE windows SET used=1 WHERE kind='end'") and None)
    assert await looks[0].run_due() == []


async def test_end_of_what_the_bot_had_is_not_asked_about_at_once(shop: Shop) -> None:
    """The quiet time is for shoppers who think; only a person's end is known to be one."""
    looks = await shop.looks()
    await shop.ended_by_staff(took=False)
    assert await looks[0].run_due() == []


@pytest.mark.parametrize("rules", [{"after_agent": False}, {"hours": SHUT}])
async def test_question_at_once_keeps_the_shops_rules(shop: Shop, rules: dict[str, Any]) -> None:
    """Never out of hours, and not where the shop does not ask after people's work."""
    looks = await shop.looks(**rules)
    await shop.ended_by_staff()
    assert await looks[0].run_due() == []


async def test_question_at_once_is_not_for_who_wants_none_wrote_again_or_was_asked(shop: Shop) -> None:
    """As after the quiet time."""
    looks = await shop.looks()
    await shop.ended_by_staff()
    await shop.line.database.run(lambda on: on.execute(CUSTOMERS.update().values(messages_allowed=False)) and None)
    assert await looks[0].run_due() == []
    await shop.line.database.run(lambda on: on.execute(CUSTOMERS.update().values(messages_allowed=True)) and None)
    await shop.writes()
    assert await looks[0].run_due() == []
    await shop.ended_by_staff()
    assert len(await looks[0].run_due()) == 1
    await shop.ended_by_staff()
    assert await looks[0].run_due() == []


async def test_end_belongs_to_the_last_conversation(shop: Shop) -> None:
    """What ended shortly before without a code is not what the question is about."""
    looks = await shop.looks()
    await shop.ended_by_staff("")
    shop.clock.advance(MINUTE)
    last = await shop.ended_by_staff()
    await looks[0].run_due()
    assert [row["conversation_id"] for row in await shop.line.rows(SURVEYS)] == [last]


async def test_end_that_is_told_again_gives_no_second_word(shop: Shop) -> None:
    """What was told keeps its time and its use."""
    await shop.ended_by_staff()
    before = await shop.line.rows(WINDOWS)
    shop.clock.advance(MINUTE)
    at = shop.clock.now()
    await shop.moves.follow(ThreadMove(LI, Owner.RESOLVED, at, "lisi", "again", end_code="code"), at)
    assert await shop.line.rows(WINDOWS) == before
