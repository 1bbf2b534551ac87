"""A newly trained model takes the old one's place while messages are being answered; none is dropped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bot.domain.errors import XiaoerError
from bot.domain.ports import Recogniser
from bot.domain.understanding import Expectation, Recognition

_LOG = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0

Close = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Held:
    """An engine, how it is closed, how many messages it has in hand, and whether its time is over."""

    engine: Recogniser
    close: Close
    in_hand: int = 0
    retired: bool = False


class SwappingRecogniser:
    """Asks the engine of the moment; an old one answers what it was given and is then closed."""

    def __init__(self, engine: Recogniser, close: Close) -> None:
        """Start with an engine."""
        self._held = _Held(engine, close)

    @property
    def engine(self) -> Recogniser:
        """Give the engine that answers now."""
        return self._held.engine

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Understand ``text`` (any length, any characters; never raises for what the text holds)."""
        held = self._held
        held.in_hand += 1
        try:
            return await held.engine.recognise(text, expectation)
        finally:
            held.in_hand -= 1
            await _close_if_done(held)

    async def swap(self, engine: Recogniser, close: Close) -> None:
        """Ask this engine from the next message on."""
        old, self._held = self._held, _Held(engine, close)
        old.retired = True
        await _close_if_done(old)

    async def close(self) -> None:
        """Close the engine of the moment."""
        await self._held.close()


async def _close_if_done(held: _Held) -> None:
    if held.retired and not held.in_hand:
        held.retired = False
        await held.close()


@dataclass(frozen=True, slots=True)
class Watched:
    """What a watch saw: ``model`` answers now; ``refused`` says why a newer one does not (``""``: there is none)."""

    model: str
    refused: str = ""
    taken: int = 0
    turned_down: int = 0


class ModelWatch:
    """Looks at the file that names the current model and has a new one taken in."""

    def __init__(
        self, pointer: Path, take_in: Callable[[], Awaitable[str]], model: str = "", every_s: float = LOOK_EVERY_S
    ) -> None:
        """Take the file, what takes its model in and names it, and the ``model`` that answers at first.

        Make the watch before that first model is loaded: what comes between is then seen.
        """
        self._pointer = pointer
        self._take_in = take_in
        self._every_s = every_s
        self._seen = _print_of(pointer)
        self._looking = asyncio.Lock()
        self.state = Watched(model)

    async def look(self) -> None:
        """Take the current model in when it is another one; what is wrong with it is told and kept as the reason.

        Whoever looks while another takes a model in waits until that is done.
        """
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        seen = await asyncio.to_thread(_print_of, self._pointer)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            model = await self._take_in()
        except Exception as problem:  # noqa: BLE001 - whatever is wrong with the new model, the old one goes on
            why = str(problem) if isinstance(problem, XiaoerError) else type(problem).__name__
            self.state = replace(self.state, refused=why, turned_down=self.state.turned_down + 1)
            _LOG.warning("the newly trained model is not taken, %s goes on: %s", self.state.model, why)
            return
        self.state = replace(self.state, model=model, refused="", taken=self.state.taken + 1)
        _LOG.info("the model %s answers from now on", model)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look again and again until the end."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.look()


def _print_of(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
