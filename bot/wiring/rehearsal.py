"""Trying a message at the desk: understood and looked up as a shopper's, with nothing said or kept."""

from __future__ import annotations

from bot.desk.knowledge import Trial
from bot.domain.understanding import Expectation, Verdict
from bot.engine.consulting import settle
from bot.engine.policy import MOST_CHOICES, NEAREST, close_choices
from bot.wiring.knowing import Understanding


class EngineRehearsal:
    """A rehearsal with the engine and the knowledge of this process."""

    def __init__(self, understanding: Understanding) -> None:
        self._parts = understanding

    async def try_it(self, text: str) -> Trial:
        """Tell what the bot would do with a message outside of any form."""
        heard = await self._parts.recogniser.recognise(text, Expectation())
        meant = settle(heard, await self._parts.library.look_up(text, heard))
        entry = self._parts.knowledge.entry
        if meant.verdict is Verdict.SURE:
            return Trial(meant.verdict, meant.intent, entry(meant.intent))
        most = MOST_CHOICES if meant.verdict is Verdict.CLARIFY else NEAREST
        offered = close_choices(meant.intents, bool)[:most]
        return Trial(meant.verdict, offered=tuple((name, entry(name)) for name in offered))
