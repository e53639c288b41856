#!/usr/bin/env bash
# The tests under ThreadSanitizer and under AddressSanitizer, each built in a scratch folder of its own
# (.build-tsan, .build-asan; some ten minutes of two cores each on the first run).
#
#   Tools/verify/sanitizers.sh                    both
#   Tools/verify/sanitizers.sh thread|address     one
#
# Not among them: IntegrationTests and ProveTests, which start the program as processes of its own and
# kill them by the clock, the load generator's real time, and the power cuts of a whole model, which
# are one thread's arithmetic and take longer than their limit here. Parsers, kernels and engine run
# under both. Of the simulated lives a part is run: they are one thread's, and slow here.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip=(--skip IntegrationTests --skip LoadTestTests.DriverTests --skip ModelPowerCutTests)

run() { # sanitizer, scratch folder
  Tools/swift.sh build --build-tests --sanitize="$1" --scratch-path "$2" | tail -1
  # Not by `swift test`: what is preloaded is for the tests, not for SwiftPM.
  bundle=$(ls "$(Tools/swift.sh build --sanitize="$1" --scratch-path "$2" --show-bin-path)"/*.xctest)
  echo "== tests under the $1 sanitizer"
  shift 2
  env TINSMITH_SCHEDULES=3000 "$@" "$bundle" --testing-library swift-testing "${skip[@]}" >"$log" 2>&1 || {
    grep -E "ERROR: AddressSanitizer|WARNING: ThreadSanitizer|SUMMARY|✘" "$log" | head -50 >&2
    echo "sanitizers: failed; the whole of it is in $log" >&2
    exit 1
  }
  tail -1 "$log"
}

what="${1:-both}"
work="$(mktemp -d)"
log="$work/tests.log"

if [ "$what" != address ]; then
  clang="$(dirname "$(command -v swift)")/clang"
  "$clang" -shared -fPIC -O2 -o "$work/mutex.so" Tools/verify/sanitizers/mutex.c -ldl
  run thread .build-tsan LD_PRELOAD="$work/mutex.so" \
    TSAN_OPTIONS="suppressions=$PWD/Tools/verify/sanitizers/suppressions.txt history_size=4"
fi
if [ "$what" != thread ]; then
  # Leaks: Swift's runtime keeps its metadata for ever, and ends with it.
  run address .build-asan ASAN_OPTIONS="detect_leaks=0"
fi
rm -rf "$work"
