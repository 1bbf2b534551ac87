"""Pulling and following when something is wrong: nothing waits behind it, and nothing ends what runs for weeks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.channels.rounds import go_round
from bot.channels.wecom_kf import following, pull
from bot.channels.wecom_kf.pull import KfPuller
from bot.channels.wecom_kf.send import CallRefused
from bot.channels.wecom_kf.sessions import SessionState
from bot.channels.wecom_kf.settings import WECOM
from bot.domain.channel_ports import Addressee, Refusal, Sent
from bot.domain.conversation import Owner
from bot.domain.errors import StorageError
from bot.domain.line_ports import Accepted, Cursor
from bot.domain.messages import InboundMessage, OutboundMessage
from bot.domain.staff import StaffWords, ThreadMove
from storage.database import Database
from storage.tables import OUTBOX
from storage.windows import SqlWindowLedger
from tests.integration.channels.kf_town import ACCOUNT, LI, KfTown, database_url, town
from tests.unit.channels.doubles import eventually

__all__ = ["database_url", "town"]

MA = "wmMa_00000000000002"


class Heard:
    """Notes what is handed on, in its order."""

    def __init__(self, town: KfTown) -> None:
        self.told: list[tuple[str, ...]] = []
        self.whole = replace(
            town.puller._heard, on_messages=self.messages, on_move=self.move, on_staff=self.words, pulled=self
        )

    async def messages(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        """Note what was said before something else."""
        self.told += [("said", *(message.text for message in messages))] if messages else []
        return ()

    async def accept(self, messages: Sequence[InboundMessage], cursor: Cursor) -> tuple[Accepted, ...]:
        """Note what moves the cursor."""
        self.told.append(("kept", cursor.position, *(message.text for message in messages)))
        return ()

    async def position(self, cursor: Cursor) -> str:
        """Begin at the beginning."""
        del cursor
        return ""

    async def move(self, move: ThreadMove) -> None:
        """Note a change."""
        self.told.append(("moved", move.owner.value))

    async def words(self, words: StaffWords) -> None:
        """Note the staff's words."""
        self.told.append(("staff", words.text))


async def test_entries_are_handed_on_in_the_platforms_order_and_the_cursor_with_the_last(town: KfTown) -> None:
    """What was said before an end belongs to what ended then, and what came after it does not."""
    town.people.silent = True
    heard = Heard(town)
    await town.people.say(LI, "一")
    await town.people.staff_says(LI, "您好")
    await town.people.say(LI, "二")
    await town.people.end(LI)
    await town.people.say(LI, "三")
    assert await KfPuller(town.settings, town.adapter, heard.whole).pull(ACCOUNT) == 3
    assert heard.told == [
        ("said", "一"), ("staff", "您好"), ("said", "二"), ("moved", "resolved"), ("kept", "c5", "三")
    ]  # fmt: skip


async def test_token_of_a_callback_is_not_lost_behind_a_poll(town: KfTown) -> None:
    """A ring without a token waits; the callback that joins it brings its own."""
    town.people.write(LI, "text", {"content": "在吗"})
    token = town.server.msg_token()
    town.puller.ring(ACCOUNT, "")
    town.puller.ring(ACCOUNT, token)
    await town.settle()
    assert [body.get("token") for body in town.server.pulls] == [token]


async def test_token_that_is_over_is_tried_once_in_a_pull_of_many_batches(town: KfTown) -> None:
    """Each batch would cost two calls."""
    town.server.knobs.limit = 1
    for number in range(5):
        town.people.write(LI, "text", {"content": str(number)})
    town.server._msg_tokens["ENCold"] = town.clock.now()
    assert await town.puller.pull(ACCOUNT, "ENCold") == 5
    assert town.server.calls.count("sync_msg") == 6


async def test_callback_beyond_its_ten_minutes_still_brings_its_messages(town: KfTown) -> None:
    """The API was away for so long that the token is over: the message comes without it."""
    town.server.knobs.status_next = [502]
    town.people.silent = True
    await town.people.say(LI, "有人吗")
    token = town.server.msg_token()
    with pytest.raises(Exception, match="502"):
        await town.puller.pull(ACCOUNT, token)
    town.server._msg_tokens[token] = town.clock.now()
    assert await town.puller.pull(ACCOUNT, token) == 1


async def test_poll_comes_sooner_after_one_that_failed(town: KfTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that is away at the start is asked again soon, not after the whole ``poll_s``."""
    monkeypatch.setattr(pull, "_BEHIND_S", 0.02)
    monkeypatch.setattr(pull, "_LEAD_LOOK_S", 0.02)
    monkeypatch.setattr(pull, "_RETRIES_S", ())
    town.people.silent = True
    await town.people.say(LI, "有人吗")
    town.server.knobs.status_next = [502] * 3
    await town.puller.start()
    await eventually(lambda: not town.server.knobs.status_next)
    async with asyncio.timeout(60):
        while not await town.taken():  # noqa: ASYNC110 - a table has no event of its own
            await asyncio.sleep(0.02)


async def test_every_account_of_a_large_company_is_polled(town: KfTown) -> None:
    """The list comes in pages of a hundred; what the API may not manage is left alone."""
    town.server.accounts = tuple(f"wk{number:04}" for number in range(197))
    town.server.foreign = ("wkForeign1", "wkForeign2", "wkForeign3")
    assert await town.puller._accounts() == town.server.accounts


async def test_account_that_is_refused_does_not_hasten_the_poll(town: KfTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for it again and again would use up the strict limit of pulls without a token."""
    monkeypatch.setattr(pull, "_RETRIES_S", ())
    monkeypatch.setattr(pull, "_LEAD_LOOK_S", 0.01)
    monkeypatch.setattr(pull, "_BEHIND_S", 0.01)
    town.server.knobs.refuse_calls["sync_msg"] = 60030
    await town.puller.start()
    await eventually(lambda: "sync_msg" in town.server.calls)
    looks = town.looks
    await eventually(lambda: town.looks > looks + 5)
    assert town.server.calls.count("sync_msg") == 1


async def test_accounts_of_one_company_are_apart(town: KfTown) -> None:
    """One customer at two accounts has two conversations; an account that is not served is not pulled."""
    other = "wkDemo02"
    town.server.accounts += (other,)
    town.server.entries[other] = []
    await town.people.say(LI, "一")
    await town.people.say(LI, "二", other)
    await town.settle()
    taken = await town.taken()
    assert sorted((each.sender.account, each.text) for each in taken) == [(ACCOUNT, "一"), (other, "二")]
    assert len(await town.turns.pending_conversations()) == 2
    town.settings = replace(town.settings, accounts=(ACCOUNT,))
    await town.close()
    town.start()
    town.server.pulls.clear()
    await town.people.say(LI, "三", other)
    await town.people.say(LI, "四")
    await town.settle()
    assert {body["open_kfid"] for body in town.server.pulls} == {ACCOUNT}


async def test_round_goes_on_after_any_fault() -> None:
    """A database that is away, or a bug, ends one time of it and not the loop."""
    done: list[int] = []

    async def job() -> None:
        done.append(len(done))
        raise (StorageError("away") if len(done) % 2 else KeyError("bug"))

    task = asyncio.create_task(go_round("test", job, 0.0, 0.0))
    await eventually(lambda: len(done) > 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def handed_over(town: KfTown, *customers: str) -> None:
    """Let customers be handed over, everything said."""
    for customer in customers:
        conversation = await town.answered("转人工", customer, owner=Owner.WAITING_FOR_AGENT)
        await town.send(OutboundMessage("请稍候"), conversation, customer)
    await town.sent()


async def test_refused_session_holds_nobody_else_up(database: Database) -> None:
    """A customer WeCom no longer knows is passed over for good, the next is queued all the same."""
    town = KfTown(database, WECOM)
    await handed_over(town, LI, MA)
    del town.server.sessions[ACCOUNT, LI]
    assert await town.follower.follow() == 2
    assert town.server.session(ACCOUNT, MA).state == SessionState.QUEUED
    assert await town.follower.follow() == 0
    await town.close()


async def test_change_that_wecom_refuses_is_asked_for_again(database: Database) -> None:
    """A busy API must not leave a customer waiting in a queue he is not in."""
    town = KfTown(database, WECOM)
    await handed_over(town, LI)
    town.server.knobs.refuse_calls["service_state/trans"] = 45009
    with pytest.raises(CallRefused, match="45009"):
        await town.follower.follow()
    town.server.knobs.refuse_calls.clear()
    assert await town.follower.follow() == 1
    assert town.server.session(ACCOUNT, LI).state == SessionState.QUEUED
    await town.close()


async def test_only_the_leader_lets_sessions_follow(town: KfTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes would ask for every change twice."""
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.0)
    followed: list[int] = []

    async def follow() -> int:
        followed.append(1)
        return 0

    monkeypatch.setattr(town.follower, "follow", follow)
    town.leads = False
    task = asyncio.create_task(town.follower.run())
    await eventually(lambda: town.looks > 3)
    assert followed == []
    town.leads = True
    await eventually(lambda: bool(followed))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


FAILS: list[tuple[int, Refusal, bool, bool]] = [
    (4, Refusal.WINDOW, False, False),
    (5, Refusal.WINDOW, False, False),
    (6, Refusal.QUOTA, False, True),
    (10, Refusal.BLOCKED, True, False),
]


@pytest.mark.parametrize(("told", "kind", "is_open", "used_up"), FAILS)
async def test_message_that_failed_later_is_shown_and_the_ledger_learns_of_it(
    town: KfTown, told: int, kind: Refusal, is_open: bool, used_up: bool
) -> None:
    """The platform's count is the one that counts: nobody sends again before the customer writes."""
    conversation = await town.answered()
    item = await town.outbox.next_due(conversation, town.clock.now())
    assert item is not None
    await town.outbox.mark_sending(item.id, town.clock.now())
    town.server.knobs.refuse_after = [told]
    sent = await town.adapter.send(Addressee(ACCOUNT, LI, conversation), item.message, item.id)
    assert isinstance(sent, Sent)
    await town.outbox.mark_sent(item.id, town.clock.now(), sent.platform_id)
    await town.people.call_back()
    await town.settle()
    row = await town.database.read(lambda on: on.execute(select(OUTBOX.c.state, OUTBOX.c.refusal)).one())
    assert tuple(row) == ("refused", kind.value)
    ledger = SqlWindowLedger(town.database)
    room = await ledger.of_conversation(conversation, town.clock.now())
    assert room is not None
    assert (room.is_open, room.used_up) == (is_open, used_up)
    town.clock.advance(timedelta(seconds=1))
    await town.people.say(LI, "在吗")
    await town.settle()
    room = await ledger.of_conversation(conversation, town.clock.now())
    assert room is not None
    assert room.left == 5
    await town.people.refuse(LI, sent.platform_id, told)
    await town.settle()
    assert await ledger.of_conversation(conversation, town.clock.now()) == room
