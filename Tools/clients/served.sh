#!/usr/bin/env bash
# Runs a client's tests against a service of their own: serves the embedded model with an empty
# data folder, runs the command with the address in TINSMITH_ENDPOINT, and ends the service.
#   Tools/clients/served.sh COMMAND [ARGUMENT...]     paths: absolute or from the repository's root
# Uses the program that TINSMITH names, or the repository's build. Status: that of the command; 77
# if TINSMITH is not set and nothing is built, so that a client can be built without the service.
set -euo pipefail
cd "$(dirname "$0")/../.."

program=${TINSMITH:-.build/release/tinsmith}
if [ ! -x "$program" ]; then
  echo "served: there is no $program: build it, or name one in TINSMITH" >&2
  [ -z "${TINSMITH:-}" ] && exit 77 || exit 1
fi

work=$(mktemp -d)
service=
cleanup() {
  [ -z "$service" ] || { kill "$service" 2>/dev/null && wait "$service" 2>/dev/null || true; }
  rm -rf "$work"
}
trap cleanup EXIT

"$program" serve --listen 'tcp://127.0.0.1:*' --threads 1 --data "$work/data" --log error \
  >"$work/ready" &
service=$!
for _ in $(seq 600); do
  [ ! -s "$work/ready" ] || break
  kill -0 "$service" || { echo "served: the service has ended" >&2; exit 1; }
  sleep 0.1
done
TINSMITH_ENDPOINT=$(sed -n 's/^ready //p' "$work/ready")
[ -n "$TINSMITH_ENDPOINT" ] || { echo "served: not ready after a minute" >&2; exit 1; }
export TINSMITH_ENDPOINT
"$@"
