"""The widget's signed identity over HTTP: the merchant's word opens a known customer's session, nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from bot.channels.web.routes import WidgetPorts, WidgetSettings, build_router
from bot.channels.web.tokens import VisitorTokens
from bot.domain.clock import ManualClock
from bot.domain.messages import Sender
from tests.unit.channels.doubles import NOON, MemoryInbox, MemoryLiveFeed, MemoryShopperStream
from tests.unit.channels.test_web_identity import SECRET, claims, jwt, logins, plain


class Site:
    """The widget of a shop whose site vouches for its customers (or does not)."""

    def __init__(self, *, vouches: bool = True, secret: str = SECRET) -> None:
        clock = ManualClock(NOON)
        live = MemoryLiveFeed()
        self.inbox = MemoryInbox()
        self.met: list[tuple[str, str, str]] = []
        self.read: list[tuple[str, int]] = []
        found = logins(clock, secret=secret) if vouches else None
        stream = MemoryShopperStream(live, clock)
        ports = WidgetPorts(
            self.inbox, stream, live, clock, found, self.on_known, self.on_read, has_signed_in=self.has_signed_in
        )
        self.tokens = VisitorTokens("a-secret-of-the-shop-for-tests", "shop", clock)
        app = FastAPI()
        app.include_router(build_router(WidgetSettings(), ports, self.tokens))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example")

    async def on_known(self, visitor: Sender, known: Sender) -> None:
        """Note who turned out to be whom."""
        self.met.append((visitor.channel_user_id, known.channel_user_id, known.display_name))

    async def has_signed_in(self, visitor: Sender) -> bool:
        """Tell whether he turned out to be somebody."""
        return visitor.channel_user_id in {one for one, _, _ in self.met}

    async def on_read(self, sender: Sender, seq: int) -> None:
        """Note what was read."""
        self.read.append((sender.channel_user_id, seq))

    async def session(self, **body: Any) -> httpx.Response:
        """Ask for a session."""
        return await self.http.post("/widget/session", json=body)

    async def says(self, token: str, key: str) -> str:
        """Write as the token's visitor; gives the id the message was kept under."""
        answer = await self.http.post(
            "/widget/messages", json={"id": key, "text": "hi"}, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 202
        return self.inbox.messages[-1].sender.channel_user_id


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    yield made
    await made.http.aclose()


async def test_vouched_customer_is_the_same_on_every_device(site: Site):
    """Two logins, two browsers, one identity with the site's name for it."""
    first = (await site.session(identity=jwt(claims()))).json()
    second = (await site.session(identity=plain(nonce="nonce-0002"))).json()
    assert first["visitor"] == second["visitor"]
    assert first["known"] is True
    assert await site.says(first["token"], "abcdefgh01") == await site.says(second["token"], "abcdefgh02")
    assert site.inbox.messages[-1].sender.display_name == "王芳"


async def test_replayed_word_is_a_sentence(site: Site):
    """Who listened in gains nothing."""
    await site.session(identity=jwt(claims()))
    answer = await site.session(identity=jwt(claims()))
    assert (answer.status_code, answer.json()["code"]) == (403, "bad_identity")


@pytest.mark.parametrize("identity", [jwt(claims(), secret="x" * 40), {"customer": "42"}, "42", 42, True, "", [], {}])
async def test_unverified_visitor_never_becomes_a_known_customer(site: Site, identity: Any):
    """A wrong word gives no session at all; no word gives a visitor of nobody."""
    known = (await site.session(identity=jwt(claims()))).json()["visitor"]
    answer = await site.session(identity=identity)
    assert answer.status_code == 403
    assert "token" not in answer.json()
    for body in ({}, {"token": known}, {"visitor": known, "known": True}, {"token": f"{known}.x.y"}):
        fresh = (await site.session(**body)).json()
        assert fresh["visitor"].startswith("v")
        assert await site.says(fresh["token"], "abcdefgh01") != known


async def test_signing_out_of_the_site_makes_a_stranger(site: Site):
    """A known token without the site's word is not renewed."""
    known = (await site.session(identity=jwt(claims()))).json()
    after = (await site.session(token=known["token"])).json()
    assert after["visitor"].startswith("v")


async def test_shop_without_the_shared_secret_knows_nobody():
    """A word that cannot be checked is not taken."""
    site = Site(vouches=False)
    assert (await site.session(identity=jwt(claims()))).status_code == 403
    await site.http.aclose()


async def test_visitor_who_signs_in_is_told_with_who_he_was(site: Site):
    """The browser holds his own old token and the site's word; nobody else's token or word makes a pair."""
    before = (await site.session()).json()
    known = (await site.session(identity=jwt(claims()), token=before["token"])).json()
    assert site.met == [(before["visitor"], known["visitor"], "王芳")]
    stranger = (await site.session()).json()
    forged = stranger["token"].replace(stranger["visitor"], before["visitor"])
    for token in (forged, known["token"], before["visitor"], "", None, 7, {}):
        answer = await site.session(identity=plain(nonce=f"nonce-{token!r:.40}0002"), token=token)
        assert answer.status_code == 200
    declined = await site.session(identity=jwt(claims(), secret="x" * 40), token=before["token"])
    assert declined.status_code == 403
    assert len(site.met) == 1


async def test_read_marks_are_the_visitors_own(site: Site):
    """Up to which event his page has shown everything; anything else is a sentence."""
    token = (await site.session()).json()
    headers = {"Authorization": f"Bearer {token['token']}"}
    answer = await site.http.post("/widget/read", json={"seq": 7}, headers=headers)
    assert answer.status_code == 202
    assert site.read == [(token["visitor"], 7)]
    for junk in ({}, {"seq": 0}, {"seq": -1}, {"seq": True}, {"seq": "7"}, {"seq": 2**63}, {"seq": 1.5}):
        assert (await site.http.post("/widget/read", json=junk, headers=headers)).status_code == 422
    assert (await site.http.post("/widget/read", json={"seq": 7})).status_code == 401
    assert len(site.read) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "history"), ("GET", "stream"), ("POST", "messages"), ("POST", "read")],
)
async def test_token_kept_from_before_the_login_opens_nothing(site: Site, method: str, path: str):
    """On a shared computer somebody keeps a visitor's token; the next person signs in with it in the browser.

    The visitor and the customer are one person from then on, so that the kept token would speak as that customer.
    """
    kept = (await site.session()).json()
    await site.session(identity=jwt(claims()), token=kept["token"])
    answer = await site.http.request(
        method,
        f"/widget/{path}",
        json={"id": "abcdefgh01", "text": "hi", "seq": 1},
        headers={"Authorization": f"Bearer {kept['token']}"},
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_token")
    assert site.inbox.messages == []
    renewed = (await site.session(token=kept["token"])).json()
    assert renewed["visitor"] not in {kept["visitor"], site.met[0][1]}


async def test_words_of_two_secrets_are_taken_while_one_follows_the_other():
    """While the site changes its secret both are good, each word once; a third is not."""
    old, new = "o" * 40, "n" * 40
    rotating = Site(secret=f"{new} {old}")
    for secret in (old, new):
        nonce = f"nonce-{secret[0]}-000"
        assert (await rotating.session(identity=jwt(claims(jti=nonce), secret=secret))).status_code == 200
        assert (await rotating.session(identity=jwt(claims(jti=nonce), secret=secret))).status_code == 403
    assert (await rotating.session(identity=jwt(claims(jti="nonce-x-000"), secret="x" * 40))).status_code == 403
    await rotating.http.aclose()
