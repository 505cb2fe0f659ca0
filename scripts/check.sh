#!/usr/bin/env bash
# What takes seconds: format, lints, types, import contracts, missing migrations, docs complete.
set -euo pipefail
cd "$(dirname "$0")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export CHANCERY_HOME=$home DJANGO_SETTINGS_MODULE=chancery.settings
failed=0
run() {
  if ! "$@" >"$home/out" 2>&1; then
    echo "FAILED: $*"
    cat "$home/out"
    failed=1
  fi
}
run .venv/bin/ruff format --check .
run .venv/bin/ruff check .
run .venv/bin/mypy
run .venv/bin/lint-imports --no-cache
run .venv/bin/python -m django makemigrations --check --dry-run
run .venv/bin/pytest -q tests/contracts
[ "$failed" -eq 0 ] && echo "check: all well; $(grep "awkward cases" "$home/out")"
exit "$failed"
