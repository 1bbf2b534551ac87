"""PostgreSQL is away when Xiaoer starts: it is waited for, for a while, and only when it gives no answer."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest
from typer.testing import CliRunner

from bot.__main__ import application
from bot.app import open_stores, wait_for_database
from bot.config import Config, Secrets, parse
from bot.domain.errors import StorageError
from storage.reaching import wait_until_reachable
from storage.schema import migrate
from tests.conftest import told_when_missing
from tests.ports import free_port
from tests.postgresql import PostgresqlServer

pytestmark = pytest.mark.postgresql
REFUSING = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    for state in sys.argv[1:]:
        caller, _ = server.accept()
        caller.recv(1024)
        fields = f"SFATAL\\0C{state}\\0Mno\\0\\0".encode()
        caller.sendall(b"E" + (4 + len(fields)).to_bytes(4, "big") + fields)
        caller.close()
        print(state, flush=True)
"""
REFUSALS = ("57P03", "57P03", "28P01")
"""cannot_connect_now, cannot_connect_now, invalid_password.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """Give a server of these tests alone, which may be killed, but must run again at the end of a test."""
    with told_when_missing():
        server = PostgresqlServer()
        server.start()
    yield server
    server.close()


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Give the address of a database where nobody listens; its port is kept free."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"postgresql+psycopg://xiaoer@127.0.0.1:{taken.getsockname()[1]}/shop"


@pytest.fixture
def refusing() -> Iterator[IO[str]]:
    """Run a server that refuses everybody; in a process of its own, since the driver lets nothing run while it asks."""
    arguments = [sys.executable, "-c", REFUSING, *REFUSALS]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout
        server.kill()


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Give what the waiting has said so far; it is not said again, however slowly a server starts here."""
    monkeypatch.setattr("storage.reaching._SAY_AGAIN_AFTER_S", 3600.0)
    caplog.set_level(logging.WARNING, "storage.reaching")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "storage.reaching"]


def configured(url: str, wait_s: float = 60) -> Config:
    """Configure a house on a database."""
    return parse({"xiaoer": {"database": {"url": url, "wait_s": wait_s}}}, "away")


async def test_start_waits_until_the_database_is_back(server: PostgresqlServer, told: Callable[[], list[str]]) -> None:
    """It says so once, and once more when it goes on."""
    url = server.create("shop")
    migrate(url)
    server.kill()
    opening = asyncio.create_task(wait_for_database(configured(url), Secrets()))
    await asyncio.sleep(1.0)
    assert not opening.done()
    await asyncio.to_thread(server.start)
    await opening
    async with open_stores(configured(url), Secrets()) as stores:
        assert await stores.desk.people.list() == ()
    first, last = told()
    assert f"127.0.0.1:{server.port}/shop cannot be reached; waiting for it" in first
    assert last == f"the database at 127.0.0.1:{server.port}/shop is there"


async def test_wait_is_bounded_and_ends_in_a_sentence(nowhere: str) -> None:
    """Not longer than configured; the password is not in it."""
    begin = time.monotonic()
    with pytest.raises(StorageError, match=r"could not be reached for 0\.4 s; see that PostgreSQL runs there") as said:
        await wait_for_database(configured(nowhere, 0.4), Secrets(database_password="hidden"))
    assert 0.3 < time.monotonic() - begin < 20
    assert "hidden" not in str(said.value)


async def test_unknown_database_is_not_waited_for(server: PostgresqlServer, told: Callable[[], list[str]]) -> None:
    """A server that answers is there; what it says is raised at once."""
    config = configured(server.url("unknown"))
    async with asyncio.timeout(100):
        await wait_for_database(config, Secrets())
        with pytest.raises(StorageError, match="does not exist"):
            async with open_stores(config, Secrets()):
                pass
    assert told() == []


async def test_server_that_starts_up_is_waited_for_and_one_that_refuses_is_not(
    refusing: IO[str], told: Callable[[], list[str]]
) -> None:
    """It takes nobody yet: wait. It will not have this password: that is an answer."""
    address = f"postgresql+psycopg://xiaoer@127.0.0.1:{int(refusing.readline())}/shop?sslmode=disable"
    async with asyncio.timeout(100):
        await wait_for_database(configured(address), Secrets())
    assert refusing.read().split() == list(REFUSALS)
    assert len(told()) == 2


async def test_waiting_is_said_at_growing_intervals(
    nowhere: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, after five seconds, ten, twenty, forty: not at every try."""
    tries = 0

    async def is_there() -> bool:
        nonlocal tries
        tries += 1
        return False

    passed_s = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal passed_s
        passed_s += seconds

    # In the place of that module's own asyncio: others in this process go on sleeping as they do.
    loop = SimpleNamespace(time=lambda: passed_s)
    slept = SimpleNamespace(sleep=sleep, get_running_loop=lambda: loop)
    monkeypatch.setattr("storage.reaching.asyncio", slept)
    with pytest.raises(StorageError, match="for 60 s"):
        await wait_until_reachable(nowhere, 60, is_there)
    assert len([record for record in caplog.records if record.name == "storage.reaching"]) == 5
    assert 25 < tries < 60


async def test_sqlite_file_is_not_waited_for(tmp_path: Path) -> None:
    """A file is there or it is made."""
    await wait_until_reachable(f"sqlite:///{tmp_path / 'shop.db'}", 60)


@pytest.mark.parametrize("command", ["work", "serve"])
def test_commands_end_with_the_sentence(nowhere: str, tmp_path: Path, command: str) -> None:
    """Before anything else is prepared."""
    file = tmp_path / "config.yml"
    redis = "  redis: {url: 'redis://127.0.0.1:1/0'}\n" if command == "work" else ""
    database = f"  database: {{url: '{nowhere}', wait_s: 0.2}}\n"
    file.write_text(f"xiaoer:\n  data_dir: {tmp_path}\n{database}{redis}")
    more = ["--port", str(free_port())] if command == "serve" else []
    result = CliRunner().invoke(application, [command, "-c", str(file), *more])
    assert isinstance(result.exception, StorageError)
    assert "could not be reached for 0.2 s" in str(result.exception)
