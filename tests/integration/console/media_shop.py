"""A shop that keeps attachments, with shoppers who send them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from bot.console.app import build_console
from bot.desk.counter import DeskSecurity, make_desk
from bot.desk.media import MediaRoom
from bot.domain import events as ev
from bot.domain.channel_ports import Capabilities
from bot.domain.ids import ConversationId
from bot.domain.media import MediaId, MediaLimits, media_id
from bot.domain.media_types import KNOWN_TYPES
from bot.domain.messages import Attachment, InboundMessage, MessageKind, Sender
from bot.engine.media import MediaKeeper
from storage.database import Database
from storage.media import SqlMediaRecord, expect
from storage.shelves import FolderShelf
from tests.integration.console.shop import HASHER, Shop

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
PAGE = b"<html><script>alert(1)</script></html>"
ABLE = {"web": Capabilities(100, images=True, files=True), "wechat_oa": Capabilities(100, images=True),
        "line": Capabilities(100)}  # fmt: skip


class MediaShop(Shop):
    """A shop that keeps attachments."""

    def __init__(self, database: Database, folder: Path, most_bytes: int = 10000) -> None:
        super().__init__(database)
        self.database = database
        self.record, self.shelf = SqlMediaRecord(database), FolderShelf(folder)
        limits = MediaLimits(dict.fromkeys(MessageKind, most_bytes), frozenset(KNOWN_TYPES))
        room = MediaRoom(self.record, self.shelf, MediaKeeper(self.shelf, limits), limits, ABLE)
        security = DeskSecurity(secret="a secret of the tests", hasher=HASHER)
        stores = replace(self.stores, media=room)
        self.desk = make_desk(stores, security, self.dispatcher, self.live, self.clock)
        self.application.router.routes.clear()
        self.application.mount("/console", build_console(self.desk, {"zh": "小二好物", "en": "Xiaoer Goods"}))

    async def show(self, channel: str = "web", *kinds: str, name: str = "") -> ConversationId:
        """Let a shopper send things; each is an event, and waits to be fetched."""
        things = [{"kind": kind, "reference": f"r{kind}", "mime": "", "name": name} for kind in kinds]
        said = ev.CustomerUttered("", "image", f"key-{channel}", attachments=things)
        conversation = await self.exchange("lin", "hello", "hi", channel=channel, events=[said])
        files = [Attachment(MessageKind(kind), f"r{kind}", "", name) for kind in kinds]
        await self.expect(conversation, channel, files)
        return conversation

    async def expect(self, conversation: ConversationId, channel: str, files: list[Attachment]) -> None:
        """Record attachments as the inbox does."""
        sender = Sender(channel, "main", "lin")
        message = InboundMessage(
            sender, f"key-{channel}", MessageKind.IMAGE, self.clock.now(), attachments=tuple(files)
        )
        await self.database.run(lambda on: expect(on, conversation, message, self.clock.now()))

    async def keep(self, conversation: ConversationId, data: bytes, mime: str, at: int = 0) -> MediaId:
        """Put bytes under an attachment, as after a fetch."""

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        found = next(
            name
            for name in await self.record.of_conversation(conversation)
            if name in {media_id(conversation, f"key-{channel}", at) for channel in ABLE}
        )
        await self.record.stored(found, await self.shelf.put(chunks()), mime, len(data))
        return found
