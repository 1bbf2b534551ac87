"""The Send API of one Page or Instagram account, stricter than the real one.

Source: https://developers.facebook.com/docs/messenger-platform/reference/send-api
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from bot.domain.clock import Clock
from bot.simulators.media import HeldFile, MediaHold
from bot.simulators.meta.graph import Declined, GraphServer, MetaApp, ShownMessage, only, short_text
from bot.simulators.typing_shown import TypingShown

WINDOW = timedelta(hours=24)
HUMAN_WINDOW = timedelta(days=7)
MAX_QUICK_REPLIES = 13
MAX_BUTTONS = 3
INBOX_APPS = {"messenger": "263902037430900", "instagram": "1217981644879628"}
_MAX_CHARS = {"messenger": 2000, "instagram": 1000}
_MB = 1024 * 1024
_MOST_BYTES = {"image": 8 * _MB, **dict.fromkeys(("audio", "video", "file"), 25 * _MB)}


class MessengerServer(GraphServer):
    """Takes messages for one node; ``people`` maps a person to when he last wrote.

    ``held_elsewhere`` lists people whose thread another app holds, ``asked_for`` those whose thread our app asked it
    for, ``released`` those it let go. ``is_default``: our app is the one that may take a thread. ``kind`` is
    ``messenger`` or ``instagram``.
    """

    def __init__(
        self, app: MetaApp, node: str, clock: Clock, kind: str = "messenger", hold: MediaHold | None = None
    ) -> None:
        super().__init__(app, node, clock, hold)
        self.kind = kind
        self.people: dict[str, datetime] = {}
        self.blocked: set[str] = set()
        self.held_elsewhere: set[str] = set()
        self.asked_for: list[str] = []
        self.released: list[str] = []
        self.is_default = True
        self.typing = TypingShown(clock, lasts_s=20)
        self._take = self._taken
        self._edges = {
            "pass_thread_control": self._pass,
            "take_thread_control": self._take_thread,
            "request_thread_control": self._request,
            "release_thread_control": self._release,
        }

    def _pass(self, body: dict[str, Any]) -> dict[str, Any]:
        """Give a thread that our app has to the inbox; nobody else is there.

        Source: https://developers.facebook.com/docs/messenger-platform/handover-protocol/pass-thread-control
        """
        user = self._thread(body, "target_app_id")
        if body["target_app_id"] != INBOX_APPS[self.kind]:
            raise Declined(400, 100, "Invalid parameter: target_app_id")
        self._own(user)
        self.held_elsewhere.add(user)
        return {"success": True}

    def _take_thread(self, body: dict[str, Any]) -> dict[str, Any]:
        user = self._thread(body)
        if user in self.held_elsewhere and not self.is_default:
            raise Declined(400, 10, "Only the default app can take thread control.")
        self.held_elsewhere.discard(user)
        return {"success": True}

    def _request(self, body: dict[str, Any]) -> dict[str, Any]:
        self.asked_for.append(self._thread(body))
        return {"success": True}

    def _release(self, body: dict[str, Any]) -> dict[str, Any]:
        user = self._thread(body)
        self._own(user)
        self.released.append(user)
        return {"success": True}

    def _thread(self, body: dict[str, Any], *wanted: str) -> str:
        only(body, "recipient", "metadata", *wanted)
        user = short_text(body["recipient"], "id", 40)
        if user not in self.people:
            raise Declined(400, 100, "No matching user found", 2018001)
        return user

    def _own(self, user: str) -> None:
        if user in self.held_elsewhere:
            raise Declined(400, 10, "Another app is controlling this thread now.", 2018300)

    def _taken(self, body: dict[str, Any]) -> dict[str, Any]:
        if "filedata" in body:
            return self._take_file(body)
        to = short_text(body["recipient"], "id", 40)
        if "sender_action" in body:
            return self._act(to, body)
        only(body, "recipient", "message", "messaging_type", "tag")
        text, buttons = self._message(body["message"])
        self._permit(to, body.get("messaging_type"), body.get("tag", ""))
        style = "quick" if "quick_replies" in body["message"] else "keys"
        return self._show(ShownMessage(self._mid(to), to, text, tuple(buttons), body.get("tag", ""), style))

    def _take_file(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take a file in one form with its message; Instagram fetches from an address alone.

        Source: https://developers.facebook.com/docs/messenger-platform/send-messages/saving-assets (25 MB; ?
        8 MB for pictures).
        """
        only(body, "recipient", "message", "messaging_type", "tag", "filedata")
        to, message = short_text(json.loads(body["recipient"]), "id", 40), json.loads(body["message"])
        only(message, "attachment")
        only(message["attachment"], "type", "payload")
        only(message["attachment"].get("payload", {}), "is_reusable")
        kind, file, tag = message["attachment"].get("type"), body["filedata"], body.get("tag", "")
        if self.kind != "messenger" or kind not in _MOST_BYTES or not isinstance(file, HeldFile):
            raise Declined(400, 100, "Invalid parameter: attachment")
        if kind != "file" and not file.mime.startswith(f"{kind}/"):
            raise Declined(400, 100, "Upload attachment failure: incorrect attachment type", 2018047)
        if not 0 < len(file.data) <= _MOST_BYTES[kind]:
            raise Declined(400, 100, "Upload attachment failure: the file is empty or too large", 2018047)
        self._permit(to, body.get("messaging_type"), tag)
        return self._show(ShownMessage(self._mid(to), to, "", tag=tag, media=self.hold.take(file)))

    def _mid(self, to: str) -> str:
        return f"m_{to}_{len(self.shown) + 1:06d}"

    def _show(self, message: ShownMessage) -> dict[str, Any]:
        self.shown.append(message)
        self.typing.stop(message.to)
        return {"recipient_id": message.to, "message_id": message.id}

    def _act(self, to: str, body: dict[str, Any]) -> dict[str, Any]:
        """Show what the shop does; it stands alone in its request.

        Source: https://developers.facebook.com/docs/messenger-platform/send-messages/sender-actions
        """
        only(body, "recipient", "sender_action")
        self._permit(to, "RESPONSE", "")
        if body["sender_action"] == "typing_on":
            self.typing.show(to)
        elif body["sender_action"] == "typing_off":
            self.typing.stop(to)
        elif body["sender_action"] != "mark_seen":
            raise Declined(400, 100, "Invalid parameter: sender_action")
        return {"recipient_id": to}

    def _message(self, message: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
        only(message, "text", "quick_replies", "attachment")
        if "attachment" in message and message["attachment"].get("type") == "image":
            return _picture(message["attachment"]), []
        if "attachment" in message:
            return _template(message["attachment"])
        text = short_text(message, "text", _MAX_CHARS[self.kind])
        if self.kind == "instagram" and len(text.encode()) > _MAX_CHARS[self.kind]:
            raise Declined(400, 100, "Length of param message[text] must be less than or equal to 1000", 2534037)
        return text, _quick_replies(message.get("quick_replies"))

    def _permit(self, to: str, messaging_type: Any, tag: str) -> None:
        spoke_at = self.people.get(to)
        if spoke_at is None:
            raise Declined(400, 100, "No matching user found", 2018001)
        if to in self.blocked:
            raise Declined(400, 551, "This person isn't available right now.", 1545041)
        if to in self.held_elsewhere:
            raise Declined(400, 10, "Another app is controlling this thread now.", 2018300)
        if (messaging_type, tag) not in {("RESPONSE", ""), ("MESSAGE_TAG", "HUMAN_AGENT")}:
            raise Declined(400, 100, "Invalid parameter: messaging_type")
        since = self.clock.now() - spoke_at
        closed = since > WINDOW or self.knobs.window_closed
        if since > HUMAN_WINDOW or (closed and not tag):
            raise Declined(400, 10, "This message is sent outside of allowed window.", 2018278)


def _template(attachment: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    only(attachment, "type", "payload")
    payload = attachment["payload"]
    only(payload, "template_type", "text", "buttons")
    if attachment.get("type") != "template" or payload.get("template_type") != "button":
        raise Declined(400, 100, "Invalid parameter: only the button template is simulated")
    buttons = payload["buttons"]
    if not 1 <= len(buttons) <= MAX_BUTTONS:
        raise Declined(400, 100, "Invalid parameter: buttons")
    for button in buttons:
        only(button, "type", "title", "payload")
        if button.get("type") != "postback":
            raise Declined(400, 100, "Invalid parameter: button type")
    return short_text(payload, "text", 640), [
        (short_text(button, "title", 20), short_text(button, "payload", 1000)) for button in buttons
    ]


def _picture(attachment: dict[str, Any]) -> str:
    """Give the address a picture is fetched from."""
    only(attachment, "type", "payload")
    only(attachment["payload"], "url")
    address = short_text(attachment["payload"], "url", 2000)
    if not address.startswith("https://"):
        raise Declined(400, 100, "Invalid parameter: the URL must be https", 2018008)
    return address


def _quick_replies(replies: Any) -> list[tuple[str, str]]:
    if replies is None:
        return []
    if not 1 <= len(replies) <= MAX_QUICK_REPLIES:
        raise Declined(400, 100, "Invalid parameter: quick_replies")
    for reply in replies:
        only(reply, "content_type", "title", "payload")
        if reply.get("content_type") != "text":
            raise Declined(400, 100, "Invalid parameter: content_type")
    return [(short_text(reply, "title", 20), short_text(reply, "payload", 1000)) for reply in replies]
