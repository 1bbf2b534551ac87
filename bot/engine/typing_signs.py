"""Lets shoppers see that an answer is being made, where their platform can show it and the answer takes long."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bot.domain.channel_ports import Addressee, ChannelAdapter, ShowsTyping
from bot.domain.ids import ConversationId

_LOG = logging.getLogger(__name__)
_REMEMBERED = 5000


@dataclass(frozen=True, slots=True)
class TypingPace:
    """When it is shown: after ``after_s`` seconds of work, then at most once in ``again_s`` a conversation.

    What platforms show goes away after 5 to 25 seconds, or with the next message.
    """

    after_s: float = 1.0
    again_s: float = 4.5


class TypingSigns:
    """Shows on platforms that somebody is typing; never a delivery, never waited for, and no fault of it is one."""

    def __init__(self, channels: Mapping[str, ChannelAdapter], pace: TypingPace | None = None) -> None:
        self._channels = {name: channel for name, channel in channels.items() if isinstance(channel, ShowsTyping)}
        self._pace = pace or TypingPace()
        self._shown_at: OrderedDict[ConversationId, float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def while_answering(self, channel: str, to: Addressee, answering: str) -> Iterator[None]:
        """Show it now and then as long as the work goes on, should it take long."""
        shows = self._channels.get(channel)
        if shows is None:
            yield
            return
        started: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        timer = loop.call_later(
            self._pace.after_s, lambda: started.append(self._begin(self._keep_showing(shows, to, answering)))
        )
        try:
            yield
        finally:
            timer.cancel()
            for task in started:
                task.cancel()

    def show(self, channel: str, to: Addressee, answering: str) -> None:
        """Show it once, in the background; nothing happens where it was shown just now, or cannot be shown."""
        shows = self._channels.get(channel)
        if shows is not None:
            self._begin(self._show(shows, to, answering))

    async def settle(self) -> None:
        """Wait until nothing is being shown; for tests."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _keep_showing(self, shows: ShowsTyping, to: Addressee, answering: str) -> None:
        while True:
            await self._show(shows, to, answering)
            await asyncio.sleep(self._pace.again_s)

    async def _show(self, shows: ShowsTyping, to: Addressee, answering: str) -> None:
        now = asyncio.get_running_loop().time()
        before = self._shown_at.get(to.conversation_id)
        if before is not None and now - before < self._pace.again_s:
            return
        self._shown_at[to.conversation_id] = now
        self._shown_at.move_to_end(to.conversation_id)
        while len(self._shown_at) > _REMEMBERED:
            self._shown_at.popitem(last=False)
        try:
            await shows.show_typing(to, answering)
        except Exception as problem:  # noqa: BLE001 - whatever a platform says against it, the answer is what counts
            _LOG.debug("typing is not shown: %s", type(problem).__name__)

    def _begin(self, doing: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(doing, name="show-typing")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
