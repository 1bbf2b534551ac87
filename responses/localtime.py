"""Moments and amounts as people say them, in Chinese and English."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

_NEAR_DAYS = {
    "zh": {-2: "前天", -1: "昨天", 0: "今天", 1: "明天", 2: "后天"},
    "en": {-1: "yesterday", 0: "today", 1: "tomorrow"},
}
_WEEKDAYS = {
    "zh": "一二三四五六日",
    "en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
}
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_SIGNS = {"CNY": "¥", "USD": "US$", "HKD": "HK$", "TWD": "NT$", "EUR": "€", "GBP": "£", "JPY": "JP¥", "SGD": "S$"}


def parse_moment(value: str | datetime, zone: ZoneInfo) -> datetime:
    """Read an ISO 8601 text (or an aware datetime) into the shop's zone; raises ValueError for anything else."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"the time {value!r} has no time zone; give an aware ISO 8601 time")
    return moment.astimezone(zone)


def say_day(day: date, today: date, base: str) -> str:
    """Name a day as one would say it today: ``明天``, ``11月25日（周三）``, ``tomorrow``, ``Wednesday 25 November``."""
    near = _NEAR_DAYS[base].get((day - today).days)
    if near:
        return near
    weekday = _WEEKDAYS[base][day.weekday()]
    if base == "zh":
        year = "" if day.year == today.year else f"{day.year}年"
        return f"{year}{day.month}月{day.day}日（周{weekday}）"
    year = "" if day.year == today.year else f" {day.year}"
    return f"{weekday} {day.day} {_MONTHS[day.month - 1]}{year}"


def say_moment(moment: datetime, now: datetime, base: str) -> str:
    """Name a local moment: ``明天 18:00``, ``18:00 tomorrow``, ``18:00 on Wednesday 25 November``."""
    day = say_day(moment.date(), now.date(), base)
    clock = f"{moment:%H:%M}"
    if base == "zh":
        return f"{day} {clock}"
    near = day in _NEAR_DAYS["en"].values()
    return f"{clock} {day}" if near else f"{clock} on {day}"


def say_money(amount: str | float | Decimal, currency: str) -> str:
    """Write an amount with its currency: ``¥199.00``; an unknown currency keeps its code: ``199.00 CHF``."""
    try:
        text = f"{Decimal(str(amount)):,.2f}"
    except InvalidOperation as error:
        raise ValueError(f"the amount {amount!r} is not a number") from error
    sign = _SIGNS.get(currency.upper())
    return f"{sign}{text}" if sign else f"{text} {currency}"
