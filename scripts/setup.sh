#!/usr/bin/env bash
# Makes .venv with everything Runwright needs and sees that a Chromium is there. Safe to run again, and twice at once.
#   scripts/setup.sh [group ...]     groups of pyproject.toml: demo, dev
#   PYTHON=python3.13                the interpreter to use; otherwise the oldest that fits
set -eu
cd "$(dirname "$0")/.."
groups="$*"
mark=".venv/.setup-$( (cat pyproject.toml constraints.txt scripts/setup.sh; pwd) | sha256sum | cut -c1-12)-${groups// /-}"

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

can_install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

install_system_packages() {
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

find_python() {
  for name in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3}; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  fail "Runwright needs ${PYTHON:-Python} 3.11 or newer: install it, for example with 'apt-get install python3 python3-venv'."
}

# What was moved, or made by an interpreter that is gone, does not work: its programs name their place.
has_environment() {
  [ -f .venv/.made-in ] && [ "$(cat .venv/.made-in)" = "$(pwd)" ] && .venv/bin/python -c 'import pip' 2>/dev/null
}

make_environment() {
  if has_environment; then return; fi
  python=$(find_python)
  rm -rf .venv
  if ! "$python" -m venv .venv >/dev/null 2>&1; then
    rm -rf .venv
    can_install || fail "Python's venv module is missing: install it, for example with 'apt-get install python3-venv'."
    install_system_packages python3-venv
    "$python" -m venv .venv
  fi
  pwd > .venv/.made-in
}

# uv's own list of certificates lacks those that a company adds to its machines.
use_system_certificates() {
  for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
    if [ -s "$file" ]; then
      export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
      return
    fi
  done
}

use_writable_cache() {
  if [ -z "${UV_CACHE_DIR:-}${XDG_CACHE_HOME:-}" ] && [ ! -w "${HOME:-/nonexistent}" ]; then
    UV_CACHE_DIR="$(pwd)/.venv/uv-cache"
    export UV_CACHE_DIR
  fi
}

install_packages() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv || no_packages
  .venv/bin/uv --version >/dev/null 2>&1 || fail "Programs in $(pwd)/.venv do not run: is its file system mounted 'noexec'? Put the clone elsewhere."
  use_system_certificates
  use_writable_cache
  arguments=()
  for group in $groups; do arguments+=(--group "$group"); done
  .venv/bin/uv pip install --quiet --python .venv/bin/python --constraint constraints.txt --editable . ${arguments[@]+"${arguments[@]}"} \
    || no_packages
}

no_packages() {
  fail "Packages cannot be installed; the reason is above. Is the package index reached?" \
    "Proxies here: ${HTTPS_PROXY:-${https_proxy:-${ALL_PROXY:-${all_proxy:-none}}}}."
}

# Playwright's driver is a Node.js, which needs a library that the smallest systems lack.
check_driver() {
  if .venv/bin/playwright --version >/dev/null 2>&1; then return; fi
  if can_install; then install_system_packages libatomic1; fi
  if said=$(.venv/bin/playwright --version 2>&1); then return; fi
  fail "Playwright's driver does not start:" "$said" "Install what it misses, for example with 'apt-get install libatomic1'."
}

find_chromium() {
  .venv/bin/python -c 'from runwright import config; from runwright.execution.runners import browsers; browsers.find(config.read())' >/dev/null 2>&1
}

get_chromium() {
  if find_chromium; then return; fi
  echo "Looking for a Chromium to install ..." >&2
  timeout 300 .venv/bin/playwright install chromium >/dev/null 2>&1 || true
  if find_chromium; then return; fi
  if can_install; then
    install_system_packages chromium chromium-headless-shell || install_system_packages chromium
  fi
  if find_chromium; then return; fi
  fail "There is no Chromium: run '.venv/bin/playwright install --with-deps chromium', install your system's" \
    "package 'chromium', or name a binary in RUNWRIGHT_CHROMIUM."
}

if [ -f "$mark" ] && has_environment && find_chromium; then exit; fi
mkdir -p .runwright 2>/dev/null && [ -w . ] \
  || fail "$(pwd) cannot be written: clone to a folder of your own, or install with 'pip install $(pwd)'."
if command -v flock >/dev/null; then
  exec 9> .runwright/setup.lock
  flock 9
fi
if [ ! -f "$mark" ] || ! has_environment; then
  echo "Setting up .venv ..." >&2
  make_environment
  install_packages
  check_driver
  rm -f .venv/.setup-*
  touch "$mark"
fi
get_chromium
