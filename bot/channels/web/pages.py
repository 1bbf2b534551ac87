"""What the web chat serves as files: the widget's script and the demo shop page."""

from __future__ import annotations

import hashlib
import json
from importlib import resources

from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bot.channels.web.sentences import pick_locale
from bot.channels.web.shop import PRODUCTS, shop_texts

SCRIPT_PARTS = ("strings.js", "api.js", "view.js", "widget.js")
_CSS_MARK = '"@@WIDGET_CSS@@"'
_CACHE = "public, max-age=300"
_SHOP_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)


def load_css(name: str) -> str:
    """Read a style sheet of the package."""
    return _read(name)


def load_script() -> str:
    """Join the widget's parts into the one script a page loads, its style sheet inside.

    The sheet travels as a string and becomes a constructed style sheet of the shadow root: no second request, and
    nothing a host page's Content-Security-Policy for styles would refuse.
    """
    parts = "\n".join(_read(name) for name in SCRIPT_PARTS)
    css = json.dumps(_read("widget.css"))
    return f'(function () {{\n"use strict";\n{parts.replace(_CSS_MARK, css)}\n}})();\n'


class StaticFile:
    """A text served with an entity tag."""

    def __init__(self, text: str, media_type: str) -> None:
        self._body = text.encode()
        self._media_type = media_type
        self._tag = f'"{hashlib.sha256(self._body).hexdigest()[:24]}"'

    async def respond(self, request: Request) -> Response:
        """Serve the text, or 304 when the browser has it; any page may load it."""
        headers = {
            "ETag": self._tag,
            "Cache-Control": _CACHE,
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match") == self._tag:
            return Response(status_code=304, headers=headers)
        return Response(self._body, headers=headers, media_type=self._media_type)


class ShopPage:
    """The demo shop in Chinese and English."""

    def __init__(self) -> None:
        environment = Environment(
            loader=DictLoader({"shop.html": _read("shop.html")}), autoescape=True, undefined=StrictUndefined
        )
        self._template = environment.get_template("shop.html")

    async def respond(self, request: Request) -> Response:
        """Serve the page in ``?lang=zh|en``, else in the browser's language."""
        asked = request.query_params.get("lang") or request.headers.get("accept-language", "")
        lang = pick_locale(asked).base
        html = self._template.render(lang=lang, t=shop_texts(lang), products=PRODUCTS)
        return HTMLResponse(
            html,
            headers={
                "Content-Security-Policy": _SHOP_POLICY,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "same-origin",
                "Cache-Control": "no-store",
            },
        )


def _read(name: str) -> str:
    return resources.files("bot.channels.web").joinpath("static", name).read_text(encoding="utf-8")
