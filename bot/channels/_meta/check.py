"""Look at the set-up of a channel of a Meta app: token, id, permissions, subscriptions, our own webhook from outside.

Source: https://developers.facebook.com/docs/graph-api/reference/debug_token (``scopes``, ``expires_at``),
.../docs/messenger-platform/reference/subscribed-apps and
.../docs/graph-api/reference/whats-app-business-account-to-number-current-status (``health_status``)
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from typing import Any

import httpx

from bot.channels._api import Answer
from bot.channels._meta.connect import FIELDS, GOOD_TO_HAVE, AppApi, business_account
from bot.channels._meta.graph import GraphApi, read_error
from bot.channels._meta.settings import MetaSettings
from bot.channels.findings import Finding, answered, collect, own_webhook
from bot.channels.reading import listing, mapping, moment, text_of
from bot.domain.clock import Clock, SystemClock

_TOKEN_CODE = 190
_SOON = timedelta(days=14)
_NAMES = {"whatsapp": "display_phone_number,verified_name", "messenger": "name", "instagram": "username"}
_PERMISSIONS = {
    "whatsapp": ("whatsapp_business_messaging", "whatsapp_business_management"),
    "messenger": ("pages_messaging", "pages_manage_metadata"),
    "instagram": ("instagram_manage_messages",),
}
_NUMBER = "quality_rating,code_verification_status,name_status,status,health_status"
_BAD_NUMBER = {
    "quality_rating": ({"RED"}, "read in WhatsApp Manager, Insights, what customers complain about"),
    "code_verification_status": ({"NOT_VERIFIED", "EXPIRED"}, "verify the number in WhatsApp Manager, Phone numbers"),
    "name_status": ({"DECLINED", "EXPIRED", "NONE"}, "hand in a display name in WhatsApp Manager, Phone numbers"),
    "status": (
        {"PENDING", "OFFLINE", "BANNED", "RESTRICTED", "FLAGGED", "UNVERIFIED", "DISCONNECTED"},
        "register the number (app dashboard, WhatsApp, API Setup) and look at it in WhatsApp Manager",
    ),
}


async def check_meta(
    settings: MetaSettings,
    webhook: str,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock | None = None,
) -> tuple[Finding, ...]:
    """Look at the channel; ``webhook`` is our public address of it, empty when there is none."""
    graph = GraphApi(settings, transport)
    try:
        found = await collect("Meta", _points(graph, settings, clock or SystemClock()))
    finally:
        await graph.close()
    if not found[0].good:
        return found
    challenge = secrets.token_hex(8)
    query = {"hub.mode": "subscribe", "hub.verify_token": settings.verify_token, "hub.challenge": challenge}
    return (*found, await own_webhook(webhook, query, challenge, "XIAOER_META_VERIFY_TOKEN", transport))


async def _points(graph: GraphApi, settings: MetaSettings, clock: Clock) -> AsyncIterator[Finding]:
    node = answered(await graph.get(settings.node, fields=_NAMES[settings.channel]))
    if not node.good:
        yield _refused(node, settings)
        return
    names = [text_of(node.data, key) for key in ("display_phone_number", "verified_name", "name", "username")]
    yield Finding(f"the token reaches {' '.join(name for name in names if name)}")
    async for found in _of_token(graph, settings, clock):
        yield found
    if settings.channel == "whatsapp":
        async for found in _of_number(graph, settings):
            yield found
    else:
        listed = answered(await graph.get(f"{settings.node}/subscribed_apps"))
        # ? Instagram's own login lists an app by another id than the Meta app's.
        page = settings.channel == "messenger"
        app_id = text_of((await graph.get("app", fields="id")).data, "id") if page else ""
        yield _subscription(listed, settings, app_id)


def _refused(answer: Answer, settings: MetaSettings) -> Finding:
    error = read_error(answer)
    variable = f"XIAOER_{settings.channel.upper()}_TOKEN"
    if error.code == _TOKEN_CODE:
        return Finding("Meta refuses the access token", f"make a token that does not expire and set {variable}")
    if "appsecret_proof" in error.message:
        return Finding("the app secret does not belong to the token's app", _secret_fix(settings))
    permission = _PERMISSIONS[settings.channel][0]
    fix = f"check the id in config.yml, and that the token has {permission} for it"
    return Finding(f"the token does not reach the {settings.channel} id {settings.node} (error {error.code})", fix)


def _secret_fix(settings: MetaSettings) -> str:
    if settings.channel == "instagram" and "graph.instagram.com" in settings.api_url:
        return "copy the Instagram app secret (API setup with Instagram login) into XIAOER_INSTAGRAM_APP_SECRET"
    return "copy the secret of the same app (App settings, Basic) into XIAOER_META_APP_SECRET"


async def _of_token(graph: GraphApi, settings: MetaSettings, clock: Clock) -> AsyncIterator[Finding]:
    """Look at the token's permissions and its end; where Meta does not tell them (Instagram's login) say nothing."""
    app = await AppApi.open(graph, settings)
    if app is None:
        return
    told = mapping((await app.get("debug_token", input_token=settings.token)).data, "data")
    await app.close()
    scopes = told.get("scopes")
    if isinstance(scopes, list):
        missing = [name for name in _PERMISSIONS[settings.channel] if name not in scopes]
        fix = f"make the token again with {', '.join(missing)}, and set XIAOER_{settings.channel.upper()}_TOKEN"
        yield Finding(f"the token lacks {', '.join(missing)}", fix) if missing else Finding("it has the permissions")
    ends = moment(told, "expires_at")
    if ends is not None:
        left = ends - clock.now()
        fix = "make one that does not expire (a system user's, see docs/channels)" if left < _SOON else ""
        yield Finding(f"the token ends on {ends:%Y-%m-%d %H:%M} UTC", fix)


async def _of_number(graph: GraphApi, settings: MetaSettings) -> AsyncIterator[Finding]:
    number = await graph.get(settings.node, fields=_NUMBER)
    for found in _condition(number.data):
        yield found
    account, app_id = business_account(number.data)
    if not account:
        return
    listed = await graph.get(f"{account}/subscribed_apps")
    apps = [text_of(mapping(each, "whatsapp_business_api_data"), "id") for each in listing(listed.data, "data")]
    if app_id in apps or (apps and not app_id):
        yield Finding("the app is subscribed to the WhatsApp Business account")
    elif listed.good:
        fix = "run `xiaoer channels connect whatsapp`"
        yield Finding("the app is not subscribed to the WhatsApp Business account, so nothing arrives", fix)


def _condition(number: Mapping[str, Any]) -> Iterator[Finding]:
    for name, (bad, fix) in _BAD_NUMBER.items():
        value = text_of(number, name)
        if value in bad:
            yield Finding(f"the number's {name.replace('_', ' ')} is {value}", fix)
    for entity in listing(mapping(number, "health_status"), "entities"):
        for error in listing(entity, "errors"):
            what = text_of(error, "error_description") or "WhatsApp reports a fault"
            fix = text_of(error, "possible_solution") or "look at the account in WhatsApp Manager"
            yield Finding(f"{text_of(entity, 'entity_type').lower()}: {what[:160]}", fix[:160])


def _subscription(answer: Answer, settings: MetaSettings, app_id: str) -> Finding:
    """Tell what the app is subscribed to: others may be too. Without its id every app counts."""
    if not answer.good:
        fix = f"give the token {_PERMISSIONS[settings.channel][-1]}, so that subscriptions can be seen and made"
        return Finding(f"Meta does not tell what the app is subscribed to (error {read_error(answer).code})", fix)
    fields: set[str] = set()
    for app in listing(answer.data, "data"):
        told = app.get("subscribed_fields") if not app_id or text_of(app, "id") == app_id else None
        fields |= {str(each) for each in told} if isinstance(told, list) else set()
    missing = [name for name in FIELDS[settings.channel] if name not in fields]
    if missing:
        fix = f"run `xiaoer channels connect {settings.channel}`"
        return Finding(f"the app is not subscribed to {', '.join(missing)}, so we are not told of them", fix)
    less = [name for name in GOOD_TO_HAVE[settings.channel] if name not in fields]
    rest = f"; not to {', '.join(less)}" if less else ""
    return Finding(f"the app is subscribed to {', '.join(FIELDS[settings.channel])}{rest}")
