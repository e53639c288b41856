#!/bin/bash
# Generates Sources/CProto from Proto/tinsmith/v1/*.proto with protoc-c 1.4.1.
#   Tools/generate-proto.sh           write the files
#   Tools/generate-proto.sh --check   exit 1 if the committed files differ from what would be
#                                     written; exit 0 with a notice where protoc-c is missing
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=1.4.1
check=false
case "${1:-}" in
  "") ;;
  --check) check=true ;;
  *) echo "usage: $0 [--check]" >&2; exit 2 ;;
esac

if ! command -v protoc-c >/dev/null; then
  echo "protoc-c not found (package protobuf-c-compiler)" >&2
  $check && exit 0
  exit 1
fi
found=$(protoc-c --version | sed -n 's/^protobuf-c \([0-9.]*\).*/\1/p' | head -1)
if [ "$found" != "$wanted" ]; then
  echo "protoc-c $found found, $wanted wanted" >&2
  $check && exit 0
  exit 1
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
mkdir -p "$out/raw" "$out/include"
(cd Proto && protoc-c --c_out="$out/raw" tinsmith/v1/*.proto)

# One flat folder: SwiftPM makes the module from include/, and the sources sit beside it.
for header in "$out"/raw/tinsmith/v1/*.pb-c.h; do
  sed 's|#include "tinsmith/v1/|#include "|' "$header" > "$out/include/$(basename "$header")"
done
for source in "$out"/raw/tinsmith/v1/*.pb-c.c; do
  sed 's|#include "tinsmith/v1/|#include "|' "$source" > "$out/$(basename "$source")"
done
rm -r "$out/raw"
{
  echo "// All generated headers. Written by Tools/generate-proto.sh."
  echo "#pragma once"
  for header in "$out"/include/*.pb-c.h; do echo "#include \"$(basename "$header")\""; done
} > "$out/include/CProto.h"

if $check; then
  # The schema is for any language: those of the clients must be able to compile it, too.
  if command -v protoc >/dev/null; then
    mkdir -p "$out/others"
    (cd Proto && protoc --python_out="$out/others" --cpp_out="$out/others" \
      --java_out="$out/others" tinsmith/v1/*.proto)
    rm -r "$out/others"
  fi
  diff -r "$out" Sources/CProto && echo "Sources/CProto is up to date"
else
  mkdir -p Sources/CProto
  rm -rf Sources/CProto/include Sources/CProto/*.pb-c.c
  cp -r "$out"/. Sources/CProto/
fi
