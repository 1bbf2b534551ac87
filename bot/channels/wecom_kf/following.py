"""Sessions that follow our owners also where nothing is sent: a silent end, a hand-over, a return to the bot."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from bot.channels._api import Lost, Unreached
from bot.channels.vault import TokenRefused
from bot.channels.wecom_kf.send import WecomKfAdapter
from bot.channels.wecom_kf.settings import CHANNEL
from bot.domain.channel_ports import Addressee
from bot.domain.clock import Clock
from bot.domain.errors import XiaoerError
from bot.domain.staff import PlatformSessions

LOOK_EVERY_S = 2.0
_AGAIN_AFTER_S = 30.0
_BACK = timedelta(hours=48)  # ? a session without a word for so long has ended by itself
_LOG = structlog.get_logger(__name__)


class SessionFollower:
    """Looks for conversations that changed hands; what cannot be told the platform now is told later."""

    def __init__(self, adapter: WecomKfAdapter, sessions: PlatformSessions, clock: Clock) -> None:
        self._adapter = adapter
        self._sessions = sessions
        self._clock = clock

    async def follow(self) -> int:
        """Let every session follow that has to; give their number. Raises what the platform's client raises."""
        found = await self._sessions.due(CHANNEL, self._clock.now() - _BACK)
        for one in found:
            to = Addressee(one.account, one.channel_user_id, one.conversation_id)
            await self._adapter.follow(to, one.owner)
            await self._sessions.mark(CHANNEL, one, self._clock.now())
        return len(found)

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            wait_s = LOOK_EVERY_S
            try:
                await self.follow()
            except (Unreached, Lost, TokenRefused, XiaoerError) as problem:
                _LOG.warning("wecom_sessions_not_followed", error=type(problem).__name__)
                wait_s = _AGAIN_AFTER_S
            await asyncio.sleep(wait_s)
