"""A program that links and undoes, and is killed in the middle: ``python -m tests.contract.killed_linker URL WHAT N``.

It dies, as by SIGKILL, right before its unit's Nth statement that changes something, with everything before it done
and nothing committed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from sqlalchemy import event

from bot.domain.clock import SystemClock
from bot.domain.ids import AgentId, ConversationId
from bot.domain.people import Agent, Role
from storage.database import Database
from storage.link_book import SqlLinkBook, SqlLinking
from tests.contract.line import NOW

_CHANGES = ("INSERT", "UPDATE", "DELETE")


async def _main(url: str, what: str, dies_at: int) -> None:
    database = Database(url)
    left = dies_at

    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal left
        if statement.lstrip().upper().startswith(_CHANGES):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.engine, "before_cursor_execute", die)
    if what == "link":
        await SqlLinking(database, SystemClock()).run_due()
    else:
        agent = Agent(AgentId("x"), "x", "X", Role.AGENT, active=True)
        await SqlLinkBook(database).undo(what, agent, "not the same", NOW)
    print("done", ConversationId(""), flush=True)  # noqa: T201 - the test reads it
    database.close()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
