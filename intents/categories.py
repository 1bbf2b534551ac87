"""What a complaint is about, from the words it uses."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        "safety",
        (
            r"过敏|中毒|漏电|触电|起火|着火|爆炸|自燃|冒烟|烫伤|划伤|割伤|烂脸|有毒|吃坏|拉肚子|异物|安全隐患|"
            r"allerg\w*|rash|poison\w*|caught fire|on fire|explod\w*|electric(?:al)? shock|burn(?:t|ed) me|unsafe|"
            r"hazard\w*|overheat\w*"
        ),
    ),
    (
        "false_advertising",
        (
            r"虚假宣传|虚假广告|货不对板|与?描述不符|和?描述的?不一样|跟?图片不(?:一样|符)|图文不符|照骗|假货|"
            r"冒牌|山寨|"
            r"不是正品|欺诈|欺骗消费者|实物不符|not as (?:described|advertised|pictured)|false advert\w*|misleading|"
            r"fake|counterfeit|knock-?off|nothing like the (?:photo|picture|pic)s?|different from the (?:photo|"
            r"picture)s?"
        ),
    ),
    (
        "wrong_item",
        (
            r"发错|寄错|送错|错发|颜色不对|型号不对|尺码不对|尺寸不对|不是我(?:买|订|要|下单)的|拿错货|"
            r"wrong (?:item|size|colou?r|product|one|order|thing|model|parcel)|not what i (?:ordered|bought)|"
            r"sent me (?:a|the) different|mix(?:ed)?[- ]up"
        ),
    ),
    (
        "missing_item",
        (
            r"少发|漏发|少了|缺了|缺件|少件|少寄|没有?配件|缺少|空盒|空包裹|没给全|漏了|"
            r"missing|left out|incomplete|empty box|only (?:got|received) (?:one|half|part|\d)|short-?shipped"
        ),
    ),
    (
        "damaged",
        (
            r"破损|破了|破的|摔坏|压坏|碎(?:了|掉|的|成|裂|片)|裂(?:了|开|成|的|纹)|压扁|漏液|漏了出来|磕碰|变形|烂了|摔碎|破洞|包装坏|"
            r"damaged?|broken|smashed|cracked|crushed|shattered|dented|torn|leaking|leaked"
        ),
    ),
    (
        "late",
        (
            r"太慢|迟迟|超时|延误|晚到|还没(?:到|发|收到)|一直不发|拖延|不发货|迟到|逾期|"
            r"late\b|delay\w*|overdue|never (?:arrived|came|showed)|still (?:hasn'?t|not) (?:arrived|shipped|"
            r"come)|too slow"
        ),
    ),
    (
        "attitude",
        (
            r"态度(?:太|很|极|特别|非常)?(?:差|恶劣|不好|敷衍|傲慢)|客服.{0,4}(?:骂人|不理|敷衍|凶)|爱答不理|"
            r"爱理不理|不耐烦|骂人|"
            r"服务态度|没礼貌|rude\w*|attitude|impolite|disrespect\w*|unprofessional|hung up on me|ignor(?:ed|ing) me"
        ),
    ),
    (
        "price",
        (
            r"乱收费|多收|价格欺诈|先涨后降|太贵|降价了|买贵|差价|标价|价格不(?:对|一样)|"
            r"overcharg\w*|price (?:was|is) (?:wrong|different|higher)|price dropped|rip-?off|hidden (?:fee|"
            r"charge)s?|"
            r"charged (?:me )?(?:too much|more)"
        ),
    ),
    (
        "quality",
        (
            r"质量|做工|掉色|褪色|起球|开线|开裂|线头|瑕疵|次品|坏了|坏的|用不了|不能用|没法用|缩水|异味|有味道|"
            r"有色差|"
            r"quality|defect\w*|faulty|flimsy|fell apart|stopped working|doesn'?t work|not working|shrank|fade[sd]?|"
            r"poorly made|won'?t (?:turn on|charge|start)|low-?grade|smells (?:bad|weird|awful)"
        ),
    ),
)
CATEGORIES = (*tuple(name for name, _ in _PATTERNS), "other")
_COMPILED = tuple((name, re.compile(pattern)) for name, pattern in _PATTERNS)


def find_categories(text: str) -> Iterator[tuple[int, int, str]]:
    """Find complaint categories in lower-case simplified text, the gravest first: (start, end, category)."""
    for name, pattern in _COMPILED:
        found = pattern.search(text)
        if found:
            yield found.start(), found.end(), name
