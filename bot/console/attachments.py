"""What a page shows of attachments (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from bot.desk.transcripts import Speaker, TranscriptLine
from bot.domain.ids import ConversationId
from bot.domain.media import MediaFile, MediaId, media_id
from bot.domain.media_types import PLAYED_TYPES, SHOWN_TYPES


def attached(
    line: TranscriptLine, conversation_id: ConversationId, files: Mapping[MediaId, MediaFile]
) -> tuple[tuple[Mapping[str, str], MediaFile | None], ...]:
    """Pair a line's attachments with what is kept of them."""
    own = line.speaker is Speaker.CUSTOMER
    return tuple(
        (one, files.get(media_id(conversation_id, line.dedupe_key, at) if own else MediaId(one.get("reference", ""))))
        for at, one in enumerate(line.attachments)
    )


def look(file: MediaFile) -> str:
    """Tell how a page shows a kept attachment: ``image``, ``audio``, ``video`` or ``file``."""
    if file.mime in SHOWN_TYPES:
        return "image"
    return file.mime.partition("/")[0] if file.mime in PLAYED_TYPES else "file"
