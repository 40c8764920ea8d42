#!/usr/bin/env bash
# Lock the environments anew: requirements/lock.sh [--upgrade]
set -euo pipefail
cd "$(dirname "$0")"
lock() {
  local name=$1
  shift
  echo "locking $name.in"
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-emit-find-links --custom-compile-command 'requirements/lock.sh' "$name.in" -o "$name.txt" "$@"
}
lock uv "$@"
lock test "$@"
lock local -c test.txt "$@"
lock marquee -c test.txt "$@"
lock build -c test.txt "$@"
lock postgres -c test.txt "$@"
lock airflow "$@"
lock checkov "$@"
