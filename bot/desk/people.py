"""The admin's work: who is behind the counter, in which role."""

from __future__ import annotations

import re
from functools import cache
from zoneinfo import available_timezones

from bot.desk.login import normal_login
from bot.desk.passwords import Passwords, check_password_rules, new_password
from bot.desk.refusals import Refusal
from bot.desk.sessions import Sessions
from bot.domain.clock import Clock
from bot.domain.desk_ports import NewPerson, People, Person
from bot.domain.errors import NotFound
from bot.domain.ids import AgentId
from bot.domain.people import Agent, Role

CONSOLE_LOCALES = ("zh", "en")

_LOGIN = re.compile(r"[\w.@+-]{2,64}")
_MAX_NAME_CHARS = 100


class DeskPeople:
    """Adds people, changes roles, shuts out and lets in, sets passwords and preferences."""

    def __init__(self, people: People, passwords: Passwords, sessions: Sessions, clock: Clock) -> None:
        self._people = people
        self._passwords = passwords
        self._sessions = sessions
        self._clock = clock

    async def list(self) -> tuple[Person, ...]:
        """List everyone, active first."""
        return await self._people.list()

    async def by_id(self, agent_id: str) -> Person:
        """Find a person; NotFound when there is nobody."""
        person = await self._people.by_id(AgentId(agent_id))
        if person is None:
            raise NotFound(f"there is nobody with the id {agent_id!r}")
        return person

    async def add(self, login: str, display_name: str, role: str, password: str = "") -> tuple[Agent, str]:
        """Add a person; return him and his password (made at random unless given), which is never shown again."""
        name = " ".join(display_name.split())
        if not _LOGIN.fullmatch(normal_login(login)):
            raise Refusal("login", f"{login!r} cannot be a login; use 2 to 64 letters, digits or . @ + - _")
        if not name or len(name) > _MAX_NAME_CHARS:
            raise Refusal("name", f"a name needs 1 to {_MAX_NAME_CHARS} characters; this one has {len(name)}")
        secret = password or new_password()
        check_password_rules(secret)
        person = NewPerson(normal_login(login), name, _role(role), await self._passwords.hash(secret))
        return await self._people.add(person, self._clock.now()), secret

    async def set_role(self, agent_id: str, role: str) -> Agent:
        """Change a role; Conflict when no active admin would be left."""
        return await self._people.set_role(AgentId(agent_id), _role(role))

    async def set_active(self, agent_id: str, active: bool) -> Agent:
        """Let in or shut out; Conflict when no active admin would be left."""
        return await self._people.set_active(AgentId(agent_id), active, self._sessions.valid_from_now())

    async def reset_password(self, agent_id: str) -> tuple[Agent, str]:
        """Set a random password, end all sessions, and return it; it is never shown again."""
        person = await self.by_id(agent_id)
        secret = new_password()
        hashed = await self._passwords.hash(secret)
        await self._people.set_password(person.agent.id, hashed, self._sessions.valid_from_now())
        return person.agent, secret

    async def change_password(self, agent: Agent, present: str, wanted: str) -> None:
        """Set one's own password and end all sessions; Refusal when the present one is wrong."""
        check_password_rules(wanted)
        person = await self.by_id(agent.id)
        if not await self._passwords.verify(person.password_hash, present):
            raise Refusal("present_password", "the present password is wrong; type it again")
        hashed = await self._passwords.hash(wanted)
        await self._people.set_password(agent.id, hashed, self._sessions.valid_from_now())

    async def set_preferences(self, agent: Agent, locale: str, timezone: str) -> Agent:
        """Store one's language and time zone; Refusal for one that is not known."""
        if locale not in CONSOLE_LOCALES:
            raise Refusal(
                "choice", f"{locale!r} is not a language of the console; choose one of {', '.join(CONSOLE_LOCALES)}"
            )
        if timezone not in known_zones():
            raise Refusal("zone", f"{timezone!r} is not a time zone; use a name such as Asia/Shanghai")
        return await self._people.set_preferences(agent.id, locale, timezone)


@cache
def known_zones() -> frozenset[str]:
    """List the IANA time zones; read from disk once."""
    return frozenset(available_timezones())


def _role(name: str) -> Role:
    if name not in set(Role):
        raise Refusal("choice", f"{name!r} is not a role; choose one of {', '.join(Role)}")
    return Role(name)
