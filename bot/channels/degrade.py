"""Cut a message to what a channel can show: cards become text, buttons numbered lines, long text several messages.

Pure. The number -> payload map needs no place of its own: the engine keeps the buttons of the last message with the
conversation, in the order in which they are numbered here, so that a bare "2" is the second.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from bot.domain.channel_ports import Capabilities
from bot.domain.messages import Button, OutboundMessage

MAX_PAYLOAD_BYTES = 64
_HINT_ZH = "（回复数字即可选择）"
_HINT_EN = "(Reply with a number to choose.)"
_CJK = re.compile("[\u3400-\u9fff]")
# Where text may be cut, best first: between paragraphs, lines, sentences, clauses, words.
_CUTS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"[。！？!?；;…]+[”’」』）)\"']*\s*|\.\s+"),
    re.compile(r"[，、：,:]\s*"),
    re.compile(r"\s+"),
)
_SMALLEST_SHARE = 0.3
_JOINERS = re.compile("[\u0300-\u036f\u200d\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff]")

_MEASURES: dict[str, Callable[[str], int]] = {
    "chars": len,
    "bytes": lambda text: len(text.encode("utf-8", "surrogatepass")),
    "utf16": lambda text: len(text) + sum(character > "\uffff" for character in text),
}


def measure(text: str, unit: str) -> int:
    """Count ``text`` in ``chars``, ``utf16`` (code units) or ``bytes`` (UTF-8)."""
    return _MEASURES[unit](text)


def degrade(message: OutboundMessage, capabilities: Capabilities) -> tuple[OutboundMessage, ...]:
    """Give the messages to send in order, each within the channel's limits; buttons stand under the last.

    A message without text, buttons and attachments gives none. Attachments go with the first. A card stays one where
    the channel has cards and all of it fits into one message.
    """
    text = message.text.strip()
    buttons = message.buttons
    if buttons and not _fit(buttons, capabilities):
        text = number_options(text, buttons)
        buttons = ()
    if buttons and not text:
        text = _hint(" ".join(button.label for button in buttons))
    parts = split_text(text, capabilities.max_text, capabilities.text_unit)
    if not parts:
        return (replace(message, text="", buttons=()),) if message.attachments else ()
    messages = [OutboundMessage(part) for part in parts]
    messages[-1] = replace(messages[-1], buttons=buttons)
    is_card = message.card and capabilities.cards and len(parts) == 1 and "\n" in parts[0]
    messages[0] = replace(messages[0], attachments=message.attachments, card=is_card)
    return tuple(messages)


def card_parts(message: OutboundMessage) -> tuple[str, str]:
    """Give a card's title and text; no title for a message that is no card."""
    title, _, text = message.text.partition("\n")
    return (title.strip(), text.strip()) if message.card else ("", message.text)


def number_options(text: str, buttons: tuple[Button, ...]) -> str:
    """Write buttons as numbered lines under the text, with the hint to answer by number."""
    lines = [f"{number}. {button.label.strip()}" for number, button in enumerate(buttons, start=1)]
    options = "\n".join([*lines, _hint(text or lines[0])])
    return f"{text}\n\n{options}" if text else options


def split_text(text: str, limit: int, unit: str) -> tuple[str, ...]:
    """Split at the best place that keeps each part within ``limit`` units; empty text gives no part.

    Raises ValueError for a limit too small for a single character (below 4).
    """
    if limit < len("🙂".encode()):
        raise ValueError(f"a limit of {limit} {unit} holds no text; give at least 4")
    parts: list[str] = []
    rest = text.strip()
    while rest:
        if measure(rest, unit) <= limit:
            parts.append(rest)
            break
        fitting = _fitting(rest, limit, unit)
        cut = _cut(rest, fitting)
        part = rest[:cut].strip()
        if part:
            parts.append(part)
        rest = rest[cut:].strip()
    return tuple(parts)


def _fit(buttons: tuple[Button, ...], capabilities: Capabilities) -> bool:
    payloads_fit = all(0 < len(button.payload.encode()) <= MAX_PAYLOAD_BYTES for button in buttons)
    return len(buttons) <= capabilities.max_buttons and payloads_fit and all(button.label.strip() for button in buttons)


def _hint(text: str) -> str:
    return _HINT_ZH if _CJK.search(text) else _HINT_EN


def _fitting(text: str, limit: int, unit: str) -> int:
    """Count the leading characters that fit (at least one)."""
    low, high = 1, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle], unit) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(text: str, fitting: int) -> int:
    """Find where to cut within the first ``fitting`` characters: the last good place that is not too early."""
    for pattern in _CUTS:
        ends = [match.end() for match in pattern.finditer(text, 0, fitting)]
        if ends and ends[-1] >= fitting * _SMALLEST_SHARE:
            return ends[-1]
    cut = fitting
    while cut > 1 and (_JOINERS.match(text, cut) or text[cut - 1] == "\u200d"):
        cut -= 1  # an emoji of several characters, or a letter and its accent, stay together
    return cut if cut > 1 else fitting
