"""``xiaoer migrate``, ``backup``, ``restore`` and ``work`` as a person meets them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from bot.__main__ import application
from bot.domain.errors import ConfigError, StorageError
from storage.database import make_engine
from storage.tables import MEDIA_PIECES


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a configuration with an SQLite file."""
    file = tmp_path / "config.yml"
    file.write_text(f"xiaoer:\n  data_dir: {tmp_path}\n  database: {{url: 'sqlite:///{tmp_path / 'shop.db'}'}}\n")
    return file


def run(*arguments: str) -> str:
    """Run a command; its failure is raised here."""
    result = CliRunner().invoke(application, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_backup_and_restore_say_what_they_did(config: Path, tmp_path: Path):
    """Made, backed up, restored; the database before is kept and named."""
    assert "fits this version" in run("migrate", "-c", str(config))
    copy = tmp_path / "copy.db"
    assert "checked" in run("backup", str(copy), "-c", str(config))
    assert copy.is_file()
    assert "shop.db.before-restore" in run("restore", str(copy), "-c", str(config))
    assert (tmp_path / "shop.db").is_file()


def test_backup_without_a_database_is_a_sentence(config: Path):
    """Nothing there: the key to look at is named."""
    with pytest.raises(StorageError, match=r"xiaoer\.database\.url"):
        run("backup", "-c", str(config))


def test_migrate_to_a_wrong_place_is_a_sentence(config: Path):
    """No address, another database, a password on the command line."""
    for to, wanted in (
        ("nonsense", "no database address"),
        ("mysql://host/name", "speaks to 'mysql'"),
        ("postgresql+psycopg://user:secret@host/name", "XIAOER_DATABASE_PASSWORD"),
    ):
        with pytest.raises(ConfigError, match=wanted):
            run("migrate", "--to", to, "-c", str(config))


@pytest.mark.postgresql
def test_migrate_to_postgresql_shows_every_table(config: Path, postgresql_url: str):
    """Each table with its rows; then what to do next."""
    run("migrate", "-c", str(config))
    said = run("migrate", "--to", postgresql_url, "-c", str(config))
    assert "conversations 0 rows" in said
    assert "Set xiaoer.database.url" in said


def test_redis_over_sqlite_is_refused_with_the_way_out(tmp_path: Path):
    """One file cannot be shared by several processes."""
    file = tmp_path / "config.yml"
    file.write_text("xiaoer:\n  redis: {url: 'redis://127.0.0.1:6379/0'}\n")
    with pytest.raises(ConfigError, match="xiaoer migrate --to"):
        run("work", "-c", str(file))


@pytest.mark.parametrize("url", ["redis://:secret@host:6379/0", "http://host", "redis://", "redis://host:port"])
def test_wrong_redis_addresses_are_refused(tmp_path: Path, url: str):
    """Each names its key."""
    file = tmp_path / "config.yml"
    file.write_text(f"xiaoer:\n  database: {{url: 'postgresql+psycopg://u@h/n'}}\n  redis: {{url: '{url}'}}\n")
    with pytest.raises(ConfigError, match=r"xiaoer\.redis\.url"):
        run("work", "-c", str(file))


def test_backup_takes_attachments_along_and_restore_brings_them_back(config: Path, tmp_path: Path):
    """What lies in the media folder is beside the backup, and is there again after it was lost."""
    run("migrate", "-c", str(config))
    kept = tmp_path / "media" / "ab" / "cd" / ("abcd" + "0" * 60)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"picture")
    run("backup", str(tmp_path / "copy.db"), "-c", str(config))
    kept.unlink()
    run("restore", str(tmp_path / "copy.db"), "-c", str(config))
    assert kept.read_bytes() == b"picture"


@pytest.mark.postgresql
def test_migrate_takes_attachments_into_the_database(config: Path, tmp_path: Path, postgresql_url: str):
    """Files become pieces of the target's table; a damaged one is told."""
    whole = b"picture" * 100_000
    content = hashlib.sha256(whole).hexdigest()
    run("migrate", "-c", str(config))
    kept = tmp_path / "media" / content[:2] / content[2:4] / content
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"damaged")
    with pytest.raises(StorageError, match="damaged"):
        run("migrate", "--to", postgresql_url, "-c", str(config))
    kept.write_bytes(whole)
    run("migrate", "--to", postgresql_url, "-c", str(config))
    engine = make_engine(postgresql_url)
    with engine.connect() as connection:
        pieces = connection.execute(select(MEDIA_PIECES.c.data).order_by(MEDIA_PIECES.c.number)).scalars()
        assert b"".join(pieces) == whole
    engine.dispose()
