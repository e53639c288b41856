#!/usr/bin/env bash
# Installs what is missing, builds, and fine-tunes the embedded model through the real service:
# pig latin by supervised fine-tuning, samples before and after. Arguments go to `tinsmith demo`.
set -euo pipefail
cd "$(dirname "$0")/.."

Tools/setup.sh
swift build -c release --product tinsmith
exec "$(swift build -c release --show-bin-path)/tinsmith" demo "$@"
