"""What numbers look like in this shop; set in the configuration, never in code that reads text."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_ORDER_SHAPES = (r"#?[A-Z]{1,3}\d{6,12}", r"#?\d{8,20}")
DEFAULT_TICKET_SHAPES = (r"TK\d{8}",)
DEFAULT_TRACKING_SHAPES = (
    r"SF\d{12,15}",
    r"(?:YT|JT|ZTO|STO|YD|DPK|DB|JY|YUN|EMS|LP|TT)\d{10,15}",
    r"JD[A-Z]{0,3}\d{10,15}",
    r"JD[0-9A-Z]{11,15}",
    r"[A-Z]{2}\d{9}CN",
    r"[A-Z]{2}\d{9}[A-Z]{2}",
    r"1Z[0-9A-Z]{16}",
)


@dataclass(frozen=True, slots=True)
class Shapes:
    """Regular expressions, matched whole and without case, and the shop's time zone by its IANA name."""

    order_number: tuple[str, ...] = DEFAULT_ORDER_SHAPES
    ticket_number: tuple[str, ...] = DEFAULT_TICKET_SHAPES
    tracking_number: tuple[str, ...] = DEFAULT_TRACKING_SHAPES
    zone: str = "Asia/Shanghai"
