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


def logins(clock: ManualClock | None = None, secret: str = SECRET) -> MerchantLogins:
    at = clock or ManualClock(NOON)
    return MerchantLogins(secret, "shop", at, MemoryFirstMark(at))


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
    found._secrets = (b"your-256-bit-secret",)
    signed, _, signature = token.rpartition(".")
    found._check(signed.encode(), base64.urlsafe_b64decode(signature + "="))
    with pytest.raises(Declined):
        await found.prove(token)


BAD: list[Any] = [
    jwt(claims(aud="another-shop")),
    jwt(claims(aud=["another-shop"])),
    jwt(claims(aud={"shop": True})),
    jwt(claims(nbf=SOON)),
    jwt(claims(iat=SOON)),
    jwt(claims(nbf="now")),
    jwt(claims(iat=True)),
    f"{packed({'alg': 'HS256', 'crit': ['exp']})}.{packed(claims())}",
    jwt(claims(), alg="hs256"),
    jwt(claims(), alg="HS512"),
    jwt(claims(), alg=""),
    jwt(claims(), secret=""),
    f"{packed({'alg': 'HS256'})}.{packed(claims())}.",
    jwt(claims()).upper(),
    f"{jwt(claims()).rpartition('.')[0]}.{jwt(claims(sub='43')).rpartition('.')[2]}",
    {"customer": "42", "name": "王芳", "exp": SOON, "nonce": "nonce-0001", "signature": ""},
    {**plain(), "signature": plain()["signature"][:-2]},
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


async def test_word_for_this_account_is_taken_whoever_else_it_is_for():
    """An audience may be named; begun a moment ago by a clock that is off is begun."""
    assert await logins().prove(jwt(claims(aud="shop"))) == KnownCustomer("42", "王芳")
    assert await logins().prove(jwt(claims(aud=["app", "shop"]))) == KnownCustomer("42", "王芳")
    now = int(NOON.timestamp())
    assert await logins().prove(jwt(claims(iat=now + 30, nbf=now))) == KnownCustomer("42", "王芳")


async def test_word_used_at_one_account_is_used_at_every_account_of_the_secret():
    """A replay at another account that shares the secret and the marks gains nothing, in either form."""
    clock = ManualClock(NOON)
    marks = MemoryFirstMark(clock)
    here, there = (MerchantLogins(SECRET, account, clock, marks) for account in ("shop", "outlet"))
    await here.prove(jwt(claims()))
    for replayed in (jwt(claims()), plain()):
        with pytest.raises(Declined):
            await there.prove(replayed)


async def test_signature_of_one_form_is_worth_nothing_in_the_other():
    """A token cannot be downgraded to the plain form, nor the plain one dressed up as a token."""
    token = jwt(claims())
    signed, _, signature = token.rpartition(".")
    digest = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)).hex()
    dressed = f"{signed}.{base64.urlsafe_b64encode(bytes.fromhex(plain()['signature'])).decode().rstrip('=')}"
    for forged in ({**plain(), "signature": digest}, {**plain(), "customer": signed, "signature": digest}, dressed):
        with pytest.raises(Declined):
            await logins().prove(forged)


def test_visitor_cannot_be_swapped_for_another_or_made_a_customer():
    """Every piece of one token in another's place is refused; an old token names its visitor only while it is good."""
    clock = ManualClock(NOON)
    tokens = VisitorTokens("a-secret-of-the-shop-for-tests", "shop", clock)
    other = VisitorTokens("a-secret-of-the-shop-for-tests", "outlet", clock)
    mine, yours, known = tokens.issue(), tokens.issue(), tokens.known("42")
    for token in (
        mine.token.replace(mine.visitor_id, yours.visitor_id),
        mine.token.replace(mine.visitor_id, known.visitor_id),
        known.token.replace(known.visitor_id, tokens.known("43").visitor_id),
        known.visitor_id + mine.token.removeprefix(mine.visitor_id),
        other.issue().token,
        other.known("42").token,
    ):
        with pytest.raises(BadSignature):
            tokens.open(token)
        assert tokens.visitor_before(token) == ""
        assert tokens.renew(token).visitor_id.startswith("v")
    assert tokens.visitor_before(mine.token) == mine.visitor_id
    assert tokens.visitor_before(known.token) == ""
    clock.advance(timedelta(days=91))
    assert tokens.visitor_before(mine.token) == ""
