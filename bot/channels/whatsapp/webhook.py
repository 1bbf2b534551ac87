"""WhatsApp's webhook."""

from __future__ import annotations

from fastapi import APIRouter

from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.webhook import MetaPorts, build_meta_router
from bot.channels.whatsapp.parse import parse_webhook


def build_router(settings: MetaSettings, ports: MetaPorts, path: str = "/webhooks/whatsapp") -> APIRouter:
    """Build the webhook's routes."""
    return build_meta_router(settings, parse_webhook, ports, path)
