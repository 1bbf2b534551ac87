"""A program that writes turns until it is killed: ``python -m tests.contract.killed_writer URL``.

Each conversation gets a message, then a turn of several rows. What was acknowledged is printed, one line each; the
test kills the program in the middle and compares.
"""

from __future__ import annotations

import asyncio
import sys

from storage.database import Database
from tests.contract.line import Line, sender


async def _shopper(line: Line, name: str) -> None:
    number = 0
    while True:
        number += 1
        conversation_id = await line.accept(f"{name}-{number}", who=sender(name))
        print(f"accepted {name}-{number}", flush=True)  # noqa: T201 - the test reads it
        await line.commit(await line.pending(conversation_id), "一", "二")
        print(f"answered {name}-{number}", flush=True)  # noqa: T201 - the test reads it


async def _main(url: str) -> None:
    line = Line(Database(url))
    await asyncio.gather(*(_shopper(line, f"shopper{number}") for number in range(12)))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
