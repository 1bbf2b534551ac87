"""render of LINE, WhatsApp, Messenger and Instagram: whatever is to be said, within limits, with the same choices."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.cleaning import clean_text
from bot.channels.line import send as line
from bot.channels.messenger import send as messenger
from bot.channels.whatsapp import send as whatsapp
from bot.domain.clock import ManualClock
from bot.domain.messages import Button, OutboundMessage
from bot.simulators.line.messages import read_messages
from bot.simulators.messenger.server import MessengerServer
from bot.simulators.meta.graph import MetaApp
from bot.simulators.whatsapp.server import WhatsappServer
from tests.unit.channels.doubles import NOON

Shown = list[tuple[str, list[tuple[str, str]]]]
APP = MetaApp("token", "secret", "verify")


def on_line(message: OutboundMessage) -> Shown:
    shaped = line.render(message)
    calls = [shaped[at : at + 5] for at in range(0, len(shaped), 5)]
    return [(shown.text, list(shown.buttons)) for call in calls for shown in read_messages(list(call))]


def on_whatsapp(message: OutboundMessage) -> Shown:
    server = WhatsappServer(APP, "1", ManualClock(NOON))
    server.customers["1650"] = NOON
    for part in whatsapp.render(message):
        server._taken({"messaging_product": "whatsapp", "to": "1650", **part})
    return [(shown.text, list(shown.buttons)) for shown in server.shown]


def on_meta(kind: str) -> Callable[[OutboundMessage], Shown]:
    server = MessengerServer(APP, "1", ManualClock(NOON), kind)
    return lambda message: [server._message(part) for part in messenger.render(message, kind)]


PLATFORMS: dict[str, Callable[[OutboundMessage], Shown]] = {
    "line": on_line,
    "whatsapp": on_whatsapp,
    "messenger": on_meta("messenger"),
    "instagram": on_meta("instagram"),
}
words = st.text(max_size=60) | st.sampled_from(
    ["订单 W123 已发货。", "👩‍👩‍👧‍👦🇨🇳", "]]> <b>&amp;", "\x00\x1b[31m", "\ud800"]
)
texts = st.builds(lambda text, times: text * times, words, st.integers(1, 150))
payloads = st.builds("/{}{}".format, st.sampled_from(["affirm", "track_order", "x" * 50]), st.integers(0, 99))
buttons = st.builds(Button, st.text(max_size=90), payloads)
messages = st.builds(OutboundMessage, texts, st.lists(buttons, max_size=15).map(tuple), card=st.booleans())


CARD = OutboundMessage(
    "订单 W1234567：已发货\n· 电热水壶 × 1\n合计 ¥129", (Button("查物流", "/track_order"),), card=True
)
LONG = OutboundMessage("订单\n" + "行" * 6000, (Button("查物流", "/track_order"),), card=True)


def test_card_is_one_thing_with_its_title():
    """LINE lays it out as a bubble, WhatsApp puts the title into the head."""
    (bubble,) = line.render(CARD)
    assert bubble["type"] == "flex"
    assert [text["text"] for text in bubble["contents"]["body"]["contents"]] == CARD.text.split("\n", 1)
    (interactive,) = whatsapp.render(CARD)
    assert interactive["interactive"]["header"] == {"type": "text", "text": "订单 W1234567：已发货"}
    assert interactive["interactive"]["body"]["text"] == "· 电热水壶 × 1\n合计 ¥129"


def test_card_that_is_too_long_becomes_text_with_buttons():
    """Nothing is lost of it, and its choice stands under the last part."""
    for shown in (on_line(LONG), on_whatsapp(LONG)):
        assert squeezed(LONG.text) == squeezed("".join(text for text, _ in shown))
        assert shown[-1][1] == [("查物流", "/track_order")]


def squeezed(text: str) -> str:
    """Keep what a reader sees, without white space, which splitting may drop."""
    return re.sub(r"\s+", "", clean_text(text, len(text)).text)


@pytest.mark.parametrize("name", PLATFORMS)
@given(message=messages)
def test_any_message_is_taken_and_reads_back_to_the_same_choices(name: str, message: OutboundMessage):
    """The strict simulator takes every part; choices are buttons in order, or numbered lines in order."""
    shown = PLATFORMS[name](message)
    told = squeezed("".join(text for text, _ in shown))
    assert squeezed(message.text) in told
    pressed = [payload for _, keys in shown for _, payload in keys]
    if pressed:
        assert pressed == [button.payload for button in message.buttons]
        assert shown[-1][1], "choices stand under the last part"
    elif message.buttons:
        for number, button in enumerate(message.buttons, start=1):
            assert f"{number}.{squeezed(button.label)}" in told


@pytest.mark.parametrize(
    ("count", "label", "kind"),
    [(3, 20, "button"), (4, 20, "list"), (3, 21, "list"), (10, 24, "list"), (10, 72, "list"), (11, 5, ""), (2, 73, "")],
)
def test_whatsapp_ladder_goes_from_buttons_to_list_to_numbers(count: int, label: int, kind: str):
    """Three short ones are buttons, up to ten rows a list, the rest numbers."""
    keys = tuple(Button(f"{number:02d}".ljust(label, "x"), f"/p{number}") for number in range(count))
    (part,) = whatsapp.render(OutboundMessage("Which?", keys))
    assert part.get("interactive", {}).get("type", "") == kind


def test_line_ladder_goes_from_template_to_quick_replies_to_numbers():
    """Up to four under a short text stay as a template; up to thirteen are quick replies; the rest numbers."""

    def kinds(text: str, count: int, label: int) -> list[object]:
        keys = tuple(Button(f"{number:02d}".ljust(label, "x"), f"/p{number}") for number in range(count))
        return [
            part["type"] if "quickReply" not in part else "quick" for part in line.render(OutboundMessage(text, keys))
        ]

    assert kinds("选哪个？", 4, 20) == ["template"]
    assert kinds("选哪个？", 5, 20) == ["quick"]
    assert kinds("好" * 161, 2, 20) == ["quick"]
    assert kinds("选哪个？", 14, 5) == ["text"]
    assert kinds("选哪个？", 2, 21) == ["text"]


def test_instagram_counts_bytes():
    """A thousand bytes are 333 Chinese characters."""
    parts = messenger.render(OutboundMessage("好" * 400), "instagram")
    assert [len(part["text"].encode()) <= 1000 for part in parts] == [True, True]
