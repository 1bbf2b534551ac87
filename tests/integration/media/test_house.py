"""The whole way of a picture: a platform's webhook, the record, the fetch over real HTTP, the shelf, and back again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from bot.config import Secrets, parse
from bot.domain.clock import SystemClock
from bot.domain.desk_ports import QueueView
from bot.domain.errors import NotFound
from bot.domain.ids import AgentId, ConversationId, new_id
from bot.domain.media import MediaFile, MediaId, MediaState, ReadFile
from bot.domain.messages import Attachment, MessageKind
from bot.simulators.media import HeldFile, MediaHold, WithMedia, telegram_media
from bot.simulators.telegram.people import TelegramPeople
from bot.simulators.telegram.server import TelegramServer
from bot.wiring.house import House, open_house
from bot.wiring.media import lend_files, media_folder
from bot.wiring.web import make_routers
from storage import schema
from storage.database import Database
from storage.media import SqlMediaRecord
from storage.shelves import FolderShelf
from tests.contract.line import Line
from tests.contract.test_media import pieces
from tests.integration.scaled.worker import GreetingRecogniser

TOKEN, SECRET, LI = "123456:token", "webhook-secret", 77
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 900
WITHIN_S = 100


@pytest.fixture
async def platform() -> AsyncIterator[tuple[MediaHold, TelegramServer, str]]:
    """Serve Telegram on loopback."""
    hold = MediaHold()
    telegram = TelegramServer(TOKEN, SystemClock())
    app = WithMedia(telegram, telegram_media(hold, TOKEN))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none", lifespan="off"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "capture_signals", contextlib.nullcontext)
        running = asyncio.create_task(server.serve())
        async with asyncio.timeout(WITHIN_S):
            while not server.started:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.01)
        yield hold, telegram, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        server.force_exit = True
        await running


async def settled(house: House, conversation_id: ConversationId) -> MediaFile:
    """Wait until the attachment is fetched, or is not going to be."""
    record = SqlMediaRecord(house.stores.database)
    end = time.monotonic() + WITHIN_S
    while True:
        (file,) = (await record.of_conversation(conversation_id)).values()
        if file.state is not MediaState.WAITING or time.monotonic() > end:
            return file
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("leads_inside", [False, True])
async def test_picture_comes_to_the_shelf_by_the_real_way(
    platform: tuple[MediaHold, TelegramServer, str], tmp_path: Path, *, leads_inside: bool
):
    """Acknowledged at once, fetched soon after; one that leads to the metadata service is not."""
    hold, telegram, address = platform
    hold.hold("photo1", HeldFile(PICTURE))
    hold.redirect_to = "http://169.254.169.254/latest/meta-data/" if leads_inside else ""
    shop = {
        "data_dir": str(tmp_path),
        "database": {"url": f"sqlite:///{tmp_path}/shop.db"},
        "channels": {"telegram": {"enabled": True, "api_base": address}},
    }
    config = parse({"xiaoer": shop}, "test")
    secrets = Secrets(secret_key="k" * 32, telegram_token=TOKEN, telegram_secret=SECRET)
    schema.migrate(config.database.url)
    async with open_house(config, secrets, SystemClock(), GreetingRecogniser()) as house:
        app = FastAPI()
        for router in make_routers(house):
            app.include_router(router)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example") as http:
            telegram.chats[LI] = "Li"
            people = TelegramPeople(telegram, http, "/webhooks/telegram", SECRET)
            photo = {"file_id": "photo1", "file_unique_id": "u1", "width": 9, "height": 9}
            answer = await people.deliver({"message": people.message(LI, photo=[photo])})
            assert answer.status_code == 200
        file = await settled(house, await only_conversation(house))
    folder = media_folder(config)
    assert folder is not None
    if leads_inside:
        assert file.state is MediaState.REFUSED
        assert not list(folder.glob("??/??/*"))
    else:
        assert (file.state, file.mime) == (MediaState.STORED, "image/jpeg")
        assert (folder / file.content[:2] / file.content[2:4] / file.content).read_bytes() == PICTURE


@pytest.mark.parametrize("public_url", ["https://chat.shop.example/", "http://chat.shop.example", None])
async def test_platforms_that_fetch_pictures_are_given_them_where_the_house_is_public(
    tmp_path: Path, public_url: str | None
):
    """With https the desk offers pictures on LINE, an agent's is shown by its address; without, nothing is offered."""
    shop = {
        "data_dir": str(tmp_path),
        "database": {"url": f"sqlite:///{tmp_path}/shop.db"},
        "server": {"public_url": public_url},
        "channels": {"line": {"enabled": True}},
    }
    config = parse({"xiaoer": shop}, "test")
    secrets = Secrets(secret_key="k" * 32, line_channel_secret="s", line_token="t")
    schema.migrate(config.database.url)
    async with open_house(config, secrets, SystemClock(), GreetingRecogniser()) as house:
        paths = {getattr(route, "path", "") for router in make_routers(house) for route in router.routes}
        public = str(public_url).startswith("https")
        assert ("/shown/{token}" in paths) is public
        desk = house.desk.media
        assert desk is not None
        assert desk.sendable("line") == ("images" if public else "")
        assert desk.sendable("web") == "files"
        shown = house.channels["line"].shown  # type: ignore[attr-defined]
        if public:
            with pytest.raises(NotFound):
                await shown(Attachment(MessageKind.IMAGE, "0" * 24))
        else:
            assert shown is None


class Takes:
    """A channel that takes files."""

    files: ReadFile | None = None


async def test_damaged_file_is_not_sent(database: Database, tmp_path: Path):
    """Cut off on the disc, or erased in the middle of its reading: half a picture goes to nobody."""
    config = parse({"xiaoer": {"data_dir": str(tmp_path), "media": {"keep_in": "folder"}}}, "test")
    channel = Takes()
    lend_files(config, Secrets(secret_key="k" * 32), database, SystemClock(), {"web": channel})  # type: ignore[dict-item]
    assert channel.files is not None
    content = await FolderShelf(tmp_path / "media").put(pieces(PICTURE))
    attachment = Attachment(MessageKind.IMAGE, new_id(), "image/jpeg", "a.jpg")
    where = (MediaId(attachment.reference), await Line(database).answered(), "web", "shop")
    file = MediaFile(*where, attachment, MediaState.STORED, content, "image/jpeg", len(PICTURE))
    await SqlMediaRecord(database).add(file, SystemClock().now())
    assert (await channel.files(attachment)).data == PICTURE
    (tmp_path / "media" / content[:2] / content[2:4] / content).write_bytes(PICTURE[:1000])
    with pytest.raises(NotFound, match="damaged"):
        await channel.files(attachment)


async def only_conversation(house: House) -> ConversationId:
    """Give the one conversation there is."""
    page = await house.desk.stores.queue.rows(QueueView.ALL, AgentId("nobody"))
    return page[0].conversation_id
