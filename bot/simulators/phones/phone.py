"""One simulated phone: a platform's people in front of a screen, with knobs and a journal.

Add a platform: derive from Phone beside its simulator, fill in what a person does (``_do``), what the platform shows
(``_news``) and its levers; the wiring names it.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from bot.domain.clock import Clock
from bot.domain.errors import NotFound, RefusedInput
from bot.simulators.phones.screen import PLACES, Act, Bubble, Mark, Person, Shown
from bot.simulators.phones.wire import Wire
from bot.simulators.typing_shown import TypingShown

MAX_TEXT_CHARS = 2000
MAX_PEOPLE = 50
_KEPT_BUBBLES = 200
_NAMES = ("小李", "Ann", "王芳", "Ben", "陈晨", "Chloe", "林一", "David")
_SAID = {Act.IMAGE: "", Act.STICKER: "👍", Act.LOCATION: ""}


@dataclass(frozen=True, slots=True)
class Lever:
    """A knob of the page: reads and sets a fault of the simulator."""

    is_on: Callable[[], bool]
    turn: Callable[[bool], None]


def flag(holder: Any, name: str) -> Lever:
    """Make a lever of a boolean knob."""
    return Lever(lambda: bool(getattr(holder, name)), lambda on: setattr(holder, name, on))


def once(holder: Any, name: str) -> Lever:
    """Make a lever of a knob that counts what is still to go wrong: the next call alone."""
    return Lever(lambda: getattr(holder, name) > 0, lambda on: setattr(holder, name, int(on)))


def next_answer(holder: Any, name: str, answer: Any) -> Lever:
    """Make a lever of a list of answers to give instead of the right one: the next call alone."""
    return Lever(lambda: bool(getattr(holder, name)), lambda on: setattr(holder, name, [answer] if on else []))


class Phone(ABC):
    """A phone and its people; ``watchers`` are called whenever the page should look again."""

    name: ClassVar[str]
    acts: ClassVar[tuple[Act, ...]]
    menu: ClassVar[tuple[str, ...]] = ()

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self.watchers: set[Callable[[], None]] = set()
        self.version = 0
        self._wire = wire
        self._clock = clock
        self._people: dict[str, Person] = {}
        self._current: Person | None = None
        self._typing: TypingShown | None = None
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        wire.journal.on_call = self.look

    async def meet(self) -> Person:
        """Let a fresh person hold the phone; RefusedInput when there are too many."""
        if len(self._people) >= MAX_PEOPLE:
            raise RefusedInput(f"{MAX_PEOPLE} people hold this phone already; go on as one of them")
        number = len(self._people)
        name = _NAMES[number % len(_NAMES)] + ("" if number < len(_NAMES) else f" {number // len(_NAMES) + 1}")
        person = Person(await self._stranger(number + 1, name), name)
        self._people[person.id] = self._current = person
        self._changed()
        return person

    def hand_to(self, person_id: str) -> None:
        """Let a person who has held it before hold the phone; NotFound."""
        if person_id not in self._people:
            raise NotFound("nobody with this id has held the phone; ask for a new person")
        self._current = self._people[person_id]
        self._changed()

    async def act(self, act: Act, text: str, language: str) -> Bubble:
        """Let the person do something; it is delivered in the background. RefusedInput when it cannot be done."""
        if act not in self.acts:
            raise RefusedInput(f"{act.value!r} cannot be done on {self.name}")
        text = text.strip()[:MAX_TEXT_CHARS]
        if act in {Act.TEXT, Act.PRESS, Act.MENU} and not text:
            raise RefusedInput("there are no words to send; write something")
        person = self._current or await self.meet()
        self.look()
        person.language = language if language in PLACES else person.language
        if act is not Act.BLOCK:
            person.blocking = False
            person.met = True
        bubble = self._own(person, act, text)
        self._later(self._carry(person, act, text, bubble))
        return bubble

    def turn(self, knob: str, on: bool) -> None:
        """Turn a knob; NotFound when the phone has none of that name."""
        lever = self._knobs().get(knob)
        if lever is None:
            raise NotFound(f"{self.name} has no knob {knob!r}")
        lever.turn(on)
        self._changed()

    def look(self) -> None:
        """Take over what the platform has shown since the last look."""
        for person_id, shown in self._news():
            person = self._people.get(person_id)
            if person is None or person.blocking:
                continue
            person.typing = False
            self._put(person, Bubble(0, self._clock.now(), "shop", "text", shown.text, shown.choices, shown.style))
            self._seen(person, shown)
        self._changed()

    def as_json(self) -> dict[str, Any]:
        """Shape everything the page shows of this phone."""
        person = self._current
        return {
            "name": self.name,
            "version": self.version,
            "people": [{"id": each.id, "name": each.name} for each in self._people.values()],
            "person": person.id if person else "",
            "met": person.met if person else False,
            "blocking": person.blocking if person else False,
            "typing": self._sees_typing(person) if person else False,
            "bubbles": [bubble.as_json() for bubble in person.bubbles] if person else [],
            "acts": [act.value for act in self.acts],
            "menu": list(self.menu),
            "knobs": [{"name": name, "on": lever.is_on()} for name, lever in self._knobs().items()],
            "calls": self._wire.journal.as_json(),
        }

    async def close(self) -> None:
        """Stop what is still under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._wire.aclose()

    @abstractmethod
    async def _stranger(self, number: int, name: str) -> str:
        """Make a person the platform knows; give the platform's id."""

    @abstractmethod
    async def _do(self, person: Person, act: Act, text: str) -> httpx.Response | None:
        """Do it on the platform; gives the shop's answer to the webhook, None where there was no call.

        Raises LookupError when the choice is not there.
        """

    @abstractmethod
    def _news(self) -> Iterator[tuple[str, Shown]]:
        """Give what the platform has shown since the last call, as (person's id, message)."""

    @abstractmethod
    def _levers(self) -> Mapping[str, Lever]:
        """Name the platform's own knobs."""

    def _sees_typing(self, person: Person) -> bool:
        """Tell whether a person sees that an answer is being made."""
        return person.typing if self._typing is None else self._typing.is_shown_to(person.id)

    def _seen(self, person: Person, shown: Shown) -> None:
        """Do what the platform does once a message is on the screen, such as reporting it."""
        del person, shown

    def _note(self, person: Person, key: str) -> None:
        """Put a note of the platform on the screen."""
        self._put(person, Bubble(0, self._clock.now(), "platform", "note", key))

    def _changed(self) -> None:
        self.version += 1
        for ring in tuple(self.watchers):
            ring()

    def _later(self, doing: Any) -> None:
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _knobs(self) -> dict[str, Lever]:
        wire = {name: flag(self._wire.knobs, name) for name in ("twice", "slow", "reorder")}
        return wire | dict(self._levers())

    def _own(self, person: Person, act: Act, text: str) -> Bubble:
        if act in {Act.FOLLOW, Act.BLOCK}:
            return self._put(person, Bubble(0, self._clock.now(), "platform", "note", act.value))
        kind = "text" if act in {Act.TEXT, Act.PRESS} else act.value
        words = _SAID.get(act, text)
        return self._put(person, Bubble(0, self._clock.now(), "me", kind, words, mark=Mark.SENDING))

    def _put(self, person: Person, bubble: Bubble) -> Bubble:
        self._count += 1
        bubble.number = self._count
        person.bubbles.append(bubble)
        del person.bubbles[:-_KEPT_BUBBLES]
        self._changed()
        return bubble

    async def _carry(self, person: Person, act: Act, text: str, bubble: Bubble) -> None:
        mark = Mark.FAILED
        with contextlib.suppress(LookupError, httpx.HTTPError):
            answer = await self._do(person, act, text)
            if answer is None or answer.is_success:
                mark = Mark.DELIVERED
        if act is Act.BLOCK:
            person.blocking = True
        if bubble.mark is not None:
            bubble.mark = mark
        self.look()
