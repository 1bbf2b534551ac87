"""`xiaoer channels` as the person at the shell meets it."""

from __future__ import annotations

from pathlib import Path

from tests.integration.commands.test_commands import Run, config, xiaoer

__all__ = ["config", "xiaoer"]


def test_check_names_what_is_to_be_done(xiaoer: Run, tmp_path: Path) -> None:
    """The web channel is good by default; any site at all is not."""
    file = tmp_path / "config.yml"
    file.write_text("xiaoer: {channels: {web: {allowed_origins: ['*']}}}\n")
    code, out, _ = xiaoer("channels", "check", "web", "-c", file)
    assert code == 1
    assert "!!  any site may embed the widget" in out
    assert "to do: list the sites by name" in out
    file.write_text("xiaoer: {channels: {web: {allowed_origins: ['https://shop.example']}}}\n")
    assert xiaoer("channels", "check", "web", "-c", file)[0] == 0


def test_check_of_an_unknown_channel_lists_the_known(xiaoer: Run, config: Path) -> None:
    """A typing error is a sentence."""
    code, _, err = xiaoer("channels", "check", "telegraf", "-c", config)
    assert code == 2
    assert "choose one of web, telegram" in err


def test_missing_secret_is_named(xiaoer: Run, config: Path) -> None:
    """Before anything is asked of the platform."""
    code, _, err = xiaoer("channels", "check", "line", "-c", config)
    assert code == 2
    assert "XIAOER_LINE_CHANNEL_SECRET, XIAOER_LINE_TOKEN" in err


def test_connect_wants_a_public_address_and_telegram(xiaoer: Run, config: Path) -> None:
    """What cannot be connected says where it is done."""
    code, _, err = xiaoer("channels", "connect", "telegram", "-c", config)
    assert code == 2
    assert "xiaoer.server.public_url" in err
    code, _, err = xiaoer("channels", "connect", "line", "-c", config)
    assert code == 2
    assert "docs/channels/line.md" in err


def test_connect_of_a_polling_telegram_wants_no_public_address(xiaoer: Run, tmp_path: Path) -> None:
    """Who asks for updates needs a token only, neither an address nor a secret."""
    file = tmp_path / "config.yml"
    file.write_text("xiaoer: {channels: {telegram: {enabled: true, receive: polling}}}\n")
    code, _, err = xiaoer("channels", "connect", "telegram", "-c", file)
    assert code == 2
    assert "XIAOER_TELEGRAM_TOKEN" in err
    assert "XIAOER_TELEGRAM_SECRET" not in err
    assert "public_url" not in err
