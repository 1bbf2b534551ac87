"""What a look at a channel's set-up finds: each point is good, or says what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from bot.channels._api import Answer, Lost, Unreached, call, open_http
from bot.channels.reading import text_of
from bot.domain.errors import ConfigError

BEHIND_A_PROXY = (
    "put a proxy with a certificate before the server and set xiaoer.server.public_url to its https:// address"
)
_NO_REDIRECT = "platforms follow none: set xiaoer.server.public_url to the address that answers itself"


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


async def ask(http: httpx.AsyncClient, method: str, path: str, **options: Any) -> Answer:
    """Ask a platform's API; Unreached where what answers is in trouble, or is not the API."""
    return answered(await call(http, http.build_request(method, path, **options)))


def answered(answer: Answer) -> Answer:
    """Give an answer of the API itself; Unreached where a gateway's page, or trouble, stands in its place."""
    if answer.broken or answer.status == httpx.codes.TOO_MANY_REQUESTS or not answer.data:
        raise Unreached(f"it answered HTTP {answer.status}{'' if answer.data else ', and no JSON'}")
    return answer


async def told(platform: str, http: httpx.AsyncClient, method: str, path: str, body: Mapping[str, str]) -> None:
    """Tell a platform's API something, and close it; ConfigError with its reason when it does not take it."""
    try:
        async with http:
            answer = await call(http, http.build_request(method, path, json=dict(body)))
    except (Unreached, Lost) as error:
        raise ConfigError(f"{platform} cannot be reached ({error}); let this machine reach it, and try again") from None
    if not answer.good:
        why = text_of(answer.data, "message")[:160] or "no reason given"
        raise ConfigError(f"{platform} does not take {', '.join(body.values())}: {why} (HTTP {answer.status})")


async def own_webhook(
    webhook: str, query: Mapping[str, str], wanted: str, shared: str, transport: httpx.AsyncBaseTransport | None = None
) -> Finding:
    """Ask our own webhook as a platform's console does; ``wanted`` is the right answer, ``shared`` names the secret."""
    wrong = public_address(webhook)
    if wrong:
        return wrong
    reach = f"start the server, and let {webhook} reach it from outside"
    try:
        async with open_http("", transport) as http:
            answer = await http.get(webhook, params=query)
    except httpx.HTTPError as error:
        return Finding(f"our own webhook cannot be reached ({type(error).__name__})", reach)
    if answer.text == wanted:
        return Finding(f"{webhook} answers as the platform's console wants it")
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return Finding(
            "our own webhook refuses our secret", f"start the server anew with the {shared} that is set here"
        )
    if answer.is_redirect:
        return Finding(f"our own webhook answers with a redirect (HTTP {answer.status_code})", _NO_REDIRECT)
    return Finding(f"something else answers at {webhook} (HTTP {answer.status_code})", reach)


def unreachable(platform: str, error: Exception) -> Finding:
    """Say that a platform does not answer."""
    return Finding(
        f"{platform} cannot be reached ({error})",
        "let this machine reach the internet, check the channel's api_base in config.yml, or try again later",
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
            BEHIND_A_PROXY,
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
