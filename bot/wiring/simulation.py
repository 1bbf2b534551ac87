"""What a shop of simulated channels is set up with: its own database, throw-away secrets, addresses of this machine."""

from __future__ import annotations

import secrets as randomness
import socket
from dataclasses import dataclass, field

from bot.config import Config, DatabaseSection, RedisSection, Secrets
from bot.config_channels import (
    Channels,
    InstagramChannel,
    LineChannel,
    MessengerChannel,
    TelegramChannel,
    WebChannel,
    WechatOaChannel,
    WecomKfChannel,
    WhatsappChannel,
    WhatsappTemplate,
)
from bot.domain.customers import SIMULATED
from bot.domain.errors import ConfigError

PLACE = "/phones"
"""The page's path."""

_HOSTS = frozenset({"127.0.0.1", "localhost"})
_DATABASE = "phones.db"
_CORP, _APP = "ww51m0000000001", "wx51m0000000001"
_NUMBER, _PAGE, _INSTAGRAM = "510000000000001", "510000000000002", "510000000000003"
_TEMPLATES = (
    WhatsappTemplate(
        name="about_your_order",
        language="zh_CN",
        text="您好{{1}}，您的订单 {{2}} 有新进展，回复任意内容我们就接着聊。",
        variables=("称呼", "订单号"),
    ),
    WhatsappTemplate(
        name="about_your_order",
        language="en",
        text="Hello {{1}}, there is news about your order {{2}}. Reply with anything and we'll go on.",
        variables=("name", "order number"),
    ),
)
KF_ACCOUNT = f"{SIMULATED}kf"


@dataclass(frozen=True, slots=True)
class Simulation:
    """A shop of simulated channels: ``config`` and ``secrets`` take the place of the real ones."""

    config: Config
    secrets: Secrets
    listener: socket.socket = field(repr=False)
    """Where the platforms are served: a port of this machine alone, bound already."""


def simulate(config: Config) -> Simulation:
    """Make the configuration of a shop whose channels are simulated; ConfigError where that may not be.

    The database is a file of its own in the data folder, new each time. Nothing real is used: no channel, no secret,
    no database of ``config``.
    """
    _refuse_production(config)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    database = config.data_dir / _DATABASE
    for file in (database, *(database.with_name(f"{database.name}{end}") for end in ("-wal", "-shm"))):
        file.unlink(missing_ok=True)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    simulated = config.model_copy(
        update={
            "database": DatabaseSection(url=f"sqlite:///{database}"),
            "redis": RedisSection(),
            # Pictures too go into its own database: the folder is the real shop's, and is swept by what is on record.
            "media": config.media.model_copy(update={"keep_in": "database"}),
            "channels": _channels(base),
        }
    )
    return Simulation(simulated, _throw_away(), listener)


def _refuse_production(config: Config) -> None:
    """Refuse where real shoppers could be."""
    real = [name for name in Channels.model_fields if name != "web" and getattr(config.channels, name).enabled]
    reasons = {
        f"xiaoer.server.host is {config.server.host}, which others can reach": config.server.host not in _HOSTS,
        "xiaoer.server.public_url is set": config.server.public_url is not None,
        f"xiaoer.channels.{real[0] if real else ''}.enabled is true": bool(real),
        "xiaoer.redis.url is set": config.redis.url is not None,
    }
    for reason, holds in reasons.items():
        if holds:
            raise ConfigError(
                f"--phones is for trying things out on this machine, but {reason}; "
                "leave --phones out, or name a configuration for trying out with --config"
            )


def _channels(base: str) -> Channels:
    graph = "v23.0"
    return Channels(
        web=WebChannel(),
        telegram=TelegramChannel(
            enabled=True, account=f"{SIMULATED}telegram", username="xiaoer_demo_bot", api_base=f"{base}/telegram"
        ),
        wechat_oa=WechatOaChannel(enabled=True, account=f"{SIMULATED}oa", app_id=_APP, api_base=f"{base}/wechat_oa"),
        wecom_kf=WecomKfChannel(enabled=True, corp_id=_CORP, accounts=(KF_ACCOUNT,), api_base=f"{base}/wecom_kf"),
        line=LineChannel(enabled=True, account=f"{SIMULATED}line", api_base=f"{base}/line"),
        whatsapp=WhatsappChannel(
            enabled=True,
            account=f"{SIMULATED}whatsapp",
            phone_number_id=_NUMBER,
            templates=_TEMPLATES,
            api_base=f"{base}/whatsapp/{graph}",
        ),
        messenger=MessengerChannel(
            enabled=True, account=f"{SIMULATED}messenger", page_id=_PAGE, api_base=f"{base}/messenger/{graph}"
        ),
        instagram=InstagramChannel(
            enabled=True, account=f"{SIMULATED}instagram", user_id=_INSTAGRAM, api_base=f"{base}/instagram/{graph}"
        ),
    )


def _throw_away() -> Secrets:
    token = randomness.token_hex
    aes_keys = [randomness.token_hex(32)[:43] for _ in range(2)]
    return Secrets(
        secret_key=token(32),
        telegram_token=f"51000001:{token(16)}",
        telegram_secret=token(16),
        wechat_oa_app_secret=token(16),
        wechat_oa_token=token(12),
        wechat_oa_aes_key=aes_keys[0],
        wecom_kf_secret=token(16),
        wecom_kf_token=token(12),
        wecom_kf_aes_key=aes_keys[1],
        line_channel_secret=token(16),
        line_token=token(16),
        meta_app_secret=token(16),
        meta_verify_token=token(8),
        whatsapp_token=token(16),
        messenger_token=token(16),
        instagram_token=token(16),
    )
