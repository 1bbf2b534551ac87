"""What a page shows of attachments (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.desk.transcripts import Speaker, TranscriptLine
from bot.domain.ids import ConversationId
from bot.domain.media import MediaFile, MediaId, media_id
from bot.domain.media_types import AMR, PLAYED_TYPES, SHOWN_TYPES


def attached(
    line: TranscriptLine, conversation_id: ConversationId, files: Mapping[MediaId, MediaFile]
) -> tuple[tuple[Mapping[str, str], MediaFile | None], ...]:
    """Pair a line's attachments with what is kept of them."""
    own = line.speaker is Speaker.CUSTOMER
    return tuple(
        (one, files.get(media_id(conversation_id, line.dedupe_key, at) if own else MediaId(one.get("reference", ""))))
        for at, one in enumerate(line.attachments)
    )


def photographed(references: Sequence[str], files: Mapping[MediaId, MediaFile]) -> tuple[MediaFile | None, ...]:
    """Find what is kept of a ticket's photos, which it names as their channel does."""
    kept = {file.attachment.reference: file for file in files.values() if file.attachment.reference}
    return tuple(kept.get(reference) for reference in references)


def look(file: MediaFile) -> str:
    """Tell how a page shows a kept attachment: ``image``, ``audio``, ``video``, ``voice`` (AMR) or ``file``."""
    if file.mime in SHOWN_TYPES:
        return "image"
    if file.mime == AMR:
        return "voice"
    return file.mime.partition("/")[0] if file.mime in PLAYED_TYPES else "file"
