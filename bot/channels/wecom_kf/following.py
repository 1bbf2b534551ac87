"""Sessions that follow our owners also where nothing is sent: a silent end, a hand-over, a return to the bot."""

from __future__ import annotations

from datetime import timedelta

import structlog

from bot.channels.plug import Heard
from bot.channels.rounds import go_round
from bot.channels.wecom_kf.send import CallRefused, WecomKfAdapter
from bot.channels.wecom_kf.sessions import SessionState, owner_in
from bot.channels.wecom_kf.settings import CHANNEL
from bot.domain.channel_ports import Addressee
from bot.domain.messages import Sender
from bot.domain.staff import SessionOver, ThreadMove

LOOK_EVERY_S = 2.0
_AGAIN_AFTER_S = 30.0
_BACK = timedelta(hours=48)  # a session without a word for so long has ended by itself
_NOT_THERE = frozenset({40096, 95000, 95004})
_LOG = structlog.get_logger(__name__)


class SessionFollower:
    """Looks for conversations that changed hands; what cannot be told the platform now is told later."""

    def __init__(self, adapter: WecomKfAdapter, heard: Heard) -> None:
        self._adapter = adapter
        self._heard = heard

    async def follow(self) -> int:
        """Let every session follow that has to; give the number of those that did.

        Raises what the platform's client raises; one session that is refused holds nobody else up, CallRefused comes
        when all were tried.
        """
        sessions, clock = self._heard.sessions, self._heard.clock
        found = await sessions.due(CHANNEL, clock.now() - _BACK)
        problems: list[CallRefused] = []
        for one in found:
            to = Addressee(one.account, one.channel_user_id, one.conversation_id)
            try:
                state, code = await self._adapter.follow(to, one.owner)
            except CallRefused as refused:
                if refused.code not in _NOT_THERE:
                    problems.append(refused)
                    continue
                state, code = SessionState.ENDED, ""
            over = SessionOver(code) if state is SessionState.ENDED else None
            await sessions.mark(CHANNEL, one, clock.now(), over)
            owner = owner_in(state, one.owner, elsewhere=one.elsewhere)
            if owner is not one.owner:
                sender = Sender(CHANNEL, one.account, one.channel_user_id)
                await self._heard.on_move(ThreadMove(sender, owner, clock.now(), "session"))
        if problems:
            _LOG.warning("wecom_sessions_not_followed", codes=sorted({problem.code for problem in problems}))
            raise problems[0]
        return len(found)

    async def run(self) -> None:
        """Look now and then, in the one process of several that leads, until cancelled."""
        await go_round("wecom_sessions", self._look, LOOK_EVERY_S, _AGAIN_AFTER_S)

    async def _look(self) -> None:
        if await self._heard.leads():
            await self.follow()
