"""How many cores the linear algebra may take: one for a message, all for a training."""

from __future__ import annotations

import os
from functools import cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def use_one_core() -> None:
    """Let every product run on one core from now on: small ones wait for their threads longer than they compute."""
    _controller().limit(limits=1, user_api="blas")


def use_all_cores() -> None:
    """Let products run on all cores again, for the large ones of a training."""
    ThreadpoolController().limit(limits=os.cpu_count() or 1, user_api="blas")
