"""What a public address shows: a picture that an agent has sent, for a time; nothing else, and nobody finds more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from bot.channels.shown import build_router
from bot.domain.clock import ManualClock
from bot.domain.errors import NotFound
from bot.domain.ids import ConversationId, CustomerId, new_id
from bot.domain.media import Erasure, MediaFile, MediaId, MediaState
from bot.domain.messages import Attachment, MessageKind, OutboundMessage
from bot.engine.showing import PATH, Seal, ShowRoom
from storage.database import Database
from storage.media import SqlMediaRecord
from storage.shelves import FolderShelf
from storage.tables import CUSTOMERS
from tests.contract.line import NOW, Line

BASE = "https://chat.shop.example"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4000


class House:
    """A conversation that an agent holds, and the door to what he sends."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.line, self.clock = Line(database), ManualClock(NOW)
        self.record, self.shelf = SqlMediaRecord(database), FolderShelf(folder)
        self.seal = Seal("secret", self.clock)
        self.room = ShowRoom(self.record, self.shelf, self.seal, BASE)
        application = FastAPI(openapi_url=None)
        application.include_router(build_router(self.room, PATH))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=BASE)

    async def keep(self, data: bytes = PICTURE, mime: str = "image/png", *, sent: bool = True) -> Attachment:
        """Keep a file in the conversation; ``sent``: an agent has sent it."""

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        conversation = await self.line.answered()
        attachment = Attachment(MessageKind.IMAGE, new_id(), mime, "offer.png")
        content = await self.shelf.put(chunks())
        where = (MediaId(attachment.reference), conversation, "web", "shop")
        file = MediaFile(*where, attachment, MediaState.STORED, content, mime, len(data))
        await self.record.add(file, NOW)
        if sent:
            await self.send(conversation, attachment)
        return attachment

    async def send(self, conversation: ConversationId, attachment: Attachment) -> None:
        """Send it as an agent."""
        agent = await self.line.hire("li")
        await self.line.ownership.take(conversation, agent, NOW)
        await self.line.ownership.send(conversation, agent, OutboundMessage("", attachments=(attachment,)), NOW, "k")


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Give a house."""
    found = House(database, tmp_path / "media")
    yield found
    await found.http.aclose()


async def test_picture_of_an_agent_is_shown_whole_as_what_it_is(house: House):
    """Its bytes, its type, and nothing a browser could run or a search engine keep."""
    shown = await house.room.address(await house.keep())
    assert (shown.mime, shown.size) == ("image/png", len(PICTURE))
    assert shown.address.startswith(f"{BASE}/shown/")
    assert shown.address.endswith(".png")
    answer = await house.http.get(shown.address)
    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "noindex" in answer.headers["x-robots-tag"]
    head = await house.http.head(shown.address)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(PICTURE)), b"")


async def test_address_ends(house: House):
    """After its time it shows nothing, as one that never was."""
    shown = await house.room.address(await house.keep())
    house.clock.advance(timedelta(days=9))
    late = await house.http.get(shown.address)
    never = await house.http.get(f"{BASE}/shown/nothing")
    assert (late.status_code, late.content, dict(late.headers)) == (404, never.content, dict(never.headers))


@pytest.mark.parametrize(
    "path", ["/shown", "/shown/", "/shown/..", "/shown/%2e%2e/x", "/shown/a/b", "/shown/" + "0" * 90]
)
async def test_nothing_is_listed(house: House, path: str):
    """There is no page of addresses, and no way up."""
    await house.keep()
    assert (await house.http.get(f"{BASE}{path}")).status_code == 404


async def test_what_no_agent_has_sent_has_no_address(house: House):
    """Neither a shopper's file nor one that was chosen and not sent, even with a signature of ours on it."""
    unsent = await house.keep(sent=False)
    with pytest.raises(NotFound):
        await house.room.address(unsent)
    forged = f"{BASE}/shown/{house.seal.sign(MediaId(unsent.reference))}"
    assert (await house.http.get(forged)).status_code == 404


async def test_only_pictures_are_shown(house: House):
    """A page or a document that an agent sent elsewhere is not served to the world."""
    document = await house.keep(b"%PDF-1.7 x", "application/pdf")
    with pytest.raises(NotFound):
        await house.room.address(document)
    forged = f"{BASE}/shown/{house.seal.sign(MediaId(document.reference))}"
    assert (await house.http.get(forged)).status_code == 404


async def test_erased_picture_is_shown_no_longer(house: House):
    """Its address ends with it."""
    shown = await house.room.address(await house.keep())
    (customer,) = await house.line.rows(CUSTOMERS)
    manager = await house.line.hire("zhao")
    await house.record.forget_customer(Erasure(CustomerId(customer["id"]), manager, "asked for", NOW))
    assert (await house.http.get(shown.address)).status_code == 404


async def test_picture_whose_bytes_are_gone_is_a_plain_404(house: House):
    """A backup without its files tells no more than that."""
    attachment = await house.keep()
    shown = await house.room.address(attachment)
    await house.shelf.drop((await house.record.get(MediaId(attachment.reference))).content)
    assert (await house.http.get(shown.address)).status_code == 404
