"""Pictures an agent sends, in a real browser: small enough for every platform, and telling nothing of where he was."""

from __future__ import annotations

import asyncio
import base64
import struct
import zlib
from pathlib import Path

import pytest
from playwright.async_api import Browser, FilePayload, Locator, Page, expect

from bot.domain import events as ev
from bot.domain.ids import ConversationId
from bot.domain.media import MediaId
from bot.domain.people import Role
from storage.database import Database
from tests.integration.console.browsing import signed_in
from tests.integration.console.media_shop import MediaShop

pytestmark = pytest.mark.browser

MB = 1024 * 1024
TURNED = (
    b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0" + b"\x01\x0e\0\x02\0\0\0\x14\0\0\0\x26"
    b"\0\0\0\0" + b"GPS 31.2304,121.4737\0"
)
"""The EXIF of a phone held upright: orientation 6, and a place."""
NOISE = """async ([width, height]) => {
  const canvas = document.createElement("canvas");
  canvas.width = width; canvas.height = height;
  const brush = canvas.getContext("2d");
  const image = brush.createImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  let seed = 1;
  for (let at = 0; at < words.length; at += 1) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    words[at] = (seed | 0xff000000) & (at % width < width / 2 ? 0xffffffff : 0xff0f0f0f);
  }
  brush.putImageData(image, 0, 0);
  return canvas.toDataURL("image/jpeg", 0.95).split(",")[1];
}"""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Give SQLite alone: the browser does not see the database."""
    return sqlite_url


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> MediaShop:
    """Give a shop with an agent, which takes files up to 4 MB."""
    shop = MediaShop(database, tmp_path / "media", 4 * MB)
    await shop.hire("li", "Li", Role.AGENT)
    return shop


def png(width: int, height: int, alpha: int) -> bytes:
    """Make a red PNG with a comment in it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    lines = (b"\0" + bytes((255, 0, 0, alpha)) * width) * height
    text = chunk(b"tEXt", b"Comment\0taken at home")
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + text
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def with_exif(jpeg: bytes) -> bytes:
    """Put a phone's EXIF into a JPEG."""
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(TURNED) + 2) + TURNED + jpeg[2:]


def sides(jpeg: bytes) -> tuple[int, int]:
    """Read the width and height of a JPEG."""
    at = 2
    while jpeg[at + 1] not in {0xC0, 0xC1, 0xC2}:
        at += 2 + int(struct.unpack(">H", jpeg[at + 2 : at + 4])[0])
    height, width = struct.unpack(">HH", jpeg[at + 5 : at + 9])
    return int(width), int(height)


class Desk:
    """An agent who holds a conversation on a channel, and the rows of what is about to be sent."""

    def __init__(self, shop: MediaShop, page: Page, conversation: ConversationId) -> None:
        self.shop, self.page, self.conversation = shop, page, conversation

    async def choose(self, name: str, data: bytes, mime: str = "image/jpeg") -> Locator:
        """Choose one file; give its row."""
        files: list[FilePayload] = [{"name": name, "mimeType": mime, "buffer": data}]
        await self.page.set_input_files("#attach", files)
        return self.page.locator("#tray li").last

    async def send(self, row: Locator) -> bytes:
        """Send it; give what was kept."""
        await row.get_by_role("button", name="Send file").click()
        await expect(row).to_have_count(0)
        events = [event for _, _, event in await self.shop.stores.conversations.events(self.conversation)]
        last = [event for event in events if isinstance(event, ev.AgentUttered)][-1].attachments[0]
        file = await self.shop.record.get(MediaId(last["reference"]))
        return b"".join([chunk async for chunk in self.shop.shelf.read(file.content)])


@pytest.fixture
async def desk(shop: MediaShop, browser: Browser, address: str) -> Desk:
    """Open a conversation of the web page that Li holds."""
    return await opened(shop, browser, address, "web")


async def opened(shop: MediaShop, browser: Browser, address: str, channel: str) -> Desk:
    """Open a conversation that Li holds."""
    conversation = await shop.show(channel, "image")
    page = await signed_in(browser, address, "li", viewport={"width": 1280, "height": 900})
    await page.goto(f"{address}/conversations/{conversation}")
    await page.get_by_role("button", name="Take", exact=True).click()
    await expect(page.locator("#mode-reply")).to_be_checked()
    return Desk(shop, page, conversation)


async def noise(page: Page, width: int, height: int) -> bytes:
    """Make a JPEG that can hardly be packed."""
    return base64.b64decode(await page.evaluate(NOISE, [width, height]))


async def test_picture_of_a_phone_goes_out_small_upright_and_without_its_place(desk: Desk):
    """Five megabytes become one at most; the preview and both sizes are seen before it is sent."""
    photo = with_exif(await noise(desk.page, 3200, 2400))
    assert len(photo) > 4 * MB
    row = await desk.choose("IMG_1.JPEG", photo)
    await expect(row.locator("canvas.tray-thumb")).to_be_visible()
    await expect(row).to_contain_text("without place and camera")
    assert "IMG_1.jpg" in str(await row.text_content())
    kept = await desk.send(row)
    assert len(kept) <= MB
    assert kept.startswith(b"\xff\xd8\xff")
    assert b"GPS" not in kept
    assert b"Exif" not in kept
    width, height = sides(kept)
    assert (max(width, height) <= 2048, width < height) == (True, True)


async def test_what_is_small_and_plain_goes_as_it_is(desk: Desk):
    """A plain JPEG and a moving GIF keep every byte; a PNG one sees through stays one, and loses its comment."""
    plain = await noise(desk.page, 300, 200)
    assert await desk.send(await desk.choose("a.jpg", plain)) == plain
    told = await desk.send(await desk.choose("a.jpg", plain + b"a film behind the picture"))
    assert (told[:3], b"a film" in told) == (b"\xff\xd8\xff", False)
    gif = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
    assert await desk.send(await desk.choose("a.gif", gif, "image/gif")) == gif
    clear = await desk.send(await desk.choose("a.png", png(40, 30, 100), "image/png"))
    assert (clear[:8], clear[25], b"taken at home" in clear) == (b"\x89PNG\r\n\x1a\n", 6, False)
    assert await desk.send(await desk.choose("a.pdf", b"%PDF-1.7 x", "application/pdf")) == b"%PDF-1.7 x"


async def test_picture_nobody_can_read_is_told(shop: MediaShop, browser: Browser, address: str):
    """Where only pictures go it cannot be sent, and the row says what to do; where files go it goes as it is."""
    broken = b"\xff\xd8\xff\xe0" + bytes(3000)
    only_pictures, files = await asyncio.gather(
        opened(shop, browser, address, "wechat_oa"), opened(shop, browser, address, "web")
    )
    row = await only_pictures.choose("a.jpg", broken)
    await expect(row).to_contain_text("Save it as JPEG or PNG and choose that.")
    await expect(row.get_by_role("button", name="Send file")).to_have_count(0)
    row = await files.choose("a.jpg", broken)
    await expect(row).to_contain_text("it goes as it is")
    assert await files.send(row) == broken


async def test_many_at_once_are_made_ready_one_after_the_other(desk: Desk):
    """Ten are taken and the rest is told; one that is removed meanwhile is not made; nothing is sent by itself."""
    photo = with_exif(await noise(desk.page, 800, 600))
    files: list[FilePayload] = [{"name": f"{n}.jpg", "mimeType": "image/jpeg", "buffer": photo} for n in range(12)]
    await desk.page.set_input_files("#attach", files)
    rows = desk.page.locator("#tray li")
    await expect(rows).to_have_count(10)
    await expect(desk.page.locator("#flash")).to_contain_text("10 files at once.")
    await rows.last.get_by_role("button", name="Remove").click()
    await expect(rows.locator("canvas")).to_have_count(9)
    await expect(rows).to_have_count(9)
    events = [event for _, _, event in await desk.shop.stores.conversations.events(desk.conversation)]
    assert not [event for event in events if isinstance(event, ev.AgentUttered)]


async def test_what_is_too_large_is_told_before_it_is_sent(desk: Desk):
    """Nothing is uploaded; a film that becomes no smaller and a document are measured as they are."""
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/file") else None)
    for name, mime in (("a.mp4", "video/mp4"), ("a.pdf", "application/pdf")):
        row = await desk.choose(name, bytes(5 * MB), mime)
        await expect(row).to_contain_text("5.0 MB · it is larger than 4 MB")
        await expect(row.get_by_role("button", name="Send file")).to_have_count(0)
    assert asked == []


async def test_picture_whose_bytes_are_gone_says_so(shop: MediaShop, browser: Browser, address: str):
    """A backup that came back without its files: words in the place of a broken picture, and no link to nothing."""
    conversation = await shop.show("web", "image", name="crack.png")
    media = await shop.keep(conversation, png(4, 4, 255), "image/png")
    await shop.shelf.drop((await shop.record.get(media)).content)
    page = await signed_in(browser, address, "li")
    await page.goto(f"{address}/conversations/{conversation}")
    await expect(page.locator(".attachment")).to_have_text("crack.png · not kept here")
    await expect(page.locator(".attachment a")).to_have_count(0)
