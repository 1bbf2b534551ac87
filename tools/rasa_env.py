"""Build Rasa's environment: Python 3.10, pinned and hashed requirements, kept in the person's cache folder.

It is 2.7 GB, so it is built once for each state of ``requirements/rasa.txt`` and shared by every checkout. It is
built in a folder beside and moved into place when whole; what a broken build leaves is cleared by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from intents.rasa.environment import COMPLETE, REQUIREMENTS, cache_folder, environment_folder, is_complete, python_of

NAMED = "XIAOER_PYTHON310"
ROOM_NEEDED_GB = 4
_PROBE = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
_PROBE_TIMEOUT_S = 30


class MissingPython(Exception):
    """No usable Python 3.10; the text lists where we looked."""


def main() -> int:
    """Build the environment unless it is there; 0 when it is there in the end."""
    folder = environment_folder(REQUIREMENTS, cache_folder())
    if is_complete(folder):
        say(f"there already: {folder}")
        return 0
    try:
        python = find_python310(os.environ)
    except MissingPython as problem:
        say(str(problem), to=sys.stderr)
        return 2
    folder.parent.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(folder.parent).free / 1e9
    if free_gb < ROOM_NEEDED_GB:
        say(f"{folder.parent} has {free_gb:.1f} GB free, Rasa needs about {ROOM_NEEDED_GB} GB", to=sys.stderr)
        return 2
    with alone(folder):
        if not is_complete(folder):
            build(python, folder)
    say(f"ready: {folder}")
    return 0


def find_python310(environment: Mapping[str, str]) -> str:
    """Find Python 3.10: the named one, on PATH, among pyenv's versions; MissingPython when there is none.

    A pyenv shim is on PATH even when its version is not active; it then answers "command not found", and pyenv itself
    is asked where the version lies.
    """
    named = environment.get(NAMED, "")
    if named:
        if is_python310(named):
            return named
        raise MissingPython(f"{NAMED} names {named}, which is no working Python 3.10 with its venv module")
    path = environment.get("PATH", "")
    on_path = [shutil.which(name, path=path) for name in ("python3.10", "python3", "python")]
    tried = [*filter(None, on_path), *pyenv_pythons(environment)]
    for candidate in tried:
        if is_python310(candidate):
            return candidate
    looked = "; ".join(dict.fromkeys(tried)) or "nothing"
    raise MissingPython(
        "Rasa 3.6 needs Python 3.10 with its venv module, and none was found on PATH or among pyenv's versions "
        f"(tried: {looked}). Install it (pyenv install 3.10; Debian: apt-get install python3.10-venv) or name it: "
        f"{NAMED}=/path/to/python3.10 make rasa"
    )


def pyenv_pythons(environment: Mapping[str, str]) -> Iterator[str]:
    """List the interpreters of pyenv's 3.10 versions, newest first."""
    root = environment.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    command = shutil.which("pyenv", path=environment.get("PATH", "")) or shutil.which("pyenv", path=f"{root}/bin")
    if command is None:
        return
    versions = _ask([command, "versions", "--bare", "--skip-aliases"], environment).split()
    mine = [version for version in versions if version.startswith("3.10.")]
    for version in sorted(mine, key=_patch_of, reverse=True):
        prefix = _ask([command, "prefix", version], environment).strip()
        if prefix:
            yield str(Path(prefix) / "bin" / "python3.10")


def _patch_of(version: str) -> int:
    digits = version.split(".")[2]
    return int(digits) if digits.isdigit() else -1


def is_python310(command: str) -> bool:
    """Tell whether a command runs, is Python 3.10, and can make environments."""
    return _ask([command, "-c", _PROBE], os.environ).strip() == "3.10"


def _ask(command: list[str], environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, env=dict(environment)
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one build of a folder run at a time; the others wait."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(python: str, folder: Path) -> None:
    """Build beside the final place, install, and move into it; CalledProcessError when a step fails.

    An environment's scripts name the place they were made in, so we only ever start ``python -m rasa``.
    """
    beside = folder.with_name(f"{folder.name}.building")
    for leftover in (beside, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    say(f"building Rasa's environment with {python} (once, 2.7 GB, several minutes): {folder}")
    subprocess.run([python, "-m", "venv", str(beside)], check=True)
    pip = [str(python_of(beside)), "-m", "pip", "--disable-pip-version-check", "install", "-q", "--require-hashes"]
    # Some of Rasa's parts come as source only: they are built with the pinned tools, not with whatever is newest.
    subprocess.run([*pip, "--only-binary", ":all:", "-r", _build_tools(beside)], check=True)
    subprocess.run([*pip, "--no-build-isolation", "--no-deps", "-r", str(REQUIREMENTS)], check=True)
    subprocess.run([str(python_of(beside)), "-c", "import rasa, jieba"], check=True)
    (beside / COMPLETE).write_text(REQUIREMENTS.name)
    beside.rename(folder)


def _build_tools(beside: Path) -> str:
    entries = REQUIREMENTS.read_text().replace("\\\n", " ").splitlines()
    wanted = [line for line in entries if line.split("==")[0] in {"setuptools", "wheel"}]
    file = beside / "build-tools.txt"
    file.write_text("\n".join(wanted))
    return str(file)


def say(sentence: str, to: object = None) -> None:
    """Tell the person at the shell."""
    print(f"  rasa: {sentence}", file=to or sys.stdout, flush=True)  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
