#!/usr/bin/env bash
# Runs recipes of tinker-cookbook 0.5.8, as they are, against a service of their own, and checks
# that they end and learn: run.py says which. Some minutes; the network for the packages only.
#   ./run.sh [RECIPE...]     sl_loop first, whose checkpoints others begin with
# TINSMITH names the program (else the repository's build); PYTHON a Python with the packages below.
set -euo pipefail
cd "$(dirname "$0")"

if [ -z "${PYTHON:-}" ]; then
  [ -x .venv/bin/python ] || python3 -m venv .venv
  PYTHON=$PWD/.venv/bin/python
  "$PYTHON" -m pip install --quiet --editable '..[torch,tokenizer]' 'tinker-cookbook[math-rl]==0.5.8'
fi
export PYTHONPATH=$PWD/../src HF_HUB_OFFLINE=1

folder=$(mktemp -d)
echo "output: $folder"
../../served.sh bash -c '"$0" "$1" "$TINSMITH_ENDPOINT" "${@:2}"' \
  "$PYTHON" "$PWD/run.py" "$folder" "$@"
