"""Tries to prove orders by the network address they come from: whoever makes a new visitor for every try is one still.

Each try takes one of the address's places until its time is over. Places are few and numbered, so that processes that
take one at the same moment never take the same, and no address keeps more rows than it has places. A row knows neither
customer nor order, and the address only by its keyed hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, tuple_

from bot.domain.clock import Clock
from bot.domain.ids import ConversationId, new_id
from storage.database import Database, Units
from storage.tables import NETWORK_TRIES, Upsert
from storage.types import Moment

_TAKEN = select(NETWORK_TRIES.c.place, NETWORK_TRIES.c.counts_until).where(
    NETWORK_TRIES.c.network == bindparam("network"), NETWORK_TRIES.c.counts_until > bindparam("now", type_=Moment)
)
_TAKE = Upsert(
    lambda into: (
        (adding := into(NETWORK_TRIES))
        .on_conflict_do_update(
            index_elements=["network", "place"],
            set_={"try_id": adding.excluded.try_id, "counts_until": adding.excluded.counts_until},
            where=NETWORK_TRIES.c.counts_until <= bindparam("now", type_=Moment),
        )
        .returning(NETWORK_TRIES.c.place)
    )
)
_FORGIVE = delete(NETWORK_TRIES).where(
    NETWORK_TRIES.c.network == bindparam("network"), NETWORK_TRIES.c.try_id == bindparam("begun")
)
_OVER = select(NETWORK_TRIES.c.network, NETWORK_TRIES.c.place).where(
    NETWORK_TRIES.c.counts_until <= bindparam("now", type_=Moment)
)
# What somebody takes at this moment is not over any more.
_FORGET = delete(NETWORK_TRIES).where(
    tuple_(NETWORK_TRIES.c.network, NETWORK_TRIES.c.place).in_(_OVER.with_for_update(skip_locked=True))
)


class SqlNetworkTries:
    """Counts tries of each network; at most ``limit`` that were not right within ``lasts``; 0: it counts nothing."""

    def __init__(self, database: Database, clock: Clock, limit: int, lasts: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit
        self._lasts = lasts

    async def wait(self, network: str) -> timedelta:
        """Tell how long until somebody there may try again; zero: now, also where the network is not known."""
        if not network or not self._limit:
            return timedelta()
        now = self._clock.now()
        taken = await self._database.glance(lambda connection: _taken(connection, network, now))
        over = sorted(taken.values())
        return over[len(over) - self._limit] - now if len(over) >= self._limit else timedelta()

    async def begin(self, network: str) -> str | None:
        """Count a try before it is looked at; None when no more may be made. What is given is for ``forgive``."""
        if not network or not self._limit:
            return ""
        now = self._clock.now()
        row = {"network": network, "try_id": new_id(), "counts_until": now + self._lasts, "now": now}
        return await self._database.run(lambda connection: _begin(connection, row, self._limit))

    async def forgive(self, network: str, begun: str) -> None:
        """Count a try no more that turned out right."""
        if begun:
            values = {"network": network, "begun": begun}
            await self._database.run(lambda connection: connection.execute(_FORGIVE, values) and None)


class SqlForgottenTries:
    """Forgets the networks whose tries count no more; kind of due work."""

    name = "network tries"

    def __init__(self, database: Units, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run_due(self) -> Sequence[ConversationId]:
        """Forget them; no conversation changes."""
        values = {"now": self._clock.now()}
        if await self._database.read(lambda connection: connection.execute(_OVER.limit(1), values).first()) is not None:
            await self._database.run(lambda connection: connection.execute(_FORGET, values) and None)
        return ()


def _taken(connection: Connection, network: str, now: datetime) -> dict[int, datetime]:
    values = {"network": network, "now": now}
    return {row.place: row.counts_until for row in connection.execute(_TAKEN, values)}


def _begin(connection: Connection, row: dict[str, Any], limit: int) -> str | None:
    taken = _taken(connection, row["network"], row["now"])
    free = [place for place in range(limit) if place not in taken]
    for place in free if len(taken) < limit else ():
        # Another process may have taken it since; in their order, so that two never wait for each other.
        if connection.execute(_TAKE.on(connection), row | {"place": place}).first() is not None:
            return str(row["try_id"])
    return None
