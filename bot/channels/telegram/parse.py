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
    CallbackQuery,
    Chat,
    ChatMemberUpdated,
    Message,
    MessageEntity,
    MessageReactionUpdated,
    Update,
    User,
)

from bot.channels.reading import UNREADABLE, Content, attached, inbound, locale_of, one_line, place
from bot.domain.errors import BadPayload, ConfigError
from bot.domain.messages import InboundMessage, MessageKind, Sender

CHANNEL = "telegram"
DEFAULT_API_URL = "https://api.telegram.org"
_GONE = frozenset({"kicked", "left"})
_SPOKEN_IN = frozenset({Chat.PRIVATE, Chat.GROUP, Chat.SUPERGROUP})
_FILES = {
    "voice": MessageKind.VOICE,
    "audio": MessageKind.VOICE,
    "video": MessageKind.VIDEO,
    "video_note": MessageKind.VIDEO,
    "animation": MessageKind.VIDEO,
    "document": MessageKind.FILE,
    "sticker": MessageKind.STICKER,
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
        if not isinstance(update.update_id, int) or isinstance(update.update_id, bool):
            raise BadPayload("the Update has no numeric update_id; send the JSON object the Bot API describes")
        return _Reading(update, bot, now).read()
    except _JUNK as error:
        message = "the body is no Telegram Update that can be read; send the JSON object the Bot API describes"
        raise BadPayload(message) from error


class _Reading:
    """Reads one update."""

    def __init__(self, update: Update, bot: TelegramSettings, now: datetime) -> None:
        self._update = update
        self._bot = bot
        self._now = now

    def read(self) -> ParsedUpdate:
        """Choose by what the update carries."""
        for name, read in _READERS.items():
            part = getattr(self._update, name)
            if part:
                return read(self, part)
        return self._unknown()

    def message(self, message: Message, *, edited: bool = False) -> ParsedUpdate:
        """Read what somebody wrote, in private or to the bot."""
        person = message.from_user
        if person is None or person.is_bot:
            return ParsedUpdate(None, "no person wrote it")
        if message.chat.type not in _SPOKEN_IN:
            return ParsedUpdate(None, "not a private chat or group")
        if message.chat.type != Chat.PRIVATE and not self._addressed(message):
            return ParsedUpdate(None, "said in a group, not to the bot")
        words, number = self._words(message), str(message.message_id)
        content = Content(MessageKind.EDIT, words, concerns=number) if edited else _content(message, words)
        return self._said((person, message.chat), message.date, content, number)

    def edit(self, message: Message) -> ParsedUpdate:
        """Read an edit; a shared live location edits itself, only changed words are something said."""
        if not (message.text or message.caption):
            return ParsedUpdate(None, "an edit without words")
        return self.message(message, edited=True)

    def reaction(self, change: MessageReactionUpdated) -> ParsedUpdate:
        """Read a reaction: its emoji, nothing when it was taken back."""
        if change.user is None or change.user.is_bot or change.chat.type != Chat.PRIVATE:
            return ParsedUpdate(None, "a reaction outside a private chat")
        emoji = "".join(getattr(each, "emoji", "") for each in change.new_reaction)
        shown = emoji or ("*" if change.new_reaction else "")
        content = Content(MessageKind.REACTION, shown, concerns=str(change.message_id))
        return self._said((change.user, change.chat), change.date, content)

    def press(self, query: CallbackQuery) -> ParsedUpdate:
        """Read a pressed button with its label."""
        if query.message is None or not query.data:
            return ParsedUpdate(None, "a press outside a chat", query.id)
        label = ""
        if isinstance(query.message, Message) and query.message.reply_markup:
            rows = query.message.reply_markup.inline_keyboard
            label = next((key.text for row in rows for key in row if key.callback_data == query.data), "")
        content = Content(MessageKind.BUTTON, label or query.data, payload=query.data)
        return replace(self._said((query.from_user, query.message.chat), None, content), callback_query_id=query.id)

    def membership(self, change: ChatMemberUpdated) -> ParsedUpdate:
        """Read that somebody began, or blocked the bot."""
        if change.chat.type != Chat.PRIVATE:
            return ParsedUpdate(None, "the bot's place in a group changed")
        gone = change.new_chat_member.status in _GONE
        content = Content(MessageKind.UNFOLLOW if gone else MessageKind.FOLLOW)
        return self._said((change.from_user, change.chat), change.date, content)

    def _unknown(self) -> ParsedUpdate:
        """Record an update of a type newer than this code when it names the person; never guess."""
        for name, part in self._update.api_kwargs.items():
            author = part.get("from") if isinstance(part, Mapping) else None
            if isinstance(author, Mapping) and isinstance(author.get("id"), int) and not author.get("is_bot"):
                person = User(author["id"], str(author.get("first_name", "")), is_bot=False)
                parsed = self._said((person, Chat(person.id, Chat.PRIVATE)), None, UNREADABLE)
                return replace(parsed, ignored=name)
        return ParsedUpdate(None, "an update type without a chat")

    def _addressed(self, message: Message) -> bool:
        """Tell whether a group message speaks to the bot: a reply to it, a mention, or a command."""
        answered = message.reply_to_message
        if answered and answered.from_user and answered.from_user.id == self._bot.bot_id:
            return True
        mentions = {**message.parse_entities(), **message.parse_caption_entities()}
        own = self._bot.mention
        for entity, text in mentions.items():
            named = entity.type == MessageEntity.TEXT_MENTION and entity.user and entity.user.id == self._bot.bot_id
            if named or (entity.type == MessageEntity.MENTION and text.lower() == own):
                return True
            if entity.type == MessageEntity.BOT_COMMAND and ("@" not in text or text.lower().endswith(own or "@")):
                return True
        return False

    def _words(self, message: Message) -> str:
        emoji = message.sticker.emoji if message.sticker else ""
        raw = emoji or message.text or message.caption or ""
        if message.chat.type == Chat.PRIVATE or not self._bot.mention:
            return raw
        return re.sub(re.escape(self._bot.mention), "", raw, count=1, flags=re.IGNORECASE)

    def _said(
        self, by: tuple[User, Chat], at: datetime | None, content: Content, platform_id: str = ""
    ) -> ParsedUpdate:
        """Make a message that somebody said somewhere; its place in a burst is the update's number."""
        person, chat = by
        address = str(chat.id) if chat.type == Chat.PRIVATE else f"{chat.id}/{person.id}"
        locale = locale_of(str(person.language_code or ""))
        sender = Sender(CHANNEL, self._bot.account, address, one_line(person.full_name), locale)
        number = self._update.update_id
        message = inbound(sender, f"update:{number}", at or self._now, content, platform_id)
        return ParsedUpdate(replace(message, sequence=number))


_READERS: dict[str, Callable[[_Reading, Any], ParsedUpdate]] = {
    "message": _Reading.message,
    "edited_message": _Reading.edit,
    "callback_query": _Reading.press,
    "message_reaction": _Reading.reaction,
    "my_chat_member": _Reading.membership,
}
WANTED_UPDATES = tuple(_READERS)
"""What the webhook is to be told."""


def _content(message: Message, words: str) -> Content:
    """Tell the kind of a message and what is attached; ``file_id`` is the reference."""
    if message.photo:
        return attached(MessageKind.IMAGE, message.photo[-1].file_id, "image/jpeg", words=words)
    for name, kind in _FILES.items():
        file = getattr(message, name)
        if file:
            mime, called = (getattr(file, field, None) or "" for field in ("mime_type", "file_name"))
            return attached(kind, file.file_id, mime, called, words)
    if message.location:
        return place(f"{message.location.latitude:.6f}", f"{message.location.longitude:.6f}")
    started = (message.text or "").split(maxsplit=1)[:1] == ["/start"]
    return Content(MessageKind.FOLLOW if started else MessageKind.TEXT, words)
