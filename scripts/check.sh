#!/usr/bin/env bash
# What takes seconds: format, lints, types, import contracts, missing migrations, docs complete.
set -euo pipefail
cd "$(dirname "$0")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export CHANCERY_HOME=$home DJANGO_SETTINGS_MODULE=chancery.settings
run() {
  local out
  out=$(mktemp "$home/out.XXXXXX")
  "$@" >"$out" 2>&1 || { echo "FAILED: $*" && cat "$out"; } >>"$home/failed"
  grep "awkward cases" "$out" >>"$home/said" || true
}
# The types take as long as all else, on one processor.
run .venv/bin/mypy &
run .venv/bin/ruff format --check .
run .venv/bin/ruff check .
run .venv/bin/lint-imports --no-cache
run .venv/bin/python -m django makemigrations --check --dry-run
run .venv/bin/pytest -q tests/contracts
wait
if [ -s "$home/failed" ]; then
  cat "$home/failed"
  exit 1
fi
echo "check: all well; $(cat "$home/said")"
