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

. Tools/service.sh
start_service served "$program" --threads 1
TINSMITH_ENDPOINT=$endpoint "$@"
