"""What a server loads at its start is not gone through again by each full garbage collection."""

from __future__ import annotations

import subprocess
import sys

SERVED = """
import gc, os, signal
from bot.commands.serve import run
from bot.config import Config, Server

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

def ready():
    print("left out:", gc.get_freeze_count() > 50_000 and len(gc.get_objects()) < 10_000)
    os.kill(os.getpid(), signal.SIGTERM)

run(application, Config(server=Server.model_construct(host="127.0.0.1", port=0, behind_proxy=False)), ready)
"""


def test_server_leaves_what_it_loaded_out_of_later_collections() -> None:
    """When it is ready, nearly everything that exists is settled."""
    done = subprocess.run([sys.executable, "-c", SERVED], capture_output=True, text=True, check=False, timeout=200)
    assert "left out: True" in done.stdout, done.stderr
