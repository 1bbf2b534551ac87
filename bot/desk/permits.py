"""What a person may do with a conversation as it stands; pages show only this, the store enforces it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.conversation import Conversation, Owner
from bot.domain.people import Agent, Role


@dataclass(frozen=True, slots=True)
class Permits:
    """The actions that make sense now."""

    take: bool
    reply: bool
    give_back: bool
    resolve: bool


def permits(conversation: Conversation, agent: Agent) -> Permits:
    """Work out what ``agent`` may do: the holder acts, a manager may end what another holds, anybody what waits."""
    held = conversation.owner is Owner.WITH_AGENT
    mine = held and conversation.agent_id == agent.id
    waiting = conversation.owner is Owner.WAITING_FOR_AGENT
    may_end = mine or waiting or (held and agent.role.reaches(Role.MANAGER))
    return Permits(
        take=waiting or conversation.owner is Owner.WITH_BOT,
        reply=mine,
        give_back=may_end,
        resolve=may_end,
    )
