"""What a Meta app's dashboard knows: its token's permissions, its callback, and who is subscribed to what.

Source: https://developers.facebook.com/docs/graph-api/reference/debug_token, .../reference/app/subscriptions and
.../reference/page/subscribed_apps
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ALL_SCOPES = (
    "whatsapp_business_messaging",
    "whatsapp_business_management",
    "pages_messaging",
    "pages_manage_metadata",
    "instagram_manage_messages",
    "instagram_basic",
)

ALL_FIELDS = ("messages", "messaging_postbacks", "message_reads", "messaging_handovers", "standby")


@dataclass
class Dashboard:
    """One app with one node; ``check_app`` and ``check_token`` raise for a request that does not prove itself.

    ``fields`` the node is subscribed to, ``expires_at`` of the token in seconds since 1970 (0: never), ``callbacks`` by
    object, ``callback_fails`` lets Meta find nobody at the address, ``withheld`` keeps the subscriptions from a token
    without the permission, ``others`` are apps beside it that are subscribed to everything, ``number`` is the phone
    number's condition.
    """

    check_token: Callable[[Request], None]
    check_app: Callable[[Request], None]
    refuse: Callable[[Callable[[Request], Any]], Callable[[Request], Any]]
    app_id: str = "290341110812345"
    waba: str = "102290129340398"
    scopes: tuple[str, ...] = ALL_SCOPES
    expires_at: int = 0
    fields: tuple[str, ...] = ALL_FIELDS
    callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    callback_fails: bool = False
    withheld: bool = False
    others: tuple[str, ...] = ()
    number: dict[str, str] = field(
        default_factory=lambda: {
            "quality_rating": "GREEN",
            "code_verification_status": "VERIFIED",
            "name_status": "APPROVED",
            "status": "CONNECTED",
        }
    )

    def routes(self) -> list[Route]:
        """Give what can be asked."""
        return [
            Route("/{version}/app", self.refuse(self._app)),
            Route("/{version}/debug_token", self.refuse(self._debug_token)),
            Route("/{version}/{app}/subscriptions", self.refuse(self._subscribe_app), methods=["POST"]),
            Route("/{version}/{node}/subscribed_apps", self.refuse(self._subscribed_apps), methods=["GET", "POST"]),
        ]

    def health(self, node: str) -> dict[str, Any]:
        """Tell the condition of a phone number, with the account and the app it belongs to."""
        kinds = (("PHONE_NUMBER", node), ("WABA", self.waba), ("BUSINESS", "506914307656634"), ("APP", self.app_id))
        entities = [{"entity_type": kind, "id": number, "can_send_message": "AVAILABLE"} for kind, number in kinds]
        return self.number | {"health_status": {"can_send_message": "AVAILABLE", "entities": entities}}

    async def _app(self, request: Request) -> Response:
        self.check_token(request)
        return JSONResponse({"id": self.app_id, "name": "Xiaoer"})

    async def _debug_token(self, request: Request) -> Response:
        self.check_app(request)
        about = {"app_id": self.app_id, "is_valid": True, "expires_at": self.expires_at, "scopes": list(self.scopes)}
        return JSONResponse({"data": about})

    async def _subscribe_app(self, request: Request) -> Response:
        self.check_app(request)
        wanted = dict(await request.json())
        if self.callback_fails:
            message = "(#2200) Callback verification failed with the following errors: HTTP Status Code = 404"
            return JSONResponse({"error": {"message": message, "code": 2200}}, status_code=400)
        self.callbacks[wanted["object"]] = wanted
        return JSONResponse({"success": True})

    async def _subscribed_apps(self, request: Request) -> Response:
        self.check_token(request)
        whatsapp = request.path_params["node"] == self.waba
        if self.withheld:
            return JSONResponse({"error": {"message": "(#200) Permissions error", "code": 200}}, status_code=403)
        if request.method == "POST":
            told = (await request.json()).get("subscribed_fields", "messages")
            self.fields = tuple(told.split(","))
            return JSONResponse({"success": True})
        apps = dict.fromkeys(self.others, ALL_FIELDS) | ({self.app_id: self.fields} if self.fields else {})
        if whatsapp:
            return JSONResponse({"data": [{"whatsapp_business_api_data": {"id": app}} for app in apps]})
        return JSONResponse({"data": [{"id": app, "subscribed_fields": [*fields]} for app, fields in apps.items()]})
