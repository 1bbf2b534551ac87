"""The page: marked as simulation, in two languages, for this machine alone."""

from __future__ import annotations

import json

import pytest

from tests.integration.phones.conftest import Shop

pytestmark = pytest.mark.xdist_group("phones")


@pytest.mark.parametrize(
    ("language", "mark"), [("zh", "模拟，不是真的平台"), ("en", "Simulated, not the real platform")]
)
def test_page_marks_every_phone_as_simulated(shop: Shop, language: str, mark: str) -> None:
    """Eight phones, eight marks, and one over all."""
    page = shop.http.get("", params={"lang": language})
    assert page.status_code == 200
    assert page.text.count('<p class="sim"><b>') == 8
    assert page.text.count(f"· {mark}") == 8
    assert page.text.count(f'<span class="stamp">{mark}') == 1
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_page_follows_the_browsers_language(shop: Shop) -> None:
    """English where the browser asks for it, Chinese where it asks for neither."""
    assert '<html lang="en">' in shop.http.get("", headers={"accept-language": "fr, en-GB;q=0.8"}).text
    assert '<html lang="zh-CN">' in shop.http.get("", headers={"accept-language": "fr"}).text


@pytest.mark.parametrize("file", ["phones.css", "phones.js", "screen.js", "bench.js", "voice.js"])
def test_page_has_its_files(shop: Shop, file: str) -> None:
    """Nothing is fetched from elsewhere."""
    answer = shop.http.get(f"/{file}")
    assert answer.status_code == 200
    assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "phones.example"},
        {"origin": "https://elsewhere.example"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "null"},
    ],
)
def test_page_is_for_this_machine_alone(shop: Shop, headers: dict[str, str]) -> None:
    """Another site's page cannot act on the phones, nor read them under a name of its own."""
    assert shop.http.post("/telegram/people", json={}, headers=headers).status_code == 403
    assert shop.http.get("/telegram/state", headers=headers).status_code == 403


def test_form_of_another_site_is_refused(shop: Shop) -> None:
    """What a form can send is not taken."""
    answer = shop.http.post("/telegram/acts", data={"act": "text", "text": "hello"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/pager/acts", {"act": "text", "text": "hello"}, 404),
        ("/web/acts", {"act": "location"}, 400),
        ("/telegram/acts", {"act": "fly"}, 400),
        ("/telegram/acts", {"act": "text", "text": "  "}, 400),
        ("/telegram/knobs", {"knob": "gravity", "on": True}, 404),
        ("/telegram/people", {"person": "nobody"}, 404),
        ("/telegram/acts", ["text"], 400),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(shop: Shop, path: str, body: object, status: int) -> None:
    """An error says what was wrong."""
    answer = shop.http.post(path, json=body)
    assert answer.status_code == status
    assert len(answer.json()["error"]) > 10


def test_stream_tells_every_phone_at_once_and_each_that_changes(shop: Shop) -> None:
    """Eight phones at first, then the one on which something happened."""
    told: list[str] = []
    with shop.http.stream("GET", "/stream") as stream:
        for line in stream.iter_lines():
            if not line.startswith("data: "):
                continue
            changed = json.loads(line.removeprefix("data: "))
            if "name" not in changed:
                continue  # the clock
            told.append(changed["name"])
            if len(told) == 8:
                shop.post("line", "people")
            if len(told) == 9:
                break
    assert len(set(told[:8])) == 8
    assert told[8] == "line"
