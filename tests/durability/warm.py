"""What every child would do at its start alike: done here once, before children are forked."""

from __future__ import annotations

import telegram.ext

from bot.app import intents_folder
from bot.console.pages import load_pages
from bot.desk.passwords import Passwords
from bot.wiring.knowing import shipped_knowledge

__all__ = ["telegram"]

shipped_knowledge(intents_folder())
Passwords()
load_pages()
