"""Pulling: what callbacks ring for, and what a poll finds when one was missed.

Source: https://developer.work.weixin.qq.com/document/path/94670 (sync_msg: up to 1000 a batch; ``has_more`` may be 1
with an empty list; the callback's token is good for 10 minutes, without it the calls are strictly limited).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from bot.channels._api import Lost, Unreached
from bot.channels.reading import listing, text_of
from bot.channels.vault import TokenRefused
from bot.channels.wecom_kf.client import KfClient
from bot.channels.wecom_kf.parse import Batch, SendFailure, SessionChange, parse_batch
from bot.channels.wecom_kf.settings import CHANNEL, WecomKfSettings
from bot.domain.channel_ports import OnMessages, OnPulled
from bot.domain.clock import Clock
from bot.domain.errors import XiaoerError
from bot.domain.line_ports import Cursor
from bot.domain.staff import OnStaffWords

BATCH = 1000
_TOKEN_LIFE = timedelta(minutes=10)
_MOST_BATCHES = 500
_LEAD_LOOK_S = 10.0
_BAD_TOKEN = 95007  # ? the callback's token is over, or not WeCom's
_RETRIES_S = (0.5, 2.0, 10.0)
_LOG = structlog.get_logger(__name__)


async def _alone() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class PullPorts:
    """Where what was pulled goes; ``failed``, ``changed`` and ``said`` may be told the same twice.

    ``leads`` tells whether this process is the one of several that polls.
    """

    pulled: OnPulled
    on_messages: OnMessages
    failed: Callable[[SendFailure], Awaitable[None]]
    changed: Callable[[SessionChange], Awaitable[None]]
    leads: Callable[[], Awaitable[bool]] = _alone
    said: OnStaffWords | None = None


class KfPuller:
    """Pulls the accounts of one company, each by one task at a time; ``poll_s`` looks for missed callbacks.

    A callback is answered by the process it reaches, since it brings the token; of several processes one polls. When
    two pull the same, the cursor of the first counts and the messages of the second are repeats.
    """

    def __init__(
        self, settings: WecomKfSettings, client: KfClient, ports: PullPorts, clock: Clock, poll_s: float = 300.0
    ) -> None:
        self._settings = settings
        self._client = client
        self._ports = ports
        self._clock = clock
        self._poll_s = poll_s
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: set[str] = set()
        self._poller: asyncio.Task[None] | None = None

    def ring(self, open_kfid: str, token: str) -> None:
        """Pull an account soon; a ring while another waits for its turn adds nothing, that one sees everything."""
        if open_kfid in self._waiting:
            return
        self._waiting.add(open_kfid)
        task = asyncio.create_task(self._pull_soon(open_kfid, token), name=f"pull-{open_kfid}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def start(self) -> None:
        """Pull what came while nobody listened, then now and then, as long as this process leads."""
        self._poller = asyncio.create_task(self._poll(), name="pull-poll")

    async def stop(self) -> None:
        """Stop; what is being pulled is pulled again at the next start, from the cursor on record."""
        tasks = [*self._tasks, *([self._poller] if self._poller else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self) -> None:
        """Wait until nothing is being pulled; for tests."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def pull(self, open_kfid: str, token: str = "") -> int:
        """Pull until there is nothing more; give the number of messages taken in.

        Raises Unreached, Lost, TokenRefused or what the inbox raises; what was committed stays.
        """
        taken, good_until = 0, self._clock.now() + _TOKEN_LIFE
        name = Cursor(CHANNEL, open_kfid, "sync_msg")
        async with self._locks[open_kfid]:
            self._waiting.discard(open_kfid)
            for _ in range(_MOST_BATCHES):
                position = await self._ports.pulled.position(name)
                batch = await self._fetch(open_kfid, position, token if self._clock.now() < good_until else "")
                taken += len(batch.messages)
                cursor = Cursor(CHANNEL, open_kfid, "sync_msg", batch.next_cursor, position)
                await self._take(batch, cursor)
                # An empty list with has_more is only a gap; without a new cursor it would be pulled for ever.
                if not batch.has_more or batch.next_cursor in {"", position}:
                    break
        return taken

    async def _take(self, batch: Batch, cursor: Cursor) -> None:
        """Commit a batch; what it says of other messages is done before the cursor moves past it."""
        if batch.failures or batch.changes or batch.staff:
            await self._ports.on_messages(batch.messages)
            for failure in batch.failures:
                await self._ports.failed(failure)
            for change in batch.changes:
                await self._ports.changed(change)
            for words in batch.staff:
                if self._ports.said is not None:
                    await self._ports.said(words)
        await self._ports.pulled.accept(batch.messages, cursor)
        if batch.ignored:
            _LOG.info("wecom_entries_without_message", counts=dict(batch.ignored))

    async def _fetch(self, open_kfid: str, position: str, token: str) -> Batch:
        body = {"cursor": position, "token": token, "limit": BATCH, "voice_format": 0, "open_kfid": open_kfid}
        answer = await self._client.post("sync_msg", {key: value for key, value in body.items() if value != ""})
        if answer["errcode"] == _BAD_TOKEN and token:
            return await self._fetch(open_kfid, position, "")
        if answer["errcode"] != 0:
            raise Unreached(f"sync_msg answers errcode {answer['errcode']}")
        return parse_batch(answer, self._clock.now())

    async def _pull_soon(self, open_kfid: str, token: str) -> None:
        for wait_s in (*_RETRIES_S, None):
            try:
                await self.pull(open_kfid, token)
            except (Unreached, Lost, TokenRefused, XiaoerError) as problem:
                _LOG.warning("wecom_pull_failed", error=type(problem).__name__, again_in_s=wait_s)
                if wait_s is not None:
                    await asyncio.sleep(wait_s)
            else:
                return
        self._waiting.discard(open_kfid)

    async def _poll(self) -> None:
        clock = asyncio.get_running_loop().time
        next_at = 0.0
        while True:
            if not await self._ports.leads():
                # Whoever takes the place over looks at once for what came meanwhile.
                next_at = 0.0
            elif clock() >= next_at:
                next_at = clock() + self._poll_s
                with contextlib.suppress(Unreached, Lost, TokenRefused, XiaoerError):
                    for open_kfid in await self._accounts():
                        self.ring(open_kfid, "")
            await asyncio.sleep(min(self._poll_s, _LEAD_LOOK_S))

    async def _accounts(self) -> tuple[str, ...]:
        """List the accounts to serve: those of the settings, or all that the API may manage."""
        if self._settings.accounts:
            return self._settings.accounts
        answer = await self._client.post("account/list", {"offset": 0, "limit": 100})
        return tuple(
            text_of(each, "open_kfid") for each in listing(answer, "account_list") if text_of(each, "open_kfid")
        )
