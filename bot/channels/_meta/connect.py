"""Tell Meta where a channel's webhook is, and subscribe the app to what it has to hear.

Source: https://developers.facebook.com/docs/graph-api/reference/app/subscriptions (with the app's own token, which is
its id, a bar and its secret), .../docs/messenger-platform/reference/subscribed-apps and
.../docs/whatsapp/embedded-signup/webhooks
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import httpx

from bot.channels._api import Answer, Lost, Unreached, call, open_http
from bot.channels._meta.graph import GraphApi, read_error
from bot.channels._meta.settings import MetaSettings
from bot.channels.reading import listing, mapping, text_of
from bot.domain.errors import ConfigError

FIELDS: Mapping[str, tuple[str, ...]] = {
    "whatsapp": ("messages",),
    # Without the last two nobody tells us that somebody in the inbox answers, and the bot speaks over him. ?
    # Instagram's are called differently by how the account is reached.
    "messenger": ("messages", "messaging_postbacks", "messaging_handovers", "standby"),
    "instagram": ("messages", "messaging_postbacks"),
}
"""What a channel cannot work without."""

GOOD_TO_HAVE: Mapping[str, tuple[str, ...]] = {
    "whatsapp": (),
    "messenger": (
        "message_deliveries", "message_reads", "message_edits", "message_reactions", "messaging_referrals",
    ),
    "instagram": ("message_reactions", "messaging_seen", "messaging_referral", "messaging_handover", "standby"),
}  # fmt: skip
"""What makes it better: receipts, edits, reactions, and who holds a thread."""

_OBJECTS = {"whatsapp": "whatsapp_business_account", "messenger": "page", "instagram": "instagram"}
_PRODUCTS = {"whatsapp": "WhatsApp, Configuration", "messenger": "Messenger, Settings", "instagram": "Instagram"}


class AppApi:
    """Calls the Graph API as the app itself."""

    def __init__(self, app_id: str, http: httpx.AsyncClient) -> None:
        self.app_id = app_id
        self._http = http

    @classmethod
    async def open(cls, graph: GraphApi, settings: MetaSettings) -> Self | None:
        """Open it as the app of the channel's token; None where that is not told (Instagram's own login)."""
        app_id = text_of((await graph.get("app", fields="id")).data, "id")
        if not app_id:
            return None
        base = settings.api_url.rstrip("/") + "/"
        return cls(app_id, open_http(base, graph.transport, token=f"{app_id}|{settings.app_secret}"))

    async def get(self, path: str, **query: str) -> Answer:
        """Read; Unreached or Lost when there is no answer."""
        return await call(self._http, self._http.build_request("GET", path, params=query))

    async def post(self, path: str, body: Mapping[str, str]) -> Answer:
        """Change; Unreached or Lost when there is no answer."""
        return await call(self._http, self._http.build_request("POST", path, json=dict(body)))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


async def connect_meta(settings: MetaSettings, webhook: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
    """Have the channel's messages sent to ``webhook``; ConfigError with what Meta says against it."""
    graph = GraphApi(settings, transport)
    try:
        await _subscribe_account(graph, settings)
        await _set_callback(graph, settings, webhook)
    except (Unreached, Lost) as error:
        raise ConfigError(f"Meta cannot be reached ({error}); let this machine reach it, and try again") from None
    finally:
        await graph.close()


def business_account(number: Mapping[str, Any]) -> tuple[str, str]:
    """Give the WhatsApp Business account and the app of a phone number, out of its health; empty where not told."""
    entities = listing(mapping(number, "health_status"), "entities")
    ids = {text_of(each, "entity_type"): text_of(each, "id") for each in entities}
    return ids.get("WABA", ""), ids.get("APP", "")


async def _subscribe_account(graph: GraphApi, settings: MetaSettings) -> None:
    node, body = settings.node, {"subscribed_fields": ",".join(_all(settings))}
    if settings.channel == "whatsapp":
        node, _ = business_account((await graph.get(settings.node, fields="health_status")).data)
        body = {}
        if not node:
            raise ConfigError(
                "Meta does not tell the WhatsApp Business account of the number; give the token "
                "whatsapp_business_management, and check xiaoer.channels.whatsapp.phone_number_id"
            )
    answer = await graph.post(f"{node}/subscribed_apps", body)
    if not answer.good:
        raise ConfigError(f"Meta does not subscribe the app to {settings.channel}: {_why(answer)}")


async def _set_callback(graph: GraphApi, settings: MetaSettings, webhook: str) -> None:
    by_hand = f"app dashboard, {_PRODUCTS[settings.channel]}: callback URL {webhook} with your verify token"
    app = await AppApi.open(graph, settings)
    if app is None:
        raise ConfigError(f"the account is subscribed; the address itself is set by hand ({by_hand})")
    wanted = {"object": _OBJECTS[settings.channel], "callback_url": webhook, "verify_token": settings.verify_token}
    answer = await app.post(f"{app.app_id}/subscriptions", wanted | {"fields": ",".join(_all(settings))})
    await app.close()
    if not answer.good:
        raise ConfigError(f"Meta does not take the webhook {webhook}: {_why(answer)}; start the server first")


def _all(settings: MetaSettings) -> tuple[str, ...]:
    return FIELDS[settings.channel] + GOOD_TO_HAVE[settings.channel]


def _why(answer: Answer) -> str:
    error = read_error(answer)
    return f"{error.message or 'no reason given'} (error {error.code})"
