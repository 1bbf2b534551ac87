"""The command ``xiaoer``; also ``python -m bot``."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from bot.commands import (
    channels,
    chat,
    config,
    deadletters,
    evaluate,
    keeping,
    knowledge,
    orders,
    people,
    serve,
    train,
    work,
)
from bot.commands.screen import trouble, words
from bot.domain.errors import XiaoerError

REFUSED = 2

application = typer.Typer(
    help="Xiaoer (小二): a customer-service bot for social-commerce shops.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
application.command()(serve.serve)
application.command()(work.work)
application.command()(chat.chat)
application.command()(train.train)
application.command()(evaluate.evaluate)
application.command()(keeping.migrate)
application.command()(keeping.backup)
application.command()(keeping.restore)
application.add_typer(orders.commands, name="orders")
application.add_typer(knowledge.commands, name="knowledge")
application.add_typer(people.commands, name="people")
application.add_typer(deadletters.commands, name="deadletters")
application.add_typer(channels.commands, name="channels")
application.add_typer(config.commands, name="config")


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            words.print(f"xiaoer {version('xiaoer')}")
        except PackageNotFoundError:
            words.print("xiaoer, from a source folder that is not installed")
        raise typer.Exit


@application.callback()
def options(
    _version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True)] = False,
) -> None:
    """Xiaoer (小二): a customer-service bot for social-commerce shops."""


def main() -> None:
    """Run the command line; a failure we foresaw is a sentence and exit code 2."""
    try:
        application()
    except XiaoerError as problem:
        trouble.print(str(problem), markup=False, soft_wrap=True)
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
