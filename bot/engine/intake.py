"""Taking messages in: clean, commit, ring. Nothing is acknowledged that is not committed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.domain.clock import Clock
from bot.domain.line_ports import Accepted, Cursor, InboxStore, PulledInbox
from bot.domain.messages import MAX_TEXT_CHARS, InboundMessage
from bot.domain.ports import Dispatcher, LiveFeed
from bot.engine import live

# Control characters, lone surrogates, and the marks that turn writing direction; line feed and tab stay.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\x85]")
_SCANNED_CHARS = 4 * MAX_TEXT_CHARS
_MAX_PAYLOAD_CHARS = 256


class Intake:
    """What channels call with verified, parsed messages (``OnMessages`` is its ``accept``)."""

    def __init__(
        self,
        inbox: InboxStore,
        dispatcher: Dispatcher,
        feed: LiveFeed,
        clock: Clock,
        quiet_s: Mapping[str, float] | None = None,
    ) -> None:
        """Take in; ``quiet_s`` names channels whose bursts are waited for longer or shorter than usual, in seconds."""
        self._inbox = inbox
        self._dispatcher = dispatcher
        self._feed = feed
        self._clock = clock
        self._quiet_s = quiet_s or {}

    async def accept(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        """Commit the messages to the inbox, then ring for their conversations; returns once they are committed."""
        if not messages:
            return ()
        accepted = await self._inbox.accept([clean(message) for message in messages], self._clock.now())
        await self.announce(messages, accepted)
        return accepted

    async def announce(self, messages: Sequence[InboundMessage], accepted: Sequence[Accepted]) -> None:
        """Ring for messages that are committed."""
        # A repeat rings too: the bell of the first delivery may have been lost.
        channels = {one.conversation_id: each.sender.channel for one, each in zip(accepted, messages, strict=True)}
        for conversation_id, channel in channels.items():
            if not conversation_id:
                continue
            for bell in live.changed(conversation_id):
                await self._feed.publish(bell)
            await self._dispatcher.ring(conversation_id, self._quiet_s.get(channel))


class PulledIntake:
    """What channels that pull call: messages and cursor are committed together (the port ``OnPulled``)."""

    def __init__(self, intake: Intake, inbox: PulledInbox, clock: Clock) -> None:
        self._intake = intake
        self._inbox = inbox
        self._clock = clock

    async def accept(self, messages: Sequence[InboundMessage], cursor: Cursor) -> tuple[Accepted, ...]:
        """Commit the messages and how far the platform has been read, then ring for their conversations."""
        cleaned = [clean(message) for message in messages]
        accepted = await self._inbox.accept_pulled(cleaned, cursor, self._clock.now())
        await self._intake.announce(cleaned, accepted)
        return accepted

    async def position(self, cursor: Cursor) -> str:
        """Tell how far the platform has been read; empty when it never was."""
        return await self._inbox.position(cursor)


def clean(message: InboundMessage) -> InboundMessage:
    """Remove control characters, compose letters (NFC) and cut at MAX_TEXT_CHARS, marking what was cut."""
    text = clean_text(message.text[:_SCANNED_CHARS])
    truncated = message.truncated or len(message.text) > _SCANNED_CHARS or len(text) > MAX_TEXT_CHARS
    payload = clean_text(message.payload[:_MAX_PAYLOAD_CHARS])
    return replace(message, text=text[:MAX_TEXT_CHARS], payload=payload, truncated=truncated)


def clean_text(text: str) -> str:
    """Normalise line ends, remove what cannot be shown, compose letters, trim."""
    return unicodedata.normalize("NFC", _UNWANTED.sub("", _LINE_ENDS.sub("\n", text))).strip()
