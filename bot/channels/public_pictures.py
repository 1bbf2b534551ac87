"""Pictures of agents for platforms that fetch them from a public address."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.channel_ports import Refused
from bot.domain.media import ShowFile
from bot.domain.messages import Attachment

_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Which pictures a platform fetches: its name, their types, their largest size in MB."""

    platform: str
    types: frozenset[str]
    most_mb: int


async def public_picture(shown: ShowFile | None, attachment: Attachment, limits: PictureLimits) -> str | Refused:
    """Give the public address of a picture, or why the platform is not sent it; NotFound when it is gone."""
    name = limits.platform
    if shown is None:
        return Refused(f"{name} takes pictures only from a public address; set server.public_url, or send words")
    file = await shown(attachment)
    if file.mime not in limits.types:
        kinds = ", ".join(sorted(limits.types))
        return Refused(f"{name} takes no {file.mime} from us, only {kinds}; send it as one of these")
    if file.size > limits.most_mb * _MB:
        return Refused(f"{name} takes pictures of {limits.most_mb} MB at most from us; send a smaller one")
    return file.address
