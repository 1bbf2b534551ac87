"""What a page shows of attachments (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.console.words import Words
from bot.desk.transcripts import Speaker, TranscriptLine
from bot.domain.ids import ConversationId
from bot.domain.media import MediaFile, MediaId, media_id
from bot.domain.media_reasons import read
from bot.domain.media_types import AMR, PLAYED_TYPES, SHOWN_TYPES
from bot.domain.messages import MessageKind

_RECOGNISED = frozenset({AMR, "audio/speex"})
"""The voice notes that come with words: those of the Official Account, by the names that it gives them."""
ADVICE = {
    "too_large": "smaller",
    "telegram_limit": "smaller",
    "type": "other_type",
    "empty": "again",
    "gone": "again",
    "withheld": "again",
    "withheld_by_meta": "again",
    "crashed": "again",
    "disc": "operator",
    "switched_off": "operator",
}
"""What a person can do, by the reason that an attachment is not there."""


def attached(
    line: TranscriptLine, conversation_id: ConversationId, files: Mapping[MediaId, MediaFile]
) -> tuple[tuple[Mapping[str, str], MediaFile | None], ...]:
    """Pair a line's attachments with what is kept of them."""
    own = line.speaker is Speaker.CUSTOMER
    return tuple(
        (one, files.get(media_id(conversation_id, line.dedupe_key, at) if own else MediaId(one.get("reference", ""))))
        for at, one in enumerate(line.attachments)
    )


def heard(line: TranscriptLine) -> bool:
    """Tell whether a line's words are what the platform understood of a voice note; nobody typed them."""
    spoken = any(one.get("kind") == MessageKind.VOICE and one.get("mime") in _RECOGNISED for one in line.attachments)
    return bool(line.text) and line.speaker is Speaker.CUSTOMER and spoken


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


def why(reason: str, word: Words) -> str:
    """Say why an attachment is not there in the reader's language; as it is on record where we have no words for it."""
    found = read(reason)
    return reason if found is None else word(f"media_reason.{found[0]}", **found[1])


def advice(reason: str, word: Words) -> str:
    """Say what a person can do about it; empty where there is nothing."""
    found = read(reason)
    what = ADVICE.get(found[0], "") if found else ""
    return word(f"media_advice.{what}") if what else ""
