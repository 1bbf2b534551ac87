"""What a look at a channel's set-up finds: each point is good, or says what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from bot.channels._api import Lost, Unreached


@dataclass(frozen=True, slots=True)
class Finding:
    """One point of a check; ``fix`` says what to do when it is not good."""

    what: str
    fix: str = ""

    @property
    def good(self) -> bool:
        """Tell whether nothing is to be done."""
        return not self.fix


async def collect(platform: str, points: AsyncIterator[Finding]) -> tuple[Finding, ...]:
    """Gather what a look finds, until it is through or the platform cannot be reached."""
    found: list[Finding] = []
    try:
        async for point in points:
            found.append(point)  # noqa: PERF401 - what was found before a failure stays
    except (Unreached, Lost) as error:
        found.append(unreachable(platform, error))
    return tuple(found)


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


def webhook_set(set_to: str, wanted: str, fix: str) -> Finding:
    """Check the webhook that a platform has on record against our public address."""
    wrong = public_address(wanted)
    if wrong is not None:
        return wrong
    if set_to != wanted:
        return Finding(f"the webhook is {set_to or 'not set'}, wanted {wanted}", fix)
    return Finding(f"the webhook is {wanted}")
