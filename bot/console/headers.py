"""What every answer of the console carries: no foreign code, no framing, no caching of private pages."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_DECODER = "/static/amr.js"
DECODER_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"
"""Of the worker that decodes voice: WebAssembly runs there and in no page, and it reaches nothing."""
_OWN = frozenset({"Content-Security-Policy", "Cache-Control"})
_PRIVATE = "no-store"
_STATIC = "public, max-age=86400"


class SecurityHeaders:
    """Sets the headers on whatever the inner application answers, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add headers to its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        cache = _STATIC if path.startswith("/static/") else _PRIVATE

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # An attachment brings a stricter policy of its own, and may be kept for a while.
                own = _OWN if path.startswith("/media/") else frozenset[str]()
                policy = {"Content-Security-Policy": DECODER_POLICY} if path == _DECODER else {}
                for name, value in {**_ALWAYS, **policy, "Cache-Control": cache}.items():
                    if name not in own or name not in headers:
                        headers[name] = value
            await send(message)

        await self.app(scope, receive, send_with_headers)
