"""Visitor tokens: who a browser is, signed by the server, with an age limit."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC

from itsdangerous import BadData, TimestampSigner
from itsdangerous.signer import SigningAlgorithm

from bot.domain.clock import Clock
from bot.domain.errors import BadSignature, ConfigError

MIN_SECRET_CHARS = 16
MAX_TOKEN_CHARS = 512
DEFAULT_MAX_AGE_S = 90 * 24 * 3600
KNOWN_MAX_AGE_S = 12 * 3600
_VISITOR_BYTES = 12
_VISITOR_ID = re.compile(r"[vk][0-9a-f]{24}")
_KNOWN = "k"
_NAME_MARK = "~"


@dataclass(frozen=True, slots=True)
class VisitorToken:
    """A token as the browser keeps it, and the visitor it names."""

    visitor_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whom a token names; ``name`` is what the merchant's site calls a known customer."""

    visitor_id: str
    name: str = ""

    @property
    def known(self) -> bool:
        """Tell whether the merchant's site vouched for him."""
        return self.visitor_id.startswith(_KNOWN)


class _Sha256(SigningAlgorithm):
    """HMAC with SHA-256 in one call."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")


class _ClockedSigner(TimestampSigner):
    """A signer that asks our clock for the time and derives its key once."""

    def __init__(self, secret: str, salt: str, clock: Clock) -> None:
        super().__init__(secret, salt=salt, digest_method=hashlib.sha256, key_derivation="hmac", algorithm=_Sha256())
        self._clock = clock
        self._derived = super().derive_key()

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        """Give the key of the one secret there is."""
        del secret_key
        return self._derived

    def get_timestamp(self) -> int:
        """Give the clock's time in whole seconds."""
        return int(self._clock.now().timestamp())


class VisitorTokens:
    """Issues and reads visitor tokens of one web account; ``max_age_s`` in seconds.

    The account is part of the signature, so a token of one shop is worth nothing at another. Known customers have ids
    of their own kind, which only ``known`` gives out; their tokens are good for ``KNOWN_MAX_AGE_S`` at most.
    """

    def __init__(self, secret: str, account: str, clock: Clock, max_age_s: int = DEFAULT_MAX_AGE_S) -> None:
        if len(secret) < MIN_SECRET_CHARS:
            message = f"the secret for visitor tokens has {len(secret)} characters; give it at least {MIN_SECRET_CHARS}"
            raise ConfigError(message)
        self._account = account
        self._clock = clock
        self._signer = _ClockedSigner(secret, f"xiaoer.web.visitor.{account}", clock)
        self._max_age_s = max_age_s

    def issue(self) -> VisitorToken:
        """Make a new visitor with his token."""
        return self._sign(f"v{secrets.token_hex(_VISITOR_BYTES)}")

    def known(self, reference: str, name: str = "") -> VisitorToken:
        """Make the token of a customer whom the merchant's site has vouched for; the same customer, the same id."""
        digest = hashlib.sha256(f"{self._account}\0{reference}".encode()).hexdigest()
        return self._sign(f"{_KNOWN}{digest[: 2 * _VISITOR_BYTES]}", name)

    def renew(self, token: str) -> VisitorToken:
        """Give the same visitor a fresh token, or a new visitor one when the old token proves nothing.

        A known customer is not renewed: who has signed out of the site is a new visitor.
        """
        try:
            visitor = self.open(token)
        except BadSignature:
            return self.issue()
        return self.issue() if visitor.known else self._sign(visitor.visitor_id)

    def visitor_before(self, token: str) -> str:
        """Tell the visitor of an old token that no site has vouched for; empty when it proves nothing."""
        try:
            visitor = self.open(token)
        except BadSignature:
            return ""
        return "" if visitor.known else visitor.visitor_id

    def read(self, token: str) -> str:
        """Tell the visitor id of a token; BadSignature as ``open``."""
        return self.open(token).visitor_id

    def open(self, token: str) -> Visitor:
        """Tell the visitor of a token; BadSignature when it is forged, too old or from the future.

        The signature is compared in constant time by itsdangerous (``hmac.compare_digest``).
        """
        if not token or len(token) > MAX_TOKEN_CHARS or not token.isascii():
            raise BadSignature("the visitor token is missing or malformed; ask /widget/session for a new one")
        try:
            value, signed_at = self._signer.unsign(token, max_age=self._max_age_s, return_timestamp=True)
        except BadData as error:
            message = "the visitor token is forged or has expired; ask /widget/session for a new one"
            raise BadSignature(message) from error
        visitor_id, _, packed = value.decode("ascii").partition(_NAME_MARK)
        if not _VISITOR_ID.fullmatch(visitor_id):
            raise BadSignature("the visitor token names no visitor; ask /widget/session for a new one")
        visitor = Visitor(visitor_id, _unpack(packed))
        age_s = (self._clock.now() - signed_at.astimezone(UTC)).total_seconds()
        if visitor.known and age_s > KNOWN_MAX_AGE_S:
            raise BadSignature("the known customer's token has expired; let the site vouch for him again")
        return visitor

    def _sign(self, visitor_id: str, name: str = "") -> VisitorToken:
        packed = base64.urlsafe_b64encode(name.encode()).decode("ascii").rstrip("=")
        value = f"{visitor_id}{_NAME_MARK}{packed}" if packed else visitor_id
        return VisitorToken(visitor_id, self._signer.sign(value).decode("ascii"))


def _unpack(packed: str) -> str:
    try:
        return base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
