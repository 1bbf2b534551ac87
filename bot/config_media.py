"""The media section of config.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from bot.config_channels import Section
from bot.domain.media_types import KNOWN_TYPES


class MediaSection(Section):
    """Pictures, voice, films and files that people send."""

    keep_in: Literal["auto", "folder", "database"] = Field(
        "auto",
        description="Where the bytes lie: folder, database, or auto: a folder with SQLite, the database with "
        "PostgreSQL, which all processes reach.",
    )
    folder: Path | None = Field(None, description="The folder, instead of media in data_dir.")
    image_mb: float = Field(10, description="The largest picture that is taken, in MB.", gt=0, le=100)
    voice_mb: float = Field(20, description="The largest voice note or sound that is taken, in MB.", gt=0, le=100)
    video_mb: float = Field(50, description="The largest film that is taken, in MB.", gt=0, le=500)
    file_mb: float = Field(20, description="The largest other file that is taken, in MB.", gt=0, le=500)
    types: tuple[str, ...] = Field(
        tuple(KNOWN_TYPES),
        description="The types that are taken, as the bytes themselves show them; web pages and SVG are none of them.",
    )
