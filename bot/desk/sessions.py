"""Signed session cookies: who is signed in, since when, and the token that proves a form is ours."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer

from bot.domain.clock import Clock
from bot.domain.desk_ports import People
from bot.domain.ids import AgentId
from bot.domain.people import Agent

MAX_AGE = timedelta(hours=14)
"""A session ends after a long shift, whatever happens."""

_NONCE_BYTES = 16
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Session:
    """A visit to the console; ``agent_id`` is empty before the sign-in, ``issued_at`` aware UTC."""

    nonce: str
    agent_id: str
    issued_at: datetime


class Sessions:
    """Opens, seals, reads and ends sessions. Nothing is stored but the moment before which none is valid."""

    def __init__(self, people: People, clock: Clock, secret: str) -> None:
        """Sign with ``secret``, which must stay the same over restarts for sessions to outlive them."""
        self._people = people
        self._clock = clock
        self._serializer = URLSafeSerializer(secret, salt="console session")
        self._csrf_key = hashlib.sha256(b"console form token\0" + secret.encode()).digest()

    def visit(self) -> Session:
        """Open a session for somebody not signed in, so that the sign-in form has its token."""
        return Session(secrets.token_urlsafe(_NONCE_BYTES), "", self._clock.now())

    async def open(self, agent: Agent) -> Session:
        """Open a session for an agent; it never shares anything with an earlier one."""
        person = await self._people.by_id(agent.id)
        not_before = person.sessions_valid_after if person else self._clock.now()
        return Session(secrets.token_urlsafe(_NONCE_BYTES), agent.id, max(self._clock.now(), not_before))

    def seal(self, session: Session) -> str:
        """Write the session as a signed cookie value."""
        return str(self._serializer.dumps([session.nonce, session.agent_id, session.issued_at.timestamp()]))

    def unseal(self, cookie: str) -> Session | None:
        """Read a cookie value; None when it is not ours, damaged or too old."""
        try:
            nonce, agent_id, issued = self._serializer.loads(cookie)
            session = Session(str(nonce), str(agent_id), datetime.fromtimestamp(float(issued), UTC))
        except (BadSignature, ValueError, TypeError, OverflowError):
            return None
        return session if self._clock.now() - session.issued_at < MAX_AGE else None

    async def agent_of(self, session: Session) -> Agent | None:
        """Find who is signed in; None when nobody is, the person was shut out, or the session was ended."""
        if not session.agent_id:
            return None
        person = await self._people.by_id(AgentId(session.agent_id))
        if person is None or not person.agent.active:
            return None
        # A cookie keeps microseconds of a float; the tick forgives its rounding.
        return person.agent if session.issued_at + _TICK >= person.sessions_valid_after else None

    async def end_all(self, agent_id: AgentId) -> None:
        """End every session of a person, so that a stolen cookie is worth nothing after the sign-out."""
        await self._people.revoke_sessions(agent_id, self.valid_from_now())

    def valid_from_now(self) -> datetime:
        """Give the moment that ends all sessions opened so far."""
        return self._clock.now() + 2 * _TICK

    def token(self, session: Session) -> str:
        """Give the token that forms of this session carry."""
        return hmac.new(self._csrf_key, session.nonce.encode(), hashlib.sha256).hexdigest()

    def token_is_right(self, session: Session, token: str) -> bool:
        """Compare a form's token in constant time."""
        return hmac.compare_digest(self.token(session).encode(), token.encode())
