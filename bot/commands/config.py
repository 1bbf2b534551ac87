"""``xiaoer config``: check the file, list the keys."""

from __future__ import annotations

import typer

from bot import config as configuration
from bot.commands.options import ConfigFile
from bot.commands.screen import words

_META = ("meta_app_secret", "meta_verify_token")
_SECRETS: dict[str, tuple[str, ...]] = {
    "telegram": ("telegram_token", "telegram_secret"),
    "wechat_oa": ("wechat_oa_token", "wechat_oa_app_secret"),
    "wecom_kf": ("wecom_kf_secret", "wecom_kf_token", "wecom_kf_aes_key"),
    "line": ("line_channel_secret", "line_token"),
    "whatsapp": ("whatsapp_token", *_META),
    "messenger": ("messenger_token", *_META),
    "instagram": ("instagram_token", *_META),
}
commands = typer.Typer(help="Check config.yml and list its keys.", no_args_is_help=True)


@commands.command()
def check(config: ConfigFile = None) -> None:
    """Read the configuration and explain every mistake with its path."""
    loaded = configuration.load(config)
    secrets = configuration.Secrets.from_environment()
    for channel, needed in _SECRETS.items():
        if getattr(loaded.channels, channel).enabled:
            secrets.require(channel, *needed)
    words.print(f"{config or configuration.DEFAULT_FILE}: all is well")


@commands.command()
def docs() -> None:
    """Print every key and every environment variable as a Markdown page."""
    words.print(page(), soft_wrap=True, markup=False)


def page() -> str:
    """Write the page docs/configuration.md."""
    keys = [
        f"| `{path}` | {kind.replace('|', 'or')} | `{default or '(empty)'}` | {description} |"
        for path, kind, default, description in configuration.documented_keys()
        if kind
    ]
    secrets = [
        f"| `{configuration.variable(name)}` | {field.description} |"
        for name, field in configuration.Secrets.model_fields.items()
    ]
    return "\n".join(
        (
            "# Configuration",
            "",
            "Everything under `xiaoer:` in `config.yml`. Made by `xiaoer config docs`.",
            "",
            "| key | type | default | meaning |",
            "|---|---|---|---|",
            *keys,
            "",
            "## Secrets, from the environment",
            "",
            "| variable | meaning |",
            "|---|---|",
            *secrets,
        )
    )
