"""Humans behind the counter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.ids import AgentId


class Role(StrEnum):
    """What a person may do; each role includes the ones before it."""

    AGENT = "agent"
    MANAGER = "manager"
    ADMIN = "admin"

    def reaches(self, wanted: Role) -> bool:
        """Tell whether this role includes ``wanted``."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(wanted)


@dataclass(frozen=True, slots=True)
class Agent:
    """A human with a role; ``locale`` is the console's language, ``timezone`` an IANA name."""

    id: AgentId
    login: str
    display_name: str
    role: Role
    active: bool
    locale: str = "zh"
    timezone: str = "Asia/Shanghai"
