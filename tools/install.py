"""Install a pinned requirements file with its hashes, showing how far it is; on failure, what pip said."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import deque
from pathlib import Path

_COLLECTING = re.compile(r"Collecting ([\w.\[\]-]+)==|Requirement already satisfied: ([\w.\[\]-]+)==")
_KEPT_LINES = 40
_EVERY = 20


def main(file: Path) -> int:
    """Install what ``file`` pins; gives pip's exit code."""
    wanted = len(re.findall(r"^[a-z0-9][\w.\[\]-]*==", file.read_text(), re.MULTILINE | re.IGNORECASE))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
    options = ["--require-hashes", "--only-binary", ":all:", "--no-input", "--progress-bar", "off", "-r", str(file)]
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    seen = 0
    with subprocess.Popen([*pip, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            last.append(line)
            if found := _COLLECTING.match(line.strip()):
                seen += 1
                show(f"fetching {seen} of at most {wanted}: {found[1] or found[2]}", seen % _EVERY == 1)
            elif line.startswith("Installing collected packages"):
                show("unpacking, about half a minute", always=True)
    finish()
    if process.returncode:
        print("".join(last), file=sys.stderr)
        print(f"installing {file} failed; the reason stands above", file=sys.stderr)
    return process.returncode


def show(words: str, always: bool) -> None:
    """Tell how far it is: on one line of a terminal, else now and then on a line of its own."""
    if sys.stdout.isatty():
        print(f"\r\033[K  {words}", end="", flush=True)
    elif always:
        print(f"  {words}", flush=True)


def finish() -> None:
    """Clear the line."""
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
