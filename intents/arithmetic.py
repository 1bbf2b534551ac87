"""How many cores the linear algebra may take: one, since a message is small."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
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


@contextlib.contextmanager
def one_core_each() -> Iterator[None]:
    """Let products run on one core each for a while, so that threads may share the cores; then as before."""
    controller = _controller()
    with controller.limit(limits=1, user_api="blas") if controller is not None else contextlib.nullcontext():
        yield
