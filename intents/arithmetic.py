"""How many cores the linear algebra may take: one, since a message is small."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any


@cache
def _controller() -> Any | None:
    """Find the loaded libraries once; None where threadpoolctl is not installed and their own default stays."""
    try:
        return importlib.import_module("threadpoolctl").ThreadpoolController()
    except ImportError:
        return None


def use_one_core() -> None:
    """Let every product run on one core from now on: small ones wait for their threads longer than they compute."""
    controller = _controller()
    if controller is not None:
        controller.limit(limits=1, user_api="blas")
