"""The training files are a Rasa project: Rasa's own validator accepts them as docs/understanding.md says."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from intents.rasa.server import quiet_environment
from tests.project.tree import ROOT

pytestmark = [pytest.mark.xdist_group("engines"), pytest.mark.timeout(600)]


def test_rasa_validates_the_training_data(rasa_python: Path) -> None:
    """The command of the documentation ends well, with warnings counting as failures."""
    lines = (ROOT / "docs" / "understanding.md").read_text("utf-8").splitlines()
    (command,) = [line for line in lines if line.startswith("rasa data validate ")]
    done = subprocess.run(
        [str(rasa_python), "-m", *shlex.split(command)],
        check=False,
        cwd=ROOT,
        env=quiet_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    told = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
    assert done.returncode == 0, told
    assert "completed with errors" not in told
