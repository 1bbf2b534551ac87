"""Get a browser for the browser tests: Debian's Chromium and a CJK font, when we may install them.

Prints one loud line when it cannot be had; the tests themselves then name what was not run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-noto-cjk")
APT_TIMEOUT_S = 480


def main() -> int:
    """Install Chromium when it is absent and we are root on a Debian; 0 in every case."""
    if any(shutil.which(name) for name in NAMES):
        return 0
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        say("NOT INSTALLED: no Chromium and no right to install it (apt-get install chromium). No browser tests.")
        return 0
    say("installing Debian's Chromium (once)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", *command],
            check=False,
            env=environment,
            timeout=APT_TIMEOUT_S,
            stdout=subprocess.DEVNULL,
        )
        if done.returncode:
            say(f"NOT INSTALLED: apt-get {command[0]} failed. No browser tests.")
            return 0
    return 0


def say(sentence: str) -> None:
    """Tell the person at the shell."""
    print(f"  browser: {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
