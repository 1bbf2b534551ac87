"""``xiaoer work``: answer the bells of ``xiaoer serve``, in any number of processes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator
from typing import Annotated, Any

import typer
import uvicorn

from bot import app as house
from bot import config as configuration
from bot.commands import preparing
from bot.commands.options import ConfigFile
from bot.commands.screen import words
from bot.domain.clock import SystemClock
from bot.health.memory import settle_memory


def work(
    config: ConfigFile = None,
    health_port: Annotated[
        int | None,
        typer.Option(help="Tell /healthz, /readyz and /metrics on this port of xiaoer.server.host.", min=1, max=65535),
    ] = None,
) -> None:
    """Run turns and deliver, beside any number of others; needs xiaoer.redis.url and PostgreSQL."""
    loaded = configuration.load(config)
    house.set_up_logs(loaded.log.format, loaded.log.level)
    secrets = preparing.prepare_worker(loaded, configuration.Secrets.from_environment())
    _run(_work(loaded, secrets, health_port))
    words.print("  stopped; nothing was left half-done")


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop  # noqa: PLC0415 - not made for every system
    except ModuleNotFoundError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def _work(config: configuration.Config, secrets: configuration.Secrets, health_port: int | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with house.open_worker(config, secrets, SystemClock()) as worker:
        # Only now: whoever stops it while it waits for its database has it stopped at once.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        server = None if health_port is None else _health_server(worker, config.server.host, health_port)
        telling = asyncio.create_task(server.serve()) if server is not None else None
        for remark in worker.understanding.remarks():
            words.print(f"  [bold]note[/bold]  {remark}", soft_wrap=True)
        settle_memory()
        words.print("  at work; Ctrl-C stops")
        await stopped.wait()
        if server is not None and telling is not None:
            server.should_exit = True
            await telling


class _QuietServer(uvicorn.Server):
    """Leaves the signals to the worker."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _health_server(worker: house.Worker, host: str, port: int) -> uvicorn.Server:
    application = house.make_worker_application(worker)
    return _QuietServer(
        uvicorn.Config(
            application, host=host, port=port, log_config=None, access_log=False, server_header=False, lifespan="off"
        )
    )
