"""All conversations of a customer are read at once, each with its own events in their order."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from bot.domain.errors import NotFound
from bot.domain.events import CustomerUttered
from bot.domain.ids import ConversationId
from storage import events
from storage.customer_card import SqlCustomerFiles
from storage.tables import CONVERSATIONS
from tests.contract.line import NOW, Line, message, sender


def _texts(said: tuple[tuple[int, object, object], ...]) -> list[str]:
    return [event.text for _, _, event in said if isinstance(event, CustomerUttered)]


async def test_every_conversation_has_its_own_events_in_their_order(line: Line, monkeypatch: pytest.MonkeyPatch):
    """Several conversations, one of somebody else between them, more than are asked for at once."""
    monkeypatch.setattr(events, "_ASKED_AT_ONCE", 2)
    mei = await line.hire("mei")
    seen: list[ConversationId] = []
    for number in range(3):
        seen.append(await line.answered(f"a{number}"))
        await line.answered(f"b{number}", who=sender("wu"))
        await line.inbox.accept([message(f"c{number}", f"第{number}")], NOW)
        await line.commit(await line.pending(seen[-1]))
        later = update(CONVERSATIONS).where(CONVERSATIONS.c.id == seen[-1]).values(opened_at=NOW.replace(hour=number))
        await line.database.run(lambda on, later=later: on.execute(later) and None)  # type: ignore[misc]
        await line.ownership.resolve(seen[-1], mei, NOW)
    files = SqlCustomerFiles(line.database)
    threads = await files.threads(seen[0], 10)
    assert [each.conversation.id for each in threads] == seen[::-1]
    assert [_texts(each.events) for each in threads] == [["在吗", f"第{number}"] for number in (2, 1, 0)]
    assert all(list(each.events) == sorted(each.events, key=lambda one: one[0]) for each in threads)
    assert [each.conversation.id for each in await files.threads(seen[0], 1)] == seen[:1:-1]
    with pytest.raises(NotFound):
        await files.threads(ConversationId("none"), 10)
