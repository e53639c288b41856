#!/bin/bash
# Generates Sources/CProto from Proto/tinsmith/v1/*.proto with protoc-c 1.4.1, and the Ruby client's
# lib/tinsmith/v1 with protoc 3.21 where that is installed. (generate.py of the Python client writes
# that client's; the others generate theirs when they are built.)
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

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/CProto
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

# worker.proto is between router and workers.
ruby=Tools/clients/ruby/lib
files=(tinsmith/v1/{envelope,status,tensor,checkpoints,sessions,training,sampling,admin}.proto)
case "$(protoc --version 2>/dev/null)" in
  "libprotoc 3.21."*)
    mkdir "$work/ruby"
    (cd Proto && protoc --ruby_out="$work/ruby" "${files[@]}")
    ;;
esac

if $check; then
  # The schema is for any language: those of the clients must be able to compile it, too.
  if command -v protoc >/dev/null; then
    mkdir "$work/others"
    (cd Proto && protoc --python_out="$work/others" --cpp_out="$work/others" \
      --java_out="$work/others" tinsmith/v1/*.proto)
  fi
  diff -r "$out" Sources/CProto && echo "Sources/CProto is up to date"
  [ ! -d "$work/ruby" ] || diff -r "$work/ruby/tinsmith/v1" "$ruby/tinsmith/v1"
else
  mkdir -p Sources/CProto
  rm -rf Sources/CProto/include Sources/CProto/*.pb-c.c
  cp -r "$out"/. Sources/CProto/
  [ ! -d "$work/ruby" ] || cp "$work"/ruby/tinsmith/v1/* "$ruby/tinsmith/v1/"
fi
