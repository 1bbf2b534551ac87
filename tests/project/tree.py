"""Where the project's parts lie, for the tests of its shape."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "handlers", "intents", "responses", "storage")


def sources(*folders: str) -> list[Path]:
    """List the Python files of the named top-level folders (default: the shipped packages)."""
    return sorted(path for folder in folders or PACKAGES for path in (ROOT / folder).rglob("*.py"))


def tracked() -> list[Path]:
    """List every file under version control, or every file of the packages where there is no git."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)  # noqa: S607
    if listing.returncode:
        return [path for folder in (*PACKAGES, "tests", "docs", "tools") for path in (ROOT / folder).rglob("*.*")]
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
