"""Which parts of a long message a platform has already taken, so that a repeat goes on instead of starting over."""

from __future__ import annotations

from collections import OrderedDict

from bot.domain.ids import OutboxId


class PartsSent:
    """Counts taken parts by outbox row, for the newest ``remembered`` rows; the delivery keeps the count of a try."""

    def __init__(self, remembered: int = 1000) -> None:
        self._remembered = remembered
        self._counts: OrderedDict[OutboxId, int] = OrderedDict()

    def count(self, outbox_id: OutboxId) -> int:
        """Tell how many parts were taken."""
        return self._counts.get(outbox_id, 0)

    def resume(self, outbox_id: OutboxId, taken: int) -> None:
        """Go on behind the parts that another process, or an earlier run of this one, knows to be taken."""
        if taken > self.count(outbox_id):
            self._counts[outbox_id] = taken

    def note(self, outbox_id: OutboxId) -> None:
        """Count one more part."""
        self._counts[outbox_id] = self.count(outbox_id) + 1
        self._counts.move_to_end(outbox_id)
        while len(self._counts) > self._remembered:
            self._counts.popitem(last=False)

    def forget(self, outbox_id: OutboxId) -> None:
        """Drop a row that is sent whole."""
        self._counts.pop(outbox_id, None)
