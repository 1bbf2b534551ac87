"""Calls of platforms' APIs: what never left may be sent again, what may have arrived may not."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from bot.channels._api import Lost, Unreached, call


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (httpx.ConnectError, Unreached), (httpx.ConnectTimeout, Unreached), (httpx.PoolTimeout, Unreached),
        (httpx.ProxyError, Unreached), (httpx.UnsupportedProtocol, Unreached),
        (httpx.ReadError, Lost), (httpx.ReadTimeout, Lost), (httpx.WriteError, Lost), (httpx.WriteTimeout, Lost),
        (httpx.RemoteProtocolError, Lost), (httpx.LocalProtocolError, Lost), (httpx.DecodingError, Lost),
    ],
)  # fmt: skip
async def test_call_tells_how_far_it_got(error: type[httpx.TransportError], told: type[Exception]):
    """Before there is a connection nothing was sent; after that nobody knows."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise error("https://api.example/bot123:token/", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(fail)) as http:
        with pytest.raises(told) as caught:
            await call(http, http.build_request("POST", "https://api.example/"))
    assert str(caught.value) == error.__name__


async def test_proxy_that_refuses_to_connect_has_sent_nothing():
    """A proxy without a way, or that wants a password, never gave the message on."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with httpx.AsyncClient(proxy=f"http://127.0.0.1:{port}") as http:
            with pytest.raises(Unreached):
                await call(http, http.build_request("POST", "https://api.example/"))
