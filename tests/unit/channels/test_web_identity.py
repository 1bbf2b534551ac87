"""MerchantLogins: the site's word is taken when it is genuine, in time and new; nothing else makes a known customer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.web.identity import KnownCustomer, MerchantLogins
from bot.channels.web.sentences import Declined
from bot.channels.web.tokens import VisitorTokens
from bot.desk.presence import MemoryFirstMark
from bot.domain.clock import ManualClock
from bot.domain.errors import BadSignature, ConfigError
from tests.unit.channels.doubles import NOON

SECRET = "shared-with-the-merchants-site-0123456789"
SOON = int(NOON.timestamp()) + 300


def logins(clock: ManualClock | None = None) -> MerchantLogins:
    at = clock or ManualClock(NOON)
    return MerchantLogins(SECRET, "shop", at, MemoryFirstMark(at))


def packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def jwt(claims: Any, secret: str = SECRET, alg: str = "HS256") -> str:
    signed = f"{packed({'alg': alg, 'typ': 'JWT'})}.{packed(claims)}"
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "42", "name": "王芳", "exp": SOON, "jti": "nonce-0001", **more}


def plain(secret: str = SECRET, **more: Any) -> dict[str, Any]:
    claim = {"customer": "42", "name": "王芳", "exp": SOON, "nonce": "nonce-0001", **more}
    lines = "\n".join(str(claim[name]) for name in ("customer", "name", "exp", "nonce"))
    return {**claim, "signature": hmac.new(secret.encode(), lines.encode(), hashlib.sha256).hexdigest()}


@pytest.mark.parametrize("identity", [jwt(claims()), plain()], ids=["jwt", "hmac"])
async def test_genuine_word_is_taken_once(identity: Any):
    """The customer and his name; a second use of the nonce is declined."""
    found = logins()
    assert await found.prove(identity) == KnownCustomer("42", "王芳")
    with pytest.raises(Declined):
        await found.prove(identity)


async def test_published_jwt_example_is_read_as_signed():
    """The token RFC 7519's tools show everywhere verifies with its secret, and is declined only for its missing exp."""
    token = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ"
        ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
    )
    found = logins()
    found._secret = b"your-256-bit-secret"
    signed, _, signature = token.rpartition(".")
    found._check(signed.encode(), base64.urlsafe_b64decode(signature + "="))
    with pytest.raises(Declined):
        await found.prove(token)


BAD: list[Any] = [
    jwt(claims(), secret="another secret of the same length 012345"),
    jwt(claims(), alg="none"),
    jwt(claims(), alg="RS256"),
    jwt(claims())[:-2],
    f"{packed({'alg': 'none'})}.{packed(claims())}.",
    jwt(claims(exp=int(NOON.timestamp()))),
    jwt(claims(exp=SOON + 3600)),
    jwt(claims(exp=None)),
    jwt(claims(exp=True)),
    jwt(claims(exp=10**400)),
    jwt(claims(exp=float("nan"))),
    jwt(claims(exp=str(SOON))),
    jwt(claims(sub="")),
    jwt(claims(sub=None)),
    jwt(claims(sub="a\nb")),
    jwt(claims(sub="x" * 201)),
    jwt(claims(jti=None)),
    jwt(claims(jti="short")),
    jwt([]),
    jwt("text"),
    "a.b",
    "é.b.c",
    "x" * 5000,
    plain(secret="another secret of the same length 012345"),
    {**plain(), "customer": "43"},
    {**plain(), "name": "somebody else"},
    {**plain(), "exp": SOON + 1},
    {**plain(), "nonce": "nonce-0002"},
    {**plain(), "signature": "zz"},
    {**plain(), "signature": None},
    plain(customer="4\n2"),
    plain(exp=float(SOON)),
    {},
    [],
    7,
    True,
]


@pytest.mark.parametrize("identity", BAD, ids=range(len(BAD)))
async def test_anything_else_is_declined(identity: Any):
    """Forged, unsigned, late, endless, without a nonce, of the wrong shape."""
    with pytest.raises(Declined):
        await logins().prove(identity)


async def test_word_of_the_past_is_declined():
    """Five minutes later the same token is worth nothing, also where its nonce is not remembered."""
    token = jwt(claims())
    with pytest.raises(Declined):
        await logins(ManualClock(NOON + timedelta(minutes=5, seconds=1))).prove(token)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
async def test_any_json_is_declined(identity: Any):
    """Junk is a sentence, never a failure."""
    with pytest.raises(Declined):
        await logins().prove(identity)


def test_short_secret_is_refused_at_start():
    """The sentence names the variable and not the secret."""
    with pytest.raises(ConfigError, match="XIAOER_WEB_IDENTITY_SECRET has 5 characters"):
        MerchantLogins("short", "shop", ManualClock(NOON), MemoryFirstMark(ManualClock(NOON)))


def test_known_customer_has_one_id_and_no_visitor_can_have_it():
    """The same reference gives the same id; forged and renewed tokens never do."""
    clock = ManualClock(NOON)
    tokens = VisitorTokens("a-secret-of-the-shop-for-tests", "shop", clock)
    known = tokens.known("42", "王芳 👩")
    assert tokens.known("42").visitor_id == known.visitor_id != tokens.known("43").visitor_id
    assert (tokens.open(known.token).name, tokens.open(known.token).known) == ("王芳 👩", True)
    visitor = tokens.issue()
    assert not tokens.open(visitor.token).known
    with pytest.raises(BadSignature):
        tokens.open(visitor.token.replace(visitor.visitor_id, known.visitor_id))
    assert tokens.renew(known.token).visitor_id != known.visitor_id
    clock.advance(timedelta(hours=12, seconds=1))
    with pytest.raises(BadSignature):
        tokens.open(known.token)
