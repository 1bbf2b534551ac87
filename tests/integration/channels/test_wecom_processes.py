"""WeCom and real processes of ours: killed in the middle of a pull, and two that want a token at the same moment."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from uuid import uuid4

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.domain.clock import SystemClock
from bot.simulators.wecom_kf.server import KfServer
from tests.integration.channels.kf_process import CALLS
from tests.integration.channels.kf_town import ACCOUNT, CORP, SECRET, KfTown, database_url, town
from tests.redis_server import RedisServer
from tests.unit.channels.doubles import serving

__all__ = ["database_url", "town"]


class Killing:
    """A network that kills who pulls as soon as his Nth pull is answered."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner
        self.victim: Process | None = None
        self.left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI app."""
        await self._inner(scope, receive, send)
        self.left -= str(scope.get("path", "")).endswith("sync_msg")
        if self.victim is not None and self.left <= 0:
            os.kill(self.victim.pid, signal.SIGKILL)
            self.victim = None


async def started(*words: str) -> Process:
    """Start a process of ours."""
    command = [sys.executable, "-m", "tests.integration.channels.kf_process", *words]
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)


async def told(process: Process) -> str:
    """Read the next line a process says."""
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line and process.stderr is not None:
        raise AssertionError((await process.stderr.read()).decode()[-800:])
    return line.decode().strip()


async def test_burst_survives_a_kill_whole_and_once(town: KfTown, database_url: str) -> None:
    """Fifty messages, mixed and repeated, by SIGKILL while a pull is being kept, and by another process after it."""
    chance = random.Random(7)  # noqa: S311 - a test's dice
    knobs = town.server.knobs
    knobs.limit, knobs.repeat, knobs.gap_every, knobs.shuffle = 7, 4, 1, chance
    wanted = Counter((f"wmCustomer{chance.randint(0, 3)}", f"第 {number} 句") for number in range(50))
    for customer, words in wanted:
        town.people.write(customer, "text", {"content": words})
    network = Killing(town.server)
    async with asyncio.timeout(100), serving(network) as api_url:
        process = await started("pull", api_url, database_url)
        network.victim, network.left = process, 6
        await process.communicate()
        assert process.returncode == -signal.SIGKILL
        before = len(await town.taken())
        said, problem = await (await started("pull", api_url, database_url)).communicate()
        assert said == b"done\n", problem.decode()[-800:]
    assert 0 < before < len(wanted)
    assert Counter((message.sender.channel_user_id, message.text) for message in await town.taken()) == wanted


@pytest.mark.redis
async def test_twenty_senders_in_two_processes_make_one_refresh(redis_server: RedisServer) -> None:
    """At a cold start and when the token ends, the first to ask fetches it for both."""
    made, asked = await _two_processes(redis_server.url, f"test-{uuid4().hex}")
    assert (made, asked) == (2, 2)


async def test_two_processes_that_share_nothing_ask_once_each_and_get_the_same() -> None:
    """Without Redis every process keeps its own token, which WeCom gives to both."""
    made, asked = await _two_processes()
    assert (made, asked) == (2, 4)


async def _two_processes(*redis: str) -> tuple[int, int]:
    """Let both call at a cold start and after the token's end; give the tokens made and how often one was asked for."""
    server = KfServer(CORP, SECRET, SystemClock(), (ACCOUNT,))
    server.knobs.delay_s = 0.05
    async with asyncio.timeout(100), serving(server) as api_url:
        processes = [await started("call", api_url, *redis) for _ in range(2)]
        assert [await told(process) for process in processes] == ["ready", "ready"]
        for _ in range(2):
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(b"go\n")
            assert [await told(process) for process in processes] == [str(CALLS)] * 2
            server.expire_token()
        for process in processes:
            await process.communicate(b"")
    return server.tokens_made, server.token_requests
