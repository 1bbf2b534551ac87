"""What a Meta app brings to each of its channels."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.domain.errors import ConfigError
from bot.domain.messages import Sender

DEFAULT_API_URL = "https://graph.facebook.com/v23.0"


@dataclass(frozen=True, slots=True)
class MetaSettings:
    """One channel of a Meta app.

    ``node`` is the id the channel sends from (phone number, Page or Instagram account); ``app_secret`` signs webhooks
    and proves calls, ``verify_token`` is what the dashboard was given.
    """

    channel: str
    node: str
    token: str = field(repr=False)
    app_secret: str = field(repr=False)
    verify_token: str = field(repr=False)
    account: str = "main"
    api_url: str = DEFAULT_API_URL

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.node.isascii() or not self.node.isdigit():
            raise ConfigError(f"the {self.channel} id {self.node!r} is no number; copy it from the app's dashboard")
        if not self.token or not self.app_secret or not self.verify_token:
            raise ConfigError(f"{self.channel} needs its access token, the app secret and a verify token")

    def sender(self, user: str, name: str = "") -> Sender:
        """Name somebody who writes to this channel."""
        return Sender(self.channel, self.account, user, name)
