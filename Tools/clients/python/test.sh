#!/usr/bin/env bash
# All checks of the Python client: generated code, lint, types, tests against a served model, wheel.
# Uses the program that TINSMITH names, or the repository's build; PYTHON names a Python that has
# what the extra `test` lists, otherwise one is made in .venv.
set -euo pipefail
cd "$(dirname "$0")"

if [ -z "${PYTHON:-}" ]; then
  [ -x .venv/bin/python ] || python3 -m venv .venv
  PYTHON=$PWD/.venv/bin/python
  "$PYTHON" -m pip install --quiet --editable '.[test]'
fi
export PYTHONPATH=$PWD/src

echo "== generated code"
"$PYTHON" generate.py --check
echo "== lint and types"
"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
"$PYTHON" -m mypy
echo "== tests"
"$PYTHON" -m pytest -q "$@"
echo "== wheel"
"$PYTHON" -m build --wheel --outdir "$(mktemp -d)" . | tail -1
