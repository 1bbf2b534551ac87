"""Dates in Chinese and English, relative to the shop's day."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from intents.numerals import CHINESE_NUMBER, ENGLISH_NUMBER, read_number

_FUTURE_DAYS = 31
"""A day without a year lies in the past unless it comes within this many days."""

_RELATIVE = {
    "大前天": -3,
    "前天": -2,
    "前日": -2,
    "昨天": -1,
    "昨日": -1,
    "昨晚": -1,
    "昨儿": -1,
    "寻日": -1,
    "琴日": -1,
    "今天": 0,
    "今日": 0,
    "今早": 0,
    "今晚": 0,
    "今儿": 0,
    "明天": 1,
    "明日": 1,
    "明早": 1,
    "听日": 1,
    "大后天": 3,
    "后天": 2,
    "the day before yesterday": -2,
    "day before yesterday": -2,
    "the day after tomorrow": 2,
    "day after tomorrow": 2,
    "yesterday": -1,
    "last night": -1,
    "today": 0,
    "tonight": 0,
    "this morning": 0,
    "tomorrow": 1,
}
_WEEKDAYS = {char: index for index, char in enumerate("一二三四五六日")} | {"天": 6, "末": 5}
_WEEKDAYS |= {str(index + 1): index for index in range(6)}
_ENGLISH_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FESTIVALS = {"双11": (11, 11), "双十一": (11, 11), "双12": (12, 12), "双十二": (12, 12), "618": (6, 18)}
_MONTH_NAME = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_UNIT_DAYS = {"天": 1, "日": 1, "周": 7, "星期": 7, "礼拜": 7, "day": 1, "week": 7}

_Reader = Callable[[re.Match[str], date], date | None]


def _safe(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _nearest(month: int, day: int, today: date) -> date | None:
    this_year = _safe(today.year, month, day)
    if this_year is not None and this_year <= today + timedelta(days=_FUTURE_DAYS):
        return this_year
    return _safe(today.year - 1, month, day)


def _shift(today: date, days: int) -> date | None:
    try:
        return today + timedelta(days=days)
    except OverflowError:
        return None


def _relative(found: re.Match[str], today: date) -> date | None:
    return _shift(today, _RELATIVE[found.group()])


def _full(found: re.Match[str], _today: date) -> date | None:
    year = int(found["year"])
    return _safe(year + 2000 if year < 100 else year, int(found["month"]), int(found["day"]))  # noqa: PLR2004


def _month_day(found: re.Match[str], today: date) -> date | None:
    month, day = read_number(found["month"]), read_number(found["day"])
    return _nearest(int(month), int(day), today) if month and day else None


def _last_month_day(found: re.Match[str], today: date) -> date | None:
    first = today.replace(day=1)
    if found["which"] == "上":
        first = (first - timedelta(days=1)).replace(day=1)
    elif found["which"] == "下":
        first = (first + timedelta(days=32)).replace(day=1)
    day = read_number(found["day"])
    return _safe(first.year, first.month, int(day)) if day else None


def _festival(found: re.Match[str], today: date) -> date | None:
    month, day = _FESTIVALS[found.group("name")]
    return _nearest(month, day, today)


def _weekday(found: re.Match[str], today: date) -> date | None:
    weekday = _WEEKDAYS[found["weekday"]]
    which = found["which"] or ""
    monday = today - timedelta(days=today.weekday())
    weeks = which.count("下") - which.count("上")
    day = monday + timedelta(days=7 * weeks + weekday)
    return day if which or day <= today else day - timedelta(days=7)


def _ago(found: re.Match[str], today: date) -> date | None:
    count = read_number(found["count"])
    if count is None or count > 1000:  # noqa: PLR2004
        return None
    days = _UNIT_DAYS[found["unit"]] * int(count)
    return _shift(today, days if found["side"] in {"后", "之后", "以后", "later", "from now"} else -days)


def _in_days(found: re.Match[str], today: date) -> date | None:
    count = read_number(found["count"])
    return None if count is None or count > 1000 else _shift(today, _UNIT_DAYS[found["unit"]] * int(count))  # noqa: PLR2004


def _english_weekday(found: re.Match[str], today: date) -> date | None:
    weekday = _ENGLISH_WEEKDAYS.index(found["weekday"][:3])
    behind = (today.weekday() - weekday) % 7
    if found["which"] == "next":
        return today + timedelta(days=7 - behind)
    if found["which"] in {"this", "coming"}:
        return today + timedelta(days=(7 - behind) % 7)
    return today - timedelta(days=behind or (7 if found["which"] == "last" else 0))


def _english_date(found: re.Match[str], today: date) -> date | None:
    month = _MONTHS.index(found["month"][:3]) + 1
    year = found["year"]
    return _safe(int(year), month, int(found["day"])) if year else _nearest(month, int(found["day"]), today)


def _slashed(found: re.Match[str], today: date) -> date | None:
    first, second = int(found["month"]), int(found["day"])
    return _nearest(first, second, today) or _nearest(second, first, today)


def _slashed_year(found: re.Match[str], _today: date) -> date | None:
    year, first, second = int(found["year"]), int(found["month"]), int(found["day"])
    return _safe(year, first, second) or _safe(year, second, first)


_ALTERNATIVES = "|".join(sorted(map(re.escape, _RELATIVE), key=len, reverse=True))
_ENGLISH_WEEKDAY = (
    r"(?P<weekday>monday|tuesday|wednesday|thursday|friday|saturday|sunday|mon|tues?|wed|thur?s?|fri|sat)\b"
)
_READERS: tuple[tuple[re.Pattern[str], _Reader], ...] = tuple(
    (re.compile(pattern), reader)
    for pattern, reader in (
        (r"(?<!\d)(?P<year>20\d\d)\s?[-/.年]\s?(?P<month>\d{1,2})\s?[-/.月]\s?(?P<day>\d{1,2})(?!\d)[日号]?", _full),
        (r"(?<!\d)(?P<month>\d{1,2})[/-](?P<day>\d{1,2})[/-](?P<year>20\d\d)(?!\d)", _slashed_year),
        (rf"\b{_MONTH_NAME}\.? {_DAY}(?:,? (?P<year>20\d\d))?(?!\d)", _english_date),
        (rf"(?<!\d){_DAY} (?:of )?{_MONTH_NAME}\b\.?(?:,? (?P<year>20\d\d))?", _english_date),
        (
            rf"(?P<month>\d{{1,2}}|{CHINESE_NUMBER})\s?月\s?(?P<day>\d{{1,2}}|{CHINESE_NUMBER})\s?[日号]?",
            _month_day,
        ),
        (rf"(?P<which>[上这本下])个?月(?P<day>\d{{1,2}}|{CHINESE_NUMBER})[日号]", _last_month_day),
        (
            r"(?P<which>(?:上{1,3}|这|本|下{1,3})个?)?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天末1-6])(?!\d)",
            _weekday,
        ),
        (
            rf"(?P<count>(?<!\d)\d{{1,4}}|{CHINESE_NUMBER})\s?个?(?P<unit>天|日|周|星期|礼拜)(?P<side>以前|之前|前|之后|以后|后)",
            _ago,
        ),
        (rf"\b(?P<count>{ENGLISH_NUMBER}) (?P<unit>day|week)s? (?P<side>ago|before|later|from now)\b", _ago),
        (rf"\bin (?P<count>{ENGLISH_NUMBER}) (?P<unit>day|week)s?\b", _in_days),
        (_ALTERNATIVES, _relative),
        (r"(?P<name>双11|双十一|双12|双十二|(?<!\d)618(?!\d))", _festival),
        (rf"\b(?:(?P<which>last|this|next|coming) )?{_ENGLISH_WEEKDAY}", _english_weekday),
        (r"(?<![\d./-])(?P<month>\d{1,2})/(?P<day>\d{1,2})(?![\d/])", _slashed),
        (
            r"(?<![\d.¥$])(?P<month>\d{1,2})\.(?P<day>\d{2})(?![\d.])(?!\s?(?:元|块|刀|折|%|rmb|usd|kg|斤|分|星))",
            _month_day,
        ),
        (r"(?<!\d)(?P<month>1[0-2]|0?[1-9])-(?P<day>[0-3]?\d)(?![\d-])(?=日|号|\b)(?<=\d-\d\d)", _month_day),
        (r"(?<!\d)(?P<which>)(?P<day>[1-3]?\d)号(?!线|楼|店|码|仓|库|门|院)", _last_month_day),
    )
)


def find_dates(text: str, today: date) -> Iterator[tuple[int, int, str]]:
    """Find dates in lower-case simplified text: (start, end, ISO date), no two overlapping."""
    taken: list[tuple[int, int]] = []
    for pattern, reader in _READERS:
        for found in pattern.finditer(text):
            start, end = found.span()
            if any(start < other_end and other_start < end for other_start, other_end in taken):
                continue
            day = reader(found, today)
            if day is not None:
                taken.append((start, end))
                yield start, end, day.isoformat()
