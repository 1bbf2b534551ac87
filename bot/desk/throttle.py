"""Slows down guessing of passwords."""

from __future__ import annotations

from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter

_WINDOW_MINUTES = 15
_TRIES_PER_LOGIN = 10
_TRIES_PER_ADDRESS = 50


@dataclass(frozen=True, slots=True)
class _Limit:
    name: str
    item: RateLimitItemPerMinute


_LOGIN = _Limit("login", RateLimitItemPerMinute(_TRIES_PER_LOGIN, _WINDOW_MINUTES))
_ADDRESS = _Limit("address", RateLimitItemPerMinute(_TRIES_PER_ADDRESS, _WINDOW_MINUTES))


class LoginThrottle:
    """Counts tries to sign in, per login and per address, over a moving window of 15 minutes.

    A try counts before the password is looked at, so that many at once do not slip through; a right password forgets
    the tries of its login, never those of the address.
    """

    def __init__(self, storage: Storage) -> None:
        """Keep counts in ``storage`` (``limits.aio.storage.MemoryStorage()`` for one process)."""
        self._limiter = MovingWindowRateLimiter(storage)

    async def allows(self, login: str, address: str) -> bool:
        """Count a try and tell whether it may go on."""
        by_address = await self._limiter.hit(_ADDRESS.item, _ADDRESS.name, address)
        return by_address and await self._limiter.hit(_LOGIN.item, _LOGIN.name, login)

    async def forgive(self, login: str) -> None:
        """Forget the tries of a login after the right password."""
        await self._limiter.clear(_LOGIN.item, _LOGIN.name, login)
