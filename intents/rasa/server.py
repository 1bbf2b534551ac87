"""A Rasa server of our own on a free loopback port: started, watched, started again when it dies, stopped at last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

from bot.domain.errors import XiaoerError
from intents.rasa.launch import TOKEN
from intents.rasa.parser import RasaParser

_LOG = logging.getLogger(__name__)
_HOST = "127.0.0.1"
_LOOK_EVERY_S = 0.5
_STOPS_WITHIN_S = 10.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_ASK_TIMEOUT_S = 2.0


def quiet_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment Rasa runs in: nothing sent home, no GPU, nothing of our own packages on its path."""
    kept = dict(os.environ if environment is None else environment)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        kept.pop(name, None)
    # One thread for small products: several only wait for each other. TensorFlow has threads of its own.
    kept.setdefault("OPENBLAS_NUM_THREADS", "1")
    kept.setdefault("OMP_NUM_THREADS", "1")
    return kept | {
        "RASA_TELEMETRY_ENABLED": "false",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONWARNINGS": "ignore",
        "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    }


class RasaServer:
    """``rasa run --enable-api`` as a child process that ends with us."""

    def __init__(self, python: Path, project: Path, model: Path, log: Path) -> None:
        """Take Rasa's interpreter, the project folder with its components, the model file and where to log."""
        self._python = python
        self._project = project
        self._model = model
        self._log = log
        self._port = 0
        self._ready = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.token = secrets.token_hex(24)  # never begins with a dash, which Rasa would take for an option

    @property
    def url(self) -> str:
        """Give the address it listens on; another one after a restart."""
        return f"http://{_HOST}:{self._port}"

    @property
    def pid(self) -> int:
        """Give the process id, 0 when it does not run."""
        return self._process.pid if self._process and self._process.returncode is None else 0

    def is_ready(self) -> bool:
        """Tell whether it has loaded its model and listens."""
        return self._ready.is_set()

    def start(self) -> None:
        """Start it in the background."""
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until it answers; XiaoerError naming its log when it does not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise XiaoerError(f"Rasa was not ready after {timeout_s:.0f} s; its log says why: {self._log}") from None

    async def stop(self) -> None:
        """Stop it and wait for its end."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        self._ready.clear()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOPS_WITHIN_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _keep(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            self._port = free_port()
            self._process = await self._spawn()
            if await self._watch(self._process):
                pause_s = _FIRST_PAUSE_S
            code = self._process.returncode
            _LOG.warning("Rasa ended (exit code %s, log %s); it starts again in %.0f s", code, self._log, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _watch(self, process: asyncio.subprocess.Process) -> bool:
        """Wait for the end of a process; tells whether it had been ready."""
        ended = asyncio.ensure_future(process.wait())
        parser = RasaParser(lambda: self.url, _ASK_TIMEOUT_S, self.token)
        try:
            while not ended.done() and not self._ready.is_set():
                if await parser.is_ready():
                    self._ready.set()
                    _LOG.info("Rasa is ready at %s", self.url)
                else:
                    await asyncio.wait([ended], timeout=_LOOK_EVERY_S)
            await ended
            return self._ready.is_set()
        finally:
            ended.cancel()
            self._ready.clear()
            await parser.close()

    async def _spawn(self) -> asyncio.subprocess.Process:
        # A session of its own: Ctrl-C reaches us first, and we stop it when the last message is answered.
        arguments = ("run", "--enable-api", "-m", str(self._model.absolute()), "-i", _HOST, "-p", str(self._port))
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                str(self._python.absolute()),
                "-m",
                "intents.rasa.launch",
                *arguments,
                cwd=self._project,
                env=quiet_environment() | {TOKEN: self.token},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def free_port() -> int:
    """Find a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
