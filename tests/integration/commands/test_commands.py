"""What a person at the shell is told when something is wrong, and that nothing is lost by it."""

from __future__ import annotations

import re
import socket
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.commands import screen

Run = Callable[..., tuple[int, str, str]]

ORDERS = """order_number,state,placed_at,total,currency,phone,recipient,item_name,item_quantity,item_unit_price
W7000001,paid,2026-01-02T10:00:00+08:00,20.00,CNY,13800000042,王芳,竹编收纳篮,2,10.00
W7000002,shipped,2026-01-03T10:00:00+08:00,9.50,CNY,13800000043,Ann,Tea towel,1,9.50
"""
WRONG_ORDERS = """order_number,state,placed_at,total,currency,phone,recipient,item_name,item_quantity,item_unit_price
W7000001,paid,2026-01-02T10:00:00+08:00,20.00,CNY,13800000042,王芳,竹编收纳篮,2,10.00
W7000002,lost in space,yesterday,9.50,CNY,43,Ann,Tea towel,many,9.50
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give a configuration whose data lie in a folder of the test."""
    file = tmp_path / "config.yml"
    file.write_text(f"xiaoer:\n  data_dir: {tmp_path}/data\n  database: {{url: 'sqlite:///{tmp_path}/data/shop.db'}}\n")
    return file


@pytest.fixture
def xiaoer(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command line; gives exit code, output, error output."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        for console in (screen.words, screen.trouble):
            monkeypatch.setattr(console, "width", 200)
        monkeypatch.setattr(sys, "argv", ["xiaoer", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        assert "Traceback" not in printed.out + printed.err
        code = ended.value.code
        return (code if isinstance(code, int) else 0 if code is None else 1), printed.out, printed.err

    return run


def orders_in(folder: Path) -> int:
    """Count the orders in the test's database."""
    file = folder / "data" / "shop.db"
    if not file.exists():
        return 0
    with sqlite3.connect(file) as connection:
        count = connection.execute("SELECT count(*) FROM orders").fetchone()[0]
    connection.close()
    return int(count)


def test_config_check_names_every_mistake_with_its_path(xiaoer: Run, tmp_path: Path) -> None:
    """Two mistakes, two sentences, one run."""
    file = tmp_path / "broken.yml"
    file.write_text("xiaoer:\n  server: {port: eighty}\n  shop: {opens: '25:00'}\n  chanels: {}\n")
    code, _, err = xiaoer("config", "check", "-c", file)
    assert code == 2
    assert "xiaoer.server.port: 'eighty'" in err
    assert "xiaoer.shop.opens: '25:00' is no time of day" in err
    assert "xiaoer.chanels: unknown key; did you mean 'channels'?" in err


def test_config_that_is_no_yaml_is_told_by_line_and_column(xiaoer: Run, tmp_path: Path) -> None:
    """A broken file stops the start with the place that is wrong."""
    file = tmp_path / "broken.yml"
    file.write_text("xiaoer:\n  server: {port: 8080\n  shop: x\n")
    code, _, err = xiaoer("serve", "-c", file)
    assert code == 2
    assert re.search(r"broken\.yml: line \d+, column \d+: .*indentation", err)


def test_password_in_the_configuration_is_refused(xiaoer: Run, tmp_path: Path) -> None:
    """Secrets come from the environment; the password itself is not repeated."""
    file = tmp_path / "config.yml"
    file.write_text("xiaoer:\n  database: {url: 'postgresql+psycopg://shop:hunter2@db/shop'}\n")
    code, out, err = xiaoer("config", "check", "-c", file)
    assert code == 2
    assert "XIAOER_DATABASE_PASSWORD" in err
    assert "hunter2" not in out + err


def test_enabled_channel_without_its_secret_is_refused(
    xiaoer: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the variables that are missing."""
    monkeypatch.delenv("XIAOER_TELEGRAM_TOKEN", raising=False)
    file = tmp_path / "config.yml"
    file.write_text("xiaoer:\n  channels: {telegram: {enabled: true}}\n")
    code, _, err = xiaoer("config", "check", "-c", file)
    assert code == 2
    assert "XIAOER_TELEGRAM_TOKEN" in err


def test_port_in_use_is_told_before_anything_is_done(xiaoer: Run, config: Path, tmp_path: Path) -> None:
    """The person hears which port, and nothing was made."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, _, err = xiaoer("serve", "-c", config, "--port", str(port))
    assert code == 2
    assert f"port {port} on 127.0.0.1 cannot be used: another program listens there" in err
    assert not (tmp_path / "data").exists()


def test_import_twice_changes_nothing_the_second_time(xiaoer: Run, config: Path, tmp_path: Path) -> None:
    """The first import is new, the second all unchanged."""
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS)
    code, out, err = xiaoer("orders", "import", file, "-c", config)
    assert (code, "2 new, 0 changed, 0 unchanged" in out) == (0, True), out + err
    code, out, _ = xiaoer("orders", "import", file, "-c", config)
    assert (code, "0 new, 0 changed, 2 unchanged" in out) == (0, True)


def test_import_with_wrong_rows_lists_them_and_imports_nothing(xiaoer: Run, config: Path, tmp_path: Path) -> None:
    """Line and reason for each; the right row is not half-imported."""
    file = tmp_path / "orders.csv"
    file.write_text(WRONG_ORDERS)
    code, _, err = xiaoer("orders", "import", file, "-c", config)
    assert code == 1
    assert "orders.csv:3: " in err
    assert "lost in space" in err
    assert orders_in(tmp_path) == 0


def test_import_of_a_gbk_file_is_refused_until_its_encoding_is_named(xiaoer: Run, config: Path, tmp_path: Path) -> None:
    """A file from a Chinese spreadsheet is never guessed at; named, it is read with every character right."""
    file = tmp_path / "orders.csv"
    file.write_bytes(ORDERS.encode("gb18030"))
    code, _, err = xiaoer("orders", "import", file, "-c", config)
    assert code == 1
    assert "gb18030" in err
    assert orders_in(tmp_path) == 0
    code, out, err = xiaoer("orders", "import", file, "-c", config, "--encoding", "gb18030")
    assert code == 0, out + err
    with sqlite3.connect(tmp_path / "data" / "shop.db") as connection:
        names = {row[0] for row in connection.execute("SELECT recipient FROM orders")}
    connection.close()
    assert names == {"王芳", "Ann"}


def test_import_of_a_missing_file_is_a_sentence(xiaoer: Run, config: Path, tmp_path: Path) -> None:
    """It names the file."""
    code, _, err = xiaoer("orders", "import", tmp_path / "nowhere.csv", "-c", config)
    assert code != 0
    assert "nowhere.csv" in err


def test_database_of_a_newer_version_is_refused_and_kept(xiaoer: Run, config: Path, tmp_path: Path) -> None:
    """The reason is told; the file stays as it was."""
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS)
    assert xiaoer("orders", "import", file, "-c", config)[0] == 0
    with sqlite3.connect(tmp_path / "data" / "shop.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    connection.close()
    code, _, err = xiaoer("serve", "-c", config, "--port", "65000")
    assert code == 2
    assert "newer" in err
    assert orders_in(tmp_path) == 2


def test_person_is_added_with_a_password_shown_once(xiaoer: Run, config: Path) -> None:
    """The second of the same login is refused with a sentence."""
    code, out, _ = xiaoer("people", "add", "lin", "--role", "admin", "-c", config)
    assert code == 0
    assert re.search(r"lin may sign in as admin with the password \S+", out)
    code, _, err = xiaoer("people", "add", "lin", "-c", config)
    assert code == 2
    assert "lin" in err


def test_signing_key_is_for_its_owner_alone(xiaoer: Run, config: Path, tmp_path: Path) -> None:
    """Nobody else on the machine can read it."""
    xiaoer("people", "add", "lin", "-c", config)
    assert (tmp_path / "data" / "signing.key").stat().st_mode & 0o077 == 0


ENTRIES = "title_zh,questions_zh,answer_zh\n刻字服务,能刻字吗|可以刻名字吗,可以。\n礼品卡,礼品卡怎么用,结账时用。\n"


def test_knowledge_import_twice_changes_nothing(xiaoer: Run, config: Path, tmp_path: Path) -> None:
    """New at first, unchanged the second time, changed the third."""
    file = tmp_path / "entries.csv"
    file.write_text(ENTRIES)
    assert "2 new, 0 changed, 0 unchanged" in xiaoer("knowledge", "import", file, "--config", config)[1]
    assert "0 new, 0 changed, 2 unchanged" in xiaoer("knowledge", "import", file, "--config", config)[1]
    file.write_text(ENTRIES.replace("结账时用", "下单时用"))
    code, printed, _ = xiaoer("knowledge", "import", file, "--config", config)
    assert code == 0
    assert "0 new, 1 changed, 1 unchanged" in printed


def test_knowledge_import_of_a_wrong_file_names_the_lines(xiaoer: Run, config: Path, tmp_path: Path) -> None:
    """Nothing is imported, and the reason stands beside its line."""
    file = tmp_path / "entries.csv"
    file.write_text(ENTRIES + ",x,y\n")
    code, _, trouble = xiaoer("knowledge", "import", file, "--config", config)
    assert code == 1
    assert f"{file}:4: the entry has no title" in trouble
    file.write_text(ENTRIES)
    assert "2 new" in xiaoer("knowledge", "import", file, "--config", config)[1]
