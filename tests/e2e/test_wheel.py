"""The wheel that is shipped, installed into an environment of its own and started from another directory."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 400
ANSWER_WITHIN_S = 60
CONFIG = """
xiaoer:
  data_dir: {folder}/data
  server: {{port: {port}}}
  database: {{url: "sqlite:///{folder}/data/shop.db"}}
"""

pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it, alone, beside the dependencies of this environment; gives the command's path."""
    folder = tmp_path_factory.mktemp("installed wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=400)
    wheel = next(folder.glob("*.whl"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True, timeout=300)
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    subprocess.run(pip, check=True, timeout=300, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    return folder / "venv" / "bin" / "xiaoer"


@pytest.fixture(scope="module")
def shop(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Start the installed command from / and give its address and what it printed until it was ready."""
    folder = tmp_path_factory.mktemp("merchant")
    port = free_port()
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))
    log = folder / "output.txt"
    with log.open("wb") as output:
        command = [str(installed), "serve", "--demo", "--config", str(folder / "config.yml")]
        server = subprocess.Popen(command, cwd="/", stdout=output, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_ready(server, address, log)
            yield address, log.read_text()
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=ANSWER_WITHIN_S) == 0, log.read_text()[-2000:]


def wait_until_ready(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        assert server.poll() is None, f"the server ended: {log.read_text()[-3000:]}"
        try:
            if httpx.get(f"{address}/shop", timeout=20).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"not ready within {READY_WITHIN_S} s: {log.read_text()[-3000:]}")


def ask(address: str, token: str, text: str) -> str:
    """Post a message and read the stream until the bot has answered it."""
    headers = {"Authorization": f"Bearer {token}"}
    latest = httpx.get(f"{address}/widget/history", headers=headers, timeout=ANSWER_WITHIN_S).json()["items"]
    after = max((item["seq"] for item in latest), default=0)
    body = {"id": uuid.uuid4().hex, "text": text}
    posted = httpx.post(f"{address}/widget/messages", headers=headers, json=body, timeout=ANSWER_WITHIN_S)
    assert posted.is_success, posted.text
    stream = httpx.stream(
        "GET",
        f"{address}/widget/stream",
        params={"after": after, "token": token},
        headers=headers,
        timeout=ANSWER_WITHIN_S,
    )
    with stream as response:
        for line in response.iter_lines():
            if line.startswith("data:") and (item := json.loads(line[5:])).get("sender") == "bot":
                return str(item["text"])
    raise AssertionError("the stream ended without an answer")


def test_installed_wheel_holds_a_dialogue_over_http(shop: tuple[str, str]) -> None:
    """Order status behind its proof, from another directory, with nothing of the checkout in reach."""
    address, _ = shop
    token = httpx.post(f"{address}/widget/session", json={}, timeout=ANSWER_WITHIN_S).json()["token"]
    asked = ask(address, token, "我的快递到哪里了呀")
    assert "订单号" in asked
    assert "后四位" in ask(address, token, "W1234567") or "四位" in asked
    told = ask(address, token, "0001")
    assert "73000000001001" in told, told


def test_first_start_shows_each_login_once(shop: tuple[str, str]) -> None:
    """The demo's logins, the shop page and where the data lies are printed."""
    address, printed = shop
    for wanted in (f"{address}/shop", f"{address}/console", "agent", "manager", "admin", "shop.db"):
        assert re.search(re.escape(wanted), printed), printed
