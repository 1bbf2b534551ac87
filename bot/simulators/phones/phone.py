"""One simulated phone: a platform's people in front of a screen, with knobs and a journal.

Add a platform: derive from Phone beside its simulator, fill in what a person does (``_do``), what the platform shows
(``_news``) and its levers; the wiring names it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import httpx

from bot.domain.clock import Clock
from bot.domain.errors import NotFound, RefusedInput
from bot.simulators.media import HeldFile
from bot.simulators.phones.levers import Lever, flag, once
from bot.simulators.phones.samples import KEPT_FILES, own_file, sample
from bot.simulators.phones.screen import (
    FILES,
    PLACES,
    RETURNS,
    REVISIONS,
    SILENT,
    STAFF_WORDS,
    Act,
    Bubble,
    Deed,
    Mark,
    Move,
    Person,
    Room,
    Shown,
)
from bot.simulators.phones.wire import Wire
from bot.simulators.phones.words import Unable
from bot.simulators.typing_shown import TypingShown

MAX_TEXT_CHARS = 2000
MAX_PEOPLE = 50
_KEPT_BUBBLES = 200
_NAMES = ("小李", "Ann", "王芳", "Ben", "陈晨", "Chloe", "林一", "David")
_WORDED = frozenset({Act.TEXT, Act.PRESS, Act.MENU, Act.EDIT})


class Phone(ABC):
    """A phone and its people; ``watchers`` are called whenever the page should look again.

    ``acts`` are what its people can do, ``edits`` which kinds of their messages can be changed afterwards. ``counts``:
    the platform limits what the shop may send. ``reports``: it tells the shop what was delivered and read. ``moves``
    are what the shop's people can do on the platform itself.
    """

    name: ClassVar[str]
    acts: ClassVar[tuple[Act, ...]]
    menu: ClassVar[tuple[str, ...]] = ()
    counts: ClassVar[bool] = True
    reports: ClassVar[bool] = False
    moves: ClassVar[tuple[Move, ...]] = ()

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self.watchers: set[Callable[[], None]] = set()
        self.version = 0
        self.files: dict[str, HeldFile] = {}
        self._wire = wire
        self._clock = clock
        self._people: dict[str, Person] = {}
        self._current: Person | None = None
        self._typing: TypingShown | None = None
        self._unread = False
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._all_levers: dict[str, Lever] | None = None
        wire.journal.on_call = self.look

    async def meet(self) -> Person:
        """Let a fresh person hold the phone; RefusedInput when there are too many."""
        if len(self._people) >= MAX_PEOPLE:
            raise Unable("crowded", most=MAX_PEOPLE)
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

    async def act(self, act: Act, text: str, language: str, about: int = 0) -> Bubble:
        """Let the person do something; it is delivered in the background. RefusedInput when it cannot be done.

        ``about`` is the number of the own message that an edit or recall concerns.
        """
        text = text.strip()[:MAX_TEXT_CHARS]
        if act in _WORDED and not text:
            raise Unable("wordless")
        if act in FILES and sample(act) is None:
            raise RefusedInput(f"there is no sample of a {act.value}; choose a file")
        return await self._begin(act, (text, sample(act)), language, about)

    async def send_file(self, data: bytes, name: str, language: str) -> Bubble:
        """Let the person send a file of his own; RefusedInput when people cannot send such a file here."""
        if not data:
            raise Unable("empty")
        act, file = own_file(data, name)
        return await self._begin(act, ("", file), language, 0)

    def move(self, move: Move) -> None:
        """Let the shop's people do something on the platform itself; RefusedInput, NotFound."""
        if move not in self.moves:
            raise NotFound(f"{self.name} has no move {move.value!r}")
        person = self._current
        if person is None or not person.met:
            raise Unable("silent")
        self._later(self._moved(person, move))

    def turn(self, knob: str, on: bool) -> None:
        """Turn a knob; NotFound when the phone has none of that name."""
        lever = self._knobs().get(knob)
        if lever is None:
            raise NotFound(f"{self.name} has no knob {knob!r}")
        lever.turn(on)
        self._changed()

    def look(self) -> None:
        """Take over what the platform has shown, and what the shop has read, since the last look."""
        for person_id, shown in self._news():
            person = self._people.get(person_id)
            if person is None or person.blocking:
                continue
            person.typing = False
            bubble = Bubble(0, self._clock.now(), "shop", "text", shown.text, shown.choices, shown.style, id=shown.id)
            self._put(person, self._with_file(bubble, shown.file))
            if self.reports and shown.id:
                self._later(self._tell(person, bubble))
        for person in self._people.values():
            for bubble in person.bubbles:
                if bubble.mark is Mark.DELIVERED and bubble.by == "me" and self._is_read(bubble):
                    bubble.mark = Mark.READ
        self._changed()
        if self._typing and self._current and (left_s := self._typing.left_s(self._current.id)):
            self._later(self._changed_after(left_s))

    def as_json(self) -> dict[str, Any]:
        """Shape everything the page shows of this phone."""
        person = self._current
        room = self._room(person) if person and self.counts else None
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
            "moves": [move.value for move in self.moves],
            "counts": self.counts,
            "room": room.as_json() if room else None,
            "knobs": [
                {"name": name, "on": lever.is_on(), "usual": lever.usual} for name, lever in self._knobs().items()
            ],
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
    async def _do(self, person: Person, deed: Deed) -> httpx.Response | None:
        """Do it on the platform; gives the shop's answer to the webhook, None where there was no call.

        Raises LookupError when the choice is not there.
        """

    @abstractmethod
    def _news(self) -> Iterator[tuple[str, Shown]]:
        """Give what the platform has shown since the last call, as (person's id, message)."""

    @abstractmethod
    def _levers(self) -> Mapping[str, Lever]:
        """Name the platform's own knobs."""

    def _room(self, person: Person) -> Room | None:
        """Tell what the platform lets the shop send a person; None before they have met."""
        raise NotImplementedError(f"{self.name} counts, but does not say what")

    async def _move(self, person: Person, move: Move, words: str) -> None:
        """Let the shop's people take a person's chat, write ``words`` to him, or leave it."""
        raise NotImplementedError(f"{self.name} has moves, but does not say how")

    async def _report(self, person: Person, bubble: Bubble, mark: Mark) -> None:
        """Report that a message of the shop was delivered or read."""
        raise NotImplementedError(f"{self.name} reports, but does not say how")

    def _is_read(self, bubble: Bubble) -> bool:
        """Tell whether the platform shows a person that the shop has read his message."""
        del bubble
        return False

    def _sees_typing(self, person: Person) -> bool:
        """Tell whether a person sees that an answer is being made."""
        return person.typing if self._typing is None else self._typing.is_shown_to(person.id)

    def _note(self, person: Person, key: str) -> None:
        """Put a note of the platform on the screen."""
        self._put(person, Bubble(0, self._clock.now(), "platform", "note", key))

    async def _changed_after(self, wait_s: float) -> None:
        """Show the screen anew when the time of "typing" is over, for nothing else may happen then."""
        await asyncio.sleep(wait_s)
        self._changed()

    def _changed(self) -> None:
        self.version += 1
        for ring in tuple(self.watchers):
            ring()

    def _later(self, doing: Any) -> None:
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _knobs(self) -> dict[str, Lever]:
        if self._all_levers is None:
            wire = {name: flag(self._wire.knobs, name) for name in ("twice", "slow", "reorder", "forge")}
            wire["lost"] = once(self._wire.knobs, "lost")
            own = {"unread": Lever(lambda: self._unread, self._leave_unread)} if self.reports else {}
            self._all_levers = wire | dict(self._levers()) | own
        return self._all_levers

    async def _begin(self, act: Act, what: tuple[str, HeldFile | None], language: str, about: int) -> Bubble:
        if act not in self.acts:
            raise Unable("not_here")
        person = self._current or await self.meet()
        if person.blocking and act not in RETURNS:
            raise Unable("blocked")
        self.look()
        text, file = what
        concerned = person.said(about) if act in REVISIONS else None
        if act in REVISIONS and (concerned is None or not concerned.can_become(act)):
            raise Unable("unchangeable")
        person.language = language if language in PLACES else person.language
        if act is not Act.BLOCK:
            person.blocking = False
            person.met = True
        bubble = self._revised(concerned, act, text) if concerned else self._own(person, act, text, file)
        self._later(self._carry(person, Deed(act, bubble, text, file, concerned)))
        return bubble

    def _own(self, person: Person, act: Act, text: str, file: HeldFile | None) -> Bubble:
        if act in SILENT:
            return self._put(person, Bubble(0, self._clock.now(), "platform", "note", act.value))
        kind = "text" if act in {Act.TEXT, Act.PRESS} else act.value
        words = "👍" if act is Act.STICKER else text
        bubble = Bubble(0, self._clock.now(), "me", kind, words, mark=Mark.SENDING)
        return self._put(person, self._with_file(bubble, file))

    def _revised(self, bubble: Bubble, act: Act, text: str) -> Bubble:
        """Change or take back a message on the screen."""
        bubble.text, bubble.mark = text, Mark.SENDING
        if act is Act.EDIT:
            bubble.edited = True
        else:
            bubble.kind, bubble.file = "recalled", ""
        self._changed()
        return bubble

    def _with_file(self, bubble: Bubble, file: HeldFile | None) -> Bubble:
        """Keep a file for the page, and name it in the bubble."""
        if file is not None:
            while len(self.files) >= KEPT_FILES:
                del self.files[next(iter(self.files))]
            bubble.file, bubble.mime, bubble.called = secrets.token_hex(8), file.mime, file.name
            self.files[bubble.file] = file
        return bubble

    def _put(self, person: Person, bubble: Bubble) -> Bubble:
        self._count += 1
        bubble.number = self._count
        person.bubbles.append(bubble)
        del person.bubbles[:-_KEPT_BUBBLES]
        self._changed()
        return bubble

    async def _carry(self, person: Person, deed: Deed) -> None:
        mark = Mark.FAILED
        with contextlib.suppress(LookupError, httpx.HTTPError):
            answer = await self._do(person, deed)
            if answer is None or answer.is_success:
                mark = Mark.DELIVERED
        if deed.act is Act.BLOCK:
            person.blocking = True
        if deed.bubble.mark is not None:
            deed.bubble.mark = mark
        self.look()

    async def _moved(self, person: Person, move: Move) -> None:
        words = STAFF_WORDS[person.language]
        with contextlib.suppress(httpx.HTTPError):
            await self._move(person, move, words)
        if move is Move.SAY and not person.blocking:
            self._put(person, Bubble(0, self._clock.now(), "shop", "text", words))
        self.look()

    async def _tell(self, person: Person, bubble: Bubble) -> None:
        """Report what has become of a message of the shop: delivered, and read unless it is left unread."""
        for mark in (Mark.DELIVERED,) if self._unread else (Mark.DELIVERED, Mark.READ):
            with contextlib.suppress(httpx.HTTPError):
                await self._report(person, bubble, mark)
                bubble.mark = mark
        self._changed()

    def _leave_unread(self, on: bool) -> None:
        """Leave messages unread from now on, or read all that were left."""
        self._unread = on
        for person in () if on else self._people.values():
            for bubble in person.bubbles:
                if bubble.by == "shop" and bubble.mark is Mark.DELIVERED and not person.blocking:
                    self._later(self._tell(person, bubble))
