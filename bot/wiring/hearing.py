"""What the platforms' channels hear of the house, and the house of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from bot.channels.plug import Heard, Lent
from bot.domain.channel_ports import Refused
from bot.domain.clock import Clock
from bot.domain.ids import ConversationId
from bot.domain.ports import Dispatcher
from bot.engine import live
from bot.engine.intake import Intake, PulledIntake
from bot.health.counted import CountedPulled, counted_accept
from bot.health.numbers import Numbers
from bot.wiring.afterwards import Afterwards
from bot.wiring.shared import Shared
from bot.wiring.stores import Stores
from storage.exchanges import SqlExchanges
from storage.platform_sessions import SqlPlatformSessions
from storage.windows import SqlWindowLedger


class Rooms(Protocol):
    """What is used here of what is open."""

    @property
    def clock(self) -> Clock:
        """The time."""

    @property
    def stores(self) -> Stores:
        """What is remembered."""

    @property
    def shared(self) -> Shared:
        """What several processes share."""

    @property
    def numbers(self) -> Numbers:
        """What is counted."""


def make_lent(stores: Stores, shared: Shared, clock: Clock) -> Lent:
    """Make what the adapters are lent."""
    return Lent(clock, SqlWindowLedger(stores.database), shared.marks, shared.tokens)


def make_heard(opened: Rooms, intake: Intake, dispatcher: Dispatcher, leads: Callable[[], Awaitable[bool]]) -> Heard:
    """Make what the channels hand on to; ``leads`` tells whether this process is the one that pulls."""
    stores, clock, feed = opened.stores, opened.clock, opened.shared.live
    after = Afterwards(stores.database, feed, clock)

    async def undelivered(channel: str, platform_id: str, why: Refused) -> None:
        await stores.outbox.mark_undelivered(channel, platform_id, clock.now(), (why.reason, why.kind.value))

    async def ring(conversation_id: ConversationId) -> None:
        for bell in live.changed(conversation_id):
            await feed.publish(bell)
        await dispatcher.ring(conversation_id, 0)

    return Heard(
        clock=clock,
        live=feed,
        on_messages=counted_accept(intake.accept, opened.numbers),
        on_receipts=after.on_receipts,
        on_staff=after.on_staff,
        on_move=after.on_move,
        on_undelivered=undelivered,
        pulled=CountedPulled(PulledIntake(intake, stores.inbox, clock), opened.numbers),
        exchanges=SqlExchanges(stores.database),
        sessions=SqlPlatformSessions(stores.database),
        ring=ring,
        leads=leads,
    )
