"""Who a visitor is, as the merchant's own site vouches for it: a JWT (HS256) or a plain HMAC, short-lived, used once.

The site signs with XIAOER_WEB_IDENTITY_SECRET, on its server, for the customer who is logged in there. A claim that
proves nothing is declined: a visitor is then nobody, never somebody else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.channels.cleaning import clean_text
from bot.channels.web.sentences import Declined, Problem
from bot.domain.clock import Clock
from bot.domain.errors import ConfigError
from bot.domain.shared_ports import FirstMark

MIN_SECRET_CHARS = 32
MAX_LIFE_S = 3600
_MAX_CLAIM_CHARS = 4096
_MAX_REFERENCE_CHARS = 200
_MAX_NAME_CHARS = 60
_MIN_NONCE_CHARS, _MAX_NONCE_CHARS = 8, 128
_JWT_PARTS = 3
_MAX_TIME = 2**40
_MAX_SKEW_S = 60
_BEGINNINGS = ("nbf", "iat")


@dataclass(frozen=True, slots=True)
class KnownCustomer:
    """A customer of the merchant's site: his reference there and the name to show."""

    reference: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Claims:
    reference: str
    name: str
    expires_at: float
    nonce: str
    secret: bytes = field(default=b"", repr=False)


class MerchantLogins:
    """Checks what the site vouches for, for one web account; ``marks`` remembers nonces until they expire.

    ``secret`` may be two, the new and the old one with a space between, while the site changes from one to the other.
    """

    def __init__(self, secret: str, account: str, clock: Clock, marks: FirstMark) -> None:
        shortest = shortest_secret(secret)
        if shortest < MIN_SECRET_CHARS:
            raise ConfigError(
                f"XIAOER_WEB_IDENTITY_SECRET has {shortest} characters (a space begins another secret); "
                f"share at least {MIN_SECRET_CHARS} random ones with your site"
            )
        self._secrets = tuple(each.encode() for each in secret.split())
        self._account = account
        self._clock = clock
        self._marks = marks

    async def prove(self, identity: Any) -> KnownCustomer:
        """Read a JWT (text) or a signed object; Declined unless it is genuine, in time and new.

        The signature is compared in constant time; a JWT's before anything inside is read.
        """
        claims = self._of_jwt(identity) if isinstance(identity, str) else self._of_object(identity)
        left_s = claims.expires_at - self._clock.now().timestamp()
        if not 0 < left_s <= MAX_LIFE_S:
            raise Declined(Problem.BAD_IDENTITY)
        # Marked under the secret, not the account: accounts that share a secret share what was used as well.
        digest = hmac.new(claims.secret, claims.nonce.encode(), hashlib.sha256).hexdigest()
        if not await self._marks.is_first(f"web-nonce:{digest}", int(left_s) + 1):
            raise Declined(Problem.BAD_IDENTITY)
        return KnownCustomer(claims.reference, claims.name)

    def _of_jwt(self, token: str) -> _Claims:
        signed, _, signature = token.rpartition(".")
        if len(token) > _MAX_CLAIM_CHARS or not token.isascii() or token.count(".") != _JWT_PARTS - 1:
            raise Declined(Problem.BAD_IDENTITY)
        secret = self._check(signed.encode(), _unpack(signature))
        head, _, body = signed.partition(".")
        # The algorithm is ours to choose, not the token's: "none" and all others are refused.
        header = _read_json(_unpack(head))
        if header.get("alg") != "HS256" or "crit" in header:
            raise Declined(Problem.BAD_IDENTITY)
        claims = _read_json(_unpack(body))
        if not self._is_for_us(claims.get("aud")) or not all(self._has_begun(claims.get(key)) for key in _BEGINNINGS):
            raise Declined(Problem.BAD_IDENTITY)
        nonce = claims.get("jti", claims.get("nonce"))
        return replace(_claims(claims.get("sub"), claims.get("name"), claims.get("exp"), nonce), secret=secret)

    def _of_object(self, claim: Any) -> _Claims:
        """Read ``{customer, name, exp, nonce, signature}``: the hexadecimal HMAC-SHA256 of the four, one a line."""
        if not isinstance(claim, Mapping):
            raise Declined(Problem.BAD_IDENTITY)
        found = _claims(claim.get("customer"), claim.get("name"), claim.get("exp"), claim.get("nonce"), plain=True)
        lines = [found.reference, str(claim.get("name") or ""), str(claim.get("exp")), found.nonce]
        signature = claim.get("signature")
        if not isinstance(signature, str) or len(signature) > _MAX_CLAIM_CHARS:
            raise Declined(Problem.BAD_IDENTITY)
        try:
            secret = self._check("\n".join(lines).encode(), bytes.fromhex(signature))
        except ValueError as error:
            raise Declined(Problem.BAD_IDENTITY) from error
        return replace(found, secret=secret)

    def _is_for_us(self, audience: Any) -> bool:
        """Tell whether a token that names its audience names this web account."""
        return (
            audience is None or audience == self._account or (isinstance(audience, list) and self._account in audience)
        )

    def _has_begun(self, begins_at: Any) -> bool:
        """Tell whether a token that says from when on it is good is good now, give or take a clock that is off."""
        if begins_at is None:
            return True
        if isinstance(begins_at, bool) or not isinstance(begins_at, int | float):
            return False
        return begins_at - _MAX_SKEW_S <= self._clock.now().timestamp()

    def _check(self, signed: bytes, signature: bytes) -> bytes:
        """Give the secret it was signed with, each compared in constant time."""
        for secret in self._secrets:
            if hmac.compare_digest(hmac.new(secret, signed, hashlib.sha256).digest(), signature):
                return secret
        raise Declined(Problem.BAD_IDENTITY)


def shortest_secret(secret: str) -> int:
    """Count the characters of the shortest of the secrets in ``XIAOER_WEB_IDENTITY_SECRET``."""
    return min(map(len, secret.split()), default=0)


def _claims(reference: Any, name: Any, expires_at: Any, nonce: Any, *, plain: bool = False) -> _Claims:
    """Check the claims' shape; ``plain``: they are signed as lines, so none may hold a line's end."""
    if isinstance(reference, int) and not isinstance(reference, bool):
        reference = str(reference)
    shown = name if isinstance(name, str) else ""
    if not isinstance(reference, str) or not isinstance(nonce, str) or isinstance(expires_at, bool):
        raise Declined(Problem.BAD_IDENTITY)
    if not isinstance(expires_at, int if plain else int | float) or not 0 < expires_at < _MAX_TIME:
        raise Declined(Problem.BAD_IDENTITY)
    fits = 0 < len(reference) <= _MAX_REFERENCE_CHARS and _MIN_NONCE_CHARS <= len(nonce) <= _MAX_NONCE_CHARS
    texts = (reference, nonce, shown)
    if not fits or not all(text.isprintable() for text in texts):
        raise Declined(Problem.BAD_IDENTITY)
    return _Claims(reference, clean_text(shown, _MAX_NAME_CHARS).text, float(expires_at), nonce)


def _unpack(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Declined(Problem.BAD_IDENTITY) from error


def _read_json(raw: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Declined(Problem.BAD_IDENTITY) from error
    if not isinstance(data, dict):
        raise Declined(Problem.BAD_IDENTITY)
    return data
