"""A phone with the simulated WeChat, in the chat with an Official Account."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping

import httpx

from bot.domain.clock import Clock
from bot.simulators.media import MediaHold
from bot.simulators.phones.phone import Lever, Phone, flag, next_answer, once
from bot.simulators.phones.picture import keep_picture
from bot.simulators.phones.screen import Act, Person, Shown
from bot.simulators.phones.wire import Wire
from bot.simulators.wechat_oa.people import WechatPeople

_BUSY = 45011


class WechatPhone(Phone):
    """Followers of the shop's account, with its menu."""

    name = "wechat_oa"
    acts = (Act.TEXT, Act.MENU, Act.IMAGE, Act.STICKER, Act.LOCATION, Act.FOLLOW, Act.BLOCK)
    menu = ("track_order", "file_complaint", "request_human")

    def __init__(self, people: WechatPeople, hold: MediaHold, wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self._hold = hold
        self._followers = people
        self._typing = people.server.typing
        self._read = self._noticed = 0

    async def _stranger(self, number: int, name: str) -> str:
        del number, name
        return f"oSim_{secrets.token_hex(11)}"

    async def _do(self, person: Person, act: Act, text: str) -> httpx.Response | None:
        followers, openid = self._followers, person.id
        if act is Act.FOLLOW:
            return await followers.follow(openid)
        if act is Act.BLOCK:
            return await self._unfollow(openid)
        if act is Act.MENU:
            return await followers.press_menu(openid, f"/{text}")
        if act is Act.IMAGE:
            address = "https://mmbiz.qpic.cn/simulated/0"
            return await followers.message(openid, "image", PicUrl=address, MediaId=keep_picture(self._hold))
        if act is Act.LOCATION:
            where = person.place
            spot = {"Location_X": str(where.latitude), "Location_Y": str(where.longitude), "Scale": "16"}
            return await followers.message(openid, "location", **spot, Label=f"{where.address} {where.name}")
        return await followers.say(openid, "👍" if act is Act.STICKER else text)

    async def _unfollow(self, openid: str) -> httpx.Response | None:
        return await self._followers.unfollow(openid) if openid in self._followers.server.followers else None

    def _news(self) -> Iterator[tuple[str, Shown]]:
        for openid, text in self._followers.server.sent[self._read :]:
            self._read += 1
            yield openid, Shown(text)
        for openid, _ in self._followers.notices[self._noticed :]:
            self._noticed += 1
            person = self._people.get(openid)
            if person is not None:
                self._note(person, "out_of_order")

    def _levers(self) -> Mapping[str, Lever]:
        server = self._followers.server
        return {
            "busy": next_answer(server.knobs, "fail_next", _BUSY),
            "closed": flag(server.knobs, "window_closed"),
            "drop": once(server.knobs, "drop_next"),
            "expired": Lever(lambda: False, lambda on: server.expire_token() if on else None),
            "no_permission": Lever(
                lambda: not server.knobs.permission, lambda on: setattr(server.knobs, "permission", not on)
            ),
        }
