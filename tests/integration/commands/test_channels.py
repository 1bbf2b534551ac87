"""`xiaoer channels` as the person at the shell meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    """Before anything is asked of the platform, and also that the channel is off."""
    code, out, err = xiaoer("channels", "check", "line", "-c", config)
    assert (code, err) == (1, "")
    assert "XIAOER_LINE_CHANNEL_SECRET, XIAOER_LINE_TOKEN" in out
    assert "xiaoer.channels.line.enabled" in out
    assert "docs/channels/line.md" in out


def test_check_without_a_name_looks_at_all_that_are_on(xiaoer: Run, tmp_path: Path) -> None:
    """A channel that is set up with what cannot work is a point of its own and keeps no other from being looked at."""
    file = tmp_path / "config.yml"
    file.write_text("xiaoer: {channels: {telegram: {enabled: true}, line: {enabled: true}}}\n")
    code, out, _ = xiaoer("channels", "check", "-c", file)
    assert code == 1
    heads = [line for line in out.splitlines() if not line.startswith(" ")]
    assert heads == ["web: nothing to do", "telegram: 1 to do", "line: 1 to do"]
    file.write_text("xiaoer: {channels: {web: {enabled: false}}}\n")
    code, out, _ = xiaoer("channels", "check", "-c", file)
    assert (code, "no channel is switched on" in out) == (1, True)


def test_wrong_values_are_points_and_no_secret_is_shown(
    xiaoer: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id that is none, a key that is too short, a platform that is down: named, in 80 columns."""
    file = tmp_path / "config.yml"
    nowhere = "api_base: 'http://127.0.0.1:9'"
    file.write_text(
        f"xiaoer: {{channels: {{telegram: {{enabled: true, {nowhere}}}, whatsapp: {{enabled: true, {nowhere}}},"
        f" wecom_kf: {{enabled: true, corp_id: ww1, {nowhere}}}, line: {{enabled: true, {nowhere}}}}}}}\n"
    )
    names = (
        "telegram_token telegram_secret whatsapp_token meta_app_secret meta_verify_token wecom_kf_secret "
        "wecom_kf_token wecom_kf_aes_key line_token line_channel_secret"
    )
    for name in names.split():
        monkeypatch.setenv(f"XIAOER_{name.upper()}", f"hush {name}")
    code, out, err = xiaoer("channels", "check", "-c", file)
    assert code == 1
    assert "the whatsapp id '' is no number" in out
    assert "LINE cannot be reached (ConnectError)" in out
    assert "hush" not in out + err
    assert "Traceback" not in out + err
    assert max(len(line) for line in out.splitlines()) <= 80


def test_list_tells_which_channels_are_on(xiaoer: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the address to give the platform."""
    (tmp_path / "config.yml").write_text(
        "xiaoer: {server: {public_url: 'https://chat.shop.example'}, channels: {line: {enabled: true}}}\n"
    )
    monkeypatch.chdir(tmp_path)
    code, out, _ = xiaoer("channels")
    assert code == 0
    assert "  line       on   https://chat.shop.example/webhooks/line" in out
    assert "  telegram   off" in out


def test_connect_wants_a_public_address_and_a_platform_that_can_be_told(xiaoer: Run, tmp_path: Path) -> None:
    """What cannot be connected says where it is done."""
    file = tmp_path / "config.yml"
    file.write_text("xiaoer: {}\n")
    code, _, err = xiaoer("channels", "connect", "telegram", "-c", file)
    assert (code, "xiaoer.server.public_url" in err) == (2, True)
    file.write_text("xiaoer: {server: {public_url: 'http://chat.shop.example'}}\n")
    code, _, err = xiaoer("channels", "connect", "line", "-c", file)
    assert (code, "is not https" in err) == (2, True)
    file.write_text("xiaoer: {server: {public_url: 'https://chat.shop.example'}}\n")
    code, _, err = xiaoer("channels", "connect", "line", "-c", file)
    assert (code, "XIAOER_LINE_TOKEN" in err, "is true" in err) == (2, True, False)
    code, _, err = xiaoer("channels", "connect", "wecom_kf", "-c", file)
    assert (code, "docs/channels/wecom_kf.md says where to click" in err) == (2, True)
    code, _, err = xiaoer("channels", "connect", "web", "-c", file)
    assert (code, "choose one of telegram" in err) == (2, True)


def test_connect_of_a_polling_telegram_wants_no_public_address(xiaoer: Run, tmp_path: Path) -> None:
    """Who asks for updates needs a token only, neither an address nor a secret."""
    file = tmp_path / "config.yml"
    file.write_text("xiaoer: {channels: {telegram: {enabled: true, receive: polling}}}\n")
    code, _, err = xiaoer("channels", "connect", "telegram", "-c", file)
    assert code == 2
    assert "XIAOER_TELEGRAM_TOKEN" in err
    assert "XIAOER_TELEGRAM_SECRET" not in err
    assert "public_url" not in err
