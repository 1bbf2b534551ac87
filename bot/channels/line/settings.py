"""What one LINE Official Account is set up with."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.domain.errors import ConfigError

CHANNEL = "line"
DEFAULT_API_URL = "https://api.line.me"


@dataclass(frozen=True, slots=True)
class LineSettings:
    """One Messaging API channel: its secret signs webhooks, its access token sends."""

    channel_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    account: str = "main"
    api_url: str = DEFAULT_API_URL

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.channel_secret or not self.access_token:
            raise ConfigError(
                "LINE needs the channel secret and the channel access token; copy both from the LINE Developers Console"
            )
