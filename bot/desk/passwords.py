"""Passwords: made, hashed and verified without holding up the event loop."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.desk.refusals import Refusal

MIN_PASSWORD_CHARS = 10
MAX_PASSWORD_CHARS = 256

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is mistaken for another when read aloud
_GROUPS = 4
_GROUP_CHARS = 4
_AT_ONCE = 2


def new_password() -> str:
    """Make a random password of four groups of four characters (79 bits), easy to read aloud."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_CHARS)) for _ in range(_GROUPS))


def check_password_rules(password: str) -> None:
    """Refuse a password that is too short or too long (Refusal says which)."""
    if len(password) < MIN_PASSWORD_CHARS:
        sentence = f"the password has {len(password)} characters; it needs at least {MIN_PASSWORD_CHARS}"
        raise Refusal("short_password", sentence, chars=len(password), limit=MIN_PASSWORD_CHARS)
    if len(password) > MAX_PASSWORD_CHARS:
        sentence = f"the password has {len(password)} characters; at most {MAX_PASSWORD_CHARS} are taken"
        raise Refusal("long_password", sentence, chars=len(password), limit=MAX_PASSWORD_CHARS)


class Passwords:
    """Hashes and verifies with argon2 on threads, a few at once, so that a rush cannot take all memory."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Take the hasher (the library's recommended cost when None)."""
        self._hasher = hasher or _usual_hasher()
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._nobody = _nobodys_hash(self._hasher)

    async def hash(self, password: str) -> str:
        """Hash a password."""
        async with self._gate:
            return await asyncio.to_thread(self._hasher.hash, _normal(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Tell whether the password is right; None (no such person) costs the same and is never right."""
        async with self._gate:
            right = await asyncio.to_thread(self._check, password_hash or self._nobody, _normal(password))
        return right and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the hash was made at another cost than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _check(self, password_hash: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


@cache
def _usual_hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobodys_hash(hasher: PasswordHasher) -> str:
    """Hash a password that nobody has; it takes a fifth of a second, so once a process."""
    return hasher.hash(secrets.token_hex(16))


def _normal(password: str) -> bytes:
    """Normalise, so that the same password typed on another keyboard is the same; cut what is beyond the limit."""
    return unicodedata.normalize("NFKC", password[: MAX_PASSWORD_CHARS + 1]).encode(errors="replace")
