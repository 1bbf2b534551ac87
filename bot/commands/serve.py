"""``xiaoer serve``: prepare what is missing, then answer until told to stop."""

from __future__ import annotations

import errno
import signal
import socket
from typing import Annotated

import typer
import uvicorn

from bot import app as house
from bot import config as configuration
from bot.commands import preparing
from bot.commands.options import ConfigFile
from bot.commands.screen import words
from bot.domain.errors import ConfigError
from bot.health.memory import settle_memory

_STREAMS_CLOSE_WITHIN_S = 3


def serve(
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help="Instead of xiaoer.server.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of xiaoer.server.port.", min=1, max=65535)] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo shop's orders and make demo logins.")] = False,
    phones: Annotated[
        bool, typer.Option("--phones", help="Simulate every chat app on one page, over a database made anew.")
    ] = False,
) -> None:
    """Serve the widget, the webhooks and the console."""
    loaded = configuration.load(config)
    server = loaded.server.model_copy(update={k: v for k, v in (("host", host), ("port", port)) if v is not None})
    loaded = loaded.model_copy(update={"server": server})
    house.set_up_logs(loaded.log.format, loaded.log.level)
    secrets = configuration.Secrets.from_environment()
    check_port(server.host, server.port)
    simulation = house.simulate(loaded) if phones else None
    if simulation:
        loaded, secrets = simulation.config, simulation.secrets
    prepared = preparing.prepare(loaded, secrets, demo=demo)
    if simulation:
        application = house.make_phone_application(simulation, prepared.secrets)
    else:
        application = house.make_web_application(loaded, prepared.secrets)
    address = f"http://{'127.0.0.1' if server.host == '0.0.0.0' else server.host}:{server.port}"  # noqa: S104 - to show

    def ready() -> None:
        welcome(address, loaded, prepared, phones=phones)
        for remark in application.state.house.remarks():
            words.print(f"  [bold]note[/bold]  {remark}", soft_wrap=True)

    run(application, loaded, ready)


def check_port(host: str, port: int) -> None:
    """Raise ConfigError when the port cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            why = {errno.EADDRINUSE: "another program listens there", errno.EACCES: "it needs more rights"}
            reason = why.get(problem.errno or 0, problem.strerror or "it cannot be opened")
            raise ConfigError(
                f"port {port} on {host} cannot be used: {reason}; stop that program, "
                "or choose another with --port or xiaoer.server.port"
            ) from None


def run(application: house.WebApplication, config: configuration.Config, ready: preparing.Ready) -> None:
    """Run the web server until SIGINT or SIGTERM; ``ready`` is called once it listens."""

    class Server(uvicorn.Server):
        """Says when it is ready."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                settle_memory()
                ready()

    server = Server(
        uvicorn.Config(
            application,
            host=config.server.host,
            port=config.server.port,
            log_config=None,
            access_log=False,
            proxy_headers=config.server.behind_proxy,
            server_header=False,
            timeout_graceful_shutdown=_STREAMS_CLOSE_WITHIN_S,
        )
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # the server raises it again once all is finished
    server.run()
    if not server.started:
        raise ConfigError("the server did not start; the reason stands above")
    words.print("  stopped; nothing was left half-done")


def welcome(address: str, config: configuration.Config, prepared: preparing.Prepared, *, phones: bool = False) -> None:
    """Tell where everything is."""
    words.print(f"\n[bold]{config.shop.name_zh} · {config.shop.name_en}[/bold] is open.\n")
    if config.channels.web.enabled:
        words.print(f"  shop page with the chat widget   {address}/shop")
    if phones:
        words.print(f"  phones, all simulated            {address}/phones")
    words.print(f"  console                          {address}/console")
    for login, password in prepared.logins.items():
        words.print(f"    login [bold]{login}[/bold]  password [bold]{password}[/bold]", soft_wrap=True)
    if prepared.logins:
        words.print("    (made just now and shown only this once; change them in the console)")
    elif not prepared.people:
        words.print("    nobody can sign in yet: run `xiaoer people add LOGIN --role admin`")
    words.print(f"  data                             {prepared.data}", soft_wrap=True)
    if phones:
        words.print("    (of this simulation alone; the next one starts with nothing)")
    else:
        words.print('  every chat app, simulated        xiaoer serve --demo --phones, or make run ARGS="--phones"')
    words.print("\n  Ctrl-C stops.")
