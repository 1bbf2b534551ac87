"""What the web chat tells a visitor when a request cannot be taken, in both languages."""

from __future__ import annotations

from enum import StrEnum

from bot.channels.reading import locale_of
from bot.domain.replies import Locale


class Problem(StrEnum):
    """Why a request was not taken; the code in the JSON answer."""

    BAD_TOKEN = "bad_token"  # noqa: S105 - the code of an answer, not a secret
    BAD_IDENTITY = "bad_identity"
    BAD_ORIGIN = "bad_origin"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    BAD_JSON = "bad_json"
    NOT_TAKEN = "not_taken"
    NOT_THERE = "not_there"
    BAD_FIELD = "bad_field"
    TOO_FAST = "too_fast"
    UNAVAILABLE = "unavailable"


STATUS: dict[Problem, int] = {
    Problem.BAD_TOKEN: 401,
    Problem.BAD_IDENTITY: 403,
    Problem.BAD_ORIGIN: 403,
    Problem.TOO_LARGE: 413,
    Problem.EMPTY: 422,
    Problem.BAD_JSON: 400,
    Problem.NOT_TAKEN: 422,
    Problem.NOT_THERE: 404,
    Problem.BAD_FIELD: 422,
    Problem.TOO_FAST: 429,
    Problem.UNAVAILABLE: 503,
}

_ZH: dict[Problem, str] = {
    Problem.BAD_TOKEN: "会话凭证无效或已过期，请刷新页面重新打开聊天。",
    Problem.BAD_IDENTITY: "网站没能证明您的登录身份，请刷新页面或重新登录后再打开聊天。",
    Problem.BAD_ORIGIN: "这个网站没有被允许使用此聊天窗口，请联系店铺管理员。",
    Problem.TOO_LARGE: "消息太长了，最多 {limit} KB，请分几条发送。",
    Problem.EMPTY: "消息是空的，请输入文字后再发送。",
    Problem.NOT_TAKEN: "只能发送图片（JPEG、PNG、GIF、WebP 等），且不能太大。",
    Problem.NOT_THERE: "这个文件不存在，或者不属于本次聊天。",
    Problem.BAD_JSON: "请求不是有效的 JSON，消息没有发出，请重试。",
    Problem.BAD_FIELD: "请求里的“{field}”不正确，消息没有发出，请刷新页面后重试。",
    Problem.TOO_FAST: "发送得太快了，请 {seconds} 秒后再试。",
    Problem.UNAVAILABLE: "暂时无法接收消息，请稍后再试。",
}
_EN: dict[Problem, str] = {
    Problem.BAD_TOKEN: "This chat session is not valid or has expired. Please reload the page and open the chat again.",
    Problem.BAD_IDENTITY: "The website could not prove who you are. Please reload the page or sign in there again.",
    Problem.BAD_ORIGIN: "This website is not allowed to use the chat. Please tell the shop's administrator.",
    Problem.TOO_LARGE: "That message is too long: at most {limit} KB. Please send it in several parts.",
    Problem.EMPTY: "The message is empty. Please write something before sending.",
    Problem.NOT_TAKEN: "Only pictures (JPEG, PNG, GIF, WebP and the like) that are not too large can be sent.",
    Problem.NOT_THERE: "There is no such file in this conversation.",
    Problem.BAD_JSON: "The request is not valid JSON, so nothing was sent. Please try again.",
    Problem.BAD_FIELD: 'The field "{field}" is not right, so nothing was sent. Please reload the page and try again.',
    Problem.TOO_FAST: "You are sending too fast. Please try again in {seconds} seconds.",
    Problem.UNAVAILABLE: "Messages cannot be taken right now. Please try again in a moment.",
}


class Declined(Exception):
    """A request that gets a 4xx or 503 with a sentence; ``values`` fill the sentence."""

    def __init__(self, problem: Problem, **values: object) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.values = values


def sentence(declined: Declined, locale: Locale) -> str:
    """Put the problem into words."""
    table = _EN if locale.base == "en" else _ZH
    return table[declined.problem].format(**declined.values)


def pick_locale(accept_language: str) -> Locale:
    """Choose between Chinese and English by the first of them in an ``Accept-Language`` header; Chinese by default."""
    tags = (part.split(";")[0] for part in accept_language.split(","))
    return Locale(next(filter(None, map(locale_of, tags)), Locale.ZH))
