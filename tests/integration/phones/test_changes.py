"""What a person does with his own: files, edits, recalls, blocking; what the platform counts, and time that passes."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from bot.simulators.phones.samples import make_sound, read_picture
from tests.integration.phones.conftest import Hand, Shop

pytestmark = pytest.mark.xdist_group("phones")
QUESTION = "how long does a refund take?"
OCTETS = {"Content-Type": "application/octet-stream"}
PDF = b"%PDF-1.7 a receipt"


def send_file(shop: Shop, name: str, data: bytes, called: str, **headers: str) -> Any:
    """Send a file from a phone, as the page does."""
    query = {"name": called, "language": "en"}
    return shop.http.post(f"/{name}/files", params=query, content=data, headers=OCTETS | headers)


def events(shop: Shop, channel: str, kind: str) -> list[dict[str, Any]]:
    """List a channel's events of a kind, as the shop has them on record."""
    query = (
        "SELECT e.data FROM events e JOIN conversations c ON c.id = e.conversation_id"
        " JOIN identities i ON i.id = c.identity_id WHERE i.channel = ? AND e.kind = ?"
    )
    with closing(sqlite3.connect(shop.folder / "phones.db")) as database:
        return [json.loads(data) for (data,) in database.execute(query, (channel, kind)).fetchall()]


def stored(shop: Shop, channel: str) -> list[str]:
    """List the types of what the shop has fetched."""
    with closing(sqlite3.connect(shop.folder / "phones.db")) as database:
        query = "SELECT mime FROM media WHERE channel = ? AND state = 'stored'"
        return [mime for (mime,) in database.execute(query, (channel,)).fetchall()]


@pytest.mark.parametrize(
    ("name", "data", "kind", "mime"),
    [
        ("wechat_oa", make_sound(), "voice", "audio/wav"),
        ("wecom_kf", PDF, "file", "application/pdf"),
        ("telegram", PDF, "file", "application/pdf"),
        ("whatsapp", make_sound(), "voice", "audio/wav"),
        ("messenger", PDF, "file", "application/pdf"),
        ("instagram", make_sound(), "voice", "audio/wav"),
        ("line", PDF, "file", "application/pdf"),
        ("web", read_picture(), "image", "image/png"),
    ],
)
def test_file_of_ones_own_reaches_the_shop(shop: Shop, name: str, data: bytes, kind: str, mime: str) -> None:
    """It lies on the screen, and the shop fetches it over the platform's own way."""
    hand = Hand(shop, name, "en")
    assert send_file(shop, name, data, "mine").status_code == 202
    bubble = hand.phone["bubbles"][0]
    assert bubble["kind"] == kind
    shown = shop.http.get(f"/{name}/files/{bubble['file']}")
    assert shown.content == data
    assert "sandbox" in shown.headers["content-security-policy"]
    hand.until(lambda: mime in stored(shop, name), f"{mime} to be stored, there is {stored(shop, name)}")


def test_page_of_markup_is_handed_over_and_not_shown(shop: Shop) -> None:
    """What a browser would run as a page of ours is a file to it."""
    hand = Hand(shop, "telegram", "en")
    assert send_file(shop, "telegram", b"<html><script>alert(1)</script>", "a.png").status_code == 202
    answer = shop.http.get(f"/telegram/files/{hand.phone['bubbles'][0]['file']}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"


@pytest.mark.parametrize(
    ("name", "data", "headers", "status"),
    [
        ("instagram", PDF, {}, 400),
        ("web", PDF, {}, 400),
        ("telegram", b"", {}, 400),
        ("telegram", b"x" * (10 * 1024 * 1024 + 1), {}, 400),
        ("telegram", PDF, {"Content-Type": "text/plain"}, 400),
        ("telegram", PDF, {"Origin": "https://elsewhere.example"}, 403),
        ("telegram", PDF, {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_file_that_cannot_be_sent_is_refused_in_a_sentence(
    shop: Shop, name: str, data: bytes, headers: dict[str, str], status: int
) -> None:
    """Where the platform has no such files, and from another site."""
    answer = send_file(shop, name, data, "mine", **headers)
    assert answer.status_code == status
    assert len(answer.json()["error"]) > 10


@pytest.mark.parametrize("name", ["telegram", "whatsapp", "messenger", "instagram"])
def test_message_is_edited_where_the_platform_has_it(shop: Shop, name: str) -> None:
    """The screen shows the new words, and the shop has both on record."""
    hand = Hand(shop, name, "en")
    hand.act("text", QUESTION)
    hand.hears("refund")
    number = hand.phone["bubbles"][0]["number"]
    changed = {"act": "edit", "text": "how much is delivery?", "language": "en", "about": number}
    assert shop.post(name, "acts", **changed).status_code == 202

    def kept() -> bool:
        return "how much is delivery?" in [edit["text"] for edit in events(shop, name, "customer_edited")]

    hand.until(kept, "the edit to be on record")
    bubble = hand.phone["bubbles"][0]
    assert (bubble["text"], bubble["edited"]) == ("how much is delivery?", True)


@pytest.mark.parametrize("name", ["whatsapp", "instagram", "line", "wecom_kf"])
def test_message_is_taken_back_where_the_platform_has_it(shop: Shop, name: str) -> None:
    """It leaves the screen, and the shop hears of it."""
    hand = Hand(shop, name, "en")
    hand.act("text", QUESTION)
    hand.hears("refund")
    number, before = hand.phone["bubbles"][0]["number"], len(events(shop, name, "customer_recalled"))
    assert shop.post(name, "acts", act="recall", about=number).status_code == 202
    hand.until(lambda: len(events(shop, name, "customer_recalled")) > before, "the recall to be on record")
    assert (hand.phone["bubbles"][0]["kind"], hand.phone["bubbles"][0]["text"]) == ("recalled", "")


@pytest.mark.parametrize(
    ("name", "act"), [("telegram", "recall"), ("line", "edit"), ("wechat_oa", "recall"), ("web", "edit")]
)
def test_what_the_platform_does_not_have_cannot_be_done(shop: Shop, name: str, act: str) -> None:
    """Nor can somebody else's message, or one that is not there, be changed."""
    assert shop.post(name, "acts", act=act, text="new", about=1).status_code == 400
    hand = Hand(shop, "whatsapp", "en")
    hand.act("text", QUESTION)
    hand.hears("refund")
    theirs = hand.heard[0]["number"]
    for about in (theirs, 10**6, 0, True, "1"):
        assert shop.post("whatsapp", "acts", act="recall", about=about).status_code == 400


@pytest.mark.parametrize(("name", "back"), [("telegram", "follow"), ("wechat_oa", "follow"), ("whatsapp", "unblock")])
def test_who_has_blocked_the_shop_comes_back_first(shop: Shop, name: str, back: str) -> None:
    """Nothing can be written until then; afterwards the shop answers again."""
    hand = Hand(shop, name, "en")
    hand.act("text", QUESTION)
    hand.hears("refund")
    hand.act("block")
    hand.until(lambda: hand.phone["blocking"], "the block")
    refused = shop.post(name, "acts", act="text", text="hello", language="en")
    assert refused.status_code == 400
    assert "blocked" in refused.json()["error"]
    assert "拉黑" in refused.json()["sentences"]["zh"]
    hand.act(back)
    hand.until(lambda: not hand.phone["blocking"], "the return")
    before = len(hand.heard)
    hand.act("text", "how much is delivery?")
    hand.until(lambda: len(hand.heard) > before, "an answer")


@pytest.mark.parametrize("name", ["wechat_oa", "wecom_kf"])
def test_phone_counts_what_the_shop_may_still_send(shop: Shop, name: str) -> None:
    """Five after each word of the person's, and less with every answer that is pushed."""
    hand = Hand(shop, name)
    assert hand.phone["room"] is None
    hand.act("text", "退款多久到账？")
    hand.hears("24 小时")
    room = hand.phone["room"]
    assert room["until"]
    assert room["left"] == (5 if name == "wechat_oa" else 4)  # an answer within the call is not counted


def test_phone_tells_when_the_window_is_closed(shop: Shop) -> None:
    """The knob shuts it, whatever the time."""
    hand = Hand(shop, "whatsapp", "en")
    hand.act("text", QUESTION)
    hand.hears("refund")
    assert hand.phone["room"]["until"]
    hand.turn("closed")
    try:
        assert hand.phone["room"] == {"until": "", "left": None}
    finally:
        hand.turn("closed", on=False)
    assert shop.http.get("/telegram/state").json()["counts"] is False


@pytest.mark.parametrize("name", ["whatsapp", "messenger", "web"])
def test_messages_are_left_unread_until_somebody_looks(shop: Shop, name: str) -> None:
    """The shop is told of the delivery alone, and of the reading once the knob is off."""
    hand = Hand(shop, name, "en")
    hand.turn("unread")
    try:
        hand.act("text", QUESTION)
        hand.hears("refund")
        hand.until(lambda: hand.heard[-1]["mark"] == "delivered", "the delivery")
    finally:
        hand.turn("unread", on=False)
    hand.until(lambda: hand.heard[-1]["mark"] == "read", "the reading")


def test_forged_call_is_turned_away_and_the_next_one_taken(shop: Shop) -> None:
    """On every platform; nothing of it is answered."""
    for name in ("wechat_oa", "wecom_kf", "telegram", "whatsapp", "messenger", "instagram", "line", "web"):
        hand = Hand(shop, name, "en")
        hand.turn("forge")
        if "retry" in {knob["name"] for knob in hand.phone["knobs"]}:
            hand.turn("retry", on=False)
        try:
            hand.act("text", QUESTION)
            hand.until(lambda: hand.phone["bubbles"][0]["mark"] == "failed", f"{name} to fail")  # noqa: B023 - now
            outcomes = {call["outcome"] for call in hand.calls("shop")[:1]}
            assert outcomes <= {"401", "403"}, (name, outcomes)
        finally:
            hand.turn("forge", on=False)
            if name not in {"wechat_oa", "wecom_kf"}:
                hand.turn("retry")
        assert hand.heard == []


@pytest.mark.parametrize("name", ["telegram", "line", "whatsapp", "wecom_kf"])
def test_lost_answer_makes_the_platform_call_again(shop: Shop, name: str) -> None:
    """The shop took it the first time: it answers once, and the knob is off again."""
    hand = Hand(shop, name, "en")
    hand.turn("lost")
    hand.act("text", QUESTION)
    hand.hears("refund")
    hand.until(lambda: hand.phone["bubbles"][0]["mark"] in {"delivered", "read"}, "the second call to be taken")
    assert "lost" in {call["outcome"] for call in hand.calls("shop")}
    assert len([bubble for bubble in hand.heard if "refund" in bubble["text"].lower()]) == 1
    assert {knob["name"]: knob["on"] for knob in hand.phone["knobs"]}["lost"] is False


def test_journal_of_a_phone_holds_no_secret(shop: Shop) -> None:
    """Neither the shop's keys nor what the platform gives out; sealed calls can be read."""
    given: list[str] = []
    for name in ("wechat_oa", "wecom_kf"):
        hand = Hand(shop, name)
        hand.turn("expired")
        hand.act("text", "退款多久到账？")
        hand.hears("24 小时")
        calls = hand.phone["calls"]
        assert any(call["sealed"] and "<xml>" in call["body"] for call in calls)
        told = json.dumps(calls)
        assert not [secret for secret in shop.secrets if secret in told]
        given += [found for call in calls for found in re.findall(r'"access_token": ?"([^"]+)"', call["answer"])]
    assert set(given) == {"•••"}


def test_day_passes_and_the_windows_close(shop: Shop) -> None:
    """The whole shop's clock goes forward: what was open is closed, the next word opens it again."""
    hand = Hand(shop, "messenger", "en")
    hand.act("text", QUESTION)
    hand.hears("refund")
    assert hand.phone["room"]["until"]
    told = shop.http.post("/clock", json={"hours": 24}).json()
    assert told["ahead_h"] >= 24
    hand.until(lambda: not hand.phone["room"]["until"], "the window to close")
    hand.act("text", "how much is delivery?")
    hand.hears("deliver")
    assert hand.phone["room"]["until"]
    visitor = Hand(shop, "web", "en")
    visitor.act("text", QUESTION)
    visitor.hears("refund")


@pytest.mark.parametrize("hours", [0, -1, 24 * 8, "24", True, None])
def test_time_passes_only_forward(shop: Shop, hours: object) -> None:
    """Anything else is refused."""
    assert shop.http.post("/clock", json={"hours": hours}).status_code == 400


def owner(shop: Shop, channel: str, person: str) -> str:
    """Tell who has a person's conversation."""
    query = (
        "SELECT c.owner FROM conversations c JOIN identities i ON i.id = c.identity_id"
        " WHERE i.channel = ? AND i.channel_user_id = ?"
    )
    with closing(sqlite3.connect(shop.folder / "phones.db")) as database:
        found = database.execute(query, (channel, person)).fetchall()
    return str(found[-1][0]) if found else ""


@pytest.mark.parametrize("name", ["wecom_kf", "messenger", "instagram"])
def test_colleague_on_the_platform_takes_the_chat(shop: Shop, name: str) -> None:
    """The bot falls silent while he has it; what he writes stands on the screen and on record."""
    hand = Hand(shop, name, "en")
    assert shop.post(name, "moves", move="take").status_code == 400  # nobody has written yet
    hand.act("text", QUESTION)
    hand.hears("refund")
    person = hand.phone["person"]
    assert shop.post(name, "moves", move="take").status_code == 202
    hand.until(lambda: owner(shop, name, person) == "with_agent", "the colleague to have it")
    shop.post(name, "moves", move="say")
    hand.hears("I'm a colleague")
    before = len(hand.heard)
    hand.act("text", "how much is delivery?")
    hand.until(lambda: hand.phone["bubbles"][-1]["mark"] == "delivered", "the message to be delivered")
    hand.until(lambda: "colleague" in str(events(shop, name, "agent_uttered")), "his words to be on record")
    assert len(hand.heard) == before
    assert shop.post(name, "moves", move="leave").status_code == 202
    hand.until(lambda: owner(shop, name, person) != "with_agent", "the chat to be left")


@pytest.mark.parametrize(("name", "move", "status"), [("telegram", "take", 404), ("wecom_kf", "fly", 400)])
def test_colleague_can_do_there_what_the_platform_has(shop: Shop, name: str, move: str, status: int) -> None:
    """Elsewhere there is no such place."""
    assert shop.post(name, "moves", move=move).status_code == status
