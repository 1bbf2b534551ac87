"""What a look at a channel's set-up finds: each point is good, or says what to do."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from bot.channels._api import Answer, Lost, Unreached, call


@dataclass(frozen=True, slots=True)
class Finding:
    """One point of a check; ``fix`` says what to do when it is not good."""

    what: str
    fix: str = ""

    @property
    def good(self) -> bool:
        """Tell whether nothing is to be done."""
        return not self.fix


async def ask(http: httpx.AsyncClient, request: httpx.Request, platform: str) -> Answer | Finding:
    """Ask a platform; a finding when it cannot be reached."""
    try:
        return await call(http, request)
    except (Unreached, Lost) as error:
        return unreachable(platform, error)


def unreachable(platform: str, error: Exception) -> Finding:
    """Say that a platform does not answer."""
    return Finding(
        f"{platform} cannot be reached ({error})",
        "let this machine reach the internet, and check the channel's api_base in config.yml",
    )


def public_address(url: str) -> Finding | None:
    """Check the address platforms call us by; None when it is good."""
    if not url:
        return Finding(
            "the server has no public address", "set xiaoer.server.public_url to the https:// address of this server"
        )
    if not url.startswith("https://"):
        return Finding(
            f"the public address {url} is not https",
            "put a proxy with a certificate before the server and set xiaoer.server.public_url to its https:// address",
        )
    return None
