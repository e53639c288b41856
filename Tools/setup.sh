#!/usr/bin/env bash
# Installs what Tinsmith needs from the system's packages, and those named as arguments. Asks
# nothing; does nothing when all is there. Swift itself (6.2 or later) must be on the PATH.
set -euo pipefail

packages=(libzmq3-dev libprotobuf-c-dev libopenblas-dev libsqlite3-dev "$@")

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: installing ${missing[*]}" >&2
  sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "setup: not root and no sudo: install ${missing[*]} by hand" >&2
      exit 1
    }
    sudo="sudo"
  fi
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

command -v swift >/dev/null || {
  echo "setup: swift is not on the PATH (6.2 or later is needed: https://swift.org/install)" >&2
  exit 1
}
