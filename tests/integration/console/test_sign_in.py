"""Signing in and out over HTTP: cookies, fixation, forged forms, headers."""

from __future__ import annotations

import base64

import pytest

from bot.console.headers import CONTENT_SECURITY_POLICY
from bot.console.visits import COOKIE
from tests.integration.console.shop import PASSWORDS, Browser, Shop

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Nothing here depends on the kind of database."""

FORGED = [
    ({"origin": "https://evil.example"}, True),
    ({"sec-fetch-site": "cross-site"}, True),
    ({"sec-fetch-site": "same-site"}, True),
    ({"origin": "null"}, True),
    ({}, False),
]


def cookie_of(browser: Browser) -> str:
    """Give the session cookie a browser holds."""
    return browser.http.cookies.get(COOKIE) or ""


async def test_sign_in_sets_a_cookie_scripts_cannot_read(shop: Shop):
    """HttpOnly, SameSite=Lax, only for the console; Secure as soon as the request is https."""
    browser = shop.browser()
    answer = await browser.sign_in("li", PASSWORDS["agent"])
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/console" in cookie
    assert "Secure" not in cookie
    sealed = cookie.split(";")[0].partition("=")[2].split(".")[0]
    assert '"li"' not in base64.urlsafe_b64decode(f"{sealed}==").decode()
    secure = shop.browser(base="https://shop.test")
    assert "Secure" in (await secure.sign_in("li", PASSWORDS["agent"])).headers["set-cookie"]


async def test_sign_in_rotates_the_session(shop: Shop):
    """A cookie fixed before the sign-in is nobody's afterwards."""
    browser = shop.browser()
    await browser.get("/login")
    fixed = cookie_of(browser)
    await browser.post("/login", {"login": "li", "password": PASSWORDS["agent"]})
    assert cookie_of(browser) != fixed
    thief = shop.browser()
    thief.http.cookies.set(COOKIE, fixed, domain="shop.test", path="/console")
    assert (await thief.get("/inbox")).status_code == 303


async def test_sign_in_refuses_with_one_sentence_for_everything(shop: Shop):
    """A wrong login and a wrong password read the same, and the login is kept in the form, escaped."""
    browser = shop.browser()
    await browser.get("/login")
    wrong = await browser.post("/login", {"login": "li", "password": "wrong"})
    nobody = await browser.post("/login", {"login": '"><script>alert(1)</script>', "password": "wrong"})
    assert wrong.status_code == nobody.status_code == 401
    assert "The login or the password is wrong" in wrong.text
    assert "The login or the password is wrong" in nobody.text
    assert "<script>alert" not in nobody.text


async def test_sign_in_throttles(shop: Shop):
    """After ten wrong tries even the right password waits."""
    browser = shop.browser()
    await browser.get("/login")
    for _ in range(10):
        await browser.post("/login", {"login": "li", "password": "wrong"})
    answer = await browser.post("/login", {"login": "li", "password": PASSWORDS["agent"]})
    assert answer.status_code == 429
    assert "Too many tries" in answer.text
    assert (await browser.get("/inbox")).status_code == 303


async def test_sign_in_goes_back_to_where_one_wanted(shop: Shop):
    """A page asked for before the sign-in is shown after it."""
    browser = shop.browser()
    answer = await browser.get("/tickets?state=open")
    assert answer.headers["location"] == "/console/login?next=%2Fconsole%2Ftickets%3Fstate%3Dopen"
    await browser.get("/login?next=/console/tickets?state=open")
    form = {"login": "li", "password": PASSWORDS["agent"], "next": "/console/tickets?state=open"}
    assert (await browser.post("/login", form)).headers["location"] == "/console/tickets?state=open"


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/console/\\evil", "javascript:alert(1)", "/console/\r\nx: y", ""],
)
async def test_sign_in_never_leads_away(shop: Shop, target: str):
    """A target that is not a page of the console is ignored."""
    browser = shop.browser()
    await browser.get("/login")
    form = {"login": "li", "password": PASSWORDS["agent"], "next": target}
    assert (await browser.post("/login", form)).headers["location"] == "/console/inbox"


async def test_sign_out_ends_the_session_everywhere(shop: Shop, li: Browser):
    """A copied cookie is worth nothing after the sign-out."""
    copied = cookie_of(li)
    assert (await li.get("/inbox")).status_code == 200
    await li.post("/logout")
    thief = shop.browser()
    thief.http.cookies.set(COOKIE, copied, domain="shop.test", path="/console")
    assert (await thief.get("/inbox")).status_code == 303
    person = await shop.stores.people.by_id(shop.agents["li"].id)
    assert person is not None
    assert person.last_seen_at is None


@pytest.mark.parametrize(("headers", "with_token"), FORGED)
async def test_forms_from_elsewhere_are_refused(shop: Shop, li: Browser, headers: dict[str, str], with_token: bool):
    """Another site's origin is refused even with the right token; no token is refused even without an origin."""
    form = {"csrf": li.token if with_token else "", "locale": "zh", "timezone": "UTC"}
    answer = await li.http.post("/console/settings", data=form, headers=headers)
    assert answer.status_code == 403
    person = await shop.stores.people.by_id(shop.agents["li"].id)
    assert person is not None
    assert person.agent.locale == "en"


async def test_form_token_of_somebody_else_is_refused(li: Browser, wang: Browser):
    """A token belongs to one session."""
    form = {"csrf": wang.token, "locale": "zh", "timezone": "UTC"}
    assert (await li.http.post("/console/settings", data=form)).status_code == 403
    form["csrf"] = li.token
    own = {"origin": "http://shop.test", "sec-fetch-site": "same-origin"}
    assert (await li.http.post("/console/settings", data=form, headers=own)).status_code == 303


async def test_sign_in_form_of_another_site_is_refused(shop: Shop):
    """Nobody can be signed in as somebody else from outside."""
    form = {"login": "li", "password": PASSWORDS["agent"]}
    answer = await shop.browser().http.post("/console/login", data=form)
    assert answer.status_code == 403
    assert "not done" in answer.text or "nothing was done" in answer.text


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"text=" + b"x" * 300_000, "application/x-www-form-urlencoded", 413),
        (b'{"a": 1}', "application/json", 400),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400),
        (b"text=%ff%fe", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"f%d=1" % number for number in range(99)), "application/x-www-form-urlencoded", 400),
        (b"", "", 400),
    ],
)
async def test_junk_forms_get_a_sentence(li: Browser, body: bytes, content_type: str, status: int):
    """Too much, not a form, not UTF-8: a page with a sentence."""
    headers = {"content-type": content_type, "x-csrf-token": li.token}
    answer = await li.http.post("/console/settings", content=body, headers=headers)
    assert answer.status_code == status
    assert "<h1>Something went wrong</h1>" in answer.text


async def test_every_answer_carries_the_security_headers(li: Browser):
    """Pages, fragments, redirects, errors: no inline script, no frame, no cache."""
    for path in ("/login", "/inbox", "/inbox/list", "/nowhere", "/tickets/none", "/people", "/"):
        answer = await li.get(path)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY, path
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script>" not in answer.text
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text
    assert "unsafe" not in CONTENT_SECURITY_POLICY


async def test_password_change_ends_other_sessions_and_keeps_this_one(shop: Shop, li: Browser):
    """Another device must sign in again, with the new password."""
    other = shop.browser()
    await other.sign_in("li", PASSWORDS["agent"])
    form = {"present": PASSWORDS["agent"], "password": "a new password", "again": "a new password"}
    wrong = await li.post("/settings/password", form | {"present": "wrong"})
    assert wrong.status_code == 400
    assert "The present password is wrong" in wrong.text
    differing = await li.post("/settings/password", form | {"again": "another password"})
    assert "differ" in differing.text
    short = await li.post("/settings/password", form | {"password": "short", "again": "short"})
    assert "at least 10" in short.text
    assert (await li.post("/settings/password", form)).status_code == 303
    assert (await li.get("/settings")).status_code == 200
    assert (await other.get("/settings")).status_code == 303
    assert (await shop.browser().sign_in("li", "a new password")).status_code == 303
