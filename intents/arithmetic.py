"""How many cores the linear algebra may take: one for a message, which is small; one each for pieces of a training."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Does a piece of work for each of some things, side by side; like ``map``, which does them one by one."""

_MOST_THREADS = 8


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


@contextlib.contextmanager
def shared_cores() -> Iterator[Spread]:
    """Give a ``map`` that works on every core at once, each product on one of them.

    That is as fast as products that take all cores by themselves, and does not collapse where others use the cores too.
    """
    importlib.import_module("scipy.linalg")  # brings a library of its own, which the limit has to find
    with one_core_each(), ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        yield pool.map


def cut(size: int, most: int) -> list[slice]:
    """Cut ``size`` rows into even parts of at most ``most``."""
    edges = [size * part // -(-size // most) for part in range(-(-size // most) + 1)] if size else [0]
    return [slice(first, last) for first, last in itertools.pairwise(edges)]
