"""Bells over Redis Streams by taskiq: wake-ups for conversations, and periodic jobs. Losing one loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from taskiq import BrokerMessage, TaskiqScheduler
from taskiq.api import run_scheduler_task
from taskiq.kicker import AsyncKicker
from taskiq.receiver import Receiver
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import RedisStreamBroker

from bot.domain.errors import StorageError
from bot.domain.ids import ConversationId
from storage.redis.bursts import BurstBook
from storage.redis.server import GONE, Availability

_DRAIN = "drain"
_KEPT_BELLS = 100_000
_AT_ONCE = 256
_READ_AT_ONCE = 16
_BLOCK_MS = 2000
_LISTEN_TIMEOUT_S = 5.0
_RECONNECT_S = 1.0
_LEAD_S = 3.0
_LEADER = "scheduler"


class BellBroker(RedisStreamBroker):
    """A stream of bells that survives the server's absence.

    Sending never raises: a bell that cannot be rung is found by the sweep. Listening waits until the server is back
    and makes the consumer group again when it was lost. A bell counts as answered once it was heard: the sweep repeats
    those whose worker died, so none is acknowledged, and none is looked for that another worker has left.
    """

    def __init__(self, url: str, prefix: str) -> None:
        """Use the stream ``<prefix>:bells``; at most 100,000 old bells are kept."""
        super().__init__(
            url,
            queue_name=f"{prefix}:bells",
            consumer_group_name="workers",
            maxlen=_KEPT_BELLS,
            xread_block=_BLOCK_MS,
            xread_count=_READ_AT_ONCE,
            max_connection_pool_size=20,
            timeout=1,
            socket_timeout=_LISTEN_TIMEOUT_S,
            socket_connect_timeout=1,
        )
        self.availability = Availability()
        # One for all: making a client costs more than what it is asked.
        self._client: Redis = Redis(connection_pool=self.connection_pool)

    async def startup(self) -> None:
        """Make the consumer group when the server is there; listening makes it otherwise."""
        try:
            await super().startup()
        except GONE as problem:
            self.availability.failed(problem)

    async def kick(self, message: BrokerMessage) -> None:
        """Ring, unless the server is away."""
        if self.availability.is_away:
            return
        bell: dict[Any, Any] = {b"data": message.message}
        try:
            await self._client.xadd(self.queue_name, bell, maxlen=self.maxlen, approximate=True)
        except GONE as problem:
            self.availability.failed(problem)
        else:
            self.availability.worked()

    async def listen(self) -> AsyncGenerator[bytes, None]:  # type: ignore[override]
        """Give bells as they ring, for ever."""
        while True:
            try:
                await self._declare_consumer_group()
                self.availability.worked()
                while True:
                    for bell in await self._heard():
                        yield bell
            except GONE as problem:
                self.availability.failed(problem)
                await asyncio.sleep(_RECONNECT_S)

    async def _heard(self) -> list[bytes]:
        """Wait for bells for a while, and take them off the stream."""
        heard: Any = await self._client.xreadgroup(
            self.consumer_group_name,
            self.consumer_name,
            {self.queue_name: ">"},
            block=self.block,
            count=self.count,
            noack=True,
        )
        return [fields[b"data"] for _, bells in heard or () for _, fields in bells]


class RedisBell:
    """The twin of the port ``Dispatcher`` that wakes a worker somewhere."""

    def __init__(self, broker: BellBroker, bursts: BurstBook, usual_quiet_s: float) -> None:
        self._kicker: AsyncKicker[..., None] = AsyncKicker(_DRAIN, broker, {})
        self._bursts = bursts
        self._usual_quiet_s = usual_quiet_s
        self._availability = broker.availability

    async def ring(self, conversation_id: ConversationId, quiet_s: float | None = None) -> None:
        """Ask any worker to drain the conversation once ``quiet_s`` seconds (None: the usual) bring no other bell.

        Never raises: while Redis is away the sweep takes the bell's place.
        """
        if self._availability.is_away:
            return
        wait_s = self._usual_quiet_s if quiet_s is None else quiet_s
        number = await self._bursts.number(conversation_id) if wait_s > 0 else 0
        await self._kicker.kiq(conversation_id, wait_s, number)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done every ``every_s`` seconds (whole ones) by one worker of all."""

    name: str
    every_s: int
    run: Callable[[], Awaitable[None]]


class Leader:
    """Tells whether this process is the one that starts periodic jobs."""

    def __init__(self, lead: Callable[[str], Awaitable[bool]]) -> None:
        self._lead = lead

    async def is_mine(self) -> bool:
        """Ask; when the database is away nobody leads."""
        try:
            return await self._lead(_LEADER)
        except StorageError:
            return False


class BellListener:
    """Answers bells in a worker, and starts the periodic jobs while it leads."""

    def __init__(
        self,
        broker: BellBroker,
        drain: Callable[[ConversationId, float], Awaitable[None]],
        bursts: BurstBook,
        leader: Leader,
        jobs: Sequence[Job] = (),
    ) -> None:
        """Call ``drain`` with quiet time 0 for every burst; it returns when the conversation has been drained."""
        self._broker = broker
        self._leader = leader
        self._finish = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._thread = ThreadPoolExecutor(1)

        async def answer(conversation_id: str, quiet_s: float, number: int) -> None:
            if quiet_s > 0:
                await asyncio.sleep(quiet_s)
            if await bursts.is_over(ConversationId(conversation_id), number):
                await drain(ConversationId(conversation_id), 0.0)

        broker.register_task(answer, task_name=_DRAIN)
        for job in jobs:
            broker.register_task(job.run, task_name=job.name, schedule=[{"interval": job.every_s}])

    async def start(self) -> None:
        """Listen from now on."""
        self._broker.is_worker_process = True
        await self._broker.startup()
        receiver = Receiver(
            self._broker,
            self._thread,
            run_startup=False,
            max_async_tasks=_AT_ONCE,
        )
        self._tasks = [
            asyncio.create_task(receiver.listen(self._finish), name="bells"),
            asyncio.create_task(self._lead(), name="periodic-jobs"),
        ]

    async def stop(self) -> None:
        """Take no more bells and finish those in hand."""
        self._finish.set()
        listening, leading = self._tasks
        leading.cancel()
        await asyncio.gather(listening, leading, return_exceptions=True)
        self._thread.shutdown(wait=False)

    async def _lead(self) -> None:
        scheduling: asyncio.Task[None] | None = None
        scheduler = TaskiqScheduler(self._broker, [LabelScheduleSource(self._broker)])
        try:
            while True:
                mine = await self._leader.is_mine()
                if mine and (scheduling is None or scheduling.done()):
                    scheduling = asyncio.create_task(run_scheduler_task(scheduler), name="scheduler")
                elif not mine and scheduling is not None:
                    scheduling.cancel()
                    scheduling = None
                await asyncio.sleep(_LEAD_S)
        finally:
            if scheduling is not None:
                scheduling.cancel()
                await asyncio.gather(scheduling, return_exceptions=True)
