"""Where Rasa lives: its Python environment, kept per person and found by the hash of its requirements."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from bot.domain.errors import ConfigError

REQUIREMENTS = Path(__file__).parents[2] / "requirements" / "rasa.txt"
COMPLETE = "complete"
"""The file that is written last: a folder without it is half-built and counts for nothing."""


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Name the folder of this person's caches: ``$XDG_CACHE_HOME/xiaoer``, else ``~/.cache/xiaoer``."""
    source = os.environ if environment is None else environment
    base = source.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "xiaoer"


def environment_folder(requirements: Path, cache: Path) -> Path:
    """Name the environment that fits a file of requirements."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    return cache / f"rasa-{digest[:16]}"


def is_complete(folder: Path) -> bool:
    """Tell whether an environment was built to its end."""
    return (folder / COMPLETE).is_file() and python_of(folder).exists()


def python_of(folder: Path) -> Path:
    """Name the interpreter of an environment."""
    return folder / "bin" / "python"


def find_python(named: Path | None = None, requirements: Path = REQUIREMENTS, cache: Path | None = None) -> Path:
    """Find the interpreter that has Rasa; ConfigError says how to get one.

    ``named`` is an environment of the merchant's own. Else it is the one that ``make rasa`` built for these
    requirements; an installation without the requirements takes the newest that is there.
    """
    if named is not None:
        if python_of(named).exists():
            return python_of(named)
        raise ConfigError(
            f"xiaoer.understanding.rasa.environment: {named} holds no bin/python; "
            "name a Python environment with Rasa 3.6"
        )
    kept = cache or cache_folder()
    if requirements.is_file():
        folders = [environment_folder(requirements, kept)]
    else:
        folders = sorted(kept.glob("rasa-*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders:
        if is_complete(folder):
            return python_of(folder)
    raise ConfigError(
        f"there is no Rasa environment in {kept}; run `make rasa` in Xiaoer's folder (it needs Python 3.10 and "
        "2.7 GB), or name one of your own by xiaoer.understanding.rasa.environment"
    )
