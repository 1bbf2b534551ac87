"""Which parts of a long message a platform has already taken, so that a repeat goes on instead of starting over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from bot.domain.channel_ports import Delivery, Sent
from bot.domain.ids import OutboxId
from bot.domain.messages import OutboundMessage

Part = TypeVar("Part")


class PartsSent:
    """Counts taken parts by outbox row, for the newest ``remembered`` rows; the delivery keeps the count of a try."""

    def __init__(self, remembered: int = 1000) -> None:
        self._remembered = remembered
        self._counts: OrderedDict[OutboxId, int] = OrderedDict()
        self._ids: OrderedDict[OutboxId, dict[int, str]] = OrderedDict()
        self.divide: Callable[[OutboundMessage], Sequence[object]] | None = None
        """How a message is divided, set where the platform counts what it is sent."""

    async def send(
        self, outbox_id: OutboxId, parts: Sequence[Part], send_one: Callable[[Part], Awaitable[Delivery]]
    ) -> Delivery:
        """Send the parts that were not taken yet, in order; what became of the first that is not, or of the last."""
        delivery: Delivery = Sent()
        for part in parts[self.count(outbox_id) :]:
            delivery = await send_one(part)
            if not isinstance(delivery, Sent):
                return delivery
            self.note(outbox_id, delivery.platform_id)
        self.forget(outbox_id)
        return replace(delivery, messages=len(parts)) if isinstance(delivery, Sent) else delivery

    def needed(self, message: OutboundMessage) -> int:
        """Tell how many parts a message makes; 1 where nothing is counted."""
        return max(len(self.divide(message)), 1) if self.divide is not None else 1

    def count(self, outbox_id: OutboxId) -> int:
        """Tell how many parts were taken."""
        return self._counts.get(outbox_id, 0)

    def ids(self, outbox_id: OutboxId) -> Mapping[int, str]:
        """Give the platform's ids of the parts sent here, by number from 0; also when the message is whole."""
        return dict(self._ids.get(outbox_id, {}))

    def resume(self, outbox_id: OutboxId, taken: int) -> None:
        """Go on behind the parts that another process, or an earlier run of this one, knows to be taken."""
        if taken > self.count(outbox_id):
            self._counts[outbox_id] = taken

    def note(self, outbox_id: OutboxId, platform_id: str = "") -> None:
        """Count one more part, which the platform calls ``platform_id``."""
        number = self.count(outbox_id)
        if not number:
            self._ids.pop(outbox_id, None)
        if platform_id:
            self._ids.setdefault(outbox_id, {})[number] = platform_id
        self._counts[outbox_id] = number + 1
        self._counts.move_to_end(outbox_id)
        for kept in (self._counts, self._ids):
            while len(kept) > self._remembered:
                kept.popitem(last=False)

    def forget(self, outbox_id: OutboxId) -> None:
        """Begin with the first part should a row that is sent whole be sent again."""
        self._counts.pop(outbox_id, None)
