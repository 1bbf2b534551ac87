"""The channels' sections of config.yml."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.domain.windows import places

QuietTime = Annotated[float | None, Field(ge=0, le=5)]
_QUIET_TIME = "Seconds to wait for more of a burst here, instead of xiaoer.turns.quiet_time_s."
_META = ("meta_app_secret", "meta_verify_token")
_GRAPH = "https://graph.facebook.com/v23.0"
_DISCLOSE = "Say that an automated assistant answers when a conversation starts; some places demand it by law."


class Section(BaseModel):
    """A part of the configuration: frozen, with no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Platform(Section):
    """The section of a channel on somebody else's platform; ``SECRETS`` are those it may see."""

    SECRETS: ClassVar[tuple[str, ...]] = ()

    enabled: bool = False

    def needs(self) -> tuple[str, ...]:
        """Name the secrets it cannot do without."""
        return self.SECRETS

    @property
    def called(self) -> bool:
        """Tell whether the platform calls us, at a public address."""
        return True


class WebChannel(Section):
    """The chat widget."""

    enabled: bool = Field(default=True, description="Offer the chat widget.")
    allowed_origins: tuple[str, ...] = Field(
        (), description="Origins of pages that may embed the widget, like https://shop.example; our own always may."
    )
    token_days: int = Field(30, description="Days after its last use that a visitor's token is good for.", ge=1, le=400)
    wrong_tries: int = Field(
        20,
        description="Wrong tries to prove an order that may come from one network address within "
        "wrong_tries_within_min, whoever makes them; 0: not counted by address. Behind a proxy set "
        "xiaoer.server.behind_proxy, or all visitors have one address.",
        ge=0,
        le=1000,
    )
    wrong_tries_within_min: float = Field(
        60, description="Minutes after which a wrong try counts no more for its network address.", gt=0, le=24 * 60
    )
    quiet_time_s: QuietTime = Field(None, description=_QUIET_TIME)


class TelegramChannel(Platform):
    """Telegram; needs XIAOER_TELEGRAM_TOKEN and, for the webhook, XIAOER_TELEGRAM_SECRET in the environment."""

    SECRETS: ClassVar[tuple[str, ...]] = ("telegram_token", "telegram_secret")

    enabled: bool = Field(default=False, description="Receive and send over Telegram.")
    account: str = Field("main", description="A name of your own for this bot account.", min_length=1)
    username: str = Field("", description="The bot's user name without @; in groups it answers when addressed by it.")
    receive: Literal["webhook", "polling"] = Field(
        "webhook",
        description="How updates come in: webhook, Telegram calls server.public_url; polling, we ask for them and need "
        "no public address. Run `xiaoer channels connect telegram` after a change.",
    )
    api_base: str = Field("https://api.telegram.org", description="Where Telegram's Bot API is reached.")
    quiet_time_s: QuietTime = Field(None, description=_QUIET_TIME)

    def needs(self) -> tuple[str, ...]:
        """Name what it cannot do without: who asks for updates has no webhook to prove."""
        return self.SECRETS if self.called else self.SECRETS[:1]

    @property
    def called(self) -> bool:
        """Tell whether Telegram calls us, at a public address."""
        return self.receive == "webhook"


class WechatOaChannel(Platform):
    """WeChat Official Account; needs XIAOER_WECHAT_OA_TOKEN, _APP_SECRET and, in safe mode, _AES_KEY."""

    SECRETS: ClassVar[tuple[str, ...]] = ("wechat_oa_token", "wechat_oa_app_secret", "wechat_oa_aes_key")

    enabled: bool = Field(default=False, description="Receive and send over a WeChat Official Account.")
    app_id: str = Field("", description="The account's AppID.")
    account: str = Field("main", description="A name of your own for this account.", min_length=1)
    replies: Literal["both", "passive", "service"] = Field(
        "both",
        description="How answers go out: passive in the callback's response, service by customer-service message, "
        "both: the first that works. An account without that permission answers passively.",
    )
    api_base: str = Field("https://api.weixin.qq.com", description="Where WeChat's API is reached.")
    quiet_time_s: QuietTime = Field(None, description=_QUIET_TIME)

    def needs(self) -> tuple[str, ...]:
        """Name what it cannot do without: who only answers passively calls no API, and plain mode has no key."""
        return self.SECRETS[:1] if self.replies == "passive" else self.SECRETS[:2]


class WecomKfChannel(Platform):
    """WeCom customer service; needs XIAOER_WECOM_KF_SECRET, XIAOER_WECOM_KF_TOKEN and XIAOER_WECOM_KF_AES_KEY."""

    SECRETS: ClassVar[tuple[str, ...]] = ("wecom_kf_secret", "wecom_kf_token", "wecom_kf_aes_key")

    enabled: bool = Field(default=False, description="Receive and send over WeCom customer service (微信客服).")
    corp_id: str = Field("", description="The company's CorpID.")
    accounts: tuple[str, ...] = Field(
        (), description="The customer-service accounts to serve, by open_kfid; empty serves all the API may manage."
    )
    humans: Literal["console", "wecom"] = Field(
        "console",
        description="Where humans answer: in the console, or in WeCom, where handed-over sessions are queued.",
    )
    poll_s: float = Field(300.0, description="Seconds between looks for messages whose callback was missed.", ge=10)
    api_base: str = Field("https://qyapi.weixin.qq.com", description="Where WeCom's API is reached.")
    quiet_time_s: QuietTime = Field(None, description=_QUIET_TIME)


class LineChannel(Platform):
    """LINE; needs XIAOER_LINE_CHANNEL_SECRET and XIAOER_LINE_TOKEN in the environment."""

    SECRETS: ClassVar[tuple[str, ...]] = ("line_channel_secret", "line_token")

    enabled: bool = Field(default=False, description="Receive and send over a LINE Official Account.")
    account: str = Field("main", description="A name of your own for this account.", min_length=1)
    api_base: str = Field("https://api.line.me", description="Where LINE's Messaging API is reached.")
    quiet_time_s: QuietTime = Field(None, description=_QUIET_TIME)


class WhatsappTemplate(Section):
    """A message template that WhatsApp has approved, as it stands in WhatsApp Manager."""

    name: str = Field(description="The template's name.", pattern=r"^[a-z0-9_]{1,512}$")
    language: str = Field(description="Its language code, like zh_CN or en_US.", pattern=r"^[A-Za-z_]{2,10}$")
    text: str = Field(description="Its body, with {{1}} for the first variable.", min_length=1, max_length=1024)
    variables: tuple[str, ...] = Field((), description="What agents are asked for, one label a variable.")

    @model_validator(mode="after")
    def _count(self) -> Self:
        wanted = set(range(1, len(self.variables) + 1))
        if places(self.text) != wanted:
            raise ValueError(
                f"the text of template {self.name!r} has the places {sorted(places(self.text))}, but {len(wanted)} "
                "variables are named; name one for each of {{1}}, {{2}}, ..."
            )
        return self


class WhatsappChannel(Platform):
    """WhatsApp Cloud API; needs XIAOER_WHATSAPP_TOKEN, XIAOER_META_APP_SECRET and XIAOER_META_VERIFY_TOKEN."""

    SECRETS: ClassVar[tuple[str, ...]] = ("whatsapp_token", *_META)

    enabled: bool = Field(default=False, description="Receive and send over WhatsApp's Cloud API.")
    phone_number_id: str = Field("", description="The id of the business phone number (not the number itself).")
    account: str = Field("main", description="A name of your own for this number.", min_length=1)
    templates: tuple[WhatsappTemplate, ...] = Field(
        (),
        description="Approved templates that agents may send when the window is closed, each with name, language, text "
        "({{1}} for the first variable) and variables (a label for each).",
    )
    api_base: str = Field(_GRAPH, description="Where the Graph API is reached, with its version.")
    quiet_time_s: QuietTime = Field(None, description=_QUIET_TIME)


class MessengerChannel(Platform):
    """Messenger; needs XIAOER_MESSENGER_TOKEN, XIAOER_META_APP_SECRET and XIAOER_META_VERIFY_TOKEN."""

    SECRETS: ClassVar[tuple[str, ...]] = ("messenger_token", *_META)

    enabled: bool = Field(default=False, description="Receive and send over Messenger.")
    page_id: str = Field("", description="The id of the Facebook Page.")
    account: str = Field("main", description="A name of your own for this Page.", min_length=1)
    disclose: bool = Field(default=True, description=_DISCLOSE)
    api_base: str = Field(_GRAPH, description="Where the Graph API is reached, with its version.")
    quiet_time_s: QuietTime = Field(None, description=_QUIET_TIME)


class InstagramChannel(Platform):
    """Instagram; needs XIAOER_INSTAGRAM_TOKEN, XIAOER_META_APP_SECRET and XIAOER_META_VERIFY_TOKEN."""

    SECRETS: ClassVar[tuple[str, ...]] = ("instagram_token", *_META, "instagram_app_secret")

    enabled: bool = Field(default=False, description="Receive and send over Instagram's direct messages.")
    user_id: str = Field("", description="The id of the Instagram professional account.")
    account: str = Field("main", description="A name of your own for this account.", min_length=1)
    disclose: bool = Field(default=True, description=_DISCLOSE)
    api_base: str = Field(
        "https://graph.instagram.com/v23.0", description="Where the Graph API is reached, with its version."
    )
    quiet_time_s: QuietTime = Field(None, description=_QUIET_TIME)

    def needs(self) -> tuple[str, ...]:
        """Name what it cannot do without: with Instagram's own login the app has a second secret, otherwise one."""
        return self.SECRETS[:-1]


class Channels(Section):
    """The platforms we talk on."""

    web: WebChannel = Field(WebChannel(), description="The chat widget for web pages.")
    telegram: TelegramChannel = Field(TelegramChannel(), description="Telegram.")
    wechat_oa: WechatOaChannel = Field(WechatOaChannel(), description="WeChat Official Account.")
    wecom_kf: WecomKfChannel = Field(WecomKfChannel(), description="WeCom customer service (微信客服).")
    line: LineChannel = Field(LineChannel(), description="LINE.")
    whatsapp: WhatsappChannel = Field(WhatsappChannel(), description="WhatsApp.")
    messenger: MessengerChannel = Field(MessengerChannel(), description="Messenger.")
    instagram: InstagramChannel = Field(InstagramChannel(), description="Instagram.")

    def platforms(self) -> dict[str, Platform]:
        """Give the sections of the platforms that are switched on, by name."""
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: one for name, one in sections.items() if isinstance(one, Platform) and one.enabled}

    def quiet_times_s(self) -> dict[str, float]:
        """Give the quiet times of the channels that have one of their own, by name."""
        own = {name: getattr(self, name).quiet_time_s for name in type(self).model_fields}
        return {name: quiet_s for name, quiet_s in own.items() if quiet_s is not None}
