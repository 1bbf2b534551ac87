"""The demo shop 小二好物 / Xiaoer Goods: its words and its shelf."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Product:
    """A thing on the shelf; ``art`` names its drawing, ``price`` is in yuan."""

    art: str
    price: int
    name: MappingProxyType[str, str]
    note: MappingProxyType[str, str]


def _both(zh: str, en: str) -> MappingProxyType[str, str]:
    return MappingProxyType({"zh": zh, "en": en})


PRODUCTS: tuple[Product, ...] = (
    Product("teapot", 388, _both("紫砂茶壶", "Zisha teapot"), _both("朱泥、紫泥 · 200 毫升起", "Red or purple clay")),
    Product("cups", 39, _both("手工陶瓷马克杯", "Handmade ceramic mug"), _both("浅灰、天青、墨黑", "Grey, sky or ink")),
    Product("lantern", 129, _both("纸灯笼小夜灯", "Paper lantern lamp"), _both("暖光 · USB 充电", "Warm light · USB")),
    Product("tote", 79, _both("水洗帆布袋", "Washed canvas tote"), _both("16 安 · 三色", "16 oz · three colours")),
    Product("towel", 59, _both("竹纤维浴巾", "Bamboo bath towel"), _both("浅杏 · 亲肤速干", "Apricot · quick to dry")),
    Product("candle", 68, _both("香薰蜡烛", "Scented candle"), _both("雪松、无花果", "Cedar or fig")),
)

_TEXTS: MappingProxyType[str, MappingProxyType[str, str]] = MappingProxyType(
    {
        "zh": MappingProxyType(
            {
                "html_lang": "zh-CN",
                "shop": "小二好物",
                "shop_other": "Xiaoer Goods",
                "switch": "English",
                "switch_lang": "en",
                "switch_label": "Read this page in English",
                "skip": "跳到商品",
                "hero": "日用之物，用心挑过",
                "hero_line": "茶器、灯、布、蜡。做得久，用得住。有事请叫小二。",
                "promise_1": "满 99 元包邮",
                "promise_2": "七天无理由退换",
                "promise_3": "小二全天在线",
                "shelf": "本季上新",
                "demo": "演示店铺",
                "demo_title": "试着问问小二",
                "demo_line": "这是演示店铺。点右下角的“咨询小二”，可以用下面的订单试试：",
                "order": "订单号",
                "digits": "手机后四位",
                "try_title": "比如这样问",
                "try_1": "我的单到哪了？W1234567，尾号 0001",
                "try_2": "杯子碎了，我要投诉",
                "try_3": "退款多久到账？",
                "try_4": "转人工",
                "footer": "小二好物是一家不存在的店：商品和订单都是演示数据。",
                "chat_title": "小二好物客服",
            }
        ),
        "en": MappingProxyType(
            {
                "html_lang": "en",
                "shop": "Xiaoer Goods",
                "shop_other": "小二好物",
                "switch": "中文",
                "switch_lang": "zh",
                "switch_label": "用中文阅读本页",
                "skip": "Skip to the goods",
                "hero": "Everyday things, chosen with care",
                "hero_line": "Tea ware, light, cloth and wax, made to last. If anything is wrong, call Xiaoer.",
                "promise_1": "Free delivery from ¥99",
                "promise_2": "Seven days to return",
                "promise_3": "Help at any hour",
                "shelf": "New this season",
                "demo": "Demo shop",
                "demo_title": "Try asking Xiaoer",
                "demo_line": "This is a demo shop. Open “Ask us” at the bottom right and try this order:",
                "order": "Order number",
                "digits": "Phone, last four digits",
                "try_title": "Ask, for example",
                "try_1": "Where is my parcel? W1234567, phone ends in 0001",
                "try_2": "My cups arrived broken, I want to complain",
                "try_3": "How long does a refund take?",
                "try_4": "Let me talk to a human",
                "footer": "Xiaoer Goods does not exist: its goods and orders are demo data.",
                "chat_title": "Xiaoer Goods help",
            }
        ),
    }
)


def shop_texts(lang: str) -> MappingProxyType[str, str]:
    """Give the page's words in ``zh`` or ``en``."""
    return _TEXTS[lang]
