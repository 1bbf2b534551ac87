"""People kept in memory, and shapes the desk's tests share."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from argon2 import PasswordHasher

from bot.domain.conversation import Conversation, Owner
from bot.domain.desk_ports import NewPerson, Person
from bot.domain.ids import AgentId, ConversationId, CustomerId, IdentityId
from bot.domain.people import Agent, Role

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
LI = Agent(AgentId("li"), "li", "Li", Role.AGENT, active=True)
ZHAO = Agent(AgentId("zhao"), "zhao", "Zhao", Role.MANAGER, active=True)


class MemoryPeople:
    """The port People in a dictionary."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.seen: list[tuple[str, datetime | None]] = []

    async def list(self) -> tuple[Person, ...]:
        """List everyone."""
        return tuple(self.people.values())

    async def by_login(self, login: str) -> Person | None:
        """Find by login."""
        return next((person for person in self.people.values() if person.agent.login == login), None)

    async def by_id(self, agent_id: AgentId) -> Person | None:
        """Find by id."""
        return self.people.get(agent_id)

    async def add(self, person: NewPerson, at: datetime) -> Agent:
        """Add a person whose id is his login."""
        agent = Agent(AgentId(person.login), person.login, person.display_name, person.role, active=True)
        self.people[agent.id] = Person(agent, person.password_hash, at, None, at)
        return agent

    async def set_role(self, agent_id: AgentId, role: Role) -> Agent:
        """Change the role."""
        return self._change(agent_id, role=role)

    async def set_active(self, agent_id: AgentId, active: bool, at: datetime) -> Agent:
        """Let in or shut out."""
        if not active:
            await self.revoke_sessions(agent_id, at)
        return self._change(agent_id, active=active)

    async def set_password(self, agent_id: AgentId, password_hash: str, sessions_valid_after: datetime | None) -> None:
        """Store a hash."""
        self.people[agent_id] = replace(self.people[agent_id], password_hash=password_hash)
        if sessions_valid_after is not None:
            await self.revoke_sessions(agent_id, sessions_valid_after)

    async def set_preferences(self, agent_id: AgentId, locale: str, timezone: str) -> Agent:
        """Store preferences."""
        return self._change(agent_id, locale=locale, timezone=timezone)

    async def revoke_sessions(self, agent_id: AgentId, valid_after: datetime) -> None:
        """End sessions."""
        self.people[agent_id] = replace(self.people[agent_id], sessions_valid_after=valid_after)

    async def mark_seen(self, agent_id: AgentId, at: datetime | None) -> None:
        """Remember every mark."""
        self.seen.append((agent_id, at))

    def _change(self, agent_id: AgentId, **values: object) -> Agent:
        person = self.people[agent_id]
        agent = replace(person.agent, **values)  # type: ignore[arg-type]
        self.people[agent_id] = replace(person, agent=agent)
        return agent


def conversation(owner: Owner, agent_id: str | None = None) -> Conversation:
    """Make a conversation as it stands."""
    return Conversation(
        id=ConversationId("c1"),
        customer_id=CustomerId("u1"),
        identity_id=IdentityId("i1"),
        channel="web",
        account="main",
        channel_user_id="visitor",
        owner=owner,
        epoch=3,
        agent_id=AgentId(agent_id) if agent_id else None,
        locale="zh",
        opened_at=NOW,
        updated_at=NOW,
    )
