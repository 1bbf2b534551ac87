"""Waiting for a PostgreSQL that is away while Xiaoer starts: restarted, or failing over to another machine.

Only for one that gives no answer or takes nobody yet. One that answers, and be it with a refusal (a wrong password, a
database that is not there), is not waited for: whoever connects next hears the reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy import create_engine, make_url

from bot.domain.errors import StorageError

_LOG = logging.getLogger(__name__)
# The driver lets nothing else run while it asks, so that this is also how late a process may stop.
_ANSWERS_WITHIN_S = 3
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 2.0
_SAY_AGAIN_AFTER_S = 5.0

Asked = Callable[[], Awaitable[bool]]


async def wait_until_reachable(url: str, within_s: float, is_there: Asked | None = None) -> None:
    """Return once the database takes connections; at once for an SQLite file.

    Says that it waits when it begins to, and again after 5, 10, 20 ... seconds. Raises StorageError when the database
    was not there ``within_s`` seconds long; 0 does not ask. ``is_there`` asks instead of the driver.
    """
    place = make_url(url)
    if place.drivername == "sqlite" or not within_s:
        return
    ask = is_there or _asking(url)
    name = f"{place.host or 'localhost'}:{place.port or 5432}/{place.database}"
    loop = asyncio.get_running_loop()
    begin, pause_s, say_after_s, said = loop.time(), _FIRST_PAUSE_S, 0.0, False
    while not await ask():
        waited_s = loop.time() - begin
        if waited_s >= within_s:
            raise StorageError(
                f"the database at {name} could not be reached for {within_s:g} s; see that PostgreSQL runs there and "
                "that xiaoer.database.url names it"
            )
        if waited_s >= say_after_s:
            _LOG.warning("the database at %s cannot be reached; waiting for it, %.0f s more", name, within_s - waited_s)
            say_after_s, said = max(_SAY_AGAIN_AFTER_S, 2 * say_after_s), True
        await asyncio.sleep(min(pause_s, within_s - waited_s))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    if said:
        _LOG.warning("the database at %s is there", name)


def _asking(url: str) -> Asked:
    """Make the question to the server, which needs neither its password nor one of its databases."""
    # Only here, so that the embedded default needs none of it installed.
    from psycopg import pq  # noqa: PLC0415
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    _, parts = create_engine(url).dialect.create_connect_args(make_url(url))
    # All but how the driver shapes values, which is nothing to the server.
    named = {name: value for name, value in parts.items() if name != "context"}
    address = make_conninfo(**{"connect_timeout": _ANSWERS_WITHIN_S} | named).encode()
    away = {pq.Ping.NO_RESPONSE, pq.Ping.REJECT}

    async def is_there() -> bool:
        return await asyncio.to_thread(pq.PGconn.ping, address) not in away

    return is_there
