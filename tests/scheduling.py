"""Which tests go to one worker: those of modules that name the same ``xdist_group``.

pytest-xdist 3.8 hands the group on in a changed node id, and pytest 9.2 no longer lets it be changed: without a word
every group was spread over all workers, and each started the same shop. Source: pytest-xdist issue 1386.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

_GROUP = re.compile(r"^pytestmark = .*\bxdist_group\(\"(\w+)\"\)", re.MULTILINE)


@cache
def group_of(module: Path) -> str:
    """Read the group in a module's ``pytestmark``; empty without one."""
    found = _GROUP.search(module.read_text("utf-8"))
    return found[1] if found else ""


class GroupScheduling(LoadScopeScheduling):
    """Hands out a group as a whole, the largest first, and every other test alone."""

    def _split_scope(self, nodeid: str) -> str:
        module = self.config.rootpath / nodeid.partition("::")[0]
        return group_of(module) or nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling | None:
    """Take the place of pytest-xdist's own way with groups."""
    return GroupScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None
