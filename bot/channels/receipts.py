"""Receipts of the newest messages, in this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import structlog

from bot.domain.receipts import Receipt, ReceiptState, further

_LOG = structlog.get_logger(__name__)


class ReceiptBook:
    """Keeps how far the newest ``remembered`` messages have come, and tells the log of those that failed."""

    def __init__(self, remembered: int = 10_000) -> None:
        self._remembered = remembered
        self._states: OrderedDict[tuple[str, str, str], ReceiptState] = OrderedDict()

    async def record(self, receipts: Sequence[Receipt]) -> None:
        """Merge receipts; a state never goes back."""
        for receipt in receipts:
            if not receipt.platform_id:
                continue
            key = (receipt.channel, receipt.account, receipt.platform_id)
            before = self._states.get(key)
            self._states[key] = further(before, receipt.state)
            self._states.move_to_end(key)
            if receipt.state is ReceiptState.FAILED and self._states[key] is ReceiptState.FAILED and before is None:
                _LOG.warning("message_failed_at_the_platform", channel=receipt.channel, reason=receipt.reason)
        while len(self._states) > self._remembered:
            self._states.popitem(last=False)

    def state(self, channel: str, account: str, platform_id: str) -> ReceiptState | None:
        """Tell how far a message has come; None when nothing is known."""
        return self._states.get((channel, account, platform_id))
