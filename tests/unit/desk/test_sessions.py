"""Session cookies: signed, dated, ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.desk.sessions import MAX_AGE, Sessions
from bot.domain.clock import ManualClock
from bot.domain.desk_ports import NewPerson
from bot.domain.people import Agent, Role
from tests.unit.desk.doubles import NOW, MemoryPeople


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock."""
    return ManualClock(NOW)


@pytest.fixture
def people() -> MemoryPeople:
    """Give people."""
    return MemoryPeople()


@pytest.fixture
async def li(people: MemoryPeople) -> Agent:
    """Give an agent."""
    return await people.add(NewPerson("li", "Li", Role.AGENT, "hash"), NOW)


@pytest.fixture
def sessions(people: MemoryPeople, clock: ManualClock) -> Sessions:
    """Give sessions."""
    return Sessions(people, clock, "secret")


async def test_session_comes_back_from_its_cookie(sessions: Sessions, li: Agent):
    """What was sealed is read again, and its person found."""
    session = await sessions.open(li)
    read = sessions.unseal(sessions.seal(session))
    assert read is not None
    assert (read.nonce, read.agent_id) == (session.nonce, li.id)
    assert await sessions.agent_of(read) == li


async def test_session_of_every_sign_in_is_another(sessions: Sessions, li: Agent):
    """Nothing of an earlier session is kept, so fixing one gains nothing."""
    visit = sessions.visit()
    first, second = await sessions.open(li), await sessions.open(li)
    assert len({visit.nonce, first.nonce, second.nonce}) == 3
    assert not sessions.token_is_right(first, sessions.token(visit))


async def test_session_signed_with_another_secret_is_refused(people: MemoryPeople, clock: ManualClock, li: Agent):
    """A forged cookie is nobody's."""
    forged = Sessions(people, clock, "another").seal(await Sessions(people, clock, "another").open(li))
    assert Sessions(people, clock, "secret").unseal(forged) is None


@pytest.mark.parametrize("cookie", ["", "junk", "WyJhIl0.abc", "\x00", "é" * 4000, "a.b.c"])
def test_session_of_a_junk_cookie_is_none(sessions: Sessions, cookie: str):
    """Whatever a browser sends, it is read or refused, never an exception."""
    assert sessions.unseal(cookie) is None


async def test_session_ends_after_a_long_shift(sessions: Sessions, clock: ManualClock, li: Agent):
    """A cookie is worth nothing once it is too old."""
    cookie = sessions.seal(await sessions.open(li))
    clock.advance(MAX_AGE - timedelta(seconds=1))
    assert sessions.unseal(cookie) is not None
    clock.advance(timedelta(seconds=1))
    assert sessions.unseal(cookie) is None


async def test_session_ends_with_the_sign_out_even_at_the_same_moment(sessions: Sessions, li: Agent):
    """An old cookie is dead after the sign-out; a sign-in in the same microsecond lives."""
    old = sessions.unseal(sessions.seal(await sessions.open(li)))
    await sessions.end_all(li.id)
    new = sessions.unseal(sessions.seal(await sessions.open(li)))
    assert old is not None
    assert new is not None
    assert await sessions.agent_of(old) is None
    assert await sessions.agent_of(new) == li


async def test_session_of_somebody_shut_out_is_nobody(sessions: Sessions, people: MemoryPeople, li: Agent):
    """Who was deactivated is out at once."""
    session = await sessions.open(li)
    await people.set_active(li.id, active=False, at=NOW)
    assert await sessions.agent_of(session) is None


async def test_session_of_a_visitor_is_nobody(sessions: Sessions):
    """A visit before the sign-in has a token but no person."""
    visit = sessions.visit()
    assert await sessions.agent_of(visit) is None
    assert sessions.token_is_right(visit, sessions.token(visit))
    assert not sessions.token_is_right(visit, "")
    assert not sessions.token_is_right(visit, "é")
