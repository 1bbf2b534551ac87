"""The few words the engine itself must know: ordinals, corrections, questions, names of slots. Pure."""

from __future__ import annotations

import re
import unicodedata

_HAN_NUMBERS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_EN_NUMBERS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "one": 1, "two": 2, "three": 3}
_HAN_ORDINAL = re.compile(
    r"^(?:我?要|我?选|就)?(?:第|选项)?([一二两三四五六七八九\d])(?:个|個|项|項|号|號|条|條|种|種)?(?:吧|啊|呀|的)?$"
)
_EN_ORDINAL = re.compile(
    r"^(?:the |option |number |no\.? ?|#)*(first|second|third|fourth|fifth|\d|one|two|three)"
    r"(?:st|nd|rd|th)?(?: one| option)?(?: please)?$"
)
_TRIMMED = " \t\r\n.,!?;:。，！？；：、~～…()（）\"'“”"

_STRONG_CORRECTION = re.compile(
    r"改成|改为|改為|换成|換成|更正|纠正|[说說写寫打填搞弄][错錯]了|应该是|應該是|"
    r"\b(?:i meant|i mean|correction|typo|make (?:it|that)|change (?:it|that) to|should (?:be|have been))\b",
    re.IGNORECASE,
)
_WEAK_CORRECTION = re.compile(
    r"^\W*(?:不对|不對|不是|错了|錯了|等等|等一下|no|nope|not|actually|sorry|wait|oops|wrong)(?!\w)", re.IGNORECASE
)
_WEAK_HAN = re.compile(r"^\W*(?:不对|不對|不是|错了|錯了|等等|等一下)")
_CHANGE = re.compile(
    r"改|换|換|错|錯|不对|不對|\b(?:change|edit|update|fix|wrong|correct|incorrect|redo)\b", re.IGNORECASE
)
_NEW_VALUE = re.compile(
    r"(?:改成|改为|改為|换成|換成|应该是|應該是|更正为|是|为|：|:|\bto\b|\bis\b|\bit'?s\b|\bi meant?\b|\bshould be\b|"
    r"\bshould have been\b|\bmake (?:it|that)\b|\bcorrection\b|[说說写寫打填搞弄][错錯]了|更正|纠正|不对|不對)"
    r"[\s,，:：。]*",
    re.IGNORECASE,
)
_NEGATION_BEFORE = re.compile(r"(?:不是|不要|别|not|isn'?t|instead of|而非)\s*(?:the |my )?#?$", re.IGNORECASE)
_QUESTION = re.compile(
    r"[?？吗嗎呢]|什么|什麼|怎么|怎麼|怎样|多久|多少|几天|幾天|哪|谁|何时|为啥|为什么|能不能|可不可以|是不是|有没有|可以.{0,8}不|"
    r"^\W*(?:what|how|when|where|why|who|which|do|does|did|can|could|is|are|will|would|should)\b",
    re.IGNORECASE,
)
_SKIP = re.compile(
    r"^(?:跳过吧?|跳過吧?|略过|没有|沒有|没|无|無|不用了?|不需要|不填|先不填|不知道|"
    r"skip(?: it| this| that)?|none|no|nope|n/a|na|not now|nothing|pass)$",
    re.IGNORECASE,
)
_HUMAN = re.compile(
    r"(?:转接?|轉接?|找|换|換|接|叫|要)(?:一?[个個下位])?(?:人工|真人|活人)|"
    r"\b(?:talk|speak|chat|connect|transfer|put|get|give|want|need)\b[^.!?]{0,24}?"
    r"\b(?:human|(?:real|live|actual) (?:person|agent)|agent|representative)\b",
    re.IGNORECASE,
)
_NO_HUMAN = re.compile(
    r"(?:不|别|別|没|沒|无需|先不)[^，。,.!?！？]{0,6}(?:人工|真人|活人)|\b(?:no|not|don'?t|without)\b", re.IGNORECASE
)
_STOP = re.compile(
    r"^(?:(?:还是)?算了.{0,6}|退出|不办了|不弄了|不填了|先不办了|stop|quit|exit|never ?mind|forget (?:it|about it)|"
    r"let'?s stop(?: here)?|leave it)$",
    re.IGNORECASE,
)
_YES = re.compile(
    r"^(?:是|是的|对|對|对的|對的|好|好的|好吧|嗯+|行|可以|确认|確認|没错|沒錯|没问题|提交|"
    r"y|yes|yeah|yep|yup|ok|okay|sure|correct|right|confirm|submit|looks good|go ahead)$",
    re.IGNORECASE,
)
_NO = re.compile(
    r"^(?:不|不是|不对|不對|不行|有误|有誤|错了|錯了|先别|n|no|nope|nah|wrong|not right|incorrect)$", re.IGNORECASE
)

_SLOT_WORDS: dict[str, re.Pattern[str]] = {
    name: re.compile(words, re.IGNORECASE)
    for name, words in {
        "order_number": r"订单|訂單|单号|單號|\border\b",
        "phone_last4": r"尾号|尾號|手机|手機|电话|電話|\bphone\b|\bdigits\b",
        "phone": r"手机|手機|电话|電話|号码|\bphone\b|\bnumber\b",
        "category": r"类型|類型|类别|類別|分类|\btype\b|\bcategory\b",
        "reason": r"原因|理由|\breason\b",
        "item": r"商品|东西|東西|\bitems?\b|\bproducts?\b",
        "items": r"商品|东西|東西|\bitems?\b|\bproducts?\b",
        "instead": r"换成|換成|想换|\binstead\b",
        "problem": r"问题|問題|\bproblem\b|\bissue\b",
        "story": r"经过|經過|描述|情况|情況|\bdescription\b|\bwhat happened\b|\bstory\b",
        "photos": r"照片|图片|圖片|图|\bphotos?\b|\bpictures?\b|\bimages?\b",
        "wish": r"诉求|訴求|要求|希望|处理方式|想怎么|\bwish\b|\bsolution\b|\bwant\b",
        "title_kind": r"抬头类型|抬頭類型|\btitle type\b",
        "title": r"抬头|抬頭|\btitle\b|\bcompany name\b",
        "tax_number": r"税号|稅號|\btax\b",
        "email": r"邮箱|郵箱|邮件|\be-?mail\b",
        "address": r"地址|\baddress\b",
    }.items()
}
"""How a shopper names a question he wants to answer again; names are those of the forms' slots."""

# Frequent characters that only simplified writing has; a text without any of them says nothing about the script.
_SIMPLIFIED_ONLY = frozenset("这个们来说时会对发开问单货没给还让过吗为么尔钱图后请谢东车门见长")


def folded(text: str) -> str:
    """Fold width and case and cut surrounding punctuation."""
    return unicodedata.normalize("NFKC", text).casefold().strip(_TRIMMED)


def ordinal(text: str) -> int:
    """Read "2", "第二个" or "the second one" as 2; 0 when the text is no ordinal."""
    words = folded(text)
    found = _HAN_ORDINAL.match(words) or _EN_ORDINAL.match(words)
    if found is None:
        return 0
    word = found.group(1)
    return int(word) if word.isdecimal() else _HAN_NUMBERS.get(word, 0) or _EN_NUMBERS.get(word, 0)


def corrects(text: str) -> bool:
    """Tell whether the text surely corrects something said before (改成, I meant)."""
    return bool(_STRONG_CORRECTION.search(text))


def may_correct(text: str) -> bool:
    """Tell whether the text may begin a correction (不对, no, actually) or surely is one."""
    return corrects(text) or bool(_WEAK_CORRECTION.match(text) or _WEAK_HAN.match(text))


def wants_change(text: str) -> bool:
    """Tell whether the text speaks of changing something."""
    return bool(_CHANGE.search(text)) or may_correct(text)


def named_slots(text: str) -> tuple[str, ...]:
    """List the slots whose everyday name stands in the text."""
    return tuple(name for name, words in _SLOT_WORDS.items() if words.search(text))


def has_name(slot: str) -> bool:
    """Tell whether a slot has an everyday name (and so a label ``engine.slot_<name>``)."""
    return slot in _SLOT_WORDS


def new_value(text: str) -> str:
    """Cut "改成", "it should be" and what stands before off the text; ``""`` when nothing is left or none is there."""
    *_, last = [None, *_NEW_VALUE.finditer(text)]
    return text[last.end() :].strip(_TRIMMED) if last else ""


def negated_before(text: str, start: int) -> bool:
    """Tell whether a "not" stands directly before position ``start`` ("不是 123，是 456")."""
    return bool(_NEGATION_BEFORE.search(text[:start]))


def asks(text: str) -> bool:
    """Tell whether the text looks like a question."""
    return bool(_QUESTION.search(text))


def skips(text: str) -> bool:
    """Tell whether the text says that there is nothing to say to an optional question."""
    return bool(_SKIP.match(folded(text)))


def asks_for_human(text: str) -> bool:
    """Tell whether the text asks outright to be put through to a human, whatever else it says."""
    return bool(_HUMAN.search(text)) and not _NO_HUMAN.search(text)


def says_stop(text: str) -> bool:
    """Tell whether the text does nothing but drop what is being done."""
    return bool(_STOP.match(folded(text)))


def says_yes(text: str) -> bool:
    """Tell whether the text is a plain yes."""
    return bool(_YES.match(folded(text)))


def says_no(text: str) -> bool:
    """Tell whether the text is a plain no."""
    return bool(_NO.match(folded(text)))


def is_emoji(text: str) -> bool:
    """Tell whether the text is nothing but emoji."""
    kinds = {unicodedata.category(char) for char in text if not char.isspace()}
    return "So" in kinds and kinds <= {"So", "Sk", "Mn", "Me", "Cf", "Cn"}


def is_simplified(text: str) -> bool:
    """Tell whether the text holds characters only simplified Chinese has."""
    return any(char in _SIMPLIFIED_ONLY for char in text)
