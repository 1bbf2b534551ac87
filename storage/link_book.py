"""Linking on verified facts, by itself; linking and undoing as a human decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from bot.domain.clock import Clock
from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import ConversationId, CustomerId
from bot.domain.links import Evidence, LinkWish, PersonFile, conflict_of
from bot.domain.people import Agent
from storage import facts, links
from storage.database import Database, Units
from storage.links import Making
from storage.person_file import person
from storage.settling import settle_each
from storage.tables import CONVERSATIONS, FACTS, IDENTITIES, LINKS

_MOST = 200


class SqlLinking:
    """Looks for identities that have shown the same; kind of due work, done once for each fact."""

    name = "links"

    def __init__(self, database: Units, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run_due(self) -> Sequence[ConversationId]:
        """Link what facts alone may link, one commit a fact; list the open conversations it concerns."""
        unsettled = select(FACTS.c.id).where(FACTS.c.settled_at.is_(None)).order_by(FACTS.c.id).limit(_MOST)
        found = await self._database.read(lambda connection: connection.execute(unsettled).scalars().all())
        at = self._clock.now()
        settled = await settle_each(self._database, self.name, found, lambda on, fact: _settle_fact(on, fact, at))
        return [conversation_id for _, changed in settled for conversation_id in changed]


class SqlLinkBook:
    """Who is whom, over links and facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def person(self, conversation_id: ConversationId, search: str = "") -> PersonFile:
        """Load the customer of a conversation with links, suggestions and what ``search`` finds."""
        return await self._database.read(lambda connection: person(connection, conversation_id, search))

    async def link(self, wish: LinkWish, agent: Agent, at: datetime) -> tuple[ConversationId, ...]:
        """Make two customers one; list the open conversations it concerns.

        Conflict when verified facts speak against it and the agent is not sure, NotFound when one is gone.
        """
        return await self._database.run(lambda connection: _link(connection, wish, agent, at))

    async def undo(self, link_id: str, agent: Agent, reason: str, at: datetime) -> tuple[ConversationId, ...]:
        """Undo a link, everything goes back to where it came from; list the open conversations it concerns."""
        making = Making(Evidence.AGENT, at, reason=reason, by=agent.id, by_name=agent.display_name)
        return await self._database.run(lambda connection: _undo(connection, link_id, making))


def _settle_fact(connection: Connection, fact_id: int, at: datetime) -> list[ConversationId]:
    """Link the fact's identity with everybody who has shown the same; nothing when somebody was faster."""
    links.begin(connection)
    fact = connection.execute(select(FACTS).where(FACTS.c.id == fact_id, FACTS.c.settled_at.is_(None))).first()
    if fact is None:
        return []
    same = (
        select(FACTS.c.identity_id)
        .where(FACTS.c.kind == fact.kind, FACTS.c.value == fact.value, FACTS.c.identity_id != fact.identity_id)
        .order_by(FACTS.c.id)
    )
    changed: list[ConversationId] = []
    for other in connection.execute(same).scalars().all():
        one, another = _customer_of(connection, fact.identity_id), _customer_of(connection, other)
        if one != another and links.may_link(connection, one, another):
            making = Making(Evidence(fact.kind), at, value=fact.value)
            changed += links.link(connection, fact.identity_id, other, making)
    connection.execute(update(FACTS).where(FACTS.c.id == fact_id).values(settled_at=at))
    return changed


def _customer_of(connection: Connection, identity_id: str) -> CustomerId:
    found: Any = connection.execute(select(IDENTITIES.c.customer_id).where(IDENTITIES.c.id == identity_id))
    return CustomerId(found.scalar_one())


def _link(connection: Connection, wish: LinkWish, agent: Agent, at: datetime) -> tuple[ConversationId, ...]:
    links.begin(connection)
    here = connection.execute(
        select(CONVERSATIONS.c.identity_id, CONVERSATIONS.c.customer_id).where(
            CONVERSATIONS.c.id == wish.conversation_id
        )
    ).first()
    # Whom the agent looked at, also when somebody else has linked him meanwhile.
    other = links.began_as(connection, wish.other_customer)
    if here is None or other is None:
        raise NotFound(f"there is no conversation {wish.conversation_id!r}, or no customer {wish.other_customer!r}")
    if here.customer_id == other.customer_id:
        return ()
    everybody = links.of_customers(connection, [here.customer_id, other.customer_id])
    against = conflict_of(everybody, facts.of_identities(connection, [each.id for each in everybody]))
    if against and not wish.sure:
        raise Conflict(
            "verified facts speak against these being one person "
            f"({len(against.phones)} phones, {len(against.accounts)} accounts); link them only when you are sure"
        )
    making = Making(Evidence.AGENT, at, reason=wish.reason, by=agent.id, by_name=agent.display_name)
    return links.link(connection, here.identity_id, other.id, making)


def _undo(connection: Connection, link_id: str, making: Making) -> tuple[ConversationId, ...]:
    links.begin(connection)
    row = connection.execute(select(LINKS).where(LINKS.c.id == link_id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no link {link_id!r}")
    return () if row["undone_at"] is not None else links.unlink(connection, row, making)
