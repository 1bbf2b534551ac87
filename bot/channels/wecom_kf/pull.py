"""Pulling: what callbacks ring for, and what a poll finds when one was missed.

Source: https://developer.work.weixin.qq.com/document/path/94670 (sync_msg: up to 1000 a batch; ``has_more`` may be 1
with an empty list; the callback's token is good for 10 minutes, without it the calls are strictly limited).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import structlog

from bot.channels._api import Lost, Unreached
from bot.channels.plug import Heard
from bot.channels.reading import listing, text_of
from bot.channels.rounds import go_round
from bot.channels.vault import TokenRefused
from bot.channels.wecom_kf.parse import Batch, SendFailure, parse_batch
from bot.channels.wecom_kf.send import CallRefused, WecomKfAdapter
from bot.channels.wecom_kf.settings import CHANNEL, WecomKfSettings
from bot.domain.errors import XiaoerError
from bot.domain.line_ports import Cursor
from bot.domain.messages import InboundMessage
from bot.domain.staff import StaffWords, ThreadMove

BATCH = 1000
_MOST_BATCHES = 500
_LEAD_LOOK_S = 10.0
_BEHIND_S = 30.0
_RETRIES_S = (0.5, 2.0, 10.0)
_LOG = structlog.get_logger(__name__)


class KfPuller:
    """Pulls the accounts of one company, each by one task at a time; ``poll_s`` looks for missed callbacks.

    A callback is answered by the process it reaches, since it brings the token; of several processes one polls. When
    two pull the same, the cursor of the first counts and the messages of the second are repeats.
    """

    def __init__(self, settings: WecomKfSettings, adapter: WecomKfAdapter, heard: Heard, poll_s: float = 300.0) -> None:
        self._settings = settings
        self._adapter = adapter
        self._heard = heard
        self._poll_s = poll_s
        self._poll_at = 0.0
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, str] = {}
        self._poller: asyncio.Task[None] | None = None

    def ring(self, open_kfid: str, token: str) -> None:
        """Pull an account soon; a ring while another waits for its turn only brings its token, that one sees all."""
        waits = open_kfid in self._waiting
        if token or not waits:
            self._waiting[open_kfid] = token
        if waits:
            return
        task = asyncio.create_task(self._pull_soon(open_kfid, token), name=f"pull-{open_kfid}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def start(self) -> None:
        """Pull what came while nobody listened, then now and then, as long as this process leads."""
        every_s = min(self._poll_s, _LEAD_LOOK_S)
        self._poller = asyncio.create_task(go_round("wecom_poll", self._poll, every_s, _BEHIND_S), name="pull-poll")

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
        taken, name = 0, Cursor(CHANNEL, open_kfid, "sync_msg")
        async with self._locks[open_kfid]:
            token = self._waiting.pop(open_kfid, "") or token
            for _ in range(_MOST_BATCHES):
                position = await self._heard.pulled.position(name)
                answer = await self._sync(open_kfid, position, token)
                if answer["errcode"] != 0 and token:
                    # ? 95007: the callback's token is over. Whatever it is, the token is not needed.
                    token = ""
                    continue
                if answer["errcode"] != 0:
                    raise CallRefused("sync_msg", answer["errcode"])
                batch = parse_batch(answer, self._heard.clock.now())
                taken += await self._take(batch, Cursor(CHANNEL, open_kfid, "sync_msg", batch.next_cursor, position))
                # An empty list with has_more is only a gap; without a new cursor it would be pulled for ever.
                if not batch.has_more or batch.next_cursor in {"", position}:
                    break
        return taken

    async def _sync(self, open_kfid: str, position: str, token: str) -> Mapping[str, Any]:
        body = {"cursor": position, "token": token, "limit": BATCH, "voice_format": 0, "open_kfid": open_kfid}
        return await self._adapter.client.post("sync_msg", {key: value for key, value in body.items() if value != ""})

    async def _take(self, batch: Batch, cursor: Cursor) -> int:
        """Commit a batch in the platform's order: what was said before an end belongs to what ended then."""
        said: list[InboundMessage] = []
        for entry in batch.entries:
            if isinstance(entry, InboundMessage):
                said.append(entry)
                continue
            # The cursor moves with the last: what is told again changes nothing, what was not told is.
            await self._heard.on_messages(tuple(said))
            said.clear()
            await self._tell(entry)
        await self._heard.pulled.accept(tuple(said), cursor)
        if batch.ignored:
            _LOG.info("wecom_entries_without_message", counts=dict(batch.ignored))
        return sum(isinstance(entry, InboundMessage) for entry in batch.entries)

    async def _tell(self, entry: SendFailure | ThreadMove | StaffWords) -> None:
        if isinstance(entry, SendFailure):
            await self._heard.on_undelivered(CHANNEL, entry.platform_id, entry.why)
        elif isinstance(entry, ThreadMove):
            self._adapter.forget(entry.sender.account, entry.sender.channel_user_id)
            await self._heard.on_move(entry)
        else:
            await self._heard.on_staff(entry)

    async def _pull_soon(self, open_kfid: str, token: str) -> None:
        for wait_s in (*_RETRIES_S, None):
            try:
                await self.pull(open_kfid, token)
            except (Unreached, Lost, TokenRefused, XiaoerError) as problem:
                _LOG.warning("wecom_pull_failed", error=type(problem).__name__, again_in_s=wait_s)
                if wait_s is not None:
                    await asyncio.sleep(wait_s)
                elif not isinstance(problem, CallRefused):
                    # Nobody may ring again soon: the poll comes earlier. Who was refused is refused again.
                    self._poll_at = min(self._poll_at, asyncio.get_running_loop().time() + _BEHIND_S)
            else:
                return

    async def _poll(self) -> None:
        if not await self._heard.leads():
            # Whoever takes the place over looks at once for what came meanwhile.
            self._poll_at = 0.0
        elif (now := asyncio.get_running_loop().time()) >= self._poll_at:
            for open_kfid in await self._accounts():
                self.ring(open_kfid, "")
            self._poll_at = now + self._poll_s

    async def _accounts(self) -> tuple[str, ...]:
        """List the accounts to serve: those of the settings, or all that the API may manage."""
        if self._settings.accounts:
            return self._settings.accounts
        answer = await self._adapter.client.accounts()
        if answer["errcode"] != 0:
            raise CallRefused("account/list", answer["errcode"])
        listed = listing(answer, "account_list")
        ours = [text_of(each, "open_kfid") for each in listed if each.get("manage_privilege") is not False]
        return tuple(filter(None, ours))
