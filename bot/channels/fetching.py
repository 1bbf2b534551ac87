"""Fetching what a platform keeps for us: only from its own hosts, over https, from public addresses, within limits.

An address comes from a platform's answer or from its signed webhook, never from a shopper's words; it is checked all
the same, as is every redirect. A name is resolved once, every address it has must be public, and the connection goes to
the checked address itself, so that a name that changes its mind (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

from bot.channels._api import DEFAULT_WAIT_S, read_wait
from bot.domain.media import MediaFault, MediaRefused
from bot.domain.media_reasons import size_mb, tell
from bot.domain.messages import Attachment

MAX_REDIRECTS = 3
WHOLE_TIMEOUT_S = 120.0
_STEP_TIMEOUT_S = 10.0
_PIECE_BYTES = 64 * 1024
_HTTPS_PORT = 443
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({400, 404, 410})
_BUSY = 429
_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63}", re.ASCII)
"""A host's name as resolvers read it: no empty or overlong labels, nothing encoded."""
_CLOSED = tuple(
    ip_network(each)
    for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10", "192.88.99.0/24")
)
"""Networks that carry others' addresses (NAT64, 6to4 and its relays, Teredo, IPv4 inside IPv6), or were private."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host's name."""


@dataclass(frozen=True, slots=True)
class MediaHosts:
    """Where a channel's media may lie.

    ``suffixes`` are its own domains: ``fbcdn.net`` permits itself and every name under it. ``api_url`` is where the
    operator has configured the platform's API; a platform on this machine or in the operator's own network (a
    simulator, a Bot API server of one's own) is named there by its address, and only there.
    """

    api_url: str
    suffixes: tuple[str, ...] = ()

    def check(self, url: httpx.URL) -> None:
        """Raise MediaRefused for an address that is not the platform's."""
        if self.is_api(url):
            return
        host = url.host.lower().rstrip(".")
        if url.scheme != "https" or url.userinfo or url.port not in {None, _HTTPS_PORT}:
            raise MediaRefused(tell("plain"))
        if not _NAME.fullmatch(host) or not any(
            host == suffix or host.endswith(f".{suffix}") for suffix in self.suffixes
        ):
            raise MediaRefused(tell("foreign", host=host[:80] or "no host"))

    def is_api(self, url: httpx.URL) -> bool:
        """Tell whether an address has the scheme, host and port of the configured API."""
        own = httpx.URL(self.api_url)
        return (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port) and not url.userinfo

    def may_be_private(self, url: httpx.URL) -> bool:
        """Tell whether the operator himself has pointed at an address that is not public."""
        if not self.is_api(url):
            return False
        try:
            return not is_public(url.host)
        except ValueError:
            return url.host == "localhost"


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the public internet; ValueError when it is no address."""
    found: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(found, IPv6Address):
        if found.scope_id:
            return False
        found = found.ipv4_mapped or found
    return found.is_global and not found.is_multicast and not any(found in network for network in _CLOSED)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the machine's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class PinnedTransport(httpx.AsyncBaseTransport):
    """Resolves a name once, refuses it unless all its addresses are public, and connects to the first of them."""

    def __init__(self, hosts: MediaHosts, ask: Resolve = resolve) -> None:
        self._hosts = hosts
        self._ask = ask
        # Neither a proxy nor anything else of the environment stands between the check and the connection.
        # A connection is used once: two names may share an address, and each has to show its own certificate.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on to the checked address; the name stays in the Host header and in the certificate."""
        url = request.url
        if self._hosts.may_be_private(url):
            return await self._inner.handle_async_request(request)
        address = await self._address(url.host, url.port or _HTTPS_PORT)
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        request.headers["Host"] = url.netloc.decode("ascii")
        request.url = url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _address(self, host: str, port: int) -> str:
        try:
            found = await self._ask(host, port)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError("the name cannot be resolved") from error
        if not found or not all(is_public(address) for address in found):
            raise MediaRefused(tell("inside", host=host[:80]))
        return found[0]


class MediaHttp:
    """Fetches from one platform; ``transport`` replaces the network in tests."""

    def __init__(
        self,
        hosts: MediaHosts,
        transport: httpx.AsyncBaseTransport | None = None,
        whole_timeout_s: float = WHOLE_TIMEOUT_S,
    ) -> None:
        self._hosts = hosts
        self._whole_timeout_s = whole_timeout_s
        self._http = httpx.AsyncClient(
            transport=transport or PinnedTransport(hosts), timeout=_STEP_TIMEOUT_S, trust_env=False
        )

    @asynccontextmanager
    async def get(
        self,
        address: str,
        most_bytes: int,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> AsyncIterator[tuple[httpx.Headers, AsyncIterator[bytes]]]:
        """Open an address: its headers and its bytes, at most ``most_bytes``; MediaFault when it cannot be had.

        ``headers`` (the platform's token) are sent to the first host only. All of it takes ``whole_timeout_s`` at most.
        """
        try:
            async with asyncio.timeout(self._whole_timeout_s):
                url = _read(address)
                url = url.copy_merge_params(params) if params else url
                response = await self._follow(url, dict(headers or {}))
                try:
                    _check(response, most_bytes)
                    yield response.headers, _bounded(response, most_bytes)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise MediaFault(tell("slow", seconds=f"{self._whole_timeout_s:.0f}")) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise MediaFault(tell("unreachable", problem=type(error).__name__)) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _follow(self, url: httpx.URL, headers: dict[str, str]) -> httpx.Response:
        first = url.host
        for _ in range(MAX_REDIRECTS + 1):
            self._hosts.check(url)
            # Packed bytes could grow beyond every limit when they are unpacked.
            asked = {"Accept-Encoding": "identity", **(headers if url.host == first else {})}
            response = await self._http.send(self._http.build_request("GET", url, headers=asked), stream=True)
            if response.status_code not in _REDIRECTS:
                return response
            await response.aclose()
            url = url.join(_read(response.headers.get("location", "")))
        raise MediaRefused(tell("leads_on", times=MAX_REDIRECTS))


Find = Callable[[str, int], Awaitable[tuple[str, Mapping[str, str]]]]
"""Tells where the thing of a reference lies, and which headers to ask with; MediaFault when it is not there."""


class Downloads:
    """The attachments of one adapter: each is found, then fetched; ``transport`` replaces the network in tests."""

    def __init__(self, hosts: MediaHosts, find: Find, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = MediaHttp(hosts, transport)
        self._find = find

    @asynccontextmanager
    async def download(
        self, account: str, attachment: Attachment, most_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open an attachment as a stream of its bytes; MediaFault when it cannot be had."""
        del account
        address, headers = await self._find(attachment.reference, most_bytes)
        async with self._http.get(address, most_bytes, headers) as (_, chunks):
            yield chunks

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def check_number(reference: str) -> None:
    """Raise MediaFault for an id that is to be a number and is none."""
    if not reference.isascii() or not reference.isdigit():
        raise MediaFault("its id is no number", lasting=True)


def _read(address: str) -> httpx.URL:
    try:
        return httpx.URL(address)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise MediaRefused("its address cannot be read") from None


def _check(response: httpx.Response, most_bytes: int) -> None:
    """Raise MediaFault unless the answer is the thing itself, of a size we take."""
    status = response.status_code
    if status in _GONE:
        raise MediaFault(tell("gone", status=status), lasting=True)
    if status == _BUSY:
        wait_s = read_wait(response.headers.get("retry-after", "")) or DEFAULT_WAIT_S
        raise MediaFault(tell("wait"), after_s=wait_s)
    if status != httpx.codes.OK:
        raise MediaFault(tell("answers", status=status))
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaRefused(tell("packed"))
    length = response.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > most_bytes:
        raise too_large(most_bytes)


async def _bounded(response: httpx.Response, most_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in response.aiter_raw(_PIECE_BYTES):
        size += len(chunk)
        if size > most_bytes:
            raise too_large(most_bytes)
        yield chunk


def too_large(most_bytes: int) -> MediaRefused:
    """Say that something is larger than is taken."""
    return MediaRefused(tell("too_large", mb=size_mb(most_bytes)))
