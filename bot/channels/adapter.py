"""What the adapters of platforms share: parts, files and media, and sentences for what did not get through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Protocol, Self

from bot.channels._api import Lost, Unreached
from bot.channels.parts import PartsSent
from bot.channels.vault import TokenRefused
from bot.domain.channel_ports import Addressee, Delivery, Failed, Unclear
from bot.domain.errors import NotFound
from bot.domain.ids import OutboxId
from bot.domain.media import OutgoingFile, ReadFile
from bot.domain.messages import Attachment, OutboundMessage


class Media(Protocol):
    """Gives the attachments of a platform out."""

    def download(
        self, account: str, attachment: Attachment, most_bytes: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open an attachment as a stream of its bytes; MediaFault when there is none."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class PlatformAdapter(ABC):
    """Sends on one platform, which sentences call ``platform``; a channel's adapter says how in ``deliver``.

    ``closing`` closes the connections that messages go out by. ``files`` is lent by who may read our attachments.
    """

    platform: ClassVar[str]

    def __init__(self, media: Media, *closing: Callable[[], Awaitable[None]]) -> None:
        self.parts = PartsSent()
        self.files: ReadFile | None = None
        self.download = media.download
        self._closing = (*closing, media.close)

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send the message in as many parts as it needs; a repeat goes on after the parts already taken."""
        try:
            return await self.deliver(to, message, outbox_id)
        except NotFound as missing:
            return Failed(str(missing), retryable=False)
        except TokenRefused as error:
            return Failed(error.reason, retryable=not error.lasting)
        except Unreached as error:
            return Failed(f"{self.platform} cannot be reached: {error}", retryable=True)
        except Lost as error:
            return Unclear(f"the connection to {self.platform} was lost: {error}")

    @abstractmethod
    async def deliver(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Hand the message to the platform; Unreached, Lost, TokenRefused or NotFound when that does not work."""

    async def read_file(self, attachment: Attachment) -> OutgoingFile:
        """Read a file of ours; NotFound when it is gone, or when this process keeps no files."""
        if self.files is None:
            raise NotFound("this process cannot read attachments; send the file from one that can")
        return await self.files(attachment)

    async def __aenter__(self) -> Self:
        """Open for a while; the connections close at the end."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        for close in self._closing:
            await close()
