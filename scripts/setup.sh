#!/usr/bin/env bash
# Makes .venv with everything Runwright needs and sees that a Chromium is there. Safe to run again.
#   scripts/setup.sh [group ...]     groups of pyproject.toml: demo, dev
set -eu
cd "$(dirname "$0")/.."
groups="$*"
mark=".venv/.setup-$(cat pyproject.toml constraints.txt scripts/setup.sh | sha256sum | cut -c1-12)-${groups// /-}"

find_python() {
  for name in python3.11 python3.12 python3.13 python3; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "Runwright needs Python 3.11 or newer: install it, for example with 'apt-get install python3 python3-venv'." >&2
  exit 1
}

make_environment() {
  if [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null; then return; fi
  python=$(find_python)
  if ! "$python" -m venv .venv 2>/dev/null; then
    rm -rf .venv
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
      echo "Python's venv module is missing: install it, for example with 'apt-get install python3-venv'." >&2
      exit 1
    fi
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
    "$python" -m venv .venv
  fi
}

install_packages() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
  arguments=()
  for group in $groups; do arguments+=(--group "$group"); done
  .venv/bin/uv pip install --quiet --python .venv/bin/python --constraint constraints.txt --editable . ${arguments[@]+"${arguments[@]}"}
}

find_chromium() {
  .venv/bin/python -c 'from runwright import config; from runwright.execution import browsers; browsers.find(config.read())' >/dev/null 2>&1
}

get_chromium() {
  if find_chromium; then return; fi
  echo "Looking for a Chromium to install ..." >&2
  timeout 300 .venv/bin/playwright install chromium >/dev/null 2>&1 || true
  if find_chromium; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-headless-shell >/dev/null \
      || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
  fi
  if find_chromium; then return; fi
  echo "There is no Chromium: run '.venv/bin/playwright install --with-deps chromium', install your system's" >&2
  echo "package 'chromium', or name a binary in RUNWRIGHT_CHROMIUM." >&2
  exit 1
}

if [ ! -f "$mark" ]; then
  echo "Setting up .venv ..." >&2
  make_environment
  install_packages
  rm -f .venv/.setup-*
  touch "$mark"
fi
get_chromium
