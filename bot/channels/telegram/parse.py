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

from bot.channels.reading import UNREADABLE, Content, attached, inbound, locale_of, mapping, one_line, place, text_of
from bot.domain.errors import BadPayload, ConfigError
from bot.domain.messages import InboundMessage, MessageKind, Sender

CHANNEL = "telegram"
DEFAULT_API_URL = "https://api.telegram.org"
_GONE = frozenset({"kicked", "left"})
_SPOKEN_IN = frozenset({Chat.PRIVATE, Chat.GROUP, Chat.SUPERGROUP})
_FILES: Mapping[type, tuple[MessageKind, str]] = {
    PhotoSize: (MessageKind.IMAGE, "image/jpeg"),
    Voice: (MessageKind.VOICE, ""),
    Audio: (MessageKind.VOICE, ""),
    Video: (MessageKind.VIDEO, ""),
    VideoNote: (MessageKind.VIDEO, ""),
    Animation: (MessageKind.VIDEO, ""),
    Document: (MessageKind.FILE, ""),
    Sticker: (MessageKind.STICKER, ""),
}
_JUNK = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, RecursionError)


@dataclass(frozen=True, slots=True)
class TelegramSettings:
    """One bot. ``username`` is its name, with or without ``@``: groups are answered only when it is mentioned."""

    token: str = field(repr=False)
    username: str = ""
    account: str = "shop"
    api_url: str = DEFAULT_API_URL

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
        name = self.username.removeprefix("@").lower()
        return f"@{name}" if name else ""


@dataclass(frozen=True, slots=True)
class ParsedUpdate:
    """What an update holds for us: a message, or the reason why there is none; and a press that wants an answer."""

    message: InboundMessage | None
    ignored: str = ""
    callback_query_id: str = ""


def parse_update(body: bytes, bot: TelegramSettings, now: datetime) -> ParsedUpdate:
    """Make a message of a verified webhook body; ``now`` stands in where Telegram gives no time.

    An update without a person we could answer (a poll's result, a channel's post) gives a reason instead.
    BadPayload when the body is not an Update, or one with a field of the wrong type.
    """
    try:
        update = Update.de_json(json.loads(body), None)
        if type(update.update_id) is not int:
            raise TypeError("its update_id is no number")
        return _read(update, bot, now)
    except _JUNK as error:
        message = "the body is no Telegram Update that can be read; send the JSON object the Bot API describes"
        raise BadPayload(message) from error


def _read(update: Update, bot: TelegramSettings, now: datetime) -> ParsedUpdate:
    """Read who said what, and where; its place in a burst is the update's number."""
    name = next((each for each in _READERS if getattr(update, each)), "")
    part, person, chat = getattr(update, name, None), update.effective_user, update.effective_chat
    if part is None:
        name, person = _stranger(update)
        chat = Chat(person.id, Chat.PRIVATE) if person else None
    query_id = part.id if isinstance(part, CallbackQuery) else ""
    if chat is None or person is None or person.is_bot:
        return ParsedUpdate(None, "no person who could be answered", query_id)
    content = _content(name, part, chat, bot)
    if isinstance(content, str):
        return ParsedUpdate(None, content, query_id)
    address = str(chat.id) if chat.type == Chat.PRIVATE else f"{chat.id}/{person.id}"
    locale = locale_of(str(person.language_code or ""))
    sender = Sender(CHANNEL, bot.account, address, one_line(person.full_name), locale)
    at, platform_id = getattr(part, "date", None) or now, str(getattr(part, "message_id", ""))
    message = inbound(sender, f"update:{update.update_id}", at, content, platform_id)
    ignored = "" if part else name
    return ParsedUpdate(replace(message, sequence=update.update_id), ignored, query_id)


def _stranger(update: Update) -> tuple[str, User | None]:
    """Find who caused an update of a type newer than this code; nobody when it does not say."""
    for name, part in update.api_kwargs.items():
        author = mapping(part, "from")
        if isinstance(author.get("id"), int):
            return name, User(author["id"], text_of(author, "first_name"), author.get("is_bot") is True)
    return "", None


def _content(name: str, part: Any, chat: Chat, bot: TelegramSettings) -> Content | str:
    """Read what an update says to us, or why it says nothing; one newer than this code is recorded, never guessed."""
    if part is None:
        return UNREADABLE
    if chat.type not in _SPOKEN_IN:
        return "not a private chat or group"
    if chat.type != Chat.PRIVATE and not _addressed(part, bot):
        return "in a group, not to the bot"
    return _READERS[name](part, bot)


def _addressed(part: Any, bot: TelegramSettings) -> bool:
    """Tell whether somebody in a group speaks to the bot: a press, a reply to it, a mention, or a command."""
    if not isinstance(part, Message):
        return isinstance(part, CallbackQuery)
    answered = part.reply_to_message
    if answered and answered.from_user and answered.from_user.id == bot.bot_id:
        return True
    said = {**part.parse_entities(), **part.parse_caption_entities()}
    return any(_names(entity, text.lower(), bot) for entity, text in said.items())


def _names(entity: MessageEntity, text: str, bot: TelegramSettings) -> bool:
    if entity.type == MessageEntity.BOT_COMMAND:
        return "@" not in text or text.endswith(bot.mention or "@")
    meant = entity.user and entity.user.id == bot.bot_id
    return bool(meant) or (entity.type == MessageEntity.MENTION and text == bot.mention)


def _said(message: Message, bot: TelegramSettings) -> Content:
    """Read what somebody wrote: its kind and what is attached; ``file_id`` is the reference."""
    words, file = _words(message, bot), message.effective_attachment
    file = file[-1] if isinstance(file, tuple) and file else file  # of a photo's sizes the largest
    kind, mime = _FILES.get(type(file), (None, ""))
    if kind:
        mime, called = getattr(file, "mime_type", None) or mime, getattr(file, "file_name", None) or ""
        return attached(kind, getattr(file, "file_id", ""), mime, called, words)
    if message.location:
        return place(f"{message.location.latitude:.6f}", f"{message.location.longitude:.6f}")
    return Content(MessageKind.FOLLOW if words.split(maxsplit=1)[:1] == ["/start"] else MessageKind.TEXT, words)


def _words(message: Message, bot: TelegramSettings) -> str:
    emoji = message.sticker.emoji if message.sticker else ""
    raw = emoji or message.text or message.caption or ""
    if message.chat.type == Chat.PRIVATE or not bot.mention:
        return raw
    return re.sub(re.escape(bot.mention), "", raw, count=1, flags=re.IGNORECASE)


def _edited(message: Message, bot: TelegramSettings) -> Content | str:
    """Read an edit; a shared live location edits itself, only changed words are something said."""
    if not (message.text or message.caption):
        return "an edit without words"
    return Content(MessageKind.EDIT, _words(message, bot), concerns=str(message.message_id))


def _pressed(query: CallbackQuery, _bot: TelegramSettings) -> Content | str:
    """Read a pressed button with its label."""
    if not query.data:
        return "a press without data"
    markup = query.message.reply_markup if isinstance(query.message, Message) else None
    keys = [key for row in markup.inline_keyboard for key in row] if markup else []
    label = next((key.text for key in keys if key.callback_data == query.data), query.data)
    return Content(MessageKind.BUTTON, label, payload=query.data)


def _reacted(change: MessageReactionUpdated, _bot: TelegramSettings) -> Content:
    """Read a reaction: its emoji, nothing when it was taken back."""
    emoji = "".join(getattr(each, "emoji", "") for each in change.new_reaction)
    shown = emoji or ("*" if change.new_reaction else "")
    return Content(MessageKind.REACTION, shown, concerns=str(change.message_id))


def _moved(change: ChatMemberUpdated, _bot: TelegramSettings) -> Content:
    """Read that somebody began, or blocked the bot."""
    gone = change.new_chat_member.status in _GONE
    return Content(MessageKind.UNFOLLOW if gone else MessageKind.FOLLOW)


_READERS: Mapping[str, Callable[[Any, TelegramSettings], Content | str]] = {
    "message": _said,
    "edited_message": _edited,
    "callback_query": _pressed,
    "message_reaction": _reacted,
    "my_chat_member": _moved,
}
WANTED_UPDATES = tuple(_READERS)
"""What Telegram is to tell us."""
