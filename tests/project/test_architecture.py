"""The house's order: layers, no cycles, one owner of each package, no rooms for odds and ends."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import grimp

from tests.project.tree import PACKAGES, ROOT, sources, tracked

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}


def test_imports_obey_the_layers() -> None:
    """Every contract of the import linter holds; it runs apart, because it switches off the logs of its process."""
    linter = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(linter, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_imports_have_no_cycle() -> None:
    """No module reaches itself over imports."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    edges = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    settled: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if module in path:
            return (*path[path.index(module) :], module)
        if module in settled:
            return ()
        for target in edges[module]:
            if cycle := visit(target, (*path, module)):
                return cycle
        settled.add(module)
        return ()

    cycles = [cycle for module in sorted(edges) if (cycle := visit(module, ()))]
    assert not cycles, f"import cycle: {' -> '.join(cycles[0])}"


def test_top_level_packages_have_one_owner() -> None:
    """No other installed distribution brings a package of our names."""
    owners = importlib.metadata.packages_distributions()
    strangers = {name: owners.get(name, []) for name in PACKAGES if set(owners.get(name, [])) - {"xiaoer"}}
    assert not strangers


def test_modules_are_named_by_what_they_hold() -> None:
    """No utils, helpers, common, manager or misc anywhere."""
    assert not [str(p) for p in sources(*PACKAGES, "tests", "tools") if FORBIDDEN_NAMES & {p.stem, *p.parts}]


def test_time_is_handed_in() -> None:
    """Only the system clock asks the machine for the time."""
    asks = re.compile(r"datetime\.(now|utcnow|today)\(|\bdate\.today\(")
    offenders = [str(p.relative_to(ROOT)) for p in sources() if asks.search(p.read_text())]
    assert offenders == ["bot/domain/clock.py"]


def test_tracked_files_hold_no_registry_and_no_place_of_a_machine() -> None:
    """No registry host, no absolute home, in anything under version control."""
    parts = (
        "pypi" + r"\.org",
        "files" + r"\.pythonhosted",
        "registry" + r"\.npmjs",
        "/ro" + "ot/",
        "/wo" + "rk/",
        "index-" + "url",
    )
    wanted = re.compile("|".join(parts))
    binary = {".png", ".gz", ".woff2", ".ico"}
    found = [str(p) for p in tracked() if p.suffix not in binary and wanted.search(p.read_text(errors="replace"))]
    assert found in ([], [str(ROOT / "tools" / "lock.sh")]), found


def test_requirements_are_pinned_with_hashes() -> None:
    """Every requirement has an exact version and at least one hash."""
    for file in sorted((ROOT / "requirements").glob("*.txt")):
        entries = re.split(r"\n(?=[a-z0-9])", file.read_text())
        for entry in entries:
            assert re.match(r"[a-zA-Z0-9._-]+(\[[a-z,]+\])?==\S+", entry), f"{file.name}: {entry[:60]}"
            assert "--hash=sha256:" in entry, f"{file.name}: {entry[:60]}"
