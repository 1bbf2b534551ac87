"""Amounts of money: with a sign or a unit, or a bare number where the words around it speak of paying."""

from __future__ import annotations

import re
from collections.abc import Iterator

from intents.numerals import NUMBER, plain, read_number

_BIG = r"(?:(?<!\d)\d{1,3}(?:,\d{3}){1,4}(?:\.\d{1,2})?|" + NUMBER[3:]
_SMALL_ENGLISH = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|fifty)"
_MARKED = re.compile(
    rf"(?:[¥$€£]|us\$|hk\$|rmb|cny|usd)\s?(?P<first>{_BIG})|"
    rf"(?P<second>{_BIG})\s?(?:元|块钱|块|圆|人民币|rmb|cny|usd|hkd|dollars?|bucks|yuan|kuai|euros?|刀(?!具)|"
    rf"港币|美元|蚊(?!子|香|帐)|英镑|quid|pounds?(?! (?:of|heav|overweight)))"
    rf"(?P<dime>[一二两三四五六七八九\d](?!\d)毛?)?|"
    rf"\b(?P<third>{_SMALL_ENGLISH}) (?:dollars?|bucks|euros?|quid|yuan|pounds?(?! (?:of|heav|overweight)))\b"
)
_COUNTED = (
    r"(?![\d:：/]|[.,]\d|\s?(?:%|个|件|条|双|只|瓶|盒|包|袋|箱|份|台|套|本|张|支|枝|片|块|天|日|号|月|年|周|点|分|秒|小时|次|"
    r"遍|码|寸|米|厘米|斤|公斤|克|升|毫升|度|岁|位|楼|栋|室|单|笔|积分|(?:days?|hours?|hrs?|mins?|minutes?|weeks?|"
    r"months?|years?|times?|items?|pieces?|pairs?|pcs|points?|people|of|x|am|pm|st|nd|rd|th|cm|mm|m|kg|g|ml|l|lbs?|oz|"
    r"inch(?:es)?|gb|w|v)\b))"
)
_BARE = r"(?P<bare>\d{2,6}(?:\.\d{1,2})?)"
_IN_CONTEXT = re.compile(
    rf"(?:花|付|扣|收|补|退|卖|赔|标价|原价|现价|售价|定价|价格|价|划走|划掉|划|降到|涨到|降成|变成|差价|那笔|这笔|"
    rf"转账|转|充值|充)(?:了|掉|是|为|款|到|我|给我|走|的){{0,3}}\s?{_BARE}{_COUNTED}|"
    rf"用\s?(?P<used>\d{{2,6}}(?:\.\d{{1,2}})?)\s?(?=买|拍|入手|下单|抢)|"
    rf"(?P<sum>\d{{2,6}}(?:\.\d{{1,2}})?)的?(?=退款|差价|货款|订金|定金|运费)|"
    rf"\b(?:paid|pay|paying|charged?|charging|cost|costs|spent|owes?|worth|refund(?:ed)?|payments?|price|deducted|"
    rf"debited|took|taken|overcharged)(?: (?:me|you|us|is|was|of|by|for|at|the|my|another|only|extra|about|a)){{0,3}} "
    rf"(?P<paid>\d{{2,6}}(?:\.\d{{1,2}})?){_COUNTED}|"
    rf"\b(?:bought|ordered|advertised|listed|sold|sells?|selling|goes|going|on sale|buy)\b[^.;!?]{{0,40}}? for "
    rf"(?P<offered>\d{{2,6}}(?:\.\d{{1,2}})?){_COUNTED}|"
    rf"\bthe (?P<owed>\d{{2,6}}(?:\.\d{{1,2}})?) (?=you owe|back|refund|i paid|that was)|"
    rf"(?<![\d.#-])(?P<cents>\d{{1,5}}\.\d{{2}}){_COUNTED}(?= |$|[,;!?)]|[\u4e00-\u9fff])"
)
_MONEY = re.compile(
    r"钱|退款|付款|扣款|扣了|扣费|标价|价格|原价|差价|卡里|到账|划走|保价|"
    r"\b(?:paid|pay(?:ing|ment)?s?|refund\w*|charged?|card|account|bank|price|money|statement|balance)\b"
)
_CARD_MOVES = re.compile(
    r"\b(?P<number>\d{2,6}(?:\.\d{1,2})?) (?:went|came|was taken|has gone|is gone|left|disappeared)\b|"
    r"\b(?:somehow|with) (?P<with>\d{2,6}\.\d{2})\b"
)
_BARE_AMOUNT = re.compile(rf"\s*({NUMBER})\s*")


def find_amounts(text: str, asked: str) -> Iterator[tuple[int, int, str]]:
    """Find amounts in lower-case simplified text: (start, end, plain number); ``asked`` names the awaited entity."""
    taken: list[tuple[int, int]] = []
    for found in _MARKED.finditer(text):
        number = read_number(found["first"] or found["second"] or found["third"])
        if number is not None:
            dime = read_number(found["dime"].rstrip("毛")) if found["dime"] else None
            taken.append(found.span())
            yield *found.span(), plain(number + dime / 10 if dime else number)
    for start, end in _unmarked(text):
        number = read_number(text[start:end])
        if number is not None and all(end <= first or last <= start for first, last in taken):
            yield start, end, plain(number)
    bare = _BARE_AMOUNT.fullmatch(text) if asked == "amount" else None
    number = read_number(bare.group(1)) if bare else None
    if bare and number is not None:
        yield *bare.span(1), plain(number)


def _unmarked(text: str) -> Iterator[tuple[int, int]]:
    for found in _IN_CONTEXT.finditer(text):
        group = found.lastgroup or ""
        if group != "cents" or _MONEY.search(text):
            yield found.span(group)
    if _MONEY.search(text):
        for found in _CARD_MOVES.finditer(text):
            yield found.span(found.lastgroup or "")
