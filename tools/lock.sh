#!/bin/sh
# Pin every requirement with its hashes; run after a change of pyproject.toml or requirements/*.in. Needs uv on PATH.
set -eu
cd "$(dirname "$0")/.."
pin() { uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url "$@"; }
pin pyproject.toml requirements/build.in -o requirements/run.txt
pin pyproject.toml --extra scale requirements/test.in -o requirements/test.txt
pin pyproject.toml --extra scale requirements/test.in requirements/check.in -o requirements/check.txt
pin requirements/frontend.in -o requirements/frontend.txt
# Rasa lives in an environment of its own, on Python 3.10.
uv pip compile -q --python-version 3.10 --generate-hashes --no-header --no-emit-index-url requirements/rasa.in -o requirements/rasa.txt
