"""One process of a house with WeCom: ``python -m tests.integration.channels.kf_process WHAT API_URL MORE...``.

``pull API_URL DATABASE_URL`` pulls the account once, and says ``done``. ``call API_URL [REDIS_URL PREFIX]`` calls WeCom
ten times at once for every line it reads, and says how many went well; without Redis it keeps its token to itself.
"""

from __future__ import annotations

import asyncio
import sys

CALLS = 10


async def _pull(api_url: str, database_url: str) -> None:
    from storage.database import Database  # noqa: PLC0415 - who only calls starts sooner without it
    from tests.integration.channels.kf_town import ACCOUNT, KfTown  # noqa: PLC0415 - as above

    town = KfTown(Database(database_url), api_url=api_url)
    await town.puller.pull(ACCOUNT)
    await town.close()
    _say("done")


async def _call(api_url: str, redis_url: str = "", prefix: str = "") -> None:
    from redis.asyncio import Redis  # noqa: PLC0415 - as above

    from bot.channels.vault import MemoryTokenShelf  # noqa: PLC0415 - as above
    from bot.channels.wecom_kf.client import KfClient  # noqa: PLC0415 - as above
    from bot.channels.wecom_kf.settings import WecomKfSettings  # noqa: PLC0415 - as above
    from bot.domain.clock import SystemClock  # noqa: PLC0415 - as above
    from storage.redis.tokens import RedisTokenShelf  # noqa: PLC0415 - as above

    redis = Redis.from_url(redis_url or "redis://127.0.0.1:1")
    shelf = RedisTokenShelf(redis, MemoryTokenShelf(), prefix) if redis_url else MemoryTokenShelf()
    settings = WecomKfSettings("wwdemo0000000001", "kf-secret-for-tests", "callbacktoken", "k" * 43, api_url=api_url)
    client = KfClient(settings, SystemClock(), shelf=shelf)
    _say("ready")
    while await asyncio.to_thread(sys.stdin.readline):
        answers = await asyncio.gather(*(client.post("account/list", {}) for _ in range(CALLS)))
        _say(str(sum(answer["errcode"] == 0 for answer in answers)))
    await client.close()
    await redis.aclose()


def _say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    asyncio.run({"pull": _pull, "call": _call}[sys.argv[1]](*sys.argv[2:]))
