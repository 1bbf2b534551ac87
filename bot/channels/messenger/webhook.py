"""The webhook of Messenger and of Instagram."""

from __future__ import annotations

from fastapi import APIRouter

from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.webhook import MetaPorts, build_meta_router
from bot.channels.messenger.parse import parse_webhook


def build_router(settings: MetaSettings, ports: MetaPorts, path: str = "") -> APIRouter:
    """Build the webhook's routes, by default at ``/webhooks/messenger`` or ``/webhooks/instagram``."""
    return build_meta_router(settings, parse_webhook, ports, path or f"/webhooks/{settings.channel}")
