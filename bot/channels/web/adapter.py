"""Sending on the web: the record itself is the delivery, the visitor's page reads it from the stream."""

from __future__ import annotations

from bot.domain.channel_ports import Addressee, Capabilities, Delivery, SendPolicy, Sent
from bot.domain.ids import OutboxId
from bot.domain.messages import OutboundMessage

CHANNEL = "web"


class WebAdapter:
    """The ``web`` channel. Whoever marks the outbox row sent also publishes ``message`` on the visitor's topic."""

    name = CHANNEL
    capabilities = Capabilities(
        max_text=20_000,
        max_buttons=20,
        images=True,
        files=True,
        typing=True,
        receipts=True,
        sending=SendPolicy(repeats_safely=True),
    )

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Say Sent at once: a visitor whose page is closed finds the message in the history."""
        del to, message
        return Sent(platform_id=f"web-{outbox_id}")


def shopper_topic(account: str, visitor_id: str) -> str:
    """Name the LiveFeed topic of one visitor's page."""
    return f"shopper:{CHANNEL}:{account}:{visitor_id}"
