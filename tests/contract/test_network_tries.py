"""Tries to prove an order by their network: few, whoever makes them, in whichever process, and forgotten in time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from bot.domain.clock import ManualClock
from bot.domain.turns import ProofAttempt
from storage.database import Database
from storage.network_tries import SqlForgottenTries, SqlNetworkTries
from storage.tables import INBOX, NETWORK_TRIES
from tests.contract.line import NOW, Line, message

HOME, OFFICE = "a" * 64, "b" * 64
HOUR = timedelta(hours=1)


async def test_network_has_so_many_wrong_tries_and_no_other_feels_it(database: Database):
    """Three of three are taken, the fourth is not begun, the neighbours go on."""
    tries = SqlNetworkTries(database, ManualClock(NOW), 3, HOUR)
    begun = [await tries.begin(HOME) for _ in range(4)]
    assert all(begun[:3])
    assert begun[3] is None
    assert await tries.wait(HOME) == HOUR
    assert await tries.wait(OFFICE) == timedelta()
    assert await tries.begin(OFFICE)


async def test_many_at_once_in_several_processes_do_not_slip_through(database: Database, database_url: str):
    """Thirty visitors of one network try at the same moment, half of them in another process: five get through."""
    other = Database(database_url)
    clock = ManualClock(NOW)
    processes = [SqlNetworkTries(each, clock, 5, HOUR) for each in (database, other)]
    begun = await asyncio.gather(*(processes[number % 2].begin(HOME) for number in range(30)))
    other.close()
    assert len([each for each in begun if each]) == 5
    assert await Line(database).count(NETWORK_TRIES) == 5


async def test_tries_age_one_by_one_and_leave_nothing_behind(database: Database):
    """The wait is for the first of them; the places of old ones are taken again, the rest is forgotten."""
    clock = ManualClock(NOW)
    tries, forgotten = SqlNetworkTries(database, clock, 2, HOUR), SqlForgottenTries(database, clock)
    await tries.begin(HOME)
    clock.advance(timedelta(minutes=20))
    await tries.begin(HOME)
    assert await tries.wait(HOME) == timedelta(minutes=40)
    clock.advance(timedelta(minutes=40))
    assert await tries.wait(HOME) == timedelta()
    assert await tries.begin(HOME)
    assert await tries.begin(HOME) is None
    assert await Line(database).count(NETWORK_TRIES) == 2
    assert await forgotten.run_due() == ()
    assert await Line(database).count(NETWORK_TRIES) == 2
    clock.advance(HOUR)
    await asyncio.gather(*(forgotten.run_due() for _ in range(4)))
    assert await Line(database).count(NETWORK_TRIES) == 0


async def test_right_try_does_not_count(database: Database):
    """A hundred colleagues behind one address who know their digits lock nobody out."""
    tries = SqlNetworkTries(database, ManualClock(NOW), 2, HOUR)
    await tries.begin(OFFICE)
    for _ in range(100):
        begun = await tries.begin(OFFICE)
        assert begun
        await tries.forgive(OFFICE, begun)
    assert await tries.wait(OFFICE) == timedelta()
    assert await Line(database).count(NETWORK_TRIES) == 1


async def test_forgiving_a_try_of_long_ago_frees_nobody_elses_place(database: Database):
    """Its place has been taken again since."""
    clock = ManualClock(NOW)
    tries = SqlNetworkTries(database, clock, 1, HOUR)
    old = await tries.begin(HOME)
    clock.advance(HOUR)
    assert await tries.begin(HOME)
    await tries.forgive(HOME, old or "")
    assert await tries.begin(HOME) is None


async def test_nothing_is_counted_where_the_network_is_not_known_or_no_limit_is_set(database: Database):
    """Nor is anything written."""
    unlimited = SqlNetworkTries(database, ManualClock(NOW), 0, HOUR)
    tries = SqlNetworkTries(database, ManualClock(NOW), 1, HOUR)
    for _ in range(3):
        assert await unlimited.begin(HOME) == ""
        assert await tries.begin("") == ""
    await tries.forgive("", "")
    assert await unlimited.wait(HOME) == await tries.wait("") == timedelta()
    assert await Line(database).count(NETWORK_TRIES) == 0


async def test_network_of_a_message_is_known_until_it_is_handled(line: Line):
    """A turn sees it, also after a restart; once it is committed nothing of it is left, however it was committed."""
    for key, attempts in (("k1", ()), ("k2", (ProofAttempt("W1", right=False),))):
        said = replace(message(key, "到哪了 “W1”"), network=HOME)
        (accepted,) = await line.inbox.accept([said], NOW)
        pending = await line.pending(accepted.conversation_id)
        assert [each.network for _, each in pending.inbox] == [HOME]
        await line.commit(pending, "答", proof_attempts=attempts)
    kept = [row["message"] for row in await line.rows(INBOX)]
    assert [(each["text"], "network" in each, HOME in str(each)) for each in kept] == [
        ("到哪了 “W1”", False, False)
    ] * 2
