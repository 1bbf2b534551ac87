"""Every phone holds an exchange with the real house, over the page's own HTTP and signed webhooks."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.integration.phones.conftest import Hand, Shop

pytestmark = pytest.mark.xdist_group("phones")

LANGUAGES = {
    "wechat_oa": "zh",
    "wecom_kf": "zh",
    "line": "zh",
    "telegram": "en",
    "whatsapp": "en",
    "messenger": "en",
    "instagram": "en",
    "web": "en",
}
ARRIVED = {"delivered", "read"}
COMPLAINTS = {
    "zh": (
        ("我要投诉", "哪方面"),
        "破损漏液",
        ("W1234567", "具体发生了什么"),
        ("收到的杯子是碎的", "照片"),
        "跳过",
        "换货",
        "对，提交",
    ),
    "en": (
        ("I have a formal complaint to make", "What is it about"),
        "Wrong item",
        ("W1234585", "what happened"),
        ("the cushion covers came in pink although I picked sage green", "photo"),
        "Skip",
        "A replacement",
        "Yes, submit",
    ),
}


@pytest.mark.parametrize("name", LANGUAGES)
def test_phone_files_a_complaint_and_asks_after_it(shop: Shop, name: str) -> None:
    """Words, and choices in the platform's own manner, lead to a ticket number that can be quoted."""
    hand = Hand(shop, name, LANGUAGES[name])
    for step in COMPLAINTS[LANGUAGES[name]]:
        if isinstance(step, str):
            hand.choose(step)
        else:
            hand.act("text", step[0])
            hand.hears(step[1])
    ticket = hand.hears(r"TK\d{8}")
    before = len(hand.heard)
    hand.act("text", f"{ticket} 处理得怎么样了" if LANGUAGES[name] == "zh" else f"{ticket} any news?")
    hand.until(lambda: any(ticket in bubble["text"] for bubble in hand.heard[before:]), "the ticket's state")
    assert hand.calls("shop")
    assert all(bubble["mark"] in ARRIVED for bubble in hand.phone["bubbles"] if bubble["by"] == "me")


@pytest.mark.parametrize("name", ["wechat_oa", "wecom_kf", "telegram", "messenger", "line"])
def test_phone_greets_who_begins(shop: Shop, name: str) -> None:
    """Following, starting or entering is answered at once, in the language of the person's phone."""
    hand = Hand(shop, name)
    hand.act("follow")
    hand.hears("小二好物")


@pytest.mark.parametrize("name", ["wechat_oa", "wecom_kf", "telegram", "whatsapp", "messenger", "line"])
@pytest.mark.parametrize("act", ["voice", "sticker", "location"])
def test_phone_sends_what_is_no_text(shop: Shop, name: str, act: str) -> None:
    """A voice message, a sticker and a place are taken by the shop."""
    hand = Hand(shop, name, "en")
    hand.act(act)
    hand.until(lambda: hand.phone["bubbles"][0]["mark"] in ARRIVED, "the message to be delivered")


@pytest.mark.parametrize("name", list(LANGUAGES))
def test_picture_is_fetched_from_the_simulated_platform(shop: Shop, name: str) -> None:
    """The agent sees the picture: it is fetched over the platform's own way, and from this machine."""
    hand = Hand(shop, name, "en")
    hand.act("image")
    hand.until(lambda: "stored" in _media(shop, name), f"the picture to be stored, it is {_media(shop, name)}")


def _media(shop: Shop, channel: str) -> set[str]:
    with closing(sqlite3.connect(shop.folder / "phones.db")) as database:
        found = database.execute("SELECT state FROM media WHERE channel = ?", (channel,)).fetchall()
    return {state for (state,) in found}


def test_phone_shows_its_own_menu(shop: Shop) -> None:
    """An entry of WeChat's menu is a wish."""
    hand = Hand(shop, "wechat_oa")
    hand.act("menu", "file_complaint")
    hand.hears("哪方面")


def test_people_of_a_phone_are_kept_apart(shop: Shop) -> None:
    """A new person finds an empty screen, and the one before finds his own again."""
    first = Hand(shop, "telegram", "en")
    first.act("text", "how long does a refund take?")
    first.hears("refund")
    known = first.phone["person"]
    second = Hand(shop, "telegram", "en")
    assert second.phone["bubbles"] == []
    assert shop.post("telegram", "people", person=known).json()["bubbles"][0]["text"] == "how long does a refund take?"


def test_everyone_on_a_phone_is_marked_as_simulated(shop: Shop) -> None:
    """Every account of every phone begins alike, in a database of its own."""
    for name in LANGUAGES:
        hand = Hand(shop, name)
        hand.act("text", "转人工")
        hand.hears(".")
    with closing(sqlite3.connect(shop.folder / "phones.db")) as database:
        found = dict(database.execute("SELECT channel, account FROM identities").fetchall())
    assert set(found) == set(LANGUAGES)
    assert all(account.startswith("sim-") for account in found.values())
