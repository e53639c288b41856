#!/usr/bin/env bash
# All tests that need no PyTorch: formatting, generated code, build without warnings, test suites.
# Installs what is missing. The long checks against PyTorch are Tools/verify.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

Tools/setup.sh protobuf-c-compiler protobuf-compiler

echo "== format"
swift format lint --strict --recursive Sources Tests Tools Package.swift

echo "== generated code"
Tools/generate-proto.sh --check

echo "== build"
mkdir -p .build
Tools/swift.sh build --build-tests 2>&1 | tee .build/test-build.log
if grep -E "(Sources|Tests|Tools)/.*warning:" .build/test-build.log | grep -v "/checkouts/" >&2; then
  echo "test: the build has warnings" >&2
  exit 1
fi

echo "== test"
run() { Tools/swift.sh test --skip-build --disable-xctest "$@"; }
if [ $# -gt 0 ]; then
  run "$@"
else
  # The load generator keeps moments of real time, and the simulations take both cores for a minute
  # or two: each has the machine to itself.
  run --skip LoadTestTests.DriverTests --skip "^SimulationTests\\."
  run --filter LoadTestTests.DriverTests
  run --filter "^SimulationTests\\."
fi
