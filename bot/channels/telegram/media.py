"""Telegram's files: asked for by id, then loaded from the same server; and sent.

Source: https://core.telegram.org/bots/api#getfile (up to 20 MB; the address is good for an hour), #sendphoto (10 MB).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from telegram import Bot
from telegram.error import BadRequest, InvalidToken, TelegramError

from bot.channels.fetching import MediaHttp
from bot.domain.media import MediaFault, MediaRefused, OutgoingFile
from bot.domain.messages import Attachment

_PHOTOS = frozenset({"image/jpeg", "image/png", "image/webp"})
_MAX_PHOTO_BYTES = 10 * 1024 * 1024


class TelegramMedia:
    """The files of one bot."""

    def __init__(self, bot: Bot, http: MediaHttp) -> None:
        self._bot = bot
        self._http = http

    @asynccontextmanager
    async def download(
        self, account: str, attachment: Attachment, most_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a file as a stream of its bytes; MediaFault when it cannot be had."""
        del account
        async with self._http.get(await self._address(attachment.reference), most_bytes) as (_, chunks):
            yield chunks

    async def send(self, chat_id: str, file: OutgoingFile) -> str:
        """Send a file, as a photo where it is one that Telegram shows; give the message's id."""
        if file.mime in _PHOTOS and len(file.data) <= _MAX_PHOTO_BYTES:
            sent = await self._bot.send_photo(chat_id=chat_id, photo=file.data, filename=file.name)
        else:
            sent = await self._bot.send_document(chat_id=chat_id, document=file.data, filename=file.name)
        return str(sent.message_id)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _address(self, file_id: str) -> str:
        try:
            file = await self._bot.get_file(file_id)
        except BadRequest as error:
            if "too big" in error.message.lower():
                raise MediaRefused("Telegram gives bots no file of more than 20 MB") from None
            raise MediaFault("Telegram does not know the file any more", lasting=True) from None
        except InvalidToken:
            raise MediaFault("Telegram refuses the token") from None
        except TelegramError as error:
            raise MediaFault(f"Telegram cannot be reached: {type(error).__name__}") from None
        if not file.file_path:
            raise MediaFault("Telegram gives no path to the file")
        return file.file_path
