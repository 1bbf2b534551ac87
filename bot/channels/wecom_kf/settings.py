"""What the customer-service accounts of one company are set up with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bot.domain.errors import ConfigError

CHANNEL = "wecom_kf"
CONSOLE, WECOM = "console", "wecom"
DEFAULT_API_URL = "https://qyapi.weixin.qq.com"
_TOKEN = re.compile(r"[A-Za-z0-9]{3,32}")
_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")


@dataclass(frozen=True, slots=True)
class WecomKfSettings:
    """One company; each of its customer-service accounts (``open_kfid``) is an account of the channel.

    ``accounts`` limits which are served; empty: all that the API may manage. ``humans`` says where humans answer:
    in our ``console`` (the session stays with the API), or in ``wecom`` (it is queued for WeCom's own staff, and
    nothing can be sent by the API until they end it).
    """

    corp_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    encoding_aes_key: str = field(repr=False)
    accounts: tuple[str, ...] = ()
    humans: str = CONSOLE
    api_url: str = DEFAULT_API_URL

    def __post_init__(self) -> None:
        """Refuse what the platform would not take."""
        if not self.corp_id or not self.secret:
            raise ConfigError("WeCom customer service needs its CorpID and the secret of 微信客服; see WeCom's console")
        if not _TOKEN.fullmatch(self.token):
            raise ConfigError("the WeCom callback token must be 3 to 32 letters and digits")
        if not _AES_KEY.fullmatch(self.encoding_aes_key):
            raise ConfigError("the WeCom EncodingAESKey must be 43 letters and digits; see the callback's page")

    def serves(self, open_kfid: str) -> bool:
        """Tell whether an account is ours to answer."""
        return bool(open_kfid) and (not self.accounts or open_kfid in self.accounts)
