"""Look at the set-up of a channel of a Meta app: token, id, subscription, and our own webhook from outside.

Source: https://developers.facebook.com/docs/graph-api/webhooks/getting-started and
.../docs/messenger-platform/reference/subscribed-apps
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import httpx

from bot.channels._api import Answer, Lost, Unreached, call, open_http
from bot.channels._meta.graph import GraphApi, read_error
from bot.channels._meta.settings import MetaSettings
from bot.channels.findings import Finding, collect, public_address
from bot.channels.reading import listing, text_of

_TOKEN_CODE = 190
_FIELDS = {
    "whatsapp": "display_phone_number,verified_name",
    "messenger": "name",
    "instagram": "username",
}
_PERMISSIONS = {
    "whatsapp": "whatsapp_business_messaging",
    "messenger": "pages_messaging",
    "instagram": "instagram_manage_messages",
}
_WANTED_FIELDS = frozenset({"messages", "messaging_postbacks"})
# Without these nobody tells us that somebody in the inbox answers, and the bot speaks over him. ? Instagram's are
# called differently by how the account is reached.
_ROUTING_FIELDS = {"messenger": frozenset({"messaging_handovers", "standby"})}


async def check_meta(
    settings: MetaSettings, webhook: str, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[Finding, ...]:
    """Look at the channel; ``webhook`` is our public address of it, empty when there is none."""
    graph = GraphApi(settings, transport)
    try:
        found = await collect("Meta", _points(graph, settings))
    finally:
        await graph.close()
    return (*found, await _own_webhook(settings, webhook, transport)) if found[0].good else found


async def _points(graph: GraphApi, settings: MetaSettings) -> AsyncIterator[Finding]:
    node = await graph.get(settings.node, fields=_FIELDS[settings.channel])
    if not node.good:
        yield _refused(node, settings)
        return
    names = [text_of(node.data, key) for key in ("display_phone_number", "verified_name", "name", "username")]
    yield Finding(f"the token reaches {' '.join(name for name in names if name)}")
    if settings.channel != "whatsapp":
        subscribed = await graph.get(f"{settings.node}/subscribed_apps")
        yield _subscription(subscribed, _WANTED_FIELDS)
        if settings.channel in _ROUTING_FIELDS:
            yield _subscription(subscribed, _ROUTING_FIELDS[settings.channel])


def _refused(answer: Answer, settings: MetaSettings) -> Finding:
    error = read_error(answer)
    variable = f"XIAOER_{settings.channel.upper()}_TOKEN"
    if error.code == _TOKEN_CODE:
        return Finding("Meta refuses the access token", f"make a token that does not expire and set {variable}")
    if "appsecret_proof" in error.message:
        fix = "copy the secret of the same app (App settings, Basic) into XIAOER_META_APP_SECRET"
        return Finding("the app secret does not belong to the token's app", fix)
    permission = _PERMISSIONS[settings.channel]
    fix = f"check the id in config.yml, and that the token has {permission} for it"
    return Finding(f"the token does not reach the {settings.channel} id {settings.node} (error {error.code})", fix)


def _subscription(answer: Answer, wanted: frozenset[str]) -> Finding:
    fields: set[str] = set()
    for app in listing(answer.data, "data"):
        told = app.get("subscribed_fields")
        fields |= {str(each) for each in told} if isinstance(told, list) else set()
    if fields >= wanted:
        return Finding(f"the app is subscribed to {', '.join(sorted(wanted))}")
    missing = ", ".join(sorted(wanted - fields))
    return Finding(f"the app is not subscribed to {missing}", f"app dashboard, Webhooks: subscribe to {missing}")


async def _own_webhook(settings: MetaSettings, webhook: str, transport: httpx.AsyncBaseTransport | None) -> Finding:
    """Ask our own webhook as the dashboard does."""
    wrong = public_address(webhook)
    if wrong:
        return wrong
    challenge = secrets.token_hex(8)
    query = {"hub.mode": "subscribe", "hub.verify_token": settings.verify_token, "hub.challenge": challenge}
    try:
        async with open_http("", transport) as http:
            answer = await call(http, http.build_request("GET", webhook, params=query))
    except (Unreached, Lost) as error:
        fix = f"start the server and let {webhook} reach it from outside"
        return Finding(f"our own webhook cannot be reached ({error})", fix)
    if answer.good:
        return Finding(f"{webhook} answers; give it to the app dashboard with the verify token")
    fix = f"let {webhook} reach this server, with the same XIAOER_META_VERIFY_TOKEN"
    return Finding(f"our own webhook answers with HTTP {answer.status}", fix)
