"""Visitor tokens: who a browser is, signed by the server, with an age limit."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from itsdangerous import BadData, TimestampSigner

from bot.domain.clock import Clock
from bot.domain.errors import BadSignature, ConfigError

MIN_SECRET_CHARS = 16
MAX_TOKEN_CHARS = 256
DEFAULT_MAX_AGE_S = 90 * 24 * 3600
_VISITOR_BYTES = 12
_VISITOR_ID = re.compile(r"v[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class VisitorToken:
    """A token as the browser keeps it, and the visitor it names."""

    visitor_id: str
    token: str


class _ClockedSigner(TimestampSigner):
    """A signer that asks our clock for the time."""

    def __init__(self, secret: str, salt: str, clock: Clock) -> None:
        super().__init__(secret, salt=salt, digest_method=hashlib.sha256, key_derivation="hmac")
        self._clock = clock

    def get_timestamp(self) -> int:
        """Give the clock's time in whole seconds."""
        return int(self._clock.now().timestamp())


class VisitorTokens:
    """Issues and reads visitor tokens of one web account; ``max_age_s`` in seconds.

    The account is part of the signature, so a token of one shop is worth nothing at another.
    """

    def __init__(self, secret: str, account: str, clock: Clock, max_age_s: int = DEFAULT_MAX_AGE_S) -> None:
        if len(secret) < MIN_SECRET_CHARS:
            message = f"the secret for visitor tokens has {len(secret)} characters; give it at least {MIN_SECRET_CHARS}"
            raise ConfigError(message)
        self._signer = _ClockedSigner(secret, f"xiaoer.web.visitor.{account}", clock)
        self._max_age_s = max_age_s

    def issue(self) -> VisitorToken:
        """Make a new visitor with his token."""
        return self._sign(f"v{secrets.token_hex(_VISITOR_BYTES)}")

    def renew(self, token: str) -> VisitorToken:
        """Give the same visitor a fresh token, or a new visitor one when the old token proves nothing."""
        try:
            return self._sign(self.read(token))
        except BadSignature:
            return self.issue()

    def read(self, token: str) -> str:
        """Tell the visitor id of a token; BadSignature when it is forged, too old or from the future.

        The signature is compared in constant time by itsdangerous (``hmac.compare_digest``).
        """
        if not token or len(token) > MAX_TOKEN_CHARS or not token.isascii():
            raise BadSignature("the visitor token is missing or malformed; ask /widget/session for a new one")
        try:
            visitor_id = self._signer.unsign(token, max_age=self._max_age_s).decode("ascii")
        except BadData as error:
            message = "the visitor token is forged or has expired; ask /widget/session for a new one"
            raise BadSignature(message) from error
        if not _VISITOR_ID.fullmatch(visitor_id):
            raise BadSignature("the visitor token names no visitor; ask /widget/session for a new one")
        return visitor_id

    def _sign(self, visitor_id: str) -> VisitorToken:
        return VisitorToken(visitor_id, self._signer.sign(visitor_id).decode("ascii"))
