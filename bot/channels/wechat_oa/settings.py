"""What one Official Account is set up with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import httpx

from bot.domain.errors import ConfigError

CHANNEL = "wechat_oa"
BOTH, PASSIVE, SERVICE = "both", "passive", "service"
DEFAULT_API_URL = "https://api.weixin.qq.com"
_TOKEN = re.compile(r"[A-Za-z0-9]{3,32}")
_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")


@dataclass(frozen=True, slots=True)
class WechatOaSettings:
    """One account of the platform.

    ``token`` and ``encoding_aes_key`` are those of the callback's settings page; with a key (safe mode) callbacks that
    are not encrypted are refused, because in plain mode the signature does not cover the body. ``replies`` says by
    which ways answers go out: in the callback's response, by customer-service message, or the first that works.
    """

    app_id: str
    app_secret: str = field(repr=False)
    token: str = field(repr=False)
    encoding_aes_key: str = field(default="", repr=False)
    account: str = "shop"
    api_url: str = DEFAULT_API_URL
    replies: str = BOTH

    def __post_init__(self) -> None:
        """Refuse what the platform would not take."""
        # An account that only answers in the response calls nothing, so it needs no AppSecret.
        if not self.app_id or not (self.app_secret or self.replies == PASSIVE):
            raise ConfigError("a WeChat Official Account needs its AppID and AppSecret; copy them from its console")
        if not _TOKEN.fullmatch(self.token):
            raise ConfigError("the WeChat callback token must be 3 to 32 letters and digits")
        if self.encoding_aes_key and not _AES_KEY.fullmatch(self.encoding_aes_key):
            raise ConfigError("the WeChat EncodingAESKey must be 43 letters and digits; leave it out for plain mode")


def token_request(settings: WechatOaSettings, http: httpx.AsyncClient, force: bool = False) -> httpx.Request:
    """Make the request for an access token.

    Source: https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html
    (``stable_token``: the same token until its last 5 minutes, so that several processes do not push each other's out;
    ``force_refresh`` makes a new one at once and is limited to 20 a day).
    """
    body = {
        "grant_type": "client_credential",
        "appid": settings.app_id,
        "secret": settings.app_secret,
        "force_refresh": force,
    }
    return http.build_request("POST", "/cgi-bin/stable_token", json=body)
