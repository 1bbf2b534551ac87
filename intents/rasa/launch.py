"""Start Rasa's command line, and end it when whoever started it is gone.

Runs inside Rasa's environment as ``python -m intents.rasa.launch run ...``. The token that guards the HTTP API comes by
the environment, so that no list of processes shows it.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
import warnings

TOKEN = "XIAOER_RASA_TOKEN"  # noqa: S105 - the variable's name
_LOOK_EVERY_S = 1.0


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)


def main() -> None:
    """Run ``rasa`` with the arguments we were given."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    token = os.environ.pop(TOKEN, "")
    sys.argv = ["rasa", *sys.argv[1:], *(["--auth-token", token] if token else [])]
    warnings.simplefilter("ignore")
    runpy.run_module("rasa", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
