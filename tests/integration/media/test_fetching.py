"""Nothing is fetched but what lies with the platform: traps listen where no request may arrive."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import httpx
import pytest

from bot.channels.fetching import MediaHosts, MediaHttp, PinnedTransport, is_public
from bot.domain.media import MediaFault, MediaRefused

PICTURE = b"\xff\xd8\xff\xe0" + bytes(2000)
API = "https://api.platform.example"
HOSTS = MediaHosts(API, ("cdn.example",))
Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


class Trap:
    """A server of this machine that counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Count a visit and answer as a metadata service would."""
        self.visits += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret")
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()
        del reader


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    """Listen on loopback."""
    found = Trap()
    server = await asyncio.start_server(found, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    await server.wait_closed()


async def load(http: MediaHttp, address: str, most: int = 10_000) -> bytes:
    """Fetch all of an address."""
    body = b""
    async with http.get(address, most, {"Authorization": "Bearer token"}) as (_, chunks):
        async for chunk in chunks:
            body += chunk
    return body


def platform(handler: Callable[[httpx.Request], httpx.Response], hosts: MediaHosts = HOSTS) -> MediaHttp:
    """Put a pretended network behind the guard."""
    return MediaHttp(hosts, httpx.MockTransport(handler))


ADDRESSES = (
    "http://cdn.example/a.jpg",
    "https://evil.example/a.jpg",
    "https://cdn.example.evil.example/a.jpg",
    "https://evilcdn.example/a.jpg",
    "https://cdn.example:8443/a.jpg",
    "https://user:pass@cdn.example/a.jpg",
    "https://cdn.example@evil.example/a.jpg",
    "https://127.0.0.1/a.jpg",
    "https://[::1]/a.jpg",
    "https://169.254.169.254/latest/meta-data/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://[::ffff:127.0.0.1]/",
    "https://cdn.example:0/a.jpg",
    "https://.cdn.example/a.jpg",
    "https://evil.example%00.cdn.example/",
    "https://cdn.example%2eevil.example/",
    "https://cdn.example\\@evil.example/",
    "https://cdn.example。evil.example/",
    "https://evil.example#@cdn.example",
    "https://" + "a" * 64 + ".cdn.example/",
    "https://evil.example\r\nHost: cdn.example/",
    "https://2130706433/",
    "file:///etc/passwd",
    "gopher://cdn.example/",
    "//cdn.example/a",
    "",
    "uploaded:" + "0" * 64 + ":1",
)


@pytest.mark.parametrize("address", ADDRESSES)
async def test_address_that_is_not_the_platforms_is_never_asked(address: str):
    """Neither another host nor another scheme, port or user name; no request leaves."""
    asked: list[str] = []
    http = platform(
        lambda request: asked.append(str(request.url)) or httpx.Response(200, stream=httpx.ByteStream(PICTURE))
    )
    with pytest.raises(MediaRefused):
        await load(http, address)
    assert asked == []


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/meta-data/", "https://localhost/x", "https://evil.example/x", "http:///"]
)
async def test_redirect_is_checked_like_the_first_address(target: str):
    """A platform's host that leads elsewhere is followed nowhere."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(302, headers={"location": target})

    with pytest.raises(MediaRefused):
        await load(platform(answer), "https://a.cdn.example/x")
    assert asked == ["a.cdn.example"]


async def test_redirects_end_and_the_token_stays_with_the_first_host():
    """Three hops are followed within the platform; the token is shown to none of the others."""
    seen: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.host, request.headers.get("authorization", "")))
        hop = int(request.url.params.get("hop", "0"))
        if hop < 3:
            return httpx.Response(302, headers={"location": f"https://h{hop}.cdn.example/?hop={hop + 1}"})
        return httpx.Response(200, stream=httpx.ByteStream(PICTURE))

    assert await load(platform(answer), "https://cdn.example/?hop=0") == PICTURE
    assert [token for _, token in seen] == ["Bearer token", "", "", ""]
    endless = platform(lambda request: httpx.Response(302, headers={"location": str(request.url)}))
    with pytest.raises(MediaRefused, match="leads on"):
        await load(endless, "https://cdn.example/")


async def test_name_that_resolves_to_this_machine_reaches_no_trap(trap: Trap):
    """A platform's name that points into our network (poisoned, rebound) is refused before anything is connected."""
    inside: Sequence[Sequence[str]] = (
        ["127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["169.254.169.254"],
        ["10.0.0.5"],
        ["100.64.0.1"],
        ["0.0.0.0"],  # noqa: S104 - refused
        ["fe80::1%eth0"],
        [],
    )
    for addresses in inside:

        async def ask(_host: str, _port: int, found: Sequence[str] = addresses) -> Sequence[str]:
            return found

        http = MediaHttp(HOSTS, PinnedTransport(HOSTS, ask))
        with pytest.raises(MediaFault):
            await load(http, "https://cdn.example/x")
        await http.close()
    assert trap.visits == 0


async def test_name_is_resolved_once_and_the_connection_goes_to_that_address(
    trap: Trap, monkeypatch: pytest.MonkeyPatch
):
    """A name that turns to this machine after the check is not asked again."""
    asked: list[str] = []
    connected: list[tuple[str, str, str]] = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    async def connect(_transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        connected.append((request.url.host, request.headers["host"], str(request.extensions.get("sni_hostname"))))
        return httpx.Response(200, stream=httpx.ByteStream(PICTURE))

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", connect)
    http = MediaHttp(HOSTS, PinnedTransport(HOSTS, rebinding))
    assert await load(http, "https://cdn.example/x") == PICTURE
    assert (asked, connected) == (["cdn.example"], [("93.184.216.34", "cdn.example", "cdn.example")])
    assert trap.visits == 0


async def test_own_address_is_reached_only_where_the_operator_named_it(trap: Trap):
    """A simulator on loopback serves its own port; another port of this machine stays closed."""
    own = MediaHosts(f"http://127.0.0.1:{trap.port}")
    http = MediaHttp(own)
    assert await load(http, f"http://127.0.0.1:{trap.port}/file") == b"secret"
    assert trap.visits == 1
    for other in (f"http://localhost:{trap.port}/", f"https://127.0.0.1:{trap.port}/", "http://127.0.0.1:1/"):
        with pytest.raises(MediaRefused):
            await load(http, other)
    await http.close()
    assert trap.visits == 1


async def test_size_is_bounded_whatever_is_promised():
    """A length that is too large ends it at once; one that lies ends it at the limit."""
    honest = platform(lambda _: httpx.Response(200, content=bytes(20_001)))
    with pytest.raises(MediaRefused, match="larger"):
        await load(honest, "https://cdn.example/x", 20_000)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(5000)

    lying = platform(lambda _: httpx.Response(200, content=endless()))
    with pytest.raises(MediaRefused, match="larger"):
        await load(lying, "https://cdn.example/x", 20_000)


async def test_packed_answer_is_refused():
    """What would grow while it is unpacked is not unpacked."""
    packed = platform(lambda _: httpx.Response(200, headers={"content-encoding": "br"}, stream=httpx.ByteStream(b"x")))
    with pytest.raises(MediaRefused, match="packed"):
        await load(packed, "https://cdn.example/x")


async def test_slow_drip_ends_with_its_time():
    """A server that gives a byte now and then is left."""

    async def drip() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b"x"

    http = MediaHttp(HOSTS, httpx.MockTransport(lambda _: httpx.Response(200, content=drip())), whole_timeout_s=0.2)
    with pytest.raises(MediaFault, match="within") as fault:
        await load(http, "https://cdn.example/x", 10**9)
    assert not fault.value.lasting


@pytest.mark.parametrize(("status", "lasting"), [(404, True), (410, True), (202, False), (500, False), (429, False)])
async def test_answer_without_the_thing_is_told_apart(status: int, lasting: bool):
    """Gone for ever, or to be tried again."""
    with pytest.raises(MediaFault) as fault:
        await load(platform(lambda _: httpx.Response(status)), "https://cdn.example/x")
    assert fault.value.lasting is lasting


def test_public_addresses_are_told_from_the_others():
    """Global addresses only, seen through IPv6's disguises."""
    assert is_public("93.184.216.34")
    assert is_public("2606:4700::1111")
    for inside in (
        "127.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "224.0.0.1",
        "::",
        "fc00::1",
        "2002:7f00:1::",
        "::ffff:10.0.0.1",
        "::7f00:1",
        "::10.0.0.1",
        "fec0::1",
        "64:ff9b:1::a00:1",
        "192.88.99.1",
    ):
        assert not is_public(inside)
