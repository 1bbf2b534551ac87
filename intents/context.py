"""What the conversation waits for takes part: a bare yes after a question, a bare answer in a form."""

from __future__ import annotations

import re

from bot.domain.understanding import Expectation

AFFIRM = "affirm"
DENY = "deny"
_YES = re.compile(
    r"(?:嗯+|恩+|是|是的|是啊|是呀|对|对的|对啊|对呀|没错|好|好的|好啊|好呀|好吧|行|行的|行啊|行吧|可以|可以的|"
    r"可以啊|没问题|确认|确定|"
    r"要|要的|需要|当然|同意|嗯呢|嗯嗯|中|得|妥|妥了|系|系啊|係|y|ye[sp]|yeah|yea|yup|ya|sure(?: thing)?|ok|"
    r"okay|okey|k|kk|"
    r"correct|right|that'?s right|exactly|indeed|of course|absolutely|definitely|please do|go ahead|confirm(?:ed)?|"
    r"yes please|i do|it is|sounds good|fine|alright|agreed?|shi|shide|hao|haode|dui|duide|keyi|xing|1|👌|👍|✅)"
    r"(?:[\s,，]*(?:的|啊|呀|啦|咯|哦|噢|哈|呢|吧|please|thanks|thank you|谢谢|麻烦了|亲))*"
)
_NO = re.compile(
    r"(?:不|不是|不是的|不对|不要|不用|不用了|不需要|不行|不可以|不了|没有|没|否|错|错了|别|算了|不必|唔系|唔使|唔要|"
    r"no+|nope|nah|n|not really|no thanks|no thank you|incorrect|wrong|that'?s wrong|don'?t|never|not now|negative|"
    r"bu|bushi|buyao|buyong|budui|buxing|2|❌|👎)"
    r"(?:[\s,，]*(?:的|啊|呀|啦|咯|哦|噢|哈|呢|吧|了|thanks|thank you|谢谢|亲))*"
)
_EDGES = " \t\n,，.。!！?？~～;；…"
_SPARE_CHARS = 8
_STILL_INTENTS = frozenset({"stop", "request_human"})


def answer_to(words: str, expectation: Expectation) -> str:
    """Name ``affirm`` or ``deny`` when bare words answer the yes-or-no question that was asked, else ``""``."""
    if not expectation.yes_no:
        return ""
    bare = words.strip(_EDGES)
    if _YES.fullmatch(bare):
        return AFFIRM
    return DENY if _NO.fullmatch(bare) else ""


def only_answers(spare_chars: int, expectation: Expectation, found: bool, intent: str) -> bool:
    """Tell whether a message does nothing but give the entity that was asked for.

    ``spare_chars`` is what is left of it without its entities, ``found`` whether the asked one is there.
    """
    return bool(expectation.entity) and found and spare_chars <= _SPARE_CHARS and intent not in _STILL_INTENTS
