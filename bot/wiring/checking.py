"""Looking at the channels' set-up, and connecting those that can be connected from here."""

from __future__ import annotations

from bot.channels.findings import Finding, public_address
from bot.config import Config, Secrets
from bot.domain.clock import SystemClock
from bot.domain.errors import ConfigError
from bot.wiring.platforms import META, line_settings, meta_settings

CHECKED = ("web", "telegram", "wechat_oa", "wecom_kf", "line", *META)


def webhook_address(config: Config, name: str) -> str:
    """Give the address a platform calls us by; empty when the server has no public one."""
    base = str(config.server.public_url or "").rstrip("/")
    return f"{base}/webhooks/{name}" if base else ""


async def check_channel(config: Config, secrets: Secrets, name: str) -> tuple[Finding, ...]:
    """Look at one channel's set-up; ConfigError when it is not known or its secrets are missing."""
    if name not in CHECKED:
        raise ConfigError(f"{name!r} is no channel that can be checked; choose one of {', '.join(CHECKED)}")
    found = () if getattr(config.channels, name).enabled else (_switched_off(name),)
    return (*found, *await _check(config, secrets, name))


async def connect_telegram(config: Config, secrets: Secrets) -> str:
    """Set Telegram's webhook to this server and give its address; ConfigError with what Telegram says against it."""
    # Here, not above: nothing is loaded for a channel that is switched off.
    from telegram.error import TelegramError  # noqa: PLC0415

    from bot.channels.telegram.send import TelegramAdapter  # noqa: PLC0415
    from bot.wiring.channels import telegram_settings  # noqa: PLC0415

    address = webhook_address(config, "telegram")
    wrong = public_address(address)
    if wrong:
        raise ConfigError(f"{wrong.what}; {wrong.fix}")
    adapter = TelegramAdapter(telegram_settings(config, secrets))
    try:
        await adapter.set_webhook(address, secrets.telegram_secret)
    except TelegramError as error:
        raise ConfigError(f"Telegram does not take the webhook {address}: {error.message}") from None
    finally:
        await adapter.close()
    return address


async def _check(config: Config, secrets: Secrets, name: str) -> tuple[Finding, ...]:
    address = webhook_address(config, name)
    if name == "telegram":
        from bot.channels.telegram.check import check_telegram  # noqa: PLC0415 - as above
        from bot.wiring.channels import telegram_settings  # noqa: PLC0415

        return await check_telegram(telegram_settings(config, secrets), address)
    if name == "line":
        from bot.channels.line.check import check_line  # noqa: PLC0415

        return await check_line(line_settings(config, secrets), address)
    if name == "wechat_oa":
        return await _check_wechat_oa(config, secrets, address)
    if name == "wecom_kf":
        return await _check_wecom_kf(config, secrets, address)
    for meta in META:
        if name == meta:
            from bot.channels._meta.check import check_meta  # noqa: PLC0415

            return await check_meta(meta_settings(config, secrets, meta), address)
    return _check_web(config, secrets)


async def _check_wecom_kf(config: Config, secrets: Secrets, address: str) -> tuple[Finding, ...]:
    from bot.channels.wecom_kf.check import check_wecom_kf  # noqa: PLC0415 - as above
    from bot.wiring.tencent import wecom_kf_settings  # noqa: PLC0415

    return await check_wecom_kf(wecom_kf_settings(config, secrets), address, SystemClock())


async def _check_wechat_oa(config: Config, secrets: Secrets, address: str) -> tuple[Finding, ...]:
    from bot.channels.wechat_oa.check import check_wechat_oa  # noqa: PLC0415 - as above
    from bot.wiring.tencent import wechat_oa_settings  # noqa: PLC0415

    return await check_wechat_oa(wechat_oa_settings(config, secrets), address)


def _check_web(config: Config, secrets: Secrets) -> tuple[Finding, ...]:
    origins = config.channels.web.allowed_origins
    if "*" in origins:
        fix = "list the sites by name in xiaoer.channels.web.allowed_origins"
        where = Finding("any site may embed the widget", fix)
    else:
        where = Finding(f"the widget may stand on {', '.join(origins) or 'our own pages only'}")
    known = "may" if secrets.web_identity_secret else "may not (XIAOER_WEB_IDENTITY_SECRET is not set)"
    return (where, Finding(f"your site {known} vouch for its customers"))


def _switched_off(name: str) -> Finding:
    return Finding(f"{name} is switched off", f"set xiaoer.channels.{name}.enabled to true")
