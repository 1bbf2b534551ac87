"""What platforms and shoppers' pages tell us after a message: receipts, and who a visitor turned out to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.domain.clock import Clock
from bot.domain.ids import ConversationId
from bot.domain.messages import Sender
from bot.domain.ports import LiveFeed
from bot.domain.receipts import Receipt
from bot.domain.staff import StaffWords, ThreadMove
from bot.engine import live
from storage.database import Database
from storage.facts import SqlLogins
from storage.platform_moves import SqlPlatformMoves
from storage.receipts import SqlReceipts


class Afterwards:
    """Keeps it, and tells open pages."""

    def __init__(self, database: Database, feed: LiveFeed, clock: Clock) -> None:
        self._receipts = SqlReceipts(database)
        self._logins = SqlLogins(database)
        self._moves = SqlPlatformMoves(database)
        self._feed = feed
        self._clock = clock

    async def on_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Keep receipts."""
        await self._tell(await self._receipts.record(receipts))

    async def on_read(self, sender: Sender, seq: int) -> None:
        """Keep up to which event a shopper's own page has shown everything."""
        conversation = await self._receipts.read_up_to(sender, seq)
        await self._tell([conversation] if conversation else [])

    async def on_staff(self, words: StaffWords) -> None:
        """Keep what the shop's people wrote in another app."""
        conversation = await self._moves.said(words, self._clock.now())
        await self._tell([conversation] if conversation else [])

    async def on_move(self, move: ThreadMove) -> bool:
        """Follow a thread that changed hands at its platform; tell whether its conversation has."""
        conversation = await self._moves.follow(move, self._clock.now())
        await self._tell([conversation] if conversation else [])
        return conversation is not None

    async def on_known(self, visitor: Sender, known: Sender) -> None:
        """Keep that a visitor's browser also holds a known customer's login."""
        await self._logins.record(visitor, known, self._clock.now())

    async def has_signed_in(self, visitor: Sender) -> bool:
        """Tell whether a visitor turned out to be a known customer."""
        return await self._logins.has_signed_in(visitor)

    async def _tell(self, conversations: Iterable[ConversationId]) -> None:
        for conversation in conversations:
            for bell in live.changed(conversation):
                await self._feed.publish(bell)
