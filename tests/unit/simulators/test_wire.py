"""The wire of a simulated phone: faults of delivery, and what the journal keeps."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.simulators.courier import Courier
from bot.simulators.phones.journal import KEPT_CALLS, Journal, Said
from bot.simulators.phones.wire import OverheardApi, Wire
from bot.simulators.phones.words import LANGUAGES, Unable, pick_language, read_words
from tests.unit.channels.doubles import eventually


class Door:
    """A webhook that notes what comes."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.wire = Wire(Journal(lambda: "now"), httpx.MockTransport(self._take))
        self.http = self.wire.client("http://shop.example")

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.content)
        return httpx.Response(200, text="ok")


async def test_wire_delivers_twice_and_notes_both() -> None:
    """Both calls carry the same bytes."""
    door = Door()
    door.wire.knobs.twice = True
    answer = await door.http.post("/webhooks/telegram", content=b"hello")
    assert answer.text == "ok"
    assert door.bodies == [b"hello", b"hello"]
    assert [call["outcome"] for call in door.wire.journal.as_json()] == ["200", "200"]


async def test_wire_swaps_two_calls() -> None:
    """The second goes first."""
    door = Door()
    door.wire.knobs.reorder = True
    first = asyncio.create_task(door.http.post("/hook", content=b"first"))
    await eventually(lambda: door.wire._held is not None)
    await door.http.post("/hook", content=b"second")
    await first
    assert door.bodies == [b"second", b"first"]


async def test_wire_lets_a_lone_call_through_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody to swap with it is only late."""
    monkeypatch.setattr("bot.simulators.phones.wire.HOLD_S", 0.01)
    door = Door()
    door.wire.knobs.reorder = True
    await door.http.post("/hook", content=b"alone")
    assert door.bodies == [b"alone"]
    assert door.wire._held is None


def test_journal_keeps_the_newest_and_no_token() -> None:
    """A bot's token stands in Telegram's paths; it is not shown."""
    journal = Journal(lambda: "now")
    for number in range(KEPT_CALLS + 5):
        journal.note("platform", ("POST", "/bot123:secret/sendMessage"), "200", 0.001, Said(b"%d" % number))
    calls = journal.as_json()
    assert len(calls) == KEPT_CALLS
    assert calls[0]["number"] == KEPT_CALLS + 5
    assert "secret" not in calls[0]["path"]


def test_journal_hides_what_is_secret_in_either_direction() -> None:
    """By its value where it is known, by its name where it is not."""
    journal = Journal(lambda: "now", ["0123456789abcdef", ""])
    said = Said(
        b'{"secret": "hush1", "grant_type": "client_credential", "note": "0123456789abcdef"}',
        b'{"access_token":"hush2","expires_in":7200}',
    )
    journal.note("platform", ("POST", "/stable_token/0123456789abcdef"), "200", 0.0, said)
    journal.note("platform", ("POST", "/x"), "200", 0.0, Said(b"a=1&access_token=hush3&b=2"))
    journal.note(
        "shop", ("POST", "/hook"), "200", 0.0, Said(b"sealed", b"", "<xml><Token><![CDATA[hush4]]></Token></xml>")
    )
    calls = journal.as_json()
    told = str(calls)
    assert not [hidden for hidden in ("hush", "0123456789abcdef") if hidden in told]
    assert "client_credential" in told
    assert "&b=2" in told
    assert calls[0]["sealed"] is True
    assert calls[1]["sealed"] is False


def test_journal_counts_bytes_that_are_no_text() -> None:
    """A picture is not written out."""
    journal = Journal(lambda: "now")
    journal.note("platform", ("GET", "/files/1"), "200", 0.0, Said(b"", b"\x89PNG\r\n\x1a\n\0\0\0"))
    assert journal.as_json()[0]["answer"] == "(11 bytes)"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"X-Hub-Signature-256": "sha256=" + "a" * 64}, ""),
        ({"x-line-signature": "x" * 43 + "="}, ""),
        ({"X-Telegram-Bot-Api-Secret-Token": "b" * 32}, ""),
        ({"Authorization": "Bearer abcdefghijklmnop"}, ""),
        ({}, "signature=0123456789abcdef&timestamp=1&nonce=2"),
        ({}, "msg_signature=0123456789abcdef&timestamp=1&nonce=2"),
    ],
)
async def test_wire_forges_what_proves_the_platform(headers: dict[str, str], query: str) -> None:
    """The proof arrives as another one of the same length, and all else as it was."""
    seen: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(403)

    wire = Wire(Journal(lambda: "now"), httpx.MockTransport(take))
    for wire.knobs.forge in (False, True):
        await wire.client("http://shop.example").post(f"/hook?{query}", content=b"hello", headers=headers)
    right, wrong = seen
    proofs = {**headers, **dict(httpx.QueryParams(query))}
    changed = {
        name
        for name in proofs
        if (right.headers.get(name) or right.url.params.get(name))
        != (wrong.headers.get(name) or wrong.url.params.get(name))
    }
    assert changed == set(proofs) - {"timestamp", "nonce"}
    assert right.content == wrong.content
    assert len(str(right.url)) == len(str(wrong.url))


async def test_wire_loses_one_answer_of_the_shop() -> None:
    """The shop has taken it, the platform hears nothing; the next answer arrives."""
    door = Door()
    door.wire.knobs.lost = 1
    answers = [await door.http.post("/hook", content=b"hello") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [504, 200]
    assert door.bodies == [b"hello", b"hello"]
    assert [call["outcome"] for call in door.wire.journal.as_json()] == ["200", "lost"]


async def test_platform_calls_again_where_nobody_answered() -> None:
    """A connection that broke, or one the shop had just closed, is no end of a message."""
    heard: list[bytes] = []

    def take(request: httpx.Request) -> httpx.Response:
        heard.append(request.content)
        if len(heard) == 1:
            raise httpx.RemoteProtocolError("the server disconnected")
        return httpx.Response(200)

    wire = Wire(Journal(lambda: "now"), httpx.MockTransport(take))
    courier = Courier(wire.client("http://shop.example"), "/hook", lambda _: {})
    courier.knobs.retry_after_s = (0.0,)
    answer = await courier.deliver(b"{}")
    assert answer.is_success
    assert heard == [b"{}", b"{}"]
    assert [call["outcome"] for call in wire.journal.as_json()] == ["200", "RemoteProtocolError"]


async def test_dropped_connection_is_an_answer_without_its_body() -> None:
    """What a platform drops after accepting begins an answer and never ends it."""

    async def dropped(request: Request) -> Response:
        await request.body()
        raise ConnectionResetError

    journal = Journal(lambda: "now")
    api = OverheardApi(Starlette(routes=[Route("/send", dropped, methods=["POST"])]), journal)
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/send", "headers": [], "query_string": b"", "root_path": ""}
    await api(scope, receive, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["http.response.start"]  # type: ignore[index]
    assert journal.as_json()[0]["outcome"] == "dropped"


def test_languages_have_the_same_words() -> None:
    """No word is missing in either language, and none is empty."""
    chinese, english = (read_words(language) for language in LANGUAGES)
    assert set(chinese) == set(english)
    assert all(isinstance(word, str) and word.strip() for words in (chinese, english) for word in words.values())
    assert yaml.safe_dump(chinese) != yaml.safe_dump(english)


def test_what_a_phone_refuses_names_the_same_facts_in_both_languages() -> None:
    """A sentence that leaves out a limit helps only half of the readers."""
    facts = [
        {key: sorted(re.findall(r"{\w+}", words[key])) for key in words if key.startswith("unable.")}
        for words in map(read_words, LANGUAGES)
    ]
    assert facts[0] == facts[1]
    refusal = Unable("clock", step=31, ahead=400)
    assert ("31" in refusal.sentences["zh"], str(refusal)) == (True, refusal.sentences["en"])


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [("en", "zh-CN", "en"), ("", "zh-TW,en;q=0.5", "zh"), ("", "de, en;q=0.5", "en"), ("fr", "", "zh")],
)
def test_language_is_the_one_asked_for(asked: str, accepted: str, language: str) -> None:
    """The address counts most, then the browser, then Chinese."""
    assert pick_language(asked, accepted) == language
