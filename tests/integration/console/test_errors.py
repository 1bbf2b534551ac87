"""Whatever fails, a person reads a sentence."""

from __future__ import annotations

import pytest

from bot.domain.errors import StorageError
from tests.integration.console.shop import Browser, Shop

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Nothing here depends on the kind of database."""


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (RuntimeError("secret detail"), 500, "The server failed"),
        (StorageError("disk at /secret is full"), 503, "Nothing is lost"),
        (KeyError("secret"), 500, "The server failed"),
    ],
)
async def test_failure_is_a_page_without_a_trace(
    shop: Shop, li: Browser, monkeypatch: pytest.MonkeyPatch, failure: Exception, status: int, words: str
):
    """No trace, no path, no name of what broke."""

    async def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(type(shop.stores.queue), "counts", fail)
    answer = await li.get("/inbox")
    assert answer.status_code == status
    assert words in answer.text
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    fragment = await li.get("/inbox/list", headers={"hx-request": "true"})
    assert fragment.status_code == status
    assert "<html" not in fragment.text
    assert fragment.headers["hx-retarget"] == "#flash"


async def test_page_that_is_not_there_is_a_page(li: Browser, shop: Shop):
    """Signed in: not found, with the way back. Not signed in: the sign-in."""
    answer = await li.get("/nowhere/at/all")
    assert answer.status_code == 404
    assert "Back to the inbox" in answer.text
    assert (await shop.browser().get("/nowhere")).status_code == 303
    assert (await li.http.put("/console/inbox")).status_code == 405
    assert "Something went wrong" in (await li.http.delete("/console/inbox")).text


async def test_pages_speak_the_readers_language(shop: Shop):
    """The sign-in follows the browser, or what is asked for."""
    assert "客服台登录" in (await shop.browser(language="zh-CN").get("/login")).text
    assert "Sign in to the desk" in (await shop.browser(language="en").get("/login")).text
    assert "Sign in to the desk" in (await shop.browser(language="zh").get("/login?lang=en")).text
