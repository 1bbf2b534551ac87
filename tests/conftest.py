"""Fixtures for everyone: a migrated database on SQLite and on PostgreSQL, and a loud word on what is missing."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from hypothesis import HealthCheck, settings

from storage.database import Database
from storage.schema import migrate
from tests.postgresql import PostgresqlMissing, PostgresqlServer
from tests.redis_server import RedisMissing, RedisServer
from tests.scheduling import pytest_xdist_make_scheduler

__all__ = ["pytest_xdist_make_scheduler"]

ALLOW_MISSING = "XIAOER_ALLOW_MISSING"
MISSING = "MISSING PART"
_TEMPLATE = "xiaoer_template"

# What is tried is the same on every machine, and no time of day or busy neighbour fails it: by itself hypothesis gives
# an example 200 ms of the clock on the wall. `--hypothesis-profile=default` tries others each time.
settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


def missing_part(name: str, reason: str) -> None:
    """Fail because a part cannot be had, or skip loudly where ``XIAOER_ALLOW_MISSING`` names it (comma separated)."""
    if name in os.environ.get(ALLOW_MISSING, "").split(","):
        pytest.skip(f"{MISSING} {name}: {reason}")
    pytest.fail(f"{MISSING} {name}: {reason}\nSet {ALLOW_MISSING}={name} to run without it.", pytrace=False)


@pytest.fixture(autouse=True)
def logging_of_the_tests() -> Iterator[None]:
    """Give the logging of the tests back after one that sets up the program's own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@contextmanager
def told_when_missing() -> Iterator[None]:
    """Say plainly, or skip loudly, that a server cannot be had which is started within."""
    try:
        yield
    except PostgresqlMissing as problem:
        missing_part("postgresql", str(problem))
    except RedisMissing as problem:
        missing_part("redis", str(problem))


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """Give a Redis-compatible server of one's own."""
    with told_when_missing():
        server = RedisServer()
        server.start()
    yield server
    server.close()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what was not tested because it could not be had."""
    skipped = terminalreporter.getreports("skipped")
    reasons = {str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)}
    missing = sorted(reason for reason in reasons if MISSING in reason)
    if missing:
        terminalreporter.section("NOT TESTED", sep="!", red=True, bold=True)
        for reason in missing:
            terminalreporter.line(reason, red=True)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Give a running PostgreSQL server with a migrated template database."""
    with told_when_missing():
        server = PostgresqlServer()
        server.start()
    try:
        migrate(server.create(_TEMPLATE))
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Give the address of a migrated, empty SQLite database."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'xiaoer.db')}"


@pytest.fixture
def postgresql_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """Give the address of a migrated, empty PostgreSQL database."""
    name = f"test_{uuid4().hex}"
    yield postgresql_server.create(name, _TEMPLATE)
    postgresql_server.drop(name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> str:
    """Give the address of a migrated, empty database, once for each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Give an open, empty database, once for each kind."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Give a running Redis-compatible server."""
    with running_redis() as server:
        yield server
