"""A program in the place of Rasa's interpreter: the strict fake server, saying what its model file tells it to say.

The model file is JSON: ``intent`` is what it takes every message for, ``starts_s`` how long it loads, ``broken`` that
it ends at once. A message with the word ``slowly`` is answered only when the file ``<model>.go`` is there.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fake_rasa import FakeRasa

_LOOK_EVERY_S = 0.01


def pretend(folder: Path) -> Path:
    """Make an environment whose ``bin/python`` runs this program; returns the environment."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return folder


class SlowRasa(FakeRasa):
    """Keeps some messages waiting."""

    go: Path

    async def prepare(self, content: bytes) -> None:
        """Wait with a slow message for the word to go on."""
        while b"slowly" in content and not self.go.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(_LOOK_EVERY_S)


def _read() -> tuple[int, Path]:
    words = ArgumentParser(allow_abbrev=False)
    words.add_argument("-m", action="append")
    words.add_argument("run", choices=["run"])
    words.add_argument("--enable-api", action="store_true", required=True)
    words.add_argument("-i", choices=["127.0.0.1"], required=True)
    words.add_argument("-p", type=int, required=True)
    # `python -m intents.rasa.launch run ... -m MODEL`: the interpreter's -m and Rasa's.
    given = words.parse_args()
    module, model = given.m
    if module != "intents.rasa.launch":
        sys.exit(f"not how Rasa is started: {module}")
    return given.p, Path(model)


async def _serve(port: int, model: Path, told: dict[str, Any]) -> None:
    if told.get("broken"):
        sys.exit("this model cannot be loaded")
    server = SlowRasa(token=os.environ["XIAOER_RASA_TOKEN"], port=port, loaded=False)
    server.go = model.with_name(f"{model.name}.go")
    server.says((told["intent"], 0.9))
    await server.start()
    # Like Rasa: the port is open before the model is loaded.
    await asyncio.sleep(told.get("starts_s", 0.0))
    server.loaded = True
    await asyncio.Event().wait()


if __name__ == "__main__":
    listens_at, loads = _read()
    asyncio.run(_serve(listens_at, loads, json.loads(loads.read_text("utf-8"))))
