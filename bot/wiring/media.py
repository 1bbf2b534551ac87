"""Attachments: where they are kept, who fetches them, how the desk and the web page reach them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy.engine import make_url

from bot.config import Config, Secrets
from bot.desk.media import MediaRoom
from bot.domain.channel_ports import Capabilities, ChannelAdapter
from bot.domain.clock import Clock
from bot.domain.errors import NotFound
from bot.domain.media import MediaId, MediaLimits, MediaShelf, MediaSource, OutgoingFile, SendsFiles, ShowsFiles
from bot.domain.media_types import ENDINGS
from bot.domain.messages import Attachment, MessageKind
from bot.domain.ports import LiveFeed
from bot.engine.media import MediaCollector, MediaKeeper, MediaParts, ShopperRoom
from bot.engine.showing import Seal, ShowRoom
from storage.database import Database
from storage.media import SqlMediaRecord
from storage.shelves import FolderShelf, SqlShelf

_MB = 1024 * 1024


def media_folder(config: Config) -> Path | None:
    """Name the folder that attachments lie in; None when the database keeps them."""
    section = config.media
    on_disk = make_url(config.database.url).drivername == "sqlite"
    if section.keep_in == "database" or (section.keep_in == "auto" and not on_disk):
        return None
    return section.folder or config.data_dir / "media"


def make_shelf(config: Config, database: Database, clock: Clock) -> MediaShelf:
    """Make the shelf that the configuration names."""
    folder = media_folder(config)
    return SqlShelf(database, clock) if folder is None else FolderShelf(folder)


def make_limits(config: Config) -> MediaLimits:
    """Give what is taken."""
    section = config.media
    largest = {
        MessageKind.IMAGE: section.image_mb,
        MessageKind.STICKER: section.image_mb,
        MessageKind.VOICE: section.voice_mb,
        MessageKind.VIDEO: section.video_mb,
        MessageKind.FILE: section.file_mb,
    }
    return MediaLimits({kind: int(mb * _MB) for kind, mb in largest.items()}, frozenset(section.types))


def make_show_room(config: Config, secrets: Secrets, database: Database, clock: Clock) -> ShowRoom | None:
    """Make what gives agents' pictures public addresses; None where the house has no https address itself."""
    base = str(config.server.public_url or "").rstrip("/")
    if not base.startswith("https://"):
        return None
    shelf = make_shelf(config, database, clock)
    return ShowRoom(SqlMediaRecord(database), shelf, Seal(secrets.secret_key, clock), base)


def lend_files(
    config: Config, secrets: Secrets, database: Database, clock: Clock, channels: Mapping[str, ChannelAdapter]
) -> None:
    """Let the adapters that send files read them, and those whose platforms fetch pictures give them addresses."""
    record, shelf = SqlMediaRecord(database), make_shelf(config, database, clock)
    room = make_show_room(config, secrets, database, clock)

    async def read(attachment: Attachment) -> OutgoingFile:
        file = await record.get(MediaId(attachment.reference))
        data = b"".join([chunk async for chunk in shelf.read(file.content)])
        if len(data) != file.size:
            raise NotFound(f"the attachment {file.id!r} is damaged or was erased while it was read; send it again")
        name = attachment.name or f"{attachment.kind.value}{ENDINGS.get(file.mime, '')}"
        return OutgoingFile(name, file.mime, data)

    for channel in channels.values():
        if isinstance(channel, SendsFiles):
            channel.files = read
        if isinstance(channel, ShowsFiles) and room is not None:
            channel.shown = room.address


def make_room(config: Config, database: Database, clock: Clock, channels: Mapping[str, ChannelAdapter]) -> MediaRoom:
    """Make what the desk reaches attachments with."""
    shelf = make_shelf(config, database, clock)
    abilities = {name: _abilities(channel) for name, channel in channels.items()}
    keeper = MediaKeeper(shelf, make_limits(config))
    return MediaRoom(SqlMediaRecord(database), shelf, keeper, make_limits(config), abilities)


def _abilities(channel: ChannelAdapter) -> Capabilities:
    """Tell what the channel takes from us now: without an address of ours there are no pictures to fetch."""
    able = channel.capabilities
    unseen = isinstance(channel, ShowsFiles) and channel.shown is None and not able.files
    return replace(able, images=False) if unseen else able


def make_shopper_media(config: Config, database: Database, clock: Clock) -> ShopperRoom:
    """Make what the shop's own page reaches attachments with."""
    shelf = make_shelf(config, database, clock)
    return ShopperRoom(SqlMediaRecord(database), shelf, MediaKeeper(shelf, make_limits(config)))


@asynccontextmanager
async def collecting(
    config: Config, database: Database, clock: Clock, channels: Mapping[str, ChannelAdapter], live: LiveFeed
) -> AsyncIterator[MediaCollector]:
    """Fetch attachments in the background as long as it is open."""
    sources = {name: channel for name, channel in channels.items() if isinstance(channel, MediaSource)}
    parts = MediaParts(
        SqlMediaRecord(database), make_shelf(config, database, clock), make_limits(config), sources, live, clock
    )
    collector = MediaCollector(parts)
    await collector.start()
    try:
        yield collector
    finally:
        await collector.stop()
