"""A thread that the Page's inbox and other apps of the shop may have: passing it, taking it back, letting it go.

Source: https://developers.facebook.com/documentation/business-messaging/messenger-platform/conversation-routing (its
calls are those of the handover protocol: .../handover-protocol/conversation-control) and, for Instagram,
.../instagram-messaging/features/conversation-routing/apis: only the app that is set up as the default takes a thread
from another; any may ask for it. Control is over 24 hours after the last message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.channels._api import Answer, Lost, Unreached
from bot.channels._meta.graph import ErrorTable, GraphApi, read_error, weigh
from bot.channels._meta.settings import MetaSettings
from bot.channels.reading import mapping, moment, text_of
from bot.domain.channel_ports import Addressee, Deferred
from bot.domain.conversation import Owner
from bot.domain.staff import ThreadMove
from bot.domain.thread_ports import Handed, Handing, Place

INBOXES = {"messenger": Place.PAGE_INBOX, "instagram": Place.INSTAGRAM_INBOX}
# Source: .../handover-protocol/pass-thread-control (the Page's inbox). ? Instagram's is told in no reference.
INBOX_APPS = {Place.PAGE_INBOX: "263902037430900", Place.INSTAGRAM_INBOX: "1217981644879628"}
_PLACES = {app: place for place, app in INBOX_APPS.items()}
# Source: .../docs/messenger-platform/handover-protocol (``pass_thread_control`` is told to who is given a thread,
# ``take_thread_control`` to who loses it; ? or both to every app that subscribes to them: where the event names the
# inbox as the new owner it is the inbox's, where as the former one it is ours, whatever the event is called).
_MOVES = {"pass_thread_control": Owner.WITH_BOT, "take_thread_control": Owner.WITH_AGENT}
# Source: .../handover-protocol/request-thread-control (who has a thread is to pass it to the inbox that asks for it).
_ASKED = "request_thread_control"
_MAX_APP_CHARS = 64
_MILLISECONDS = 1000
_TOKEN = 190


def read_move(event: Mapping[str, Any], settings: MetaSettings) -> ThreadMove | str:
    """Read a thread's change of hands; why there is none, empty when the event is about something else."""
    asked = text_of(mapping(event, _ASKED), "requested_owner_app_id") in _PLACES
    name = _ASKED if asked else next((name for name in _MOVES if name in event), "")
    if not name:
        return ""
    who, at = text_of(mapping(event, "sender"), "id"), moment(event, "timestamp", _MILLISECONDS)
    if not who or who == settings.node or at is None:
        return "malformed"
    app = text_of(mapping(event, name), "requested_owner_app_id" if asked else "new_owner_app_id")
    was_inbox = text_of(mapping(event, name), "previous_owner_app_id") in _PLACES
    owner = Owner.WITH_AGENT if app in _PLACES else Owner.WITH_BOT if was_inbox else _MOVES[name]
    return ThreadMove(settings.sender(who), owner, at, place_name(app), asked=asked)


def is_inbox(app: str) -> bool:
    """Tell whether an app id is that of Meta's own inbox."""
    return app in _PLACES


def place_name(app: str) -> str:
    """Name an app as ``ThreadMove.by`` does."""
    return _PLACES.get(app, app[:_MAX_APP_CHARS])


class ThreadHands:
    """Asks Meta to change a thread's hands, as one Page or account."""

    def __init__(self, graph: GraphApi, settings: MetaSettings, table: ErrorTable) -> None:
        self._graph = graph
        self._settings = settings
        self._table = table
        self.inbox: Place = INBOXES[settings.channel]

    async def pass_thread(self, to: Addressee) -> Handed:
        """Give the thread to the inbox."""
        return await self._ask("pass_thread_control", to, target_app_id=INBOX_APPS[self.inbox])

    async def take_thread(self, to: Addressee) -> Handed:
        """Take the thread; where that is not ours to do, ask whoever has it."""
        taken = await self._ask("take_thread_control", to)
        if taken.handing is not Handing.REFUSED:
            return taken
        asked = await self._ask("request_thread_control", to)
        return Handed(Handing.ASKED, taken.reason) if asked.handing is Handing.DONE else taken

    async def release_thread(self, to: Addressee) -> Handed:
        """Let the thread go to the default app."""
        return await self._ask("release_thread_control", to)

    async def _ask(self, verb: str, to: Addressee, **more: Any) -> Handed:
        body = {"recipient": {"id": to.channel_user_id}, **more}
        try:
            answer = await self._graph.post(f"{self._settings.node}/{verb}", body)
        except Unreached as error:
            return Handed(Handing.FAILED, f"Meta cannot be reached: {error}")
        except Lost as error:
            return Handed(Handing.FAILED, f"the connection to Meta was lost: {error}")
        return Handed(Handing.DONE) if answer.good else self._refused(answer)

    def _refused(self, answer: Answer) -> Handed:
        verdict = weigh(answer, self._table)
        passing = isinstance(verdict, Deferred) or answer.broken or read_error(answer).code == _TOKEN
        return Handed(Handing.FAILED if passing else Handing.REFUSED, getattr(verdict, "reason", ""))
