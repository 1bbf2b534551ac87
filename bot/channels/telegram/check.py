"""Look at a Telegram bot's set-up: token, webhook, and what Telegram says went wrong last.

Source: https://core.telegram.org/bots/api#getwebhookinfo
"""

from __future__ import annotations

import httpx

from bot.channels._api import TIMEOUT_S, mapping, text_of
from bot.channels._http import silence_request_logs
from bot.channels.findings import Finding, ask, public_address
from bot.channels.telegram.send import TelegramSettings

_CONNECT = "run `xiaoer channels connect telegram`"
_MANY_PENDING = 100


async def check_telegram(
    settings: TelegramSettings, webhook: str, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[Finding, ...]:
    """Look at the bot; ``webhook`` is our public address of it, empty when there is none."""
    silence_request_logs()
    base = f"{settings.api_url.rstrip('/')}/bot{settings.token}/"
    async with httpx.AsyncClient(base_url=base, timeout=TIMEOUT_S, transport=transport) as http:
        me = await ask(http, http.build_request("POST", "getMe"), "Telegram")
        if isinstance(me, Finding):
            return (me,)
        if not me.good:
            return (Finding("Telegram refuses the token", "copy it from @BotFather into XIAOER_TELEGRAM_TOKEN"),)
        info = await ask(http, http.build_request("POST", "getWebhookInfo"), "Telegram")
    bot = mapping(me.data, "result")
    name = text_of(bot, "username")
    found = [Finding(f"the token is that of @{name}")]
    if settings.username and settings.username.lower() != name.lower():
        fix = f"set xiaoer.channels.telegram.username to {name}, else groups are not answered"
        found.append(Finding(f"config.yml names another bot, @{settings.username}", fix))
    if bot.get("can_read_all_group_messages") is True:
        fix = "send /setprivacy to @BotFather and choose Enable: the bot answers only when addressed"
        found.append(Finding("the bot reads every message of its groups", fix))
    if isinstance(info, Finding):
        return (*found, info)
    return (*found, *_of_webhook(mapping(info.data, "result"), webhook))


def _of_webhook(info: object, webhook: str) -> list[Finding]:
    wrong = public_address(webhook)
    if wrong:
        return [wrong]
    set_to = text_of(info, "url")
    if set_to != webhook:
        return [Finding(f"the webhook is {set_to or 'not set'}, wanted {webhook}", _CONNECT)]
    found = [Finding(f"the webhook is {webhook}")]
    wanted = {"message", "edited_message", "message_reaction", "callback_query", "my_chat_member"}
    allowed = info.get("allowed_updates") if isinstance(info, dict) else None
    if isinstance(allowed, list) and not wanted <= {str(each) for each in allowed}:
        found.append(Finding("the webhook is not told everything", _CONNECT))
    if text_of(info, "last_error_message"):
        fix = "open that address from outside; a 401 means that the secret differs: " + _CONNECT
        found.append(Finding(f"Telegram's last delivery failed: {text_of(info, 'last_error_message')[:120]}", fix))
    pending = int(text_of(info, "pending_update_count") or 0)
    if pending > _MANY_PENDING:
        found.append(Finding(f"{pending} updates wait to be delivered", "start the server; they come by themselves"))
    return found
