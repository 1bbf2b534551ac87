"""Files of ours on their way to a platform."""

from __future__ import annotations

from bot.domain.errors import NotFound
from bot.domain.media import OutgoingFile, ReadFile
from bot.domain.messages import Attachment


async def read_file(files: ReadFile | None, attachment: Attachment) -> OutgoingFile:
    """Read what an attachment refers to; NotFound when it is gone, or when this process keeps no files."""
    if files is None:
        raise NotFound("this process cannot read attachments; send the file from one that can")
    return await files(attachment)
