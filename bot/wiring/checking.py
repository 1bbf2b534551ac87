"""Looking at the channels' set-up, and connecting those that can be connected from here."""

from __future__ import annotations

from bot.channels.findings import Finding, public_address
from bot.channels.plug import Plug
from bot.channels.web.check import check_web
from bot.config import Config, Secrets, variable
from bot.domain.errors import ConfigError
from bot.wiring.platforms import PLATFORMS, plug_class, plug_of


def webhook_address(config: Config, name: str) -> str:
    """Give the address a platform calls us by; empty when the server has no public one."""
    base = str(config.server.public_url or "").rstrip("/")
    return f"{base}/webhooks/{name}" if base else ""


def channels_on(config: Config) -> dict[str, bool]:
    """Tell of every channel that can be looked at whether it is switched on."""
    return {name: getattr(config.channels, name).enabled for name in ("web", *PLATFORMS)}


async def check_channel(config: Config, secrets: Secrets, name: str) -> tuple[Finding, ...]:
    """Look at one channel's set-up; ConfigError when it is not known."""
    _known(name, ("web", *PLATFORMS))
    section = getattr(config.channels, name)
    found = () if section.enabled else (_switched_off(name),)
    if name == "web":
        vouching, address = secrets.web_identity_secret, str(config.server.public_url or "")
        return (*found, *await check_web(section.allowed_origins, vouching, address))
    missing = [variable(each) for each in section.needs() if not getattr(secrets, each)]
    if missing:
        return (*found, _not_set(name, missing))
    try:
        plug = plug_of(config, secrets, name)
    except ConfigError as wrong:
        what, _, fix = str(wrong).partition("; ")
        return (*found, Finding(what, fix or f"set it as docs/channels/{_page(name)}.md says"))
    return (*found, *await plug.check(webhook_address(config, name)))


async def connect_channel(config: Config, secrets: Secrets, name: str) -> str:
    """Tell a platform where this server is and give that address; ConfigError with what stands against it.

    It is empty where the platform does not call us: we ask it.
    """
    _known(name, tuple(PLATFORMS))
    if plug_class(name).connect is Plug.connect:
        raise ConfigError(f"{name} cannot be connected from here; docs/channels/{_page(name)}.md says where to click")
    called = getattr(config.channels, name).called
    address = webhook_address(config, name) if called else ""
    wrong = public_address(address) if called else None
    if wrong:
        raise ConfigError(f"{wrong.what}; {wrong.fix}")
    await plug_of(config, secrets, name).connect(address)
    return address


def _known(name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise ConfigError(f"{name!r} is no channel of these; choose one of {', '.join(names)}")


def _switched_off(name: str) -> Finding:
    return Finding(f"{name} is switched off", f"set xiaoer.channels.{name}.enabled to true in config.yml")


def _not_set(name: str, missing: list[str]) -> Finding:
    fix = f"set it in the server's environment; docs/channels/{_page(name)}.md says where each comes from"
    return Finding(f"not set: {', '.join(missing)}", fix)


def _page(name: str) -> str:
    """Name the page of a channel: Instagram's is Messenger's."""
    return "messenger" if name == "instagram" else name
