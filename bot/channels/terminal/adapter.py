"""Sending in the terminal: as on the web, the record is the delivery and the screen reads the stream."""

from __future__ import annotations

from bot.domain.channel_ports import Addressee, Capabilities, Delivery, SendPolicy, Sent
from bot.domain.ids import OutboxId
from bot.domain.messages import OutboundMessage

CHANNEL = "terminal"


class TerminalAdapter:
    """The ``terminal`` channel."""

    name = CHANNEL
    capabilities = Capabilities(max_text=20_000, max_buttons=20, images=False, sending=SendPolicy(repeats_safely=True))

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Say Sent at once."""
        del to, message
        return Sent(platform_id=f"terminal-{outbox_id}")
