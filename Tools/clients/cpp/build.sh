#!/usr/bin/env bash
# Builds the client, its tests and the runner of the conformance scenario in FOLDER, and runs the
# tests. Installs the packages that are missing.
#   Tools/clients/cpp/build.sh FOLDER
set -euo pipefail
folder=${1:?usage: build.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)

"$here/../../setup.sh" g++ make cmake cppzmq-dev libprotobuf-dev protobuf-compiler \
  nlohmann-json3-dev libssl-dev

cmake -S "$here" -B "$folder" >/dev/null
cmake --build "$folder" --parallel 2
ctest --test-dir "$folder" --output-on-failure
