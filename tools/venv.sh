#!/bin/sh
# Make the virtual environment with the newest Python at hand that is 3.11 or newer.
set -eu
target=$1
ok='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
for python in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$python" >/dev/null 2>&1 && "$python" -c "$ok" >/dev/null 2>&1; then
        echo "  making $target with $("$python" --version 2>&1)"
        exec "$python" -m venv "$target"
    fi
done
echo "Xiaoer needs Python 3.11 or newer with its venv module; none was found on PATH (Debian: apt-get install python3-venv)." >&2
exit 1
