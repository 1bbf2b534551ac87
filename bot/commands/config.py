"""``xiaoer config``: check the file, list the keys."""

from __future__ import annotations

import typer

from bot import config as configuration
from bot.commands.options import ConfigFile
from bot.commands.screen import words

commands = typer.Typer(help="Check config.yml and list its keys.", no_args_is_help=True)


@commands.command()
def check(config: ConfigFile = None) -> None:
    """Read the configuration and explain every mistake with its path."""
    loaded = configuration.load(config)
    secrets = configuration.Secrets.from_environment()
    for name, section in loaded.channels.platforms().items():
        secrets.of(name, section)
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
