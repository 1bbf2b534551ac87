"""Windows and quotas: what opens them, what they hold, and that they never add up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.messages import InboundMessage, MessageKind, Sender
from bot.domain.windows import POLICIES, Offer, Opened, Opening, opening_of, room

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
OA, KF, WHATSAPP = POLICIES["wechat_oa"], POLICIES["wecom_kf"], POLICIES["whatsapp"]


def message(channel: str, kind: MessageKind) -> InboundMessage:
    """Make a customer's message."""
    return InboundMessage(Sender(channel, "a", "u"), "k", kind, NOON)


@pytest.mark.parametrize(
    ("channel", "kind", "opening"),
    [
        ("wechat_oa", MessageKind.TEXT, Opening.MESSAGE),
        ("wechat_oa", MessageKind.IMAGE, Opening.MESSAGE),
        ("wechat_oa", MessageKind.BUTTON, Opening.MENU),
        ("wechat_oa", MessageKind.FOLLOW, Opening.FOLLOW),
        ("wechat_oa", MessageKind.UNFOLLOW, None),
        ("wecom_kf", MessageKind.BUTTON, Opening.MESSAGE),
        ("wecom_kf", MessageKind.FOLLOW, Opening.ENTER),
        ("whatsapp", MessageKind.BUTTON, Opening.MESSAGE),
        ("whatsapp", MessageKind.FOLLOW, None),
        ("messenger", MessageKind.FOLLOW, Opening.MESSAGE),
        ("telegram", MessageKind.TEXT, None),
    ],
)
def test_opening_is_what_the_customer_did(channel: str, kind: MessageKind, opening: Opening | None):
    """A menu click is no message, except where a pressed entry is one."""
    assert opening_of(message(channel, kind)) is opening


def test_window_closes_after_its_time_and_its_messages():
    """48 hours and five messages; closed is told apart from used up."""
    opened = Opened(Opening.MESSAGE, NOON, used=4)
    assert room(OA, [opened], NOON + timedelta(hours=48)).left == 1
    late = room(OA, [opened], NOON + timedelta(hours=48, seconds=1))
    assert (late.is_open, late.used_up, late.offers) == (False, False, (Offer.WAIT, Offer.OTHER_CHANNEL))
    spent = room(OA, [Opened(Opening.MESSAGE, NOON, used=5)], NOON)
    assert (spent.is_open, spent.used_up, spent.left) == (False, True, 0)


def test_short_window_does_not_add_to_the_long_one():
    """After a message and a menu click the most of either may be sent, not both."""
    opened = [Opened(Opening.MESSAGE, NOON, used=1), Opened(Opening.MENU, NOON, used=0)]
    assert room(OA, opened, NOON).left == 4
    assert room(OA, opened, NOON).until == NOON + timedelta(hours=48)
    only_menu = room(OA, [Opened(Opening.MENU, NOON, used=1)], NOON + timedelta(seconds=60))
    assert (only_menu.left, only_menu.until) == (2, NOON + timedelta(minutes=1))
    assert not room(OA, [Opened(Opening.MENU, NOON)], NOON + timedelta(seconds=61)).is_open


def test_uncounted_window_holds_any_number_for_a_day():
    """WhatsApp counts the hours only, then offers a template."""
    opened = [Opened(Opening.MESSAGE, NOON, used=500)]
    assert room(WHATSAPP, opened, NOON + timedelta(hours=24)).left is None
    assert room(WHATSAPP, opened, NOON + timedelta(hours=25)).offers[0] is Offer.TEMPLATE


def test_nobody_who_never_wrote_can_be_sent_to():
    """Without an opening every window is closed."""
    assert not any(room(policy, [], NOON).is_open for policy in POLICIES.values())


@given(
    st.sampled_from(sorted(POLICIES)),
    st.lists(st.tuples(st.sampled_from(Opening), st.integers(-200_000, 0), st.integers(0, 9)), max_size=6),
)
def test_room_is_the_most_of_one_window(channel: str, acts: list[tuple[Opening, int, int]]):
    """Never more than one window holds, never open beyond all of them."""
    policy = POLICIES[channel]
    opened = [Opened(kind, NOON + timedelta(seconds=seconds), used) for kind, seconds, used in acts]
    found = room(policy, opened, NOON)
    running = [one for one in opened if one.kind in policy.windows and NOON - one.at <= policy.windows[one.kind].lasts]
    if found.is_open:
        assert found.left is None or found.left == max(
            (policy.windows[one.kind].messages or 0) - one.used for one in running
        )
    else:
        assert all((policy.windows[one.kind].messages or 1) <= one.used for one in running)
