"""Rasa's environment: found wherever Python 3.10 hides, built once, and never half."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bot.domain.errors import ConfigError
from intents.rasa.environment import (
    COMPLETE,
    cache_folder,
    environment_folder,
    find_python,
    is_complete,
    python_of,
)
from tools import rasa_env

SHIM = "echo 'pyenv: python3.10: command not found' >&2; exit 127"


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def fake_pyenv(root: Path, *versions: str) -> None:
    """Write a pyenv that knows some versions, of which 3.10.9 and newer work."""
    for version in versions:
        program(root / "versions" / version / "bin" / "python3.10", "echo 3.10")
    names = "\\n".join(versions)
    body = f'[ "$1" = versions ] && printf "{names}\\n"; [ "$1" = prefix ] && echo "{root}/versions/$2"; true'
    program(root / "bin" / "pyenv", body)


def test_python_named_by_the_person_comes_first(tmp_path: Path) -> None:
    """XIAOER_PYTHON310 is taken as it stands."""
    named = program(tmp_path / "mine", "echo 3.10")
    assert rasa_env.find_python310({"XIAOER_PYTHON310": str(named), "PATH": ""}) == str(named)


def test_python_named_wrongly_is_refused_by_name(tmp_path: Path) -> None:
    """A wrong name is not silently replaced by another Python."""
    named = program(tmp_path / "mine", "echo 3.9")
    program(tmp_path / "bin" / "python3.10", "echo 3.10")
    with pytest.raises(rasa_env.MissingPython, match="mine"):
        rasa_env.find_python310({"XIAOER_PYTHON310": str(named), "PATH": str(tmp_path / "bin")})


def test_python_on_path_is_found(tmp_path: Path) -> None:
    """The plain case."""
    found = program(tmp_path / "bin" / "python3.10", "echo 3.10")
    assert rasa_env.find_python310({"PATH": str(tmp_path / "bin")}) == str(found)


def test_python_behind_a_pyenv_shim_is_found(tmp_path: Path) -> None:
    """A shim that answers 'command not found' is no end: pyenv knows where the version lies, newest first."""
    fake_pyenv(tmp_path, "3.9.1", "3.10.9", "3.10.13", "3.11.7")
    program(tmp_path / "shims" / "python3.10", SHIM)
    environment = {"PATH": f"{tmp_path}/shims:/usr/bin:/bin", "PYENV_ROOT": str(tmp_path)}
    assert rasa_env.find_python310(environment) == f"{tmp_path}/versions/3.10.13/bin/python3.10"


def test_python_that_is_missing_is_named_with_the_ways_to_get_it(tmp_path: Path) -> None:
    """The sentence says what was looked at and what to do."""
    shim = program(tmp_path / "python3.10", SHIM)
    with pytest.raises(rasa_env.MissingPython) as caught:
        rasa_env.find_python310({"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path / "none")})
    for part in (str(shim), "pyenv install", "apt-get", "XIAOER_PYTHON310"):
        assert part in str(caught.value)


def test_environment_depends_on_the_requirements(tmp_path: Path) -> None:
    """Other requirements, other folder; the same, the same."""
    requirements = tmp_path / "rasa.txt"
    requirements.write_text("a==1")
    first = environment_folder(requirements, tmp_path)
    assert environment_folder(requirements, tmp_path) == first
    requirements.write_text("a==2")
    assert environment_folder(requirements, tmp_path) != first


def test_cache_is_the_persons_own(tmp_path: Path) -> None:
    """XDG_CACHE_HOME when it is absolute, else below home."""
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "xiaoer"
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == cache_folder({}) == Path.home() / ".cache" / "xiaoer"


def test_half_built_environment_is_not_taken_for_whole(tmp_path: Path) -> None:
    """Without its last file a folder counts for nothing, and the sentence says `make rasa`."""
    requirements = tmp_path / "rasa.txt"
    requirements.write_text("a==1")
    folder = environment_folder(requirements, tmp_path)
    program(python_of(folder), "true")
    assert not is_complete(folder)
    with pytest.raises(ConfigError, match="make rasa"):
        find_python(None, requirements, tmp_path)
    (folder / COMPLETE).touch()
    assert find_python(None, requirements, tmp_path) == python_of(folder)


def test_build_that_fails_leaves_nothing_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken install is not moved into place, and the next build starts afresh."""
    monkeypatch.setattr(rasa_env, "REQUIREMENTS", tmp_path / "rasa.txt")
    (tmp_path / "rasa.txt").write_text("a==1")
    folder = tmp_path / "rasa-0"
    fails = 'mkdir -p "$3/bin"; printf "#!/bin/sh\\nexit 1\\n" > "$3/bin/python"; chmod +x "$3/bin/python"'
    with pytest.raises(subprocess.CalledProcessError):
        rasa_env.build(str(program(tmp_path / "py", fails)), folder)
    assert not folder.exists()
    works = fails.replace("exit 1", "exit 0")
    rasa_env.build(str(program(tmp_path / "py", works)), folder)
    assert is_complete(folder)


def test_ready_environment_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make rasa` twice costs nothing the second time, and needs no Python 3.10."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = environment_folder(rasa_env.REQUIREMENTS, tmp_path / "xiaoer")
    program(python_of(folder), "true")
    (folder / COMPLETE).touch()
    monkeypatch.setattr(rasa_env, "find_python310", lambda _: pytest.fail("looked for a Python"))
    assert rasa_env.main() == 0


def test_builders_wait_for_each_other(tmp_path: Path) -> None:
    """While one builds, another process cannot take the lock."""
    with rasa_env.alone(tmp_path / "rasa-0"):
        code = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        tried = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "rasa-0.lock")], check=False, stderr=subprocess.DEVNULL
        )
        assert tried.returncode == 1
