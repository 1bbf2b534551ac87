"""Messenger's and Instagram's channels: their webhook, and a look at their set-up."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from fastapi import APIRouter

from bot.channels._meta.plug import MetaPlug
from bot.channels._meta.releasing import releasing
from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.webhook import MetaPorts, build_meta_router
from bot.channels.messenger.parse import INSTAGRAM, parse_webhook
from bot.channels.messenger.send import Disclosure, MessengerAdapter
from bot.channels.plug import Heard, Lent, Setup


class MessengerPlug(MetaPlug[MessengerAdapter]):
    """Messenger or Instagram, set up."""

    def __init__(self, setup: Setup) -> None:
        node = setup.section.user_id if setup.name == INSTAGRAM else setup.section.page_id
        super().__init__(setup, node, build_router)
        self._disclose = setup.section.disclose

    def adapter(self, lent: Lent) -> MessengerAdapter:
        """Make what sends."""
        return MessengerAdapter(self.settings, Disclosure(lent.marks, self._disclose))

    def background(self, adapter: MessengerAdapter, heard: Heard) -> AbstractAsyncContextManager[None]:
        """Let threads go whose conversations are over."""
        return releasing(self.settings.channel, adapter, heard)


def build_router(settings: MetaSettings, ports: MetaPorts, path: str = "") -> APIRouter:
    """Build the webhook's routes, by default at ``/webhooks/messenger`` or ``/webhooks/instagram``."""
    return build_meta_router(settings, parse_webhook, ports, path or f"/webhooks/{settings.channel}")
