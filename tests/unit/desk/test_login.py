"""Signing in: who gets in, who is slowed down."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from limits.aio.storage import MemoryStorage

from bot.desk.login import Login, normal_login
from bot.desk.passwords import MAX_PASSWORD_CHARS, Passwords, check_password_rules, new_password
from bot.desk.refusals import Refusal
from bot.desk.throttle import LoginThrottle
from bot.domain.desk_ports import NewPerson
from bot.domain.people import Role
from tests.unit.desk.doubles import HASHER, NOW, MemoryPeople

PASSWORD = "the right password"


class CountingHasher(PasswordHasher):
    """A cheap hasher that counts how often it verified."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - the library's name
        """Count and verify."""
        self.verified += 1
        return super().verify(hash, password)


@pytest.fixture
async def people() -> MemoryPeople:
    """Give one agent with a password."""
    people = MemoryPeople()
    await people.add(NewPerson("li", "Li", Role.AGENT, HASHER.hash(PASSWORD)), NOW)
    return people


def login_of(people: MemoryPeople, hasher: PasswordHasher = HASHER) -> Login:
    """Make a login with a throttle of its own."""
    return Login(people, Passwords(hasher), LoginThrottle(MemoryStorage()))


async def test_login_lets_in_with_the_right_password_however_the_login_is_written(people: MemoryPeople):
    """Case, spaces and full-width letters of a login do not matter."""
    for written in ("li", " LI ", "ｌｉ"):
        answer = await login_of(people).enter(written, PASSWORD, "10.0.0.1")
        assert answer.agent is not None
        assert answer.agent.login == "li"


@pytest.mark.parametrize(("login", "password"), [("li", "wrong"), ("nobody", PASSWORD), ("li", ""), ("", "")])
async def test_login_refuses_alike_and_with_the_same_work(people: MemoryPeople, login: str, password: str):
    """A wrong password and an unknown login give the same answer after one verification each."""
    hasher = CountingHasher()
    answer = await login_of(people, hasher).enter(login, password, "10.0.0.1")
    assert answer.agent is None
    assert not answer.throttled
    assert hasher.verified == 1


async def test_login_refuses_somebody_shut_out(people: MemoryPeople):
    """The right password does not help who was deactivated."""
    agent = next(iter(people.people.values())).agent
    await people.set_active(agent.id, active=False, at=NOW)
    assert (await login_of(people).enter("li", PASSWORD, "10.0.0.1")).agent is None


async def test_login_throttles_one_login_from_many_addresses(people: MemoryPeople):
    """After ten wrong tries the right password is not even looked at, wherever it comes from."""
    hasher = CountingHasher()
    login = login_of(people, hasher)
    for number in range(10):
        assert not (await login.enter("li", "wrong", f"10.0.0.{number}")).throttled
    answer = await login.enter("LI", PASSWORD, "10.0.1.1")
    assert answer.throttled
    assert answer.agent is None
    assert hasher.verified == 10


async def test_login_throttles_one_address_over_many_logins(people: MemoryPeople):
    """Trying many logins from one address ends too; another address is not touched."""
    login = login_of(people)
    for number in range(50):
        await login.enter(f"somebody{number}", "wrong", "10.0.0.1")
    assert (await login.enter("li", PASSWORD, "10.0.0.1")).throttled
    assert (await login.enter("li", PASSWORD, "10.0.0.2")).agent is not None


async def test_login_forgives_tries_after_the_right_password(people: MemoryPeople):
    """Who gets it right at last starts again with all tries."""
    login = login_of(people)
    for _ in range(3):
        for _ in range(9):
            await login.enter("li", "wrong", "10.0.0.1")
        assert (await login.enter("li", PASSWORD, "10.0.0.1")).agent is not None


async def test_login_renews_a_hash_of_an_older_cost(people: MemoryPeople):
    """When the cost was raised, the next sign-in hashes anew and sessions stay."""
    dearer = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    before = people.people["li"]
    assert (await login_of(people, dearer).enter("li", PASSWORD, "10.0.0.1")).agent is not None
    after = people.people["li"]
    assert after.password_hash != before.password_hash
    assert after.sessions_valid_after == before.sessions_valid_after
    assert (await login_of(people, dearer).enter("li", PASSWORD, "10.0.0.1")).agent is not None


async def test_passwords_survive_junk(people: MemoryPeople):
    """A broken hash, a huge password, control characters: wrong, never an exception."""
    passwords = Passwords(HASHER)
    assert not await passwords.verify("not a hash", PASSWORD)
    assert not await passwords.verify(HASHER.hash(PASSWORD), "x" * 1_000_000)
    assert not await passwords.verify(HASHER.hash(PASSWORD), "\x00\ud83d\ude00")


async def test_passwords_are_the_same_however_typed(people: MemoryPeople):
    """A password typed full-width is the same password."""
    passwords = Passwords(HASHER)
    assert await passwords.verify(await passwords.hash("密码ABC123"), "密码ＡＢＣ１２３")


@pytest.mark.parametrize("password", ["", "short", "x" * (MAX_PASSWORD_CHARS + 1)])
def test_password_rules_refuse_what_is_too_short_or_long(password: str):
    """The refusal says how long it is."""
    with pytest.raises(Refusal, match=str(len(password))):
        check_password_rules(password)


def test_new_passwords_are_long_and_never_the_same():
    """A thousand made passwords differ and pass the rules."""
    made = {new_password() for _ in range(1000)}
    assert len(made) == 1000
    for password in made:
        check_password_rules(password)


def test_normal_login_cuts_what_is_endless():
    """A login of a megabyte costs nothing."""
    assert len(normal_login("x" * 1_000_000)) == 64
