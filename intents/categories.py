"""What a complaint is about, from the words it uses."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        "safety",
        (
            r"过敏|发霉|霉斑|霉味|长毛了|(?:有|里有|吃出|里面)(?:条|只|个)?虫|蟑螂|头发丝|发烫|烫得|中毒|漏电|触电|"
            r"起火|着火|爆炸|自燃|冒烟|烫伤|划伤|割伤|烂脸|有毒|吃坏|拉肚子|异物|安全隐患|"
            r"allerg\w*|rash|poison\w*|caught fire|on fire|explod\w*|electric(?:al)? shock|burn(?:t|ed) me|unsafe|"
            r"hazard\w*|overheat\w*|mou?ld(?:y)?\b|got sick|made (?:me|us|him|her) (?:sick|ill)|food poison\w*|"
            r"smoked\b|smoking|sparks?\b|(?:so|too|very) hot (?:that|it)|insects?\b|maggots?|worms? in|choking"
        ),
    ),
    (
        "false_advertising",
        (
            r"虚假宣传|虚假广告|货不对板|与?描述不符|和?描述的?不一样|跟?图片不(?:一样|符)|图文不符|照骗|假货|冒牌|"
            r"山寨|宣传(?:的|得)?(?:不一样|不符|是假|骗)|详情页写.{0,40}(?:结果|实际|收到|标签)|"
            r"直播.{0,6}说.{0,40}结果|不是正品|欺诈|欺骗消费者|实物不符|"
            r"not as (?:described|advertised|pictured)|false advert\w*|misleading|fake|counterfeit|knock-?off|"
            r"nothing like the (?:photo|picture|pic)s?|different from the (?:photo|picture)s?|"
            r"(?:advert|ad|listing|description|page|website) (?:said|says|claimed|promised|stated)|"
            r"not the real (?:thing|one)"
        ),
    ),
    (
        "wrong_item",
        (
            r"发错|寄错|送错|错发|颜色不对|型号不对|尺码不对|尺寸不对|不是我(?:买|订|要|下单)的|拿错货|"
            r"发来?的?不是我|错的(?:货|东西|商品|颜色|尺码)|(?:是|完全是|都是)wrong|"
            r"wrong (?:item|size|colou?r|product|one|order|thing|model|parcel)|not what i (?:ordered|bought)|"
            r"sent me (?:a|the) different|mix(?:ed)?[- ]up"
        ),
    ),
    (
        "missing_item",
        (
            r"少发|漏发|少了|缺了|缺件|少件|少寄|没有?配件|缺少|空盒|空包裹|没给全|漏了|"
            r"(?:该|应该|应|本该|说好)有?.{0,20}(?:只有|只收到|才)|只(?:收到|到|给|寄)了?[一二两三四五半\d]|"
            r"miss?ing\b|(?:one|two|some|half) of (?:the|my|them)\b.{0,30}never (?:came|arrived|showed)|left out|"
            r"incomplete|empty box|only (?:got|received) (?:one|half|part|\d)|short-?shipped"
        ),
    ),
    (
        "damaged",
        (
            r"破损|破了|破的|摔坏|压坏|碎(?:了|掉|的|成|裂|片)|裂(?:了|开|成|的|纹)|压扁|漏液|漏了出来|磕碰|变形|"
            r"烂了|摔碎|破洞|包装坏|塌掉|塌了|散架|压烂|摔烂|凹了|凹进去|稀烂|撞坏|砸坏|"
            r"damaged?|broken|smashed(?! it\b)|(?:in|into) (?:pieces|bits)|spilled|spilt|squashed|scratch\w*|"
            r"cracked|crushed|shattered|dented|torn|leaking|leaked"
        ),
    ),
    (
        "late",
        (
            r"太慢|迟迟|超时|延误|晚到|还没(?:到|发|收到)|一直不发|拖延|不发货|迟到|逾期|"
            r"(?:承诺|说好|答应).{0,8}(?:小时|天)(?:内|之内)?(?:发货|到|送)|"
            r"promised .{0,20}(?:hours?|days?)\b|late\b|delay\w*|overdue|never (?:arrived|came|showed)|"
            r"still (?:hasn'?t|not) (?:arrived|shipped|come)|too slow"
        ),
    ),
    (
        "attitude",
        (
            r"态度(?:太|很|极|特别|非常)?(?:差|恶劣|不好|敷衍|傲慢)|客服.{0,4}(?:骂人|不理|敷衍|凶)|爱答不理|"
            r"爱理不理|不耐烦|骂人|"
            r"(?:客服|师傅|快递员|快递小哥|小哥|店员|主播|人员|员工|你们的人).{0,6}(?:骂|怼|凶|吼|阴阳怪气|没礼貌|冇礼貌|冷漠|推诿|踢皮球|挂我?电话|甩脸)|"
            r"(?:投诉|举报|客诉).{0,8}(?:客服|态度|服务)|冇礼貌|服务态度|没礼貌|"
            r"rude\w*|attitude|impolite|disrespect\w*|unprofessional|hung up on me|ignor(?:ed|ing) me|hung up\b|"
            r"(?:swore|sworn|shout(?:ed|ing)|yell(?:ed|ing)|laugh(?:ed|ing)) at|insult\w*|talked down|"
            r"spoken to like|"
            r"(?:your|the) (?:agent|courier|driver|rep|staff|delivery guy|technician)s? (?:was|were) "
            r"(?:so |very |extremely |well )?(?:nasty|awful)"
        ),
    ),
    (
        "price",
        (
            r"(?:投诉|举报).{0,6}价格|价格?.{0,4}一天.{0,4}变|坑人|坑钱|乱涨价|涨价|乱收费|多收|价格欺诈|先涨后降|"
            r"太贵|降价了|买贵|差价|标价|价格不(?:对|一样)|"
            r"overcharg\w*|price (?:was|is) (?:wrong|different|higher)|price dropped|rip-?off|"
            r"hidden (?:fee|charge)s?|charged (?:me )?(?:too much|more)|"
            r"(?:complain\w*|complaint) about (?:your|the) prices?"
        ),
    ),
    (
        "quality",
        (
            r"质量|质两|品质差|做工|掉漆|脱胶|掉毛|掉皮|涂层.{0,10}掉|一片一片往下掉|结块|一坨一坨|不耐用|粗糙|"
            r"劣质|穿(?:一|两|几)次就|用(?:一|两|几)次就|掉色|褪色|起球|开线|开裂|线头|瑕疵|次品|坏了|坏的|用不了|"
            r"不能用|没法用|缩水|异味|有味道|有色差|"
            r"quality|defect\w*|faulty|flimsy|fell apart|stopped working|doesn'?t work|not working|shrank|"
            r"fade[sd]?|poorly made|won'?t (?:turn on|charge|start)|low-?grade|smells (?:bad|weird|awful)|"
            r"brok?e? (?:in|after|within|on) (?:a|an|one|two|the|less)|junk\b|garbage\b|rubbish quality|"
            r"peel(?:s|ed|ing)|falling apart|came apart|(?:stitching|seams?) (?:came|come|coming)"
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
