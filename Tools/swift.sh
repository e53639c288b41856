#!/usr/bin/env bash
# `swift build` and `swift test` with the flags that everything here is built with, so that programs
# and tests are one build: release, since numeric tests run at speed then and what is tested is what
# is shipped.
#   Tools/swift.sh build [--product NAME] [ARGUMENT...]
#   Tools/swift.sh test [ARGUMENT...]
set -euo pipefail
cd "$(dirname "$0")/.."

exec swift "$1" -c release -Xswiftc -enable-testing "${@:2}"
