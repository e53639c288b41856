#!/usr/bin/env bash
# Checks the wire from all sides: schema and golden frames are what the tools make of them, the
# worked example is what a live service says, and the client of each language executes the scenario
# of Tests/Conformance and prints the same lines.
#   Tools/conformance.sh            every client that is there
#   Tools/conformance.sh CLIENT...  only these: swift, python, or the name of a folder in
#                                   Tools/clients whose build.sh FOLDER makes FOLDER/conformance
# Uses the built program of this repository, or the one that TINSMITH names; PYTHON names a Python
# that has protobuf, pyzmq and numpy (otherwise those of the system's packages are used).
set -euo pipefail
cd "$(dirname "$0")/.."

tests=$PWD/Tests/Conformance
. Tools/service.sh

if [ -z "${PYTHON:-}" ]; then
  Tools/setup.sh protobuf-compiler python3 python3-protobuf python3-zmq python3-numpy
  PYTHON=/usr/bin/python3
fi
export PYTHON PYTHONDONTWRITEBYTECODE=1

bin=$(Tools/swift.sh build --show-bin-path)
program=${TINSMITH:-$bin/tinsmith}

clients=("$@")
if [ ${#clients[@]} -eq 0 ]; then
  clients=(swift)
  [ ! -d Tools/clients/python ] || clients+=(python)
  for build in Tools/clients/*/build.sh; do
    [ ! -e "$build" ] || clients+=("$(basename "$(dirname "$build")")")
  done
fi

# The runner of one client, as a command that takes the endpoint and the scenario.
runner() {
  case $1 in
    swift) echo "$bin/tinsmith-conformance" ;;
    python) echo "env PYTHONPATH=Tools/clients/python/src $PYTHON -m tinsmith.conformance" ;;
    *) echo "$work/$1/conformance" ;;
  esac
}

echo "== schema and golden frames"
"$PYTHON" Tools/Conformance/schema.py
"$PYTHON" Tools/Conformance/make_frames.py --check

for client in "${clients[@]}"; do
  case $client in
    swift)
      [ -x "$bin/tinsmith-conformance" ] || Tools/swift.sh build --product tinsmith-conformance
      ;;
    python) ;;
    *)
      echo "== build $client"
      Tools/clients/"$client"/build.sh "$work/$client"
      ;;
  esac
done

# One worker: the scenario has a sampling session that names its source only once.
start_service conformance "$program" --workers 1 --threads 1

echo "== worked example"
"$PYTHON" Tools/Conformance/example.py "$endpoint" --check

failed=0
# The first runner's lines are those that the others must print.
first=
for client in "${clients[@]}"; do
  echo "== scenario, $client"
  # shellcheck disable=SC2046
  if ! $(runner "$client") "$endpoint" "$tests/scenario.json" >"$work/$client.txt"; then
    echo "conformance: the runner of $client failed" >&2
    failed=1
    continue
  fi
  first=${first:-$client}
  diff "$work/$first.txt" "$work/$client.txt" >&2 || failed=1
  tail -1 "$work/$client.txt"
done

numerics() { grep '^numerics ' "$1" || true; }
if [ -n "$first" ]; then
  if [ "$(numerics "$work/$first.txt")" = "$(numerics "$tests/expected.txt")" ]; then
    diff "$tests/expected.txt" "$work/$first.txt" >&2 || failed=1
  else
    echo "conformance: other numerics than those of expected.txt, bits are not compared" >&2
  fi
fi

[ "$failed" -eq 0 ] || { echo "conformance: failed" >&2; exit 1; }
echo "conformance: ${clients[*]} print the same $(wc -l <"$work/$first.txt") lines"
