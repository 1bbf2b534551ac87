"""How fast a channel and one of its conversations are sent to, counted in this process."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.channel_ports import Addressee, SendPolicy
from bot.domain.clock import Clock
from bot.domain.ids import ConversationId

_REMEMBERED_CHATS = 10_000
_PATIENCE = timedelta(seconds=60)


class MemorySendLimiter:
    """The twin of the port ``SendLimiter`` for one process.

    Each account has a row of places a fixed time apart. Whoever has to wait is given the next one and keeps it, so a
    crowd goes out in the order it came and at the channel's pace.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: dict[tuple[str, str], datetime] = {}
        self._chats: dict[ConversationId, datetime] = {}
        self._places: dict[ConversationId, datetime] = {}

    async def wait_s(self, channel: str, to: Addressee, policy: SendPolicy) -> float:
        """Give the seconds until this conversation's next message may go (its place is kept); 0: now, and counted."""
        if not policy.per_second and not policy.chat_per_second:
            return 0.0
        now = self._clock.now()
        place = self._places.pop(to.conversation_id, None)
        if place is None or now - place > _PATIENCE:
            place = max(now, self._chat_free(to.conversation_id, policy, now), self._take(channel, to, policy, now))
        if place > now:
            self._places[to.conversation_id] = place
            return (place - now).total_seconds()
        self._count(to.conversation_id, policy, now)
        return 0.0

    def _take(self, channel: str, to: Addressee, policy: SendPolicy, now: datetime) -> datetime:
        """Take the account's next place."""
        if not policy.per_second:
            return now
        account = (channel, to.account)
        free = max(now, self._accounts.get(account, now))
        self._accounts[account] = free + timedelta(seconds=1 / policy.per_second)
        # One second's worth may go at once.
        return max(now, free - timedelta(seconds=max(0.0, 1 - 1 / policy.per_second)))

    def _chat_free(self, chat: ConversationId, policy: SendPolicy, now: datetime) -> datetime:
        """Tell when the conversation may have its next message, a burst being allowed."""
        if not policy.chat_per_second:
            return now
        ahead = timedelta(seconds=(policy.chat_burst - 1) / policy.chat_per_second)
        return self._chats.get(chat, now) - ahead

    def _count(self, chat: ConversationId, policy: SendPolicy, now: datetime) -> None:
        if not policy.chat_per_second:
            return
        if len(self._chats) >= _REMEMBERED_CHATS:
            self._chats = {each: free for each, free in self._chats.items() if free > now}
        self._chats[chat] = max(now, self._chats.get(chat, now)) + timedelta(seconds=1 / policy.chat_per_second)
