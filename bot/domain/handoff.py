"""The request to give a conversation to a human."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class HandoffReason(StrEnum):
    """Why a human is wanted."""

    REQUESTED = "requested"
    ANGRY = "angry"
    URGENT = "urgent"
    NOT_UNDERSTOOD = "not_understood"
    PROOF_LOCKED = "proof_locked"
    FAILED = "failed"
    POLICY = "policy"
    AGENT_GONE = "agent_gone"


class Priority(StrEnum):
    """How soon; ``URGENT`` is shown first."""

    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class Handoff:
    """Ask for a human: why, what it is about (in the shopper's language), how soon."""

    reason: HandoffReason
    summary: str
    priority: Priority = Priority.NORMAL
