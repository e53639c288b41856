#!/usr/bin/env bash
# Installs what is missing, builds tinsmith and tinsmith-load, and fine-tunes the embedded model
# through the real service: pig latin by supervised fine-tuning, samples before and after. Arguments
# go to `tinsmith demo`.
set -euo pipefail
cd "$(dirname "$0")/.."

Tools/setup.sh
Tools/swift.sh build --product tinsmith
Tools/swift.sh build --product tinsmith-load
exec "$(Tools/swift.sh build --show-bin-path)/tinsmith" demo "$@"
