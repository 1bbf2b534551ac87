"""How many cores the linear algebra may take: one, since a message is small."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from functools import cache
from typing import Any


def _loaded() -> Any | None:
    """Find the libraries loaded by now; None where threadpoolctl is not installed and their own default stays."""
    try:
        return importlib.import_module("threadpoolctl").ThreadpoolController()
    except ImportError:
        return None


@cache
def _controller() -> Any | None:
    return _loaded()


def use_one_core() -> None:
    """Let every product run on one core from now on: small ones wait for their threads longer than they compute."""
    controller = _controller()
    if controller is not None:
        controller.limit(limits=1, user_api="blas")


@contextlib.contextmanager
def one_core_each() -> Iterator[None]:
    """Let products run on one core each for a while, so that threads may share the cores; then as before."""
    # Looked for anew: training loads more libraries afterwards, which serving has to find.
    controller = _loaded()
    with controller.limit(limits=1, user_api="blas") if controller is not None else contextlib.nullcontext():
        yield
