"""The five states of a session and our owners, in both directions. Pure.

Source: https://developer.work.weixin.qq.com/document/path/94669 (states and the changes that are possible: a bot cannot
take a session back from a human; an ended one only begins again when the customer writes).
"""

from __future__ import annotations

from enum import IntEnum

from bot.channels.wecom_kf.settings import WECOM
from bot.domain.conversation import Owner


class SessionState(IntEnum):
    """Who answers in a session, as WeCom has it."""

    NEW = 0
    BOT = 1
    QUEUED = 2
    HUMAN = 3
    ENDED = 4


ALLOWED: dict[SessionState, frozenset[SessionState]] = {
    SessionState.NEW: frozenset({SessionState.BOT, SessionState.QUEUED, SessionState.HUMAN, SessionState.ENDED}),
    SessionState.BOT: frozenset({SessionState.QUEUED, SessionState.HUMAN, SessionState.ENDED}),
    SessionState.QUEUED: frozenset({SessionState.HUMAN, SessionState.ENDED}),
    SessionState.HUMAN: frozenset({SessionState.HUMAN, SessionState.ENDED}),
    SessionState.ENDED: frozenset(),
}
"""The changes the platform permits."""

API_MAY_SEND = frozenset({SessionState.NEW, SessionState.BOT})
"""Where the API may send a message; 95018 elsewhere."""

TAKEN_AGAIN = "4"
"""The ``change_type`` of a session that was over: WeCom's staff wrote in it."""

OWNERS = {
    "1": Owner.WITH_AGENT,  # accepted from the queue
    "2": Owner.WITH_AGENT,  # passed on
    "3": Owner.RESOLVED,
    TAKEN_AGAIN: Owner.WITH_AGENT,
}
"""Our owner after a ``session_status_change``, by its ``change_type``."""


def state_for(owner: Owner, humans: str) -> SessionState:
    """Give the state that fits our owner.

    Humans at our console speak through the API, so their session stays the bot's; WeCom's own staff have a queue.
    """
    if owner is Owner.RESOLVED:
        return SessionState.ENDED
    if owner is Owner.WAITING_FOR_AGENT and humans == WECOM:
        return SessionState.QUEUED
    return SessionState.BOT


def change_to(state: SessionState, wanted: SessionState) -> SessionState | None:
    """Give the state to ask for; None when it is there already, or cannot be had."""
    return wanted if wanted is not state and wanted in ALLOWED[state] else None


def owner_in(state: SessionState, owner: Owner, *, elsewhere: bool) -> Owner:
    """Give our owner where a session could not follow it: whose it is there, is whose it is.

    ``elsewhere``: WeCom's staff are believed to have it; who has gone without a word leaves the customer in the queue.
    """
    if owner is Owner.RESOLVED or state is SessionState.ENDED:
        return owner
    if state is SessionState.HUMAN:
        return Owner.WITH_AGENT
    return Owner.WAITING_FOR_AGENT if state is SessionState.QUEUED or elsewhere else owner
