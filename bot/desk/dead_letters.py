"""What a manager does with messages that did not reach the shopper."""

from __future__ import annotations

from bot.desk.bells import Bells
from bot.domain.clock import Clock
from bot.domain.dead_letters import DeadLetterPage, DeadLetters
from bot.domain.ids import OutboxId


class DeskDeadLetters:
    """Lists dead letters, sends them after all, lets them go."""

    def __init__(self, letters: DeadLetters, bells: Bells, clock: Clock) -> None:
        self._letters = letters
        self._bells = bells
        self._clock = clock

    async def page(self, number: int) -> DeadLetterPage:
        """List one page, newest first."""
        return await self._letters.page(number)

    async def retry(self, item: OutboxId) -> None:
        """Send it after all; Conflict when it must not go out any more."""
        await self._bells.deliver(await self._letters.retry(item, self._clock.now()))

    async def drop(self, item: OutboxId) -> None:
        """Let it go."""
        await self._bells.show(await self._letters.drop(item, self._clock.now()))
