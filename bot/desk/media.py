"""Attachments at the desk: listed, looked at, asked for again, sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from bot.desk.bells import Bells
from bot.desk.links import checked_reason
from bot.desk.refusals import Refusal
from bot.domain.channel_ports import Capabilities
from bot.domain.clock import Clock
from bot.domain.conversation import Conversation
from bot.domain.errors import NotFound, StorageError
from bot.domain.ids import ConversationId, CustomerId, new_id
from bot.domain.media import (
    Erasure,
    Holding,
    KeepMedia,
    MediaFile,
    MediaId,
    MediaLimits,
    MediaRecord,
    MediaRefused,
    MediaShelf,
    MediaState,
)
from bot.domain.media_reasons import tell
from bot.domain.media_types import kind_of
from bot.domain.messages import Attachment, MessageKind
from bot.domain.people import Agent

_MAX_NAME_CHARS = 100


@dataclass(frozen=True, slots=True)
class MediaRoom:
    """What the desk reaches attachments with; ``abilities`` of the channels by name."""

    record: MediaRecord
    shelf: MediaShelf
    keeper: KeepMedia
    limits: MediaLimits
    abilities: Mapping[str, Capabilities]


class DeskMedia:
    """What agents do with attachments."""

    def __init__(self, room: MediaRoom, bells: Bells, clock: Clock) -> None:
        self._room = room
        self._bells = bells
        self._clock = clock

    @property
    def limits(self) -> MediaLimits:
        """Give what is taken."""
        return self._room.limits

    async def of_conversation(self, conversation_id: ConversationId) -> Mapping[MediaId, MediaFile]:
        """List a conversation's attachments."""
        return await self._room.record.of_conversation(conversation_id)

    async def get(self, media_id: MediaId) -> MediaFile:
        """Find one that is kept; NotFound otherwise."""
        file = await self._room.record.get(media_id)
        if file.state is not MediaState.STORED:
            raise NotFound(f"the attachment {media_id!r} has not been fetched")
        return file

    def read(self, file: MediaFile, start: int = 0) -> AsyncIterator[bytes]:
        """Stream its bytes from ``start``."""
        return self._room.shelf.read(file.content, start)

    async def retry(self, media_id: MediaId) -> ConversationId:
        """Ask for one again that could not be fetched; give its conversation."""
        file = await self._room.record.get(media_id)
        await self._room.record.retry(media_id, self._clock.now())
        await self._bells.show(file.conversation_id)
        return file.conversation_id

    def sendable(self, channel: str) -> str:
        """Tell what the channel can take from us: ``files``, ``images`` or nothing (``""``)."""
        able = self._room.abilities.get(channel)
        if able is None:
            return ""
        return "files" if able.files else "images" if able.images else ""

    async def take_in(self, conversation: Conversation, name: str, chunks: AsyncIterator[bytes]) -> Attachment:
        """Keep what an agent is about to send; Refusal when the channel or the shop's limits do not take it."""
        able = self.sendable(conversation.channel)
        if not able:
            raise Refusal("no_files", f"the channel {conversation.channel} takes no files from us; send words")
        try:
            kept = await self._room.keeper.keep(chunks)
        except MediaRefused as refused:
            raise _not_taken(refused.reason) from None
        except StorageError:
            raise _not_taken(tell("disc")) from None
        kind = kind_of(kept.mime)
        if able == "images" and kind is not MessageKind.IMAGE:
            raise Refusal("only_images", f"the channel {conversation.channel} takes only pictures from us")
        shown = name.replace("\r", " ").replace("\n", " ").strip()[:_MAX_NAME_CHARS]
        media_id = MediaId(new_id())
        attachment = Attachment(kind, media_id, kept.mime, shown)
        file = MediaFile(
            media_id,
            conversation.id,
            conversation.channel,
            conversation.account,
            attachment,
            MediaState.STORED,
            kept.content,
            kept.mime,
            kept.size,
        )
        await self._room.record.add(file, self._clock.now())
        if not await self._room.shelf.touch(kept.content):
            await self.withdraw(attachment)
            raise _not_taken(tell("our_side", problem="an erasure"))
        return attachment

    async def withdraw(self, attachment: Attachment) -> None:
        """Forget what was taken in and then not sent: the conversation changed hands, or it was there already."""
        await self._room.record.withdraw(MediaId(attachment.reference))

    async def holding(self, customer_id: CustomerId) -> Holding:
        """Count what is kept of a customer."""
        return await self._room.record.holding(customer_id)

    async def forget_customer(self, customer_id: CustomerId, by: Agent, reason: str) -> int:
        """Erase a customer's attachments, and their bytes where nobody else sent the same; tell how many.

        Refusal without a reason. Bytes that could not be dropped now go when unused ones are tidied away.
        """
        now = self._clock.now()
        erased = await self._room.record.forget_customer(Erasure(customer_id, by, checked_reason(reason), now))
        for content in erased.contents:
            await self._room.shelf.drop(content, now)
        for conversation_id in erased.conversations:
            await self._bells.show(conversation_id)
        return erased.files


def _not_taken(reason: str) -> Refusal:
    return Refusal("file_refused", f"the file was not taken: {reason}", reason=reason)
