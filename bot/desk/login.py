"""Signing in: throttled, with the same work and the same answer for a wrong login and a wrong password."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from bot.desk.passwords import Passwords
from bot.desk.throttle import LoginThrottle
from bot.domain.desk_ports import People
from bot.domain.people import Agent


@dataclass(frozen=True, slots=True)
class LoginAnswer:
    """The agent, or None; ``throttled`` when the try was not even looked at."""

    agent: Agent | None
    throttled: bool = False


class Login:
    """Lets people in."""

    def __init__(self, people: People, passwords: Passwords, throttle: LoginThrottle) -> None:
        self._people = people
        self._passwords = passwords
        self._throttle = throttle

    async def enter(self, login: str, password: str, address: str) -> LoginAnswer:
        """Try a login and password from a network address."""
        name = normal_login(login)
        if not await self._throttle.allows(name, address):
            return LoginAnswer(None, throttled=True)
        person = await self._people.by_login(name)
        right = await self._passwords.verify(person.password_hash if person else None, password)
        if not right or person is None or not person.agent.active:
            return LoginAnswer(None)
        await self._throttle.forgive(name)
        if self._passwords.is_outdated(person.password_hash):
            await self._people.set_password(person.agent.id, await self._passwords.hash(password), None)
        return LoginAnswer(person.agent)


def normal_login(login: str) -> str:
    """Write a login the one way it is stored: NFKC, no spaces around, case folded, at most 64 characters."""
    return unicodedata.normalize("NFKC", login).strip().casefold()[:64]
