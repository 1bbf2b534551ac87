"""Threads whose conversations are over: let go, so that the customer's next message is given to whom it is set up for.

Source: https://developers.facebook.com/documentation/business-messaging/messenger-platform/conversation-routing
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from bot.channels._api import Unreached
from bot.channels.plug import Heard
from bot.channels.rounds import go_round
from bot.domain.channel_ports import Addressee
from bot.domain.conversation import Owner
from bot.domain.thread_ports import Handing, PassesThread

LOOK_EVERY_S = 5.0
_AGAIN_AFTER_S = 30.0
_LASTS = timedelta(hours=24)  # a thread's control is over by itself then


class ReleasedThreads:
    """Lets threads go whose conversations are over, once everything in them is sent."""

    def __init__(self, name: str, adapter: PassesThread, heard: Heard) -> None:
        self._name = name
        self._adapter = adapter
        self._heard = heard

    async def follow(self) -> bool:
        """Let go what is over; False when Meta cannot be asked now, and the rest is to be tried later."""
        now = self._heard.clock.now()
        for one in await self._heard.sessions.due(self._name, now - _LASTS):
            if one.owner is Owner.RESOLVED:
                to = Addressee(one.account, one.channel_user_id, one.conversation_id)
                if (await self._adapter.release_thread(to)).handing is Handing.FAILED:
                    return False
            await self._heard.sessions.mark(self._name, one, now)
        return True

    async def run(self) -> None:
        """Look now and then, until cancelled; of several processes only one looks."""
        await go_round(f"{self._name}_threads", self._look, LOOK_EVERY_S, _AGAIN_AFTER_S)

    async def _look(self) -> None:
        if await self._heard.leads() and not await self.follow():
            raise Unreached("a thread cannot be let go now")


@asynccontextmanager
async def releasing(name: str, adapter: PassesThread, heard: Heard) -> AsyncIterator[None]:
    """Look after a channel's threads for as long as this is open."""
    looking = asyncio.create_task(ReleasedThreads(name, adapter, heard).run(), name=f"release-threads-{name}")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
