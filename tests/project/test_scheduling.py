"""Tests that share something costly stay on one worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.scheduling import group_of

TESTS = Path(__file__).parents[1]
CONFTEST = "from tests.scheduling import pytest_xdist_make_scheduler\n"
MODULE = """
import os, pathlib, pytest

pytestmark = {mark}

@pytest.mark.parametrize("number", range(8))
def test_says_where_it_ran(number):
    with (pathlib.Path(__file__).parent / "{name}").open("a") as said:
        said.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_group_stays_on_one_worker_and_the_rest_does_not(tmp_path: Path):
    """Two modules of a group meet on one worker; the other worker begins with the rest."""
    mark = 'pytest.mark.xdist_group("shop")'
    modules = {"first": mark, "second": f"[pytest.mark.filterwarnings('error'), {mark}]", "third": "[]"}
    for name, marked in modules.items():
        (tmp_path / f"test_{name}.py").write_text(MODULE.format(mark=marked, name=name))
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup"]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)], cwd=TESTS.parent, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()
    where = {name: (tmp_path / name).read_text().split() for name in modules}
    assert [len(each) for each in where.values()] == [8, 8, 8]
    (shop,) = {*where["first"], *where["second"]}
    assert set(where["third"]) - {shop}, "the other worker had nothing to do"


def test_every_group_stands_where_it_is_read():
    """A group named elsewhere than in a module's ``pytestmark``, on its line, would be spread."""
    for module in TESTS.rglob("test_*.py"):
        if module != Path(__file__) and "xdist_group" in module.read_text("utf-8"):
            assert group_of(module), module
