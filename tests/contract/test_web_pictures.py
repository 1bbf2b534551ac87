"""Pictures on the shop's own page: taken once, read by their own visitor only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from bot.channels.web.routes import WidgetPorts, WidgetSettings, build_router
from bot.channels.web.tokens import VisitorTokens
from bot.domain.clock import ManualClock
from bot.domain.events import CustomerUttered
from bot.domain.line_ports import Accepted
from bot.domain.media import MediaLimits
from bot.domain.media_types import KNOWN_TYPES
from bot.domain.messages import InboundMessage, MessageKind
from bot.engine.live import MemoryLiveFeed
from bot.engine.media import MediaKeeper, ShopperRoom
from storage.media import SqlMediaRecord
from storage.shelves import FolderShelf
from storage.stream import SqlShopperStream
from tests.contract.line import NOW, Line

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(3000)
KEY = "abcdefgh01"


class Page:
    """A widget over real stores."""

    def __init__(self, line: Line, folder: Path) -> None:
        self.line = line
        shelf = FolderShelf(folder)
        limits = MediaLimits(dict.fromkeys(MessageKind, 100000), frozenset(KNOWN_TYPES))
        media = ShopperRoom(SqlMediaRecord(line.database), shelf, MediaKeeper(shelf, limits))
        clock, stream = ManualClock(NOW), SqlShopperStream(line.database)
        ports = WidgetPorts(self._accept, stream, MemoryLiveFeed(), clock, media=media)
        tokens = VisitorTokens("a-secret-of-the-shop-for-tests", "shop", clock, max_age_s=3600)
        app = FastAPI()
        app.include_router(build_router(WidgetSettings(), ports, tokens))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example")

    async def _accept(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        return await self.line.inbox.accept(messages, NOW)

    async def visitor(self) -> dict[str, str]:
        """Give the headers of a new visitor."""
        token = (await self.http.post("/widget/session", json={})).json()["token"]
        return {"Authorization": f"Bearer {token}", "Accept-Language": "en"}

    async def send(self, data: bytes, headers: dict[str, str], key: str = KEY) -> httpx.Response:
        """Send a picture."""
        return await self.http.post(f"/widget/pictures?id={key}", content=data, headers=headers)

    async def items(self, headers: dict[str, str]) -> list[dict[str, Any]]:
        """Read the history."""
        found: list[dict[str, Any]] = (await self.http.get("/widget/history", headers=headers)).json()["items"]
        return found


@pytest.fixture
async def page(line: Line, tmp_path: Path) -> AsyncIterator[Page]:
    """Open a page."""
    made = Page(line, tmp_path / "media")
    yield made
    await made.http.aclose()


async def test_picture_is_a_message_of_its_visitor_and_read_by_nobody_else(page: Page):
    """It is in his history with an id that only his token opens."""
    own, other = await page.visitor(), await page.visitor()
    assert (await page.send(PICTURE, own)).status_code == 202
    assert (await page.send(PICTURE, own)).json()["duplicate"]
    (pending,) = await page.line.turns.pending_conversations()
    turn = await page.line.pending(pending)
    kept = turn.inbox[0][1]
    assert (kept.kind, kept.attachments[0].mime) == (MessageKind.IMAGE, "image/png")
    await page.line.commit(turn, events=(utterance(kept),))
    shown = [item for item in await page.items(own) if item["attachments"]]
    address = f"/widget/pictures/{shown[0]['attachments'][0]['id']}"
    answer = await page.http.get(address, headers=own)
    assert (answer.content, answer.headers["content-type"]) == (PICTURE, "image/png")
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert (await page.http.get(address, headers=other)).status_code == 404
    assert (await page.http.get(address)).status_code == 401


@pytest.mark.parametrize("data", [b"<svg onload=alert(1)>", b"%PDF-1.7", b"MZ\x90", b"", PICTURE * 40])
async def test_what_is_no_picture_is_not_taken(page: Page, data: bytes):
    """Page, document, program, nothing, too large: a sentence, and nothing on record."""
    answer = await page.send(data, await page.visitor())
    assert (answer.status_code, answer.json()["code"]) == (422, "not_taken")
    assert await page.line.turns.pending_conversations() == ()


async def test_picture_without_a_token_or_an_id_is_declined(page: Page):
    """Nobody, and nothing to tell a repeat by."""
    assert (await page.send(PICTURE, {})).status_code == 401
    assert (await page.send(PICTURE, await page.visitor(), "short")).status_code == 422


async def test_pictures_are_counted(page: Page):
    """A visitor who sends without end is asked to wait."""
    own = await page.visitor()
    answers = [(await page.send(PICTURE, own, f"picture-{number:04}")).status_code for number in range(14)]
    assert answers[:12] == [202] * 12
    assert answers[-1] == 429


async def test_picture_whose_bytes_are_gone_is_a_plain_404(page: Page, tmp_path: Path):
    """Told before the answer begins, not by a connection that breaks off."""
    own = await page.visitor()
    await page.send(PICTURE, own)
    (pending,) = await page.line.turns.pending_conversations()
    turn = await page.line.pending(pending)
    await page.line.commit(turn, events=(utterance(turn.inbox[0][1]),))
    (shown,) = [item for item in await page.items(own) if item["attachments"]]
    for content in FolderShelf(tmp_path / "media").contents():
        await FolderShelf(tmp_path / "media").drop(content)
    answer = await page.http.get(f"/widget/pictures/{shown['attachments'][0]['id']}", headers=own)
    assert answer.status_code == 404


async def test_full_disc_asks_the_visitor_to_try_again(page: Page, monkeypatch: pytest.MonkeyPatch):
    """Nothing is on record, and the picture may come again with the same number."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    own = await page.visitor()
    with monkeypatch.context() as patch:
        patch.setattr("storage.shelves._create", full)
        assert (await page.send(PICTURE, own)).status_code == 503
    assert await page.line.turns.pending_conversations() == ()
    assert (await page.send(PICTURE, own)).json()["duplicate"] is False


def utterance(message: InboundMessage) -> CustomerUttered:
    """Record a message as a turn does."""
    attachments = [
        {"kind": one.kind.value, "reference": one.reference, "mime": one.mime, "name": one.name}
        for one in message.attachments
    ]
    return CustomerUttered("", "image", message.dedupe_key, attachments=attachments)
