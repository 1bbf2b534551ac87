"""The kinds of values that keys of the configuration take, each refusing with a sentence."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no time zone; write one like Asia/Shanghai")
    return name


def _clock_time(text: str) -> str:
    try:
        time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time of day; write hours and minutes like '09:00', in quotes") from None
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as problem:
        raise ValueError(f"{text!r} is no regular expression: {problem}") from None
    return text


def _database_url(text: str) -> str:
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError(
            f"{text!r} is no database address; write sqlite:///var/xiaoer.db or postgresql+psycopg://user@host/name"
        ) from None
    if url.password:
        raise ValueError("holds a password; take it out and set XIAOER_DATABASE_PASSWORD in the environment")
    if url.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise ValueError(f"speaks to {url.drivername!r}; use sqlite:/// or postgresql+psycopg://")
    return text


def _redis_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"{text!r} is no address; write redis://host:6379/0") from None
    if parts.password:
        raise ValueError("holds a password; take it out and set XIAOER_REDIS_PASSWORD in the environment")
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname or port == 0:
        raise ValueError(f"{text!r} is no Redis address; write redis://host:6379/0, or rediss:// with TLS")
    return text


Zone = Annotated[str, AfterValidator(_known_zone)]
ClockTime = Annotated[str, AfterValidator(_clock_time)]
Pattern = Annotated[str, AfterValidator(_pattern)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
