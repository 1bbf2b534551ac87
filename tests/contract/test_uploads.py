"""What an agent uploads and then cannot send leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.desk.media import DeskMedia, MediaRoom
from bot.desk.refusals import Refusal
from bot.domain.channel_ports import Capabilities
from bot.domain.clock import ManualClock
from bot.domain.media import MediaLimits
from bot.domain.media_types import KNOWN_TYPES
from bot.engine.media import MediaKeeper
from storage.conversations import SqlConversationReader
from storage.media import SqlMediaRecord
from storage.shelves import FolderShelf
from storage.tables import MEDIA
from tests.contract.line import NOW, Line
from tests.contract.test_media import PICTURE, pieces


class ErasingShelf(FolderShelf):
    """A shelf whose contents somebody else's erasure takes as soon as they are kept."""

    async def touch(self, content: str) -> bool:
        """Find it gone."""
        await self.drop(content)
        return await super().touch(content)


async def test_upload_whose_bytes_were_erased_at_once_is_not_on_record(line: Line, tmp_path: Path):
    """The agent is told that it was not taken, and the customer's page counts nothing that is not there."""
    conversation_id = await line.answered()
    limits = MediaLimits(types=frozenset(KNOWN_TYPES))
    shelf = ErasingShelf(tmp_path / "media")
    abilities = {"web": Capabilities(max_text=2000, images=True)}
    room = MediaRoom(SqlMediaRecord(line.database), shelf, MediaKeeper(shelf, limits), limits, abilities)
    nobody: Any = None
    desk = DeskMedia(room, nobody, ManualClock(NOW))
    conversation = await SqlConversationReader(line.database).get(conversation_id)
    with pytest.raises(Refusal):
        await desk.take_in(conversation, "a.jpg", pieces(PICTURE))
    assert await line.rows(MEDIA) == []
