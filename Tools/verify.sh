#!/usr/bin/env bash
# The long checks against PyTorch, transformers and PEFT, in a virtual environment of their own:
# 1. the golden files are what their generator makes; 2. the generator's model is transformers' and
# PEFT's; 3. some 700 odd model folders are read as transformers reads them or refused by name, and 2,000
# with odd tokenizer and generation configs; 4. adapters go from PEFT to Tinsmith and back; 5. merged
# models load in transformers; 6. the embedded model is a model that transformers can use; 7. log-probs
# of samples are those of transformers' tempered distribution; 8. the router is killed 50 times in a
# minute under load; 9. the tests run under ThreadSanitizer and AddressSanitizer. Needs about 6 GB of
# disk for .venv and 2 GB for the sanitizers' builds on the first run.
#
#   Tools/verify.sh                 everything; builds the tinsmith binary if it is not there
#   VENV=DIR Tools/verify.sh        with an environment that has Tools/verify/requirements.txt
#   TINSMITH=PATH Tools/verify.sh   with a binary that exists
#   TEMPLATES=DIR Tools/verify.sh   also with the chat templates found below DIR
set -euo pipefail
cd "$(dirname "$0")/.."

venv="${VENV:-.venv/verify}"
if ! "$venv/bin/python" -c 'import torch, transformers, peft, jinja2' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q -r Tools/verify/requirements.txt
fi
python="$venv/bin/python"
export TRANSFORMERS_VERBOSITY=error HF_HUB_OFFLINE=1 HF_HUB_DISABLE_PROGRESS_BARS=1

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

echo "== golden files: generated again and compared"
"$python" Tools/fixtures/make_golden.py "$work/golden"
"$python" Tools/fixtures/make_peft_golden.py "$work/golden"
"$python" Tools/verify/compare_golden.py Tests/EngineTests/Fixtures "$work/golden"

echo "== the generator's model against transformers and PEFT, in float64"
"$python" Tools/verify/against_transformers.py

tinsmith="${TINSMITH:-}"
if [ -z "$tinsmith" ]; then
  Tools/swift.sh build --product tinsmith
  tinsmith="$(Tools/swift.sh build --show-bin-path)/tinsmith"
fi

echo "== odd model folders in transformers and Tinsmith"
"$python" Tools/verify/folders.py --tinsmith "$tinsmith" --work "$work/folders"

echo "== odd tokenizer and generation configs in transformers and Tinsmith"
"$python" Tools/verify/texts.py --tinsmith "$tinsmith" --work "$work/texts"

echo "== adapters between Tinsmith and PEFT"
"$python" Tools/verify/adapters.py --tinsmith "$tinsmith" --work "$work/adapters"

echo "== merged models in transformers"
"$python" Tools/verify/merged.py --tinsmith "$tinsmith" --work "$work/merged"

echo "== the embedded model in transformers"
"$python" Tools/verify/mini.py --tinsmith "$tinsmith"

echo "== log-probs of samples at temperatures"
Tools/clients/cpp/build.sh "$work/cpp"
Tools/clients/java/build.sh "$work/java"
Tools/swift.sh build --product tinsmith-conformance
TINSMITH="$tinsmith" Tools/clients/served.sh "$python" Tools/verify/tempered.py \
  "swift=$(Tools/swift.sh build --show-bin-path)/tinsmith-conformance" \
  "cpp=$work/cpp/conformance" "java=$work/java/conformance"

echo "== the router killed under load"
Tools/verify/killed-routers.sh

if [ -n "${TEMPLATES:-}" ]; then
  echo "== found chat templates in transformers"
  "$python" Tools/verify/templates.py "$TEMPLATES"
fi

Tools/verify/sanitizers.sh

echo "all checks passed"
