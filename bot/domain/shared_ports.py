"""What several processes of one house share; each port has a twin in this process and one over Redis."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeptToken:
    """An access token of a platform, good until shortly before its end."""

    token: str = field(repr=False)
    good_until: datetime


class TokenShelf(Protocol):
    """Keeps platforms' access tokens by name, and lets one at a time fetch another."""

    async def read(self, name: str) -> KeptToken | None:
        """Give what was kept last, also when it is no longer good; None when there is nothing."""
        ...

    async def write(self, name: str, kept: KeptToken) -> None:
        """Keep a token in place of the one before."""
        ...

    def turn(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold the right to fetch; whoever else asks waits."""
        ...


class FirstMark(Protocol):
    """Tells who is first to do something within a time."""

    async def is_first(self, key: str, within_s: int) -> bool:
        """Mark the key; False when it was marked within the last ``within_s`` seconds."""
        ...

    async def forget(self, key: str) -> None:
        """Take the mark away."""
        ...
