"""Files the shop gives a simulated platform: the same doors as for words, and limits of their own."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from bot.domain.clock import ManualClock
from bot.simulators.media import HeldFile, MediaHold, WithMedia, graph_media, tencent_media
from bot.simulators.messenger.server import HUMAN_WINDOW, WINDOW, MessengerServer
from bot.simulators.meta.graph import MetaApp
from bot.simulators.telegram.server import Declined, TelegramServer
from bot.simulators.wechat_oa.server import WechatServer
from bot.simulators.wecom_kf.server import KfServer
from bot.simulators.whatsapp.server import WhatsappServer

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PHOTO = b"\x89PNG\r\n\x1a\n" + bytes(100)
LI, ANN, NODE = 77, "16505550001", "1"
APP = MetaApp("token", "secret", "verify")
PROOF = hmac.new(b"secret", b"token", hashlib.sha256).hexdigest()
BEARER = {"Authorization": "Bearer token"}
MB = 1024 * 1024


def reaching(app: ASGIApp) -> httpx.AsyncClient:
    """Make a client of a platform."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://platform.example")


def telegram() -> TelegramServer:
    """Make Telegram, where Li has started the bot."""
    server = TelegramServer("1:t", ManualClock(NOW))
    server.chats[LI] = "Li"
    return server


async def photo(server: TelegramServer, data: bytes = PHOTO, token: str = "1:t", **fields: str) -> httpx.Response:  # noqa: S107 - simulated
    """Send a photo."""
    async with reaching(server) as http:
        form = {"chat_id": str(LI)} | fields
        return await http.post(f"/bot{token}/sendPhoto", data=form, files={"photo": ("p.png", data, "image/png")})


async def test_telegram_shows_a_photo_with_its_caption() -> None:
    """It stands among the messages, in their order, and takes the typing away."""
    server = telegram()
    server.typing.show(str(LI))
    answer = await photo(server, caption="your parcel")
    assert answer.json()["result"]["caption"] == "your parcel"
    (sent,) = server.sent
    assert (sent.text, sent.file) == ("your parcel", HeldFile(PHOTO, "image/png", "p.png"))
    assert server.hold.uploaded == [sent.file]
    assert not server.typing.is_shown_to(str(LI))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"token": "2:x"}, 401),
        ({"chat_id": "78"}, 400),
        ({"data": b""}, 400),
        ({"data": b"no picture"}, 400),
        ({"data": PHOTO + bytes(10 * MB)}, 413),
        ({"caption": "x" * 1025}, 400),
    ],
)
async def test_telegram_takes_no_photo_it_would_not_take_as_words(fields: dict[str, Any], status: int) -> None:
    """Without its token, to a stranger, empty, no picture, too large, or with too long a caption."""
    server = telegram()
    answer = await photo(server, **fields)
    assert (answer.status_code, answer.json()["ok"]) == (status, False)
    assert (server.sent, server.hold.uploaded) == ([], [])


async def test_telegram_photo_meets_the_faults_of_words() -> None:
    """A block, a token taken back, and a platform that is busy."""
    server = telegram()
    server.knobs.fail_next.append(Declined(429, "Too Many Requests: retry after 3", retry_after=3))
    assert (await photo(server)).status_code == 429
    server.blocked.add(LI)
    assert (await photo(server)).status_code == 403
    server.knobs.revoked = True
    assert (await photo(server)).status_code == 401
    assert server.sent == []


def messenger(kind: str = "messenger") -> MessengerServer:
    """Make Messenger, where Ann has just written."""
    server = MessengerServer(APP, NODE, ManualClock(NOW), kind)
    server.people[ANN] = NOW
    return server


async def form(server: MessengerServer, kind: str = "image", size: int = 100, **how: Any) -> httpx.Response:
    """Send a file to Ann in one form with its message; ``how`` replaces ``headers`` or fields."""
    headers = how.pop("headers", BEARER)
    message = {"attachment": {"type": kind, "payload": {"is_reusable": False}}}
    data = {"recipient": json.dumps({"id": ANN}), "message": json.dumps(message), "messaging_type": "RESPONSE"} | how
    files = {"filedata": ("p.png", bytes(size), "image/png")}
    async with reaching(server) as http:
        where = f"/v23.0/{NODE}/messages?appsecret_proof={PROOF}"
        return await http.post(where, data=data, files=files, headers=headers)


async def test_messenger_shows_a_file_that_came_in_a_form() -> None:
    """It has an id like any message, by which receipts name it."""
    server = messenger()
    answer = (await form(server)).json()
    (shown,) = server.shown
    assert (answer["message_id"], answer["recipient_id"]) == (shown.id, ANN)
    assert server.hold.there(shown.media) == HeldFile(bytes(100), "image/png", "p.png")


@pytest.mark.parametrize(
    ("after", "how", "code"),
    [
        (timedelta(), {"headers": {}}, 190),
        (timedelta(), {"kind": "video"}, 100),
        (timedelta(), {"size": 0}, 100),
        (timedelta(), {"size": 8 * MB + 1}, 100),
        (timedelta(), {"messaging_type": "UPDATE"}, 100),
        (WINDOW + timedelta(seconds=1), {}, 10),
        (HUMAN_WINDOW + timedelta(seconds=1), {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}, 10),
    ],
)
async def test_messenger_takes_no_file_it_would_not_take_as_words(
    after: timedelta, how: dict[str, Any], code: int
) -> None:
    """Without its token, as something else, too large, without a purpose, or through a closed window."""
    server = messenger()
    server.people[ANN] -= after
    answer = await form(server, **how)
    assert answer.json()["error"]["code"] == code
    assert (server.shown, server.hold.uploaded) == ([], [])


async def test_messenger_takes_a_persons_file_for_seven_days() -> None:
    """With the tag for what a person writes."""
    server = messenger()
    server.people[ANN] -= WINDOW + timedelta(hours=1)
    assert (await form(server, messaging_type="MESSAGE_TAG", tag="HUMAN_AGENT")).is_success


async def test_instagram_takes_no_form() -> None:
    """It fetches pictures from an address alone."""
    server = messenger("instagram")
    assert (await form(server)).status_code == 400
    assert server.hold.uploaded == []


async def whatsapp(server: WhatsappServer, edge: str, **asked: Any) -> httpx.Response:
    """Post to WhatsApp."""
    async with reaching(server) as http:
        where = f"/v23.0/{NODE}/{edge}?appsecret_proof={PROOF}"
        return await http.post(where, **({"headers": BEARER} | asked))


def upload(size: int = 100, kind: str = "image/png") -> dict[str, Any]:
    """Shape an upload."""
    form = {"messaging_product": "whatsapp", "type": kind}
    return {"data": form, "files": {"file": ("p.png", bytes(size), "image/png")}}


def showing(kind: str, **media: str) -> dict[str, Any]:
    """Shape a message to Ann that shows a file."""
    return {"json": {"messaging_product": "whatsapp", "to": ANN, "type": kind, kind: media}}


def cloud() -> WhatsappServer:
    """Make WhatsApp, where Ann has just written."""
    server = WhatsappServer(APP, NODE, ManualClock(NOW))
    server.customers[ANN] = NOW
    return server


async def test_whatsapp_shows_an_uploaded_picture_with_its_caption() -> None:
    """By the id that the upload gave."""
    server = cloud()
    number = (await whatsapp(server, "media", **upload())).json()["id"]
    assert (await whatsapp(server, "messages", **showing("image", id=number, caption="yours"))).is_success
    assert [(shown.text, shown.media) for shown in server.shown] == [("yours", number)]


@pytest.mark.parametrize(
    "asked", [upload() | {"headers": {}}, upload(size=0), upload(kind="image/jpeg"), {"json": {"type": "image/png"}}]
)
async def test_whatsapp_takes_no_upload_without_its_needs(asked: dict[str, Any]) -> None:
    """The token, bytes, their type, and a form."""
    server = cloud()
    assert (await whatsapp(server, "media", **asked)).is_client_error
    assert server.hold.uploaded == []


@pytest.mark.parametrize(
    ("kind", "size", "media"),
    [
        ("image", 100, {"id": "123456"}),
        ("video", 100, {}),
        ("image", 5 * MB + 1, {}),
        ("image", 100, {"caption": "x" * 1025}),
        ("image", 100, {"filename": "p.png"}),
    ],
)
async def test_whatsapp_shows_no_file_it_does_not_have_or_take(kind: str, size: int, media: dict[str, str]) -> None:
    """An id of nobody, another kind, too large for its kind, too many words, a name where there is none."""
    server = cloud()
    number = (await whatsapp(server, "media", **upload(size))).json()["id"]
    answer = await whatsapp(server, "messages", **showing(kind, **({"id": number} | media)))
    assert answer.status_code == 400
    assert server.shown == []


@pytest.mark.parametrize(("path", "token", "status"), [
    ("/whatsapp/1", None, 401), ("/whatsapp/1", "Bearer other", 401), ("/whatsapp/1", "Bearer token", 200),
    ("/files/1", "Bearer token", 401), ("/files/1", None, 200),
])  # fmt: skip
async def test_token_of_meta_is_shown_where_it_belongs_alone(path: str, token: str | None, status: int) -> None:
    """WhatsApp's files want it; to those of Messenger it would be given away."""
    hold = MediaHold({"1": HeldFile(PHOTO)})
    async with reaching(WithMedia(cloud(), graph_media(hold, "token", NODE))) as http:
        answer = await http.get(path, headers={"Authorization": token} if token else {})
    assert answer.status_code == status


@pytest.mark.parametrize("kind", ["image", "file"])
@pytest.mark.parametrize("wecom", [False, True])
async def test_tencent_media_wants_a_token_and_a_type_it_has(kind: str, *, wecom: bool) -> None:
    """Nobody fetches or uploads without one; an Official Account has no files."""
    clock, hold = ManualClock(NOW), MediaHold({"1": HeldFile(PHOTO)})
    server = KfServer("ww1", "secret", clock) if wecom else WechatServer("wx1", "secret", clock)
    asked = {"grant_type": "client_credential", "appid": "wx1", "secret": "secret"}
    async with reaching(WithMedia(server, tencent_media(hold, server))) as http:
        if wecom:
            given = await http.get("/cgi-bin/gettoken?corpid=ww1&corpsecret=secret")
        else:
            given = await http.post("/cgi-bin/stable_token", json=asked)
        token, files = given.json()["access_token"], {"media": ("p.png", PHOTO, "image/png")}

        async def code(token: str) -> list[int]:
            uploaded = await http.post(f"/cgi-bin/media/upload?type={kind}&access_token={token}", files=files)
            fetched = await http.get(f"/cgi-bin/media/get?media_id=1&access_token={token}")
            return [uploaded.json()["errcode"], 0 if fetched.content == PHOTO else fetched.json()["errcode"]]

        wrong = 40014 if wecom else 40001
        assert [await code(""), await code("T1-guessed")] == [[wrong, wrong]] * 2
        assert await code(token) == [0 if wecom or kind == "image" else 40004, 0]
        server.expire_token()
        assert await code(token) == [42001, 42001]
