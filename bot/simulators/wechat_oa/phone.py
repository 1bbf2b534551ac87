"""A phone with the simulated WeChat, in the chat with an Official Account."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping

import httpx

from bot.domain.clock import Clock
from bot.simulators.media import MediaHold
from bot.simulators.phones.levers import Lever, flag, next_send, once, pause
from bot.simulators.phones.phone import Phone
from bot.simulators.phones.samples import keep
from bot.simulators.phones.screen import Act, Deed, Person, Room, Shown
from bot.simulators.phones.wire import Wire
from bot.simulators.wechat_oa.people import WechatPeople
from bot.simulators.wechat_oa.server import BRIEF_MESSAGES, BRIEF_WINDOW, WINDOW, WINDOW_MESSAGES

_BUSY = 45011
_CLIP = "📎 "


class WechatPhone(Phone):
    """Followers of the shop's account, with its menu; an account is told neither of edits nor of recalls."""

    name = "wechat_oa"
    acts = (
        Act.TEXT,
        Act.MENU,
        Act.IMAGE,
        Act.VOICE,
        Act.VIDEO,
        Act.STICKER,
        Act.LOCATION,
        Act.FOLLOW,
        Act.BLOCK,
    )
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

    async def _do(self, person: Person, deed: Deed) -> httpx.Response | None:
        followers, openid = self._followers, person.id
        if deed.act is Act.FOLLOW:
            return await followers.follow(openid)
        if deed.act is Act.BLOCK:
            return await followers.unfollow(openid) if openid in followers.server.followers else None
        if deed.act is Act.MENU:
            return await followers.press_menu(openid, f"/{deed.text}")
        kind, fields = self._content(person, deed)
        return await followers.message(openid, kind, **fields)

    def _content(self, person: Person, deed: Deed) -> tuple[str, dict[str, str]]:
        if deed.act is Act.LOCATION:
            where = person.place
            spot = {"Location_X": str(where.latitude), "Location_Y": str(where.longitude), "Scale": "16"}
            return "location", {**spot, "Label": f"{where.address} {where.name}"}
        if deed.act in {Act.TEXT, Act.STICKER}:
            return "text", {"Content": deed.text or "👍"}
        kept = {"MediaId": keep(self._hold, deed.enclosed)}
        more = {
            Act.IMAGE: {"PicUrl": "https://mmbiz.qpic.cn/simulated/0"},
            Act.VOICE: {"Format": "amr"},
            Act.VIDEO: {"ThumbMediaId": "simulated"},
        }
        return deed.act.value, kept | more[deed.act]

    def _news(self) -> Iterator[tuple[str, Shown]]:
        for openid, text in self._followers.server.sent[self._read :]:
            self._read += 1
            file = self._hold.there(text.removeprefix(_CLIP)) if text.startswith(_CLIP) else None
            yield openid, Shown("" if file else text, file=file)
        for openid, _ in self._followers.notices[self._noticed :]:
            self._noticed += 1
            person = self._people.get(openid)
            if person is not None:
                self._note(person, "out_of_order")

    def _room(self, person: Person) -> Room | None:
        server = self._followers.server
        follower = server.followers.get(person.id)
        if follower is None:
            return None
        opened = (
            (follower.spoke_at, WINDOW, WINDOW_MESSAGES - follower.used),
            (follower.acted_at, BRIEF_WINDOW, BRIEF_MESSAGES - follower.used_since_act),
        )
        now = self._clock.now()
        rooms = [(max(left, 0), at + lasts) for at, lasts, left in opened if at is not None and now - at <= lasts]
        if server.knobs.window_closed or not follower.following or not rooms:
            return Room(None)
        left, until = max(rooms)
        return Room(until if left else None, left)

    def _levers(self) -> Mapping[str, Lever]:
        server = self._followers.server
        return {
            "busy": next_send(server.knobs, _BUSY),
            "closed": flag(server.knobs, "window_closed"),
            "api_slow": pause(server.knobs),
            "drop": once(server.knobs, "drop_next"),
            "expired": Lever(lambda: False, lambda on: server.expire_token() if on else None),
            "no_permission": Lever(
                lambda: not server.knobs.permission, lambda on: setattr(server.knobs, "permission", not on)
            ),
        }
