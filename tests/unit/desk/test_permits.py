"""What an agent may do with a conversation."""

from __future__ import annotations

import pytest

from bot.desk.permits import Permits, permits
from bot.domain.conversation import Owner
from tests.unit.desk.doubles import LI, ZHAO, conversation

NOTHING = Permits(take=False, reply=False, give_back=False, resolve=False)


@pytest.mark.parametrize(
    ("owner", "holder", "expected"),
    [
        (Owner.WITH_BOT, None, Permits(take=True, reply=False, give_back=False, resolve=False)),
        (Owner.WAITING_FOR_AGENT, None, Permits(take=True, reply=False, give_back=True, resolve=True)),
        (Owner.WITH_AGENT, "li", Permits(take=False, reply=True, give_back=True, resolve=True)),
        (Owner.WITH_AGENT, "wang", NOTHING),
        (Owner.RESOLVED, None, NOTHING),
    ],
)
def test_permits_of_an_agent_follow_the_owner(owner: Owner, holder: str | None, expected: Permits):
    """Only what makes sense now is offered."""
    assert permits(conversation(owner, holder), LI) == expected


def test_permits_let_a_manager_end_what_another_holds_but_not_speak_for_him():
    """A manager gives back or resolves; the words stay the holder's."""
    assert permits(conversation(Owner.WITH_AGENT, "li"), ZHAO) == Permits(
        take=False, reply=False, give_back=True, resolve=True
    )
