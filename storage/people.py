"""The humans behind the counter as rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.domain.desk_ports import NewPerson, Person
from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import AgentId, new_id
from bot.domain.people import Agent, Role
from storage.database import Database
from storage.tables import AGENTS


class SqlPeople:
    """People over the agents table; the last active admin can neither be demoted nor shut out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> tuple[Person, ...]:
        """List everyone, active first, then by login."""
        statement = select(AGENTS).order_by(AGENTS.c.active.desc(), AGENTS.c.login)
        return await self._database.read(lambda on: tuple(_person(row) for row in on.execute(statement)))

    async def by_login(self, login: str) -> Person | None:
        """Find by the normal form of a login."""
        return await self._database.read(lambda on: _find(on, AGENTS.c.login == login))

    async def by_id(self, agent_id: AgentId) -> Person | None:
        """Find by id."""
        return await self._database.read(lambda on: _find(on, AGENTS.c.id == agent_id))

    async def add(self, person: NewPerson, at: datetime) -> Agent:
        """Add a person; Conflict when the login is taken."""
        return await self._database.run(lambda on: _add(on, person, at))

    async def set_role(self, agent_id: AgentId, role: Role) -> Agent:
        """Change the role; Conflict when no active admin would be left."""
        return await self._database.run(lambda on: _set_role(on, agent_id, role))

    async def set_active(self, agent_id: AgentId, active: bool, at: datetime) -> Agent:
        """Let in or shut out; shutting out ends all sessions. Conflict when no active admin would be left."""
        return await self._database.run(lambda on: _set_active(on, agent_id, active, at))

    async def set_password(self, agent_id: AgentId, password_hash: str, sessions_valid_after: datetime | None) -> None:
        """Store another password hash, ending older sessions when a time is given."""
        values: dict[str, Any] = {"password_hash": password_hash}
        if sessions_valid_after is not None:
            values["sessions_valid_after"] = sessions_valid_after
        await self._database.run(lambda on: _change(on, agent_id, values))

    async def set_preferences(self, agent_id: AgentId, locale: str, timezone: str) -> Agent:
        """Store the console's language and the IANA time zone."""
        return await self._database.run(lambda on: _change(on, agent_id, {"locale": locale, "timezone": timezone}))

    async def revoke_sessions(self, agent_id: AgentId, valid_after: datetime) -> None:
        """End every session opened before ``valid_after``."""
        values = {"sessions_valid_after": valid_after, "last_seen_at": None}
        await self._database.run(lambda on: _change(on, agent_id, values))

    async def mark_seen(self, agent_id: AgentId, at: datetime | None) -> None:
        """Record that the person is there (None: has left)."""
        await self._database.run(lambda on: _change(on, agent_id, {"last_seen_at": at}))


def agent_of(row: Row[Any]) -> Agent:
    """Make an Agent of a row of the agents table."""
    return Agent(AgentId(row.id), row.login, row.display_name, Role(row.role), row.active, row.locale, row.timezone)


def _person(row: Row[Any]) -> Person:
    return Person(agent_of(row), row.password_hash, row.sessions_valid_after, row.last_seen_at, row.created_at)


def _find(on: Connection, condition: Any) -> Person | None:
    row = on.execute(select(AGENTS).where(condition)).first()
    return _person(row) if row is not None else None


def _add(on: Connection, person: NewPerson, at: datetime) -> Agent:
    row = {
        "id": new_id(),
        "login": person.login,
        "display_name": person.display_name,
        "role": person.role.value,
        "password_hash": person.password_hash,
        "active": True,
        "locale": person.locale,
        "timezone": person.timezone,
        "sessions_valid_after": at,
        "created_at": at,
    }
    try:
        return agent_of(on.execute(insert(AGENTS).values(row).returning(AGENTS)).one())
    except IntegrityError as taken:
        raise Conflict(f"the login {person.login!r} is taken; choose another") from taken


def _set_role(on: Connection, agent_id: AgentId, role: Role) -> Agent:
    if role is not Role.ADMIN:
        _keep_an_admin(on, agent_id)
    return _change(on, agent_id, {"role": role.value})


def _set_active(on: Connection, agent_id: AgentId, active: bool, at: datetime) -> Agent:
    values: dict[str, Any] = {"active": active}
    if not active:
        _keep_an_admin(on, agent_id)
        values |= {"sessions_valid_after": at, "last_seen_at": None}
    return _change(on, agent_id, values)


def _keep_an_admin(on: Connection, leaving: AgentId) -> None:
    # All admins are locked, so that two of them cannot remove each other at the same moment.
    admins = on.execute(
        select(AGENTS.c.id)
        .where(AGENTS.c.role == Role.ADMIN.value, AGENTS.c.active)
        .order_by(AGENTS.c.id)
        .with_for_update()
    ).scalars()
    if list(admins) == [leaving]:
        raise Conflict("this is the last active admin; make somebody else an admin first")


def _change(on: Connection, agent_id: AgentId, values: dict[str, Any]) -> Agent:
    row = on.execute(update(AGENTS).where(AGENTS.c.id == agent_id).values(values).returning(AGENTS)).first()
    if row is None:
        raise NotFound(f"there is nobody with the id {agent_id!r}")
    return agent_of(row)
