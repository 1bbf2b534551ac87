"""A simulated shop with all its phones, served on loopback by a thread, once for all tests of phones."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from bot.app import make_phone_application, simulate
from bot.commands import preparing
from bot.config import parse
from tests.conversations.conftest import model_folder

__all__ = ["model_folder"]

PATIENCE_S = 60


class Shop:
    """The page's HTTP, as the page itself speaks it; ``folder`` holds the shop's data, ``secrets`` nobody may read."""

    def __init__(self, address: str, folder: Path, secrets: tuple[str, ...] = ()) -> None:
        self.address = address
        self.folder = folder
        self.secrets = secrets
        self.http = httpx.Client(base_url=f"{address}/phones", timeout=PATIENCE_S, follow_redirects=True)

    def post(self, name: str, what: str, **body: Any) -> httpx.Response:
        """Ask something of a phone."""
        return self.http.post(f"/{name}/{what}", json=body)


class Hand:
    """A fresh person with a phone in hand: does, waits, reads."""

    def __init__(self, shop: Shop, name: str, language: str = "zh") -> None:
        self._shop = shop
        self._name = name
        self._language = language
        assert shop.post(name, "people").status_code == 200

    @property
    def phone(self) -> dict[str, Any]:
        """Look at everything."""
        found: dict[str, Any] = self._shop.http.get(f"/{self._name}/state").json()
        return found

    @property
    def heard(self) -> list[dict[str, Any]]:
        """List what the shop said."""
        return [bubble for bubble in self.phone["bubbles"] if bubble["by"] == "shop"]

    def act(self, act: str, text: str = "") -> None:
        """Do something."""
        answer = self._shop.post(self._name, "acts", act=act, text=text, language=self._language)
        assert answer.status_code == 202, answer.text

    def turn(self, knob: str, *, on: bool = True) -> None:
        """Turn a knob."""
        assert self._shop.post(self._name, "knobs", knob=knob, on=on).status_code == 200

    def choose(self, label: str) -> None:
        """Press the choice where it can be pressed, else write its number; wait for the answer."""
        self.until(lambda: self._offer(label) is not None, f"{label!r} to be offered")
        offered = self._offer(label)
        assert offered is not None
        heard = len(self.heard)
        self.act(*offered)
        self.until(lambda: len(self.heard) > heard, f"an answer to {label!r}")

    def hears(self, words: str) -> str:
        """Wait until the shop says something that matches; gives what matched."""
        self.until(lambda: re.search(words, self._said()) is not None, f"{words!r} to be said")
        found = re.search(words, self._said())
        assert found
        return found[0]

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait until it is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, f"waited for {what}; the phone shows {self.phone['bubbles'][-4:]}"
            time.sleep(0.05)

    def calls(self, to: str) -> list[dict[str, Any]]:
        """List the calls to the shop or to the platform, newest first."""
        return [call for call in self.phone["calls"] if call["to"] == to]

    def _offer(self, label: str) -> tuple[str, str] | None:
        for bubble in reversed(self.heard):
            if label in bubble["choices"]:
                return "press", label
            number = re.search(rf"^(\d+)\. {re.escape(label)}$", bubble["text"], re.MULTILINE)
            if number:
                return "text", number[1]
        return None

    def _said(self) -> str:
        return "\n".join(bubble["text"] for bubble in self.heard)


@pytest.fixture(scope="session")
def shop(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Open a simulated shop with everything that `xiaoer serve --demo --phones` makes."""
    folder = tmp_path_factory.mktemp("phones")
    (folder / "model").symlink_to(model_folder)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config = {"data_dir": str(folder), "server": {"port": port}, "turns": {"quiet_time_s": 0}}
        simulation = simulate(parse({"xiaoer": config}, "test"))
        preparing.prepare(simulation.config, simulation.secrets, demo=True)
        application = make_phone_application(simulation, simulation.secrets)
        server = uvicorn.Server(uvicorn.Config(application, log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + 4 * PATIENCE_S
            while not server.started:
                assert thread.is_alive(), "the shop did not open"
                assert time.monotonic() < deadline, "the shop was not ready in time"
                time.sleep(0.05)
            secrets = tuple(str(each) for each in simulation.secrets.model_dump().values() if each)
            found = Shop(f"http://127.0.0.1:{port}", folder, secrets)
            yield found
            found.http.close()
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
