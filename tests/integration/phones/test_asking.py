"""The phones are there only when asked for, and never beside anything real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.app import simulate
from bot.commands import screen
from bot.commands.preparing import Prepared
from bot.commands.serve import welcome
from bot.config import Config, Secrets, parse
from bot.domain.errors import ConfigError
from tests.integration.commands.test_commands import Run, xiaoer

__all__ = ["xiaoer"]


def config(folder: Path, **more: Any) -> Config:
    """Make a configuration whose data lie in a folder of the test."""
    url = f"sqlite:///{folder / 'shop.db'}"
    return parse({"xiaoer": {"data_dir": str(folder), "database": {"url": url}, **more}}, "test")


def test_simulators_are_not_loaded_unless_asked_for() -> None:
    """A shop without phones imports nothing of them."""
    program = (
        "import sys, bot.app, bot.commands.serve; print([m for m in sys.modules if m.startswith('bot.simulators')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"server": {"host": "0.0.0.0"}}, "xiaoer.server.host"),  # noqa: S104 - it is refused
        ({"server": {"public_url": "https://shop.example"}}, "xiaoer.server.public_url"),
        ({"channels": {"line": {"enabled": True}}}, "xiaoer.channels.line"),
        ({"database": {"url": "postgresql+psycopg://shop@db/shop"}, "redis": {"url": "redis://r:6379/0"}}, "redis"),
    ],
)
def test_phones_are_refused_where_real_shoppers_could_be(tmp_path: Path, more: dict[str, Any], named: str) -> None:
    """The sentence names the key."""
    with pytest.raises(ConfigError, match=named):
        simulate(config(tmp_path, **more))
    assert list(tmp_path.iterdir()) == []


def test_simulation_uses_nothing_real(tmp_path: Path) -> None:
    """Another database, addresses of this machine alone, other secrets each time; what was there before is gone."""
    (tmp_path / "shop.db").write_text("real")
    (tmp_path / "phones.db").write_text("of the last simulation")
    real = config(tmp_path)
    one = simulate(real)
    one.listener.close()
    other = simulate(real)
    other.listener.close()
    assert one.config.database.url != real.database.url
    assert one.config.media.keep_in == "database"
    assert (tmp_path / "shop.db").read_text() == "real"
    assert not (tmp_path / "phones.db").exists()
    assert one.secrets.telegram_token != other.secrets.telegram_token
    for name, channel in one.config.channels:
        if channel.enabled and name != "web":
            assert channel.api_base.startswith("http://127.0.0.1:")


def test_command_refuses_phones_for_a_public_shop(xiaoer: Run, tmp_path: Path) -> None:
    """The word on the command line does not open a shop that others can reach."""
    file = tmp_path / "config.yml"
    file.write_text(f"xiaoer:\n  data_dir: {tmp_path}/data\n  server: {{public_url: 'https://shop.example'}}\n")
    code, _, err = xiaoer("serve", "--phones", "--config", file)
    assert code == 2
    assert "--phones is for trying things out on this machine" in err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("phones", "told"), [(False, 'make run ARGS="--phones"'), (True, "http://here/phones")])
def test_start_screen_says_how_to_have_phones(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, phones: bool, told: str
) -> None:
    """Without them it names the word, with them the address."""
    monkeypatch.setattr(screen.words, "width", 200)
    welcome("http://here", config(tmp_path), Prepared(Secrets(), {}, 1, "data"), phones=phones)
    assert told in capsys.readouterr().out
