"""Reply -> OutboundMessage: plain text in the shopper's language and script."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from opencc import OpenCC

from bot.domain.clock import Clock
from bot.domain.errors import ConfigError, NotFound
from bot.domain.messages import Button, OutboundMessage
from bot.domain.replies import Choice, Locale, Reply
from responses.catalogue import BASES, load_texts
from responses.localtime import parse_moment, say_day, say_moment, say_money

_MANY_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Names:
    """What shop and bot call themselves, in each language."""

    shop_zh: str = "小二好物"
    shop_en: str = "Xiaoer Goods"
    bot_zh: str = "小二"
    bot_en: str = "Xiaoer"

    def given(self, base: str) -> dict[str, str]:
        """Give the names every template of a locale knows."""
        if base == "en":
            return {"shop_name": self.shop_en, "bot_name": self.bot_en}
        return {"shop_name": self.shop_zh, "bot_name": self.bot_zh}


class TemplateRenderer:
    """Fills templates; the default twin of the port ``Renderer``.

    Times in a reply's data are ISO 8601 texts; ``when`` and ``day`` say them in the shop's ``timezone``. Of several
    variants one is picked by the data, so that the same reply always reads the same. Inside a template ``text("a.b")``
    is another text without data; ``shop_name`` and ``bot_name`` are always there.
    """

    def __init__(self, clock: Clock, timezone: str, names: Names | None = None, overrides: Path | None = None) -> None:
        """Load all texts; ConfigError names the file that is wrong."""
        self._clock = clock
        self._zone = ZoneInfo(timezone)
        given = names or Names()
        self._texts = {base: load_texts(base, overrides) for base in BASES}
        self._environments = {base: self._environment(base, given) for base in BASES}
        # Compiled when first said: a start need not wait for texts nobody asks for.
        self._compiled: dict[tuple[str, str, int], jinja2.Template] = {}

    def render(self, reply: Reply, locale: Locale) -> OutboundMessage:
        """Fill the reply's template in the locale, and the labels of its choices with the same data."""
        text = self.text(reply.key, locale, reply.data)
        buttons = tuple(Button(self._label(choice, reply, locale), choice.payload) for choice in reply.choices)
        return OutboundMessage(text=text, buttons=buttons, card=reply.card)

    def text(self, key: str, locale: Locale, data: Mapping[str, Any] | None = None) -> str:
        """Fill one template; NotFound when there is no such key, ConfigError when its data is incomplete."""
        plain = self._fill(key, locale.base, data or {})
        return _to_traditional(plain) if locale is Locale.ZH_HANT else plain

    def _fill(self, key: str, base: str, values: Mapping[str, Any]) -> str:
        variants = self._texts[base].get(key)
        if variants is None:
            raise NotFound(f"there is no text {key!r} in responses/templates/{base}; add it to its file")
        template = self._template(base, key, _pick(key, values, len(variants)))
        try:
            filled = template.render(values)
        except (jinja2.UndefinedError, jinja2.exceptions.SecurityError, ValueError, TypeError) as error:
            raise ConfigError(f"the text {key!r} ({base}) cannot be filled: {error}") from error
        return _MANY_BLANK_LINES.sub("\n\n", filled).strip()

    def _template(self, base: str, key: str, variant: int) -> jinja2.Template:
        place = (base, key, variant)
        if place not in self._compiled:
            try:
                self._compiled[place] = self._environments[base].from_string(self._texts[base][key][variant])
            except jinja2.TemplateSyntaxError as error:
                raise ConfigError(f"the text {key!r} ({base}) is not a template: {error.message}") from error
        return self._compiled[place]

    def _label(self, choice: Choice, reply: Reply, locale: Locale) -> str:
        if choice.label_key:
            return self.text(choice.label_key, locale, reply.data)
        return choice.label

    def _environment(self, base: str, names: Names) -> jinja2.Environment:
        environment = ImmutableSandboxedEnvironment(
            autoescape=False,  # plain text for chat channels; pages escape what they show
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["when"] = partial(self._when, base=base)
        environment.filters["day"] = partial(self._day, base=base)
        environment.filters["money"] = _money
        environment.globals.update(names.given(base))
        environment.globals["text"] = partial(self._part, base=base)
        return environment

    def _part(self, key: str, base: str) -> str:
        # A text inside a text (the name of a state, of an option); it stands alone, without data.
        return self._fill(key, base, {})

    def _when(self, value: str | datetime, base: str) -> str:
        return say_moment(parse_moment(value, self._zone), self._clock.now().astimezone(self._zone), base)

    def _day(self, value: str | datetime, base: str) -> str:
        today = self._clock.now().astimezone(self._zone).date()
        return say_day(parse_moment(value, self._zone).date(), today, base)


def _money(amount: str | float | Decimal, currency: str = "CNY") -> str:
    return say_money(amount, currency)


def _pick(key: str, values: Mapping[str, Any], count: int) -> int:
    if count == 1:
        return 0
    shape = json.dumps([key, dict(values)], sort_keys=True, ensure_ascii=False, default=str)
    return zlib.crc32(shape.encode()) % count


@lru_cache(maxsize=1)
def _traditional_converter() -> Callable[[str], str]:
    convert: Callable[[str], str] = OpenCC("s2twp").convert
    return convert


def _to_traditional(text: str) -> str:
    return _traditional_converter()(text)
