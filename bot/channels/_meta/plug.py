"""What the channels of a Meta app are plugged in by."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter

from bot.channels._meta.check import check_meta
from bot.channels._meta.connect import connect_meta
from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.webhook import MetaPorts
from bot.channels.findings import Finding
from bot.channels.plug import AdapterT, Heard, Plug, Setup
from bot.domain.thread_ports import PassesThread

Build = Callable[[MetaSettings, MetaPorts], APIRouter]


class MetaPlug(Plug[AdapterT]):
    """One channel of the app; ``node`` is the id it sends from, ``build`` makes its webhook."""

    def __init__(self, setup: Setup, node: str, build: Build) -> None:
        self.settings = MetaSettings(
            channel=setup.name,
            node=node,
            token=setup.secrets[f"{setup.name}_token"],
            app_secret=setup.secrets.get(f"{setup.name}_app_secret") or setup.secrets["meta_app_secret"],
            verify_token=setup.secrets["meta_verify_token"],
            account=setup.section.account,
            api_url=setup.section.api_base,
        )
        self._build = build

    def router(self, adapter: AdapterT, heard: Heard) -> APIRouter:
        """Make the webhook."""
        give = adapter.pass_thread if isinstance(adapter, PassesThread) else None
        ports = MetaPorts(heard.on_messages, heard.on_receipts, heard.on_staff, heard.on_move, give)
        return self._build(self.settings, ports)

    async def check(self, webhook: str) -> tuple[Finding, ...]:
        """Look at the set-up."""
        return await check_meta(self.settings, webhook)

    async def connect(self, webhook: str) -> None:
        """Set the webhook and subscribe the account; ConfigError with Meta's reason when it does not take it."""
        await connect_meta(self.settings, webhook)
