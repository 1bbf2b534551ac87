"""Looking at the channels' set-up, and connecting those that can be connected from here."""

from __future__ import annotations

from bot.channels.findings import Finding, public_address
from bot.channels.plug import Plug
from bot.config import Config, Secrets
from bot.domain.errors import ConfigError
from bot.wiring.platforms import PLATFORMS, plug_class, plug_of


def webhook_address(config: Config, name: str) -> str:
    """Give the address a platform calls us by; empty when the server has no public one."""
    base = str(config.server.public_url or "").rstrip("/")
    return f"{base}/webhooks/{name}" if base else ""


async def check_channel(config: Config, secrets: Secrets, name: str) -> tuple[Finding, ...]:
    """Look at one channel's set-up; ConfigError when it is not known or its secrets are missing."""
    _known(name, ("web", *PLATFORMS))
    found = () if getattr(config.channels, name).enabled else (_switched_off(name),)
    if name == "web":
        return (*found, *_check_web(config, secrets))
    return (*found, *await plug_of(config, secrets, name).check(webhook_address(config, name)))


async def connect_channel(config: Config, secrets: Secrets, name: str) -> str:
    """Tell a platform where this server is and give that address; ConfigError with what stands against it.

    It is empty where the platform does not call us: we ask it.
    """
    _known(name, tuple(PLATFORMS))
    if plug_class(name).connect is Plug.connect:
        raise ConfigError(f"{name} cannot be connected from here; docs/channels/{name}.md says where to click")
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


def _check_web(config: Config, secrets: Secrets) -> tuple[Finding, ...]:
    origins = config.channels.web.allowed_origins
    if "*" in origins:
        fix = "list the sites by name in xiaoer.channels.web.allowed_origins"
        where = Finding("any site may embed the widget", fix)
    else:
        where = Finding(f"the widget may stand on {', '.join(origins) or 'our own pages only'}")
    known = "may" if secrets.web_identity_secret else "may not (XIAOER_WEB_IDENTITY_SECRET is not set)"
    return (where, Finding(f"your site {known} vouch for its customers"))


def _switched_off(name: str) -> Finding:
    return Finding(f"{name} is switched off", f"set xiaoer.channels.{name}.enabled to true")
