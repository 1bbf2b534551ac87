"""Reasons to fetch a human at once: high precision, in both languages; a wrong alarm costs an agent's time."""

from __future__ import annotations

import re

from bot.domain.understanding import Urgency

_NEGATED_BEFORE = re.compile(
    r"(?:不会|不想|不打算|没想|没打算|没有要|不是要|不用|不必|不需要|并不|没必要|别|won'?t|not going to|"
    r"don'?t want to|"
    r"didn'?t|no need to|not|never|don'?t)[^,，。.!！?？;；]{0,6}$"
)
_ALARMS: tuple[tuple[Urgency, str], ...] = (
    (
        Urgency.SELF_HARM,
        (
            r"(?:我|真的?|就|都)?(?:不想活|想死(?!机|你)|想自杀|要自杀|去自杀|自尽|轻生|活不下去|死给你们?看|"
            r"跳楼给|割腕|结束生命|"
            r"想从.{0,6}跳下去)|"
            r"kill(?:ing)? myself|end my life|suicid(?:e|al)|want to die|don'?t want to live|hurt(?:ing)? myself|"
            r"self[- ]harm|no reason to live"
        ),
    ),
    (
        Urgency.HEALTH,
        (
            r"(?:用了|吃了|喝了|穿了|涂了|擦了|敷了|抹了|戴了|后|完|宝宝|孩子|小孩|老人|我|全身|脸上?).{0,14}"
            r"(?:过敏了|过敏反应|起疹子|起红疹|长疹子|中毒|呕吐|拉肚子|腹泻|进医院|住院|送急诊|烫伤|烧伤|灼伤|"
            r"触电|被电|呼吸困难|红肿|"
            r"烂脸|毁容|晕倒|昏倒|流血)|食物中毒|吃出(?:虫|玻璃|异物|刀片|铁|头发)|漏电|着火了|起火了|爆炸了|"
            r"自燃了|冒烟了|"
            r"(?:got|getting|gave|having|had|have|developed|caused|broke out in)\b.{0,24}\b(?:rash|hives|"
            r"allergic reaction|burn(?:s|ed|t)|food poisoning|"
            r"electric shock|seizure)|food poisoning|electrocut\w+|(?:caught|on) fire|explod(?:ed|ing)|"
            r"(?:in|to|at) (?:the )?(?:er|hospital|emergency room)\b|can'?t breathe|trouble breathing|"
            r"(?:made|making|got) (?:me|my \w+|us) (?:very |really |so |violently )?(?:sick|ill)\b|threw up after|"
            r"burn(?:ed|t) (?:me|my (?:hand|face|skin|kid|son|daughter|baby|finger|arm))|started smoking|smoke coming"
        ),
    ),
    (
        Urgency.POLICE,
        (
            r"报警|报案|打110|叫警察|找警察|警方|去派出所|公安局|网警|经侦|"
            r"(?:call|calling|called|contact|contacting|report\w*(?: \w+){0,3} to|go(?:ing)? to|"
            r"tell) (?:the )?(?:police|cops)\b|"
            r"file a police report|police report"
        ),
    ),
    (
        Urgency.AUTHORITY,
        (
            r"(?<!\d)12315(?!\d)|(?<!\d)12345(?:热线|投诉|举报|市长)|打12345(?!\d)|消费者协会|消协|工商局|"
            r"工商所|市监局|市场监管|质监局|"
            r"食药监|黑猫投诉|消费者?委员会|消保会|消基会|消委会|行政投诉|向有关部门|"
            r"consumer (?:protection|council|association|affairs|rights (?:body|agency))|trading standards|"
            r"\bftc\b|\bbbb\b|better business bureau|attorney general|ombudsman|chargeback"
        ),
    ),
    (
        Urgency.LEGAL,
        (
            r"(?:找|请|让|问|联系|咨询|委托|叫)(?:了|个|我)?(?:的)?律师(?!朋友)|律师函|我的?律师(?:会|说|已)|"
            r"律师见|起诉|法院见?|打官司|诉讼|告你们(?:店|公司|平台)?(?!一声|诉)|告上法庭|上法庭|法律途径|"
            r"法律程序|走法律|告到底|法庭见|维权到底|"
            r"(?:call\w*|contact\w*|hir\w+|get(?:ting)?|see(?:ing)?|consult\w*|involv\w+|(?:speak|"
            r"talk)\w* (?:to|with)|"
            r"hear(?:ing)? from|giv\w+ (?:this|it) to) (?:my |an? |our |the )?(?:lawyer|attorney|"
            r"solicitor)s?\b(?! (?:friend|general))|"
            r"(?:my|our) (?:lawyer|attorney|solicitor)s? (?:will|is|are|has|says|can)\b|\bsue\b|\bsuing\b|"
            r"lawsuit|legal action|small claims|"
            r"take (?:you|this|it) to court|"
            r"see you in court|my solicitor"
        ),
    ),
    (
        Urgency.PRESS,
        (
            r"曝光|找记者|找媒体|电视台|上新闻|上热搜|发微博|发抖音|发小红书|挂网上|挂到网上|315晚会|焦点访谈|"
            r"爆料给|报社|"
            r"(?:go|going|went|talk|talking|send this|take this|report\w*(?: \w+){0,2}) to the (?:press|media|"
            r"news(?:papers?)?)|"
            r"\bjournalists?\b|\breporters?\b|expose you|post (?:this|it) (?:all over|everywhere)|go(?:ing)? viral|"
            r"tell the (?:press|media|newspapers?)"
        ),
    ),
    (
        Urgency.ANGRY,
        (
            r"垃圾(?:店|客服|公司|平台|商家|东西|玩意|货|服务|态度|产品|卖家)|骗子|骗钱|坑人|坑爹|黑店|奸商|"
            r"无耻|不要脸|去死|滚(?!动|筒|轮|烫|珠|花)|"
            r"操你|草泥马|cnm|tmd|nmsl|他妈|妈的|傻[逼比叉b]|sb客服|脑残|气死|气炸|忍无可忍|受够|太过分|"
            r"欺人太甚|什么玩意|什么破|"
            r"破店|恶心|生气了|很生气|非常生气|太生气|愤怒|火大|发火|要疯了|耍我|把我当猴|当我傻|当傻子|有病吧|"
            r"还要不要脸|烂透|"
            r"给我个说法|今天必须|"
            r"\bscam(?:mers?|med|ming)?\b|rip-?off|\bfraud\w*|\bthie(?:f|ves)\b|\bcrooks?\b|furious|pissed|"
            r"outrag\w+|livid|"
            r"\bfuck\w*|\bwtf\b|\bbullshit\b|\bbs\b|\bcrap\b|\bass ?holes?\b|\bidiots?\b|\bmorons?\b|"
            r"sick of (?:this|you|your|it|waiting)|fed up|"
            r"had enough|unacceptable|disgust\w+|ridiculous|(?:what a|is a|it'?s a|are a|such a|absolute|"
            r"complete|total) joke\b|pathetic|"
            r"worst (?:\w+ )?(?:shop|store|service|company|experience|customer)|"
            r"(?:i'?m|i am|so|very|really|extremely) (?:\w+ )?(?:angry\b|mad\b(?! about| for))|garbage|useless|"
            r"liars?\b|"
            r"how dare you|stealing my money"
        ),
    ),
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _ALARMS)
_ASKED_CALMLY = re.compile(
    r"会不会|会.{0,4}吗|怕.{0,6}过敏|容易过敏|过敏(?:体质|肌|的?人|可以|能用)|敏感肌|能.{0,6}吗|适合|"
    r"(?:do|does|is|are|will|would|can|could) (?:it|this|that|these|they|the)\b.{0,40}(?:caus|allerg|rash|safe|burn)|"
    r"is (?:it|this) safe|fire ?proof"
)
_NO_NEGATION = frozenset({Urgency.SELF_HARM})


def find_urgency(text: str) -> Urgency:
    """Name the gravest reason in lower-case simplified text, or ``NONE``; what is denied does not count."""
    for kind, pattern in _COMPILED:
        for found in pattern.finditer(text):
            before = text[max(0, found.start() - 14) : found.start()]
            if kind not in _NO_NEGATION and _NEGATED_BEFORE.search(before):
                continue
            if kind is Urgency.HEALTH and _ASKED_CALMLY.search(text):
                continue
            return kind
    return Urgency.NONE
