"""Edits, recalls and reactions: they concern a message that was sent before and are never answered by themselves.

One that comes before its message was answered changes what the turn reads. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.domain.events import CustomerEdited, CustomerReacted, CustomerRecalled, Event
from bot.domain.messages import REVISIONS, InboundMessage, MessageKind


def as_they_read(messages: Iterable[InboundMessage]) -> list[InboundMessage]:
    """Give the messages as they read now: edited in place, without those taken back."""
    heard: list[InboundMessage] = []
    for message in messages:
        if message.kind not in REVISIONS:
            heard.append(message)
        elif message.kind is MessageKind.RECALL:
            heard = [one for one in heard if not _is_about(message, one)]
        elif message.kind is MessageKind.EDIT:
            heard = [_edited(one, message) if _is_about(message, one) else one for one in heard]
    return heard


def taken_back(messages: Iterable[InboundMessage]) -> frozenset[str]:
    """List the dedupe keys of the messages that are taken back by another of them."""
    all_of_them = list(messages)
    recalls = [one for one in all_of_them if one.kind is MessageKind.RECALL]
    return frozenset(
        one.dedupe_key
        for one in all_of_them
        if one.kind not in REVISIONS and any(_is_about(recall, one) for recall in recalls)
    )


def as_event(message: InboundMessage) -> Event | None:
    """Give the event that records an edit, recall or reaction; None for a message that says something itself."""
    if message.kind is MessageKind.EDIT:
        return CustomerEdited(message.concerns, message.text, message.concerns_seq)
    if message.kind is MessageKind.RECALL:
        return CustomerRecalled(message.concerns, message.concerns_seq)
    if message.kind is MessageKind.REACTION:
        return CustomerReacted(message.concerns, message.text, message.concerns_seq)
    return None


def _is_about(revision: InboundMessage, message: InboundMessage) -> bool:
    return bool(revision.concerns) and revision.concerns == message.platform_id


def _edited(message: InboundMessage, edit: InboundMessage) -> InboundMessage:
    kind = MessageKind.TEXT if message.kind is MessageKind.UNKNOWN else message.kind
    return replace(message, kind=kind, text=edit.text, payload="", truncated=edit.truncated)
