"""Rasa with a model that can be exchanged: a second server is started, answers once it is ready, and the first ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack

from bot.domain.clock import Clock
from bot.domain.ports import Recogniser
from intents.rasa.engine import OpenRasa, RasaSettings, open_rasa
from intents.rasa.recogniser import RasaRecogniser
from intents.shapes import Shapes
from intents.swapping import Close, SwappingRecogniser

READY_WITHIN_S = 300.0


class RasaRoom:
    """The Rasa engine of a process."""

    def __init__(self, settings: RasaSettings, fallback: Recogniser, clock: Clock, shapes: Shapes) -> None:
        """Take how Rasa is reached and who answers in its place."""
        self._settings = settings
        self._fallback = fallback
        self._clock = clock
        self._shapes = shapes
        self._open: list[RasaRecogniser] = []
        self._before: Counter[str] = Counter()

    async def open(self) -> str:
        """Open the engine, its server starting in the background; name its model.

        Raises ConfigError without an environment, ModelRefused without a model that fits the data.
        """
        self._opened, close = await self._start()
        self.swapping = SwappingRecogniser(self._opened.recogniser, close)
        return self._opened.model

    async def take_in(self) -> str:
        """Start a server with the current model and let it answer once it is ready; name its model.

        Raises what ``open`` does, XiaoerError when it is not ready in time; the old server goes on then.
        """
        new, close = await self._start()
        try:
            if new.server is not None:
                await new.server.wait_ready(READY_WITHIN_S)
        except BaseException:
            await close()
            raise
        self._opened = new
        await self.swapping.swap(new.recogniser, close)
        return new.model

    def figures(self) -> Mapping[str, int]:
        """Count since the start, over all models (see ``RasaRecogniser.figures``)."""
        return dict(sum((Counter(one.figures()) for one in self._open), self._before))

    async def close(self) -> None:
        """Stop the server of the moment."""
        await self.swapping.close()

    async def _start(self) -> tuple[OpenRasa, Close]:
        stack = AsyncExitStack()
        opened = await stack.enter_async_context(open_rasa(self._settings, self._fallback, self._clock, self._shapes))
        recogniser = opened.recogniser
        self._open.append(recogniser)

        async def close() -> None:
            await stack.aclose()
            # Only now: what it had in hand when another took its place counts too.
            self._open.remove(recogniser)
            self._before += Counter(recogniser.figures())

        return opened, close
