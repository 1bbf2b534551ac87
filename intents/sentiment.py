"""Mood of a message by weighted words and negation, in Chinese and English."""

from __future__ import annotations

import math
import re

from bot.domain.understanding import Sentiment, Urgency
from intents.urgency import find_urgency

_GLAD: dict[str, float] = {
    r"谢谢|感谢|多谢|辛苦了|thank(?:s| you)|thx|appreciate": 0.6,
    r"好评|点赞|给力|太棒|很棒|真棒|棒极了|完美|超赞|满意|喜欢|开心|高兴|惊喜|贴心|耐心|热情|靠谱|不错|很好|"
    r"真好|太好了|舒服|"
    r"质量好|态度好|好快|很快|真快|爱了|推荐|回购|优秀|赞|专业|及时": 1.0,
    r"great|awesome|excellent|amazing|perfect|love|lovely|wonderful|fantastic|brilliant|happy|pleased|helpful|"
    r"impressed|"
    r"good|nice|satisfied|delighted|superb|quick|friendly|recommend|best": 1.0,
    r"好的|行|可以|没问题|ok(?:ay)?|fine|cool": 0.2,
}
_BITTER: dict[str, float] = {
    r"差评|不好(?!意思)|不满|不怎么样|一般般|太差|很差|真差|好差|差劲|失望|糟糕|难用|难看|难吃|后悔|无语|郁闷|烦死|烦人|心烦|坑|敷衍|投诉|举报|"
    r"不爽|受不了|离谱|过分|"
    r"恶心|垃圾|骗|假货|劣质|烂|破(?:了|损)|坏了|气|怒|呵呵|服了|醉了|慢死|太慢|拖|态度差|不理|不管|糊弄|忽悠|"
    r"踢皮球": 1.0,
    r"bad|terrible|awful|horrible|worst|poor|disappoint\w*|useless|hate|annoy\w*|frustrat\w*|rude|slow|broken|fake|"
    r"scam\w*|garbage|trash|unacceptable|ridiculous|pathetic|disgust\w*|angry|furious|upset|unhappy|"
    r"dissatisfied|ignored|"
    r"complain\w*|joke|waste|wrong|damaged|ripped|lies?|lied|lying|fed up|sick of": 1.0,
    r"还没|迟迟|一直没|怎么还|到底|still (?:not|no|hasn|haven|waiting)|never (?:came|arrived|got)|again": 0.4,
}
_NEGATION = re.compile(
    r"(?:不是|不太|不怎么|不够|没有|没|不|别|并非|毫无|not|n'?t|no|never|hardly|isn'?t|wasn'?t|without)"
    r"[^,，。.!！?？;；]{0,8}$"
)
_DOUBLE = re.compile(r"(?:不得不|不能不|没有不|not only|no wonder|不错|没错|没问题)")
_STRONGER = re.compile(
    r"(?:太|非常|超级|超|特别|极其|极|真的?|好|很|so|very|really|extremely|super|absolutely|totally)\s?$"
)
_FLOOR = {
    Urgency.ANGRY: -0.7,
    Urgency.LEGAL: -0.6,
    Urgency.PRESS: -0.6,
    Urgency.AUTHORITY: -0.6,
    Urgency.POLICE: -0.6,
    Urgency.HEALTH: -0.5,
    Urgency.SELF_HARM: -0.9,
}


def _bounded(pattern: str) -> re.Pattern[str]:
    latin = [part for part in pattern.split("|") if part[0].isascii()]
    han = [part for part in pattern.split("|") if not part[0].isascii()]
    parts = [rf"\b(?:{'|'.join(latin)})\b"] if latin else []
    return re.compile("|".join([*parts, *han]))


_WORDS = tuple(
    (_bounded(pattern), sign * weight)
    for sign, table in ((1, _GLAD), (-1, _BITTER))
    for pattern, weight in table.items()
)


def read_sentiment(text: str) -> Sentiment:
    """Judge lower-case simplified text: -1 (bitter) to 1 (glad), with the flag for a human."""
    total = sum(_weigh(found, weight, text) for pattern, weight in _WORDS for found in pattern.finditer(text))
    if text.count("!") + text.count("！") >= 2 and total < 0:  # noqa: PLR2004
        total *= 1.3
    urgency = find_urgency(text)
    score = math.tanh(0.6 * total)
    return Sentiment(round(min(score, _FLOOR.get(urgency, 1.0)), 3), urgency)


def _weigh(found: re.Match[str], weight: float, text: str) -> float:
    before = text[max(0, found.start() - 12) : found.start()]
    if _STRONGER.search(before):
        weight *= 1.4
    negated = _NEGATION.search(before) and not _DOUBLE.search(text[max(0, found.start() - 4) : found.end()])
    return -0.7 * weight if negated else weight
