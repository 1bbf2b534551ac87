"""Due work, one commit each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy import Connection

from bot.domain.errors import StorageError
from storage.database import Units

_LOG = logging.getLogger(__name__)
D = TypeVar("D")
T = TypeVar("T")


async def settle_each(
    units: Units, name: str, found: Iterable[D], settle: Callable[[Connection, D], T]
) -> list[tuple[D, T]]:
    """Settle each that was found due in a commit of its own; give each with what became of it.

    One that fails is logged and left out, so that it keeps none of the others waiting. Raises StorageError when the
    database cannot be used.
    """
    settled: list[tuple[D, T]] = []
    for due in found:
        try:
            settled.append((due, await units.run(_of(settle, due))))
        except StorageError:
            raise
        except Exception as problem:  # noqa: BLE001 - whatever is wrong with it is wrong with it alone
            _LOG.error("one of the due %s failed and was left out: %s", name, type(problem).__name__)
    return settled


def _of(settle: Callable[[Connection, D], T], due: D) -> Callable[[Connection], T]:
    return lambda connection: settle(connection, due)
