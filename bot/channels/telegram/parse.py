"""Telegram's Update -> InboundMessage (pure).

Source: https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from telegram import (
    Animation,
    Audio,
    CallbackQuery,
    Chat,
    ChatMemberUpdated,
    Document,
    Message,
    MessageEntity,
    MessageReactionUpdated,
    PhotoSize,
    Sticker,
    Update,
    User,
    Video,
    VideoNote,
    Voice,
)

from bot.channels.reading import (
    Content,
    attached,
    inbound,
    locale_of,
    mapping,
    one_line,
    place,
    pressed,
)
from bot.domain.errors import BadPayload, ConfigError
from bot.domain.messages import InboundMessage, MessageKind, Sender

CHANNEL = "telegram"
DEFAULT_API_URL = "https://api.telegram.org"
_GONE = frozenset({"kicked", "left"})
_FILES: Mapping[type, MessageKind] = {
    PhotoSize: MessageKind.IMAGE, Voice: MessageKind.VOICE, Audio: MessageKind.VOICE, Video: MessageKind.VIDEO,
    VideoNote: MessageKind.VIDEO, Animation: MessageKind.VIDEO, Document: MessageKind.FILE,
    Sticker: MessageKind.STICKER,
}  # fmt: skip
_JUNK = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, RecursionError)


@dataclass(frozen=True, slots=True)
class TelegramSettings:
    """One bot. ``username`` is its name, with or without ``@``: groups are answered only when it is mentioned."""

    token: str = field(repr=False)
    username: str = ""
    account: str = "shop"
    api_url: str = DEFAULT_API_URL
    polls: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.token.partition(":")[0].isdigit():
            raise ConfigError("the Telegram token must look like 123456:ABC...; ask @BotFather for it")

    @property
    def bot_id(self) -> int:
        """Give the bot's number, with which its token begins."""
        return int(self.token.partition(":")[0])

    @property
    def mention(self) -> str:
        """Give what groups address the bot by, in lower case; empty when its name is not known."""
        return self.username and f"@{self.username.removeprefix('@').lower()}"

    @property
    def base_url(self) -> str:
        """Give where the bot's methods are."""
        return f"{self.api_url.rstrip('/')}/bot{self.token}/"


@dataclass(frozen=True, slots=True)
class ParsedUpdate:
    """What an update holds for us: a message, or the reason why there is none; and a press that wants an answer."""

    messages: tuple[InboundMessage, ...]
    ignored: tuple[str, ...] = ()
    callback_query_id: str = ""


def parse_update(body: bytes | Mapping[str, Any], bot: TelegramSettings, now: datetime) -> ParsedUpdate:
    """Make a message of a verified webhook's body, or of an update that was polled.

    ``now`` stands in where Telegram gives no time. An update without a person we could answer (a poll's result, a
    channel's post) gives a reason instead. BadPayload when it is no Update, or one with a field of the wrong type.
    """
    try:
        data = json.loads(body) if isinstance(body, bytes) else body
        update = Update.de_json({**data, **_newer(data)}, None)
        if type(update.update_id) is not int:
            raise TypeError("its update_id is no number")
        return _read(update, bot, now)
    except _JUNK as error:
        message = "the body is no Telegram Update that can be read; send the JSON object the Bot API describes"
        raise BadPayload(message) from error


def _newer(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read a type of update newer than this code as a message of the person it names, with nothing in it: no guess."""
    people = (mapping(mapping(data, name), "from") for name in data if name not in Update.ALL_TYPES)
    person = next(filter(None, people), None)
    if person is None:
        return {}
    chat = {"id": person.get("id"), "type": Chat.PRIVATE}
    return {"message": {"message_id": 0, "date": None, "from": person, "chat": chat, "newer": True}}


def _read(update: Update, bot: TelegramSettings, now: datetime) -> ParsedUpdate:
    """Read who said what, and where; its place in a burst is the update's number."""
    name = next((each for each in _READERS if getattr(update, each)), "")
    part, person, chat = getattr(update, name, None), update.effective_user, update.effective_chat
    query_id = part.id if isinstance(part, CallbackQuery) else ""
    if part is None or chat is None or person is None or person.is_bot:
        return ParsedUpdate((), ("nobody who could be answered",), query_id)
    heard = chat.type == Chat.PRIVATE or (chat.type != Chat.CHANNEL and _addressed(part, bot))
    content = _READERS[name](part, bot) if heard else "not said to the bot"
    if isinstance(content, str):
        return ParsedUpdate((), (content,), query_id)
    locale = locale_of(str(person.language_code or ""))
    sender = Sender(CHANNEL, bot.account, _address(update, chat, person), one_line(person.full_name), locale)
    at, platform_id = getattr(part, "date", None) or now, str(getattr(part, "message_id", "") or "")
    message = inbound(sender, f"update:{update.update_id}", at, content, platform_id)
    return ParsedUpdate((replace(message, sequence=update.update_id),), (), query_id)


def _address(update: Update, chat: Chat, person: User) -> str:
    """Name where to answer: ``chat``, in a group ``chat/person``, in a topic of a group ``chat/person/topic``."""
    if chat.type == Chat.PRIVATE:
        return f"{chat.id:d}"
    said = update.effective_message
    topic = [said.message_thread_id] if isinstance(said, Message) and said.is_topic_message else []
    return "/".join(f"{number:d}" for number in (chat.id, person.id, *topic))


def _addressed(part: Any, bot: TelegramSettings) -> bool:
    """Tell whether somebody in a group speaks to the bot: a press, a reply to it, a mention, or a command."""
    if not isinstance(part, Message):
        return isinstance(part, CallbackQuery)
    said = {**part.parse_entities(), **part.parse_caption_entities()}
    people = [part.reply_to_message and part.reply_to_message.from_user, *(entity.user for entity in said)]
    return any(person and person.id == bot.bot_id for person in people) or any(
        text.lower().endswith(bot.mention or "@") or (entity.type == MessageEntity.BOT_COMMAND and "@" not in text)
        for entity, text in said.items()
    )


def _said(message: Message, bot: TelegramSettings) -> Content | str:
    """Read what somebody wrote: its kind and what is attached; ``file_id`` is the reference."""
    words, file = _words(message, bot), message.effective_attachment
    file = getattr(file, "photo", None) or file  # of a live photo the still one
    file = file[-1] if isinstance(file, tuple) and file else file  # of a photo's sizes the largest
    if type(file) in _FILES:
        reference, mime, name = (getattr(file, each, None) or "" for each in ("file_id", "mime_type", "file_name"))
        return attached(_FILES[type(file)], reference, mime, name, words)
    if message.location:
        named = [message.venue.title, message.venue.address] if message.venue else []
        return place(f"{message.location.latitude:.6f}", f"{message.location.longitude:.6f}", *named)
    if message.contact:
        return Content(MessageKind.TEXT, f"{message.contact.first_name} {message.contact.phone_number}")
    if not (words or file or message.api_kwargs):
        return "a note of the platform's own"
    return Content(MessageKind.FOLLOW if words.split(maxsplit=1)[:1] == ["/start"] else MessageKind.TEXT, words)


def _words(message: Message, bot: TelegramSettings) -> str:
    emoji = message.sticker.emoji if message.sticker else ""
    raw = emoji or message.text or message.caption or ""
    return re.sub(rf"{re.escape(bot.mention)}\b", "", raw, count=1, flags=re.IGNORECASE) if bot.mention else raw


def _edited(message: Message, bot: TelegramSettings) -> Content | str:
    """Read an edit; a shared live location edits itself, only changed words are something said."""
    words = _words(message, bot)
    return Content(MessageKind.EDIT, words, concerns=str(message.message_id)) if words else "an edit without words"


def _pressed(query: CallbackQuery, _bot: TelegramSettings) -> Content:
    """Read a pressed button with its label."""
    markup = query.message.reply_markup if isinstance(query.message, Message) else None
    keys = [key for row in markup.inline_keyboard for key in row] if markup else []
    label = next((key.text for key in keys if key.callback_data == query.data), "")
    return pressed(label, query.data or "")


def _reacted(change: MessageReactionUpdated, _bot: TelegramSettings) -> Content:
    """Read a reaction: its emoji, nothing when it was taken back."""
    shown = "".join(getattr(each, "emoji", "*") for each in change.new_reaction)
    return Content(MessageKind.REACTION, shown, concerns=str(change.message_id))


def _moved(change: ChatMemberUpdated, _bot: TelegramSettings) -> Content:
    """Read that somebody began, or blocked the bot."""
    return Content(MessageKind.UNFOLLOW if change.new_chat_member.status in _GONE else MessageKind.FOLLOW)


_READERS: Mapping[str, Callable[[Any, TelegramSettings], Content | str]] = {
    "message": _said,
    "edited_message": _edited,
    "callback_query": _pressed,
    "message_reaction": _reacted,
    "my_chat_member": _moved,
}
WANTED_UPDATES = tuple(_READERS)
"""What Telegram is to tell us."""
