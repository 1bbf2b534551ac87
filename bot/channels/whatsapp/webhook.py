"""WhatsApp's channel: its webhook, and a look at its set-up."""

from __future__ import annotations

from fastapi import APIRouter

from bot.channels._meta.plug import MetaPlug
from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.webhook import MetaPorts, build_meta_router
from bot.channels.plug import Lent, Setup
from bot.channels.whatsapp.parse import parse_webhook
from bot.channels.whatsapp.send import WhatsappAdapter


class WhatsappPlug(MetaPlug[WhatsappAdapter]):
    """WhatsApp, set up."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, setup.section.phone_number_id, build_router)

    def adapter(self, lent: Lent) -> WhatsappAdapter:
        """Make what sends."""
        del lent
        return WhatsappAdapter(self.settings)


def build_router(settings: MetaSettings, ports: MetaPorts, path: str = "/webhooks/whatsapp") -> APIRouter:
    """Build the webhook's routes."""
    return build_meta_router(settings, parse_webhook, ports, path)
