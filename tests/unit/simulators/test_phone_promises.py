"""What a simulated phone says it has, it does: nothing is left to a part that only says that it is missing."""

from __future__ import annotations

import pytest

from bot.simulators.line.phone import LinePhone
from bot.simulators.messenger.phone import InstagramPhone, MessengerPhone
from bot.simulators.phones.phone import Phone
from bot.simulators.telegram.phone import TelegramPhone
from bot.simulators.web.phone import WebPhone
from bot.simulators.wechat_oa.phone import WechatPhone
from bot.simulators.wecom_kf.phone import KfPhone
from bot.simulators.whatsapp.phone import WhatsappPhone

PHONES = (LinePhone, MessengerPhone, InstagramPhone, TelegramPhone, WebPhone, WechatPhone, KfPhone, WhatsappPhone)


def does(phone: type[Phone], part: str) -> bool:
    """Tell whether a phone has a part of its own."""
    return getattr(phone, part) is not getattr(Phone, part)


@pytest.mark.parametrize("phone", PHONES)
def test_declared_part_is_there(phone: type[Phone]) -> None:
    """A count shown, a move offered and a receipt told each come from the phone's own platform."""
    assert does(phone, "_room") or not phone.counts
    assert does(phone, "_move") or not phone.moves
    assert does(phone, "_report") or not phone.reports
