"""Telegram's Update -> InboundMessage (pure).

Source: https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
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

from bot.channels.cleaning import CleanText, clean_text
from bot.domain.errors import BadPayload
from bot.domain.messages import Attachment, InboundMessage, MessageKind, Sender

CHANNEL = "telegram"
_MAX_NAME_CHARS = 100
_GONE = frozenset({"kicked", "left"})
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
class BotIdentity:
    """The bot as groups address it: its numeric id and its username without ``@`` (``""``: not known)."""

    account: str
    id: int
    username: str = ""


@dataclass(frozen=True, slots=True)
class ParsedUpdate:
    """What an update holds for us: a message, or the reason why there is none; and a press that wants an answer."""

    message: InboundMessage | None
    ignored: str = ""
    callback_query_id: str = ""


def read_update(body: bytes) -> Update:
    """Read the webhook's body; BadPayload when it is not an Update."""
    try:
        data = json.loads(body)
        update = Update.de_json(data, None)
    except _JUNK as error:
        raise BadPayload("the body is not a Telegram Update; send the JSON object the Bot API describes") from error
    if update is None or not isinstance(update.update_id, int) or isinstance(update.update_id, bool):
        raise BadPayload("the Update has no numeric update_id; send the JSON object the Bot API describes")
    return update


def parse_update(body: bytes, bot: BotIdentity, now: datetime) -> ParsedUpdate:
    """Make a message of a verified webhook body; ``now`` stands in where Telegram gives no time.

    An update without a person we could answer (a poll's result, a channel's post) gives a reason instead.
    BadPayload when the body is not an Update.
    """
    update = read_update(body)
    try:
        return _Reading(update, bot, now).read()
    except _JUNK as error:
        message = f"the Telegram Update {update.update_id} has a field of the wrong type; it cannot be read"
        raise BadPayload(message) from error


class _Reading:
    """Reads one update."""

    def __init__(self, update: Update, bot: BotIdentity, now: datetime) -> None:
        self._update = update
        self._bot = bot
        self._now = now

    def read(self) -> ParsedUpdate:
        """Choose by what the update carries."""
        update = self._update
        if update.message:
            return self._message(update.message)
        if update.edited_message:
            return self._edited(update.edited_message)
        if update.callback_query:
            return self._press(update.callback_query)
        if update.message_reaction:
            return self._reaction(update.message_reaction)
        if update.my_chat_member:
            return self._membership(update.my_chat_member)
        return self._unknown()

    def _message(self, message: Message) -> ParsedUpdate:
        person = message.from_user
        if person is None or person.is_bot:
            return ParsedUpdate(None, "no person wrote it")
        if message.chat.type not in {Chat.PRIVATE, Chat.GROUP, Chat.SUPERGROUP}:
            return ParsedUpdate(None, "not a private chat or group")
        if message.chat.type != Chat.PRIVATE and not self._addressed(message):
            return ParsedUpdate(None, "said in a group, not to the bot")
        kind, attachment = _content(message)
        words = self._words(message)
        if kind is MessageKind.TEXT and not words.text:
            kind = MessageKind.UNKNOWN  # a service message, or a type of content newer than this code
        found = self._inbound(self._sender(person, message.chat), kind, message.date, words)
        attachments = (attachment,) if attachment else ()
        return ParsedUpdate(replace(found, attachments=attachments, platform_id=str(message.message_id)))

    def _edited(self, message: Message) -> ParsedUpdate:
        # A shared live location edits itself every few seconds; only changed words are something said.
        if not (message.text or message.caption):
            return ParsedUpdate(None, "an edit without words")
        parsed = self._message(message)
        if parsed.message is None:
            return parsed
        number = str(message.message_id)
        edit = replace(parsed.message, kind=MessageKind.EDIT, attachments=(), platform_id="", concerns=number)
        return ParsedUpdate(edit)

    def _reaction(self, change: MessageReactionUpdated) -> ParsedUpdate:
        if change.user is None or change.user.is_bot or change.chat.type != Chat.PRIVATE:
            return ParsedUpdate(None, "a reaction outside a private chat")
        emoji = "".join(getattr(each, "emoji", "") for each in change.new_reaction)
        words = clean_text(emoji or ("*" if change.new_reaction else ""))
        found = self._inbound(self._sender(change.user, change.chat), MessageKind.REACTION, change.date, words)
        return ParsedUpdate(replace(found, concerns=str(change.message_id)))

    def _press(self, query: CallbackQuery) -> ParsedUpdate:
        if query.message is None or not query.data:
            return ParsedUpdate(None, "a press outside a chat", query.id)
        label = ""
        if isinstance(query.message, Message) and query.message.reply_markup:
            rows = query.message.reply_markup.inline_keyboard
            label = next((key.text for row in rows for key in row if key.callback_data == query.data), "")
        sender = self._sender(query.from_user, query.message.chat)
        words = clean_text(label or query.data)
        pressed = self._inbound(sender, MessageKind.BUTTON, self._now, words, payload=query.data)
        return ParsedUpdate(pressed, callback_query_id=query.id)

    def _membership(self, change: ChatMemberUpdated) -> ParsedUpdate:
        if change.chat.type != Chat.PRIVATE:
            return ParsedUpdate(None, "the bot's place in a group changed")
        gone = change.new_chat_member.status in _GONE
        kind = MessageKind.UNFOLLOW if gone else MessageKind.FOLLOW
        sender = self._sender(change.from_user, change.chat)
        return ParsedUpdate(self._inbound(sender, kind, change.date, CleanText("")))

    def _unknown(self) -> ParsedUpdate:
        """Record an update of a type newer than this code when it names the person; never guess."""
        for name, part in self._update.api_kwargs.items():
            author = part.get("from") if isinstance(part, Mapping) else None
            if isinstance(author, Mapping) and isinstance(author.get("id"), int) and not author.get("is_bot"):
                sender = Sender(CHANNEL, self._bot.account, str(author["id"]), _name(str(author.get("first_name", ""))))
                return ParsedUpdate(self._inbound(sender, MessageKind.UNKNOWN, self._now, CleanText("")), name)
        return ParsedUpdate(None, "an update type without a chat")

    def _addressed(self, message: Message) -> bool:
        """Tell whether a group message speaks to the bot: a reply to it, a mention, or a command."""
        answered = message.reply_to_message
        if answered and answered.from_user and answered.from_user.id == self._bot.id:
            return True
        mentions = {**message.parse_entities(), **message.parse_caption_entities()}
        own = f"@{self._bot.username}".lower()
        for entity, text in mentions.items():
            named = entity.type == MessageEntity.TEXT_MENTION and entity.user and entity.user.id == self._bot.id
            if named or (self._bot.username and entity.type == MessageEntity.MENTION and text.lower() == own):
                return True
            if entity.type == MessageEntity.BOT_COMMAND and ("@" not in text or text.lower().endswith(own)):
                return True
        return False

    def _words(self, message: Message) -> CleanText:
        raw = message.text or message.caption or ""
        if message.sticker and message.sticker.emoji:
            raw = message.sticker.emoji
        if message.location:
            raw = f"{message.location.latitude:.6f},{message.location.longitude:.6f}"
        if self._bot.username and message.chat.type != Chat.PRIVATE:
            raw = _without(raw, f"@{self._bot.username}")
        return clean_text(raw)

    def _sender(self, person: User, chat: Chat) -> Sender:
        address = str(chat.id) if chat.type == Chat.PRIVATE else f"{chat.id}/{person.id}"
        locale = _locale(person.language_code or "")
        return Sender(CHANNEL, self._bot.account, address, _name(person.full_name), locale)

    def _inbound(
        self, sender: Sender, kind: MessageKind, sent_at: datetime | None, words: CleanText, payload: str = ""
    ) -> InboundMessage:
        return InboundMessage(
            sender=sender,
            dedupe_key=f"update:{self._update.update_id}",
            kind=kind,
            sent_at=sent_at or self._now,
            text=words.text,
            payload=payload,
            truncated=words.truncated,
            sequence=self._update.update_id,
        )


def _content(message: Message) -> tuple[MessageKind, Attachment | None]:
    """Tell the kind of a message and what is attached; ``file_id`` is the reference."""
    if message.photo:
        return MessageKind.IMAGE, Attachment(MessageKind.IMAGE, message.photo[-1].file_id, "image/jpeg")
    for name, kind in _FILES.items():
        file = getattr(message, name)
        if file:
            return _attached(kind, file)
    if message.location:
        return MessageKind.LOCATION, None
    if message.text and message.text.split(maxsplit=1)[:1] == ["/start"]:
        return MessageKind.FOLLOW, None
    return MessageKind.TEXT, None


def _attached(kind: MessageKind, file: Any) -> tuple[MessageKind, Attachment]:
    """Attach a file; a picture sent as a document is a picture."""
    mime = getattr(file, "mime_type", None) or ""
    if kind is MessageKind.FILE and mime.startswith("image/"):
        kind = MessageKind.IMAGE
    return kind, Attachment(kind, file.file_id, mime, _name(getattr(file, "file_name", None) or ""))


def _without(text: str, mention: str) -> str:
    position = text.lower().find(mention.lower())
    return text if position < 0 else f"{text[:position]}{text[position + len(mention) :]}"


def _name(raw: str) -> str:
    return clean_text(raw.replace("\n", " "), _MAX_NAME_CHARS).text


def _locale(code: Any) -> str:
    """Map an IETF tag to a locale of ours, ``""`` when it is neither Chinese nor English."""
    tag = str(code).lower()
    if tag.startswith(("zh-hant", "zh-tw", "zh-hk")):
        return "zh-Hant"
    return "zh" if tag.startswith("zh") else "en" if tag.startswith("en") else ""
