#!/usr/bin/env bash
# Packs the bot with all that it needs into one archive for hosts without a network: wheels as locked, and install.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-chancery-bot.tar.gz}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bundle=$work/chancery-bot
mkdir -p "$bundle/wheels"
export UV_SYSTEM_CERTS=true UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv
.venv/bin/uv build --quiet --wheel --package chancery-bot --out-dir "$bundle/wheels"
.venv/bin/uv export --quiet --frozen --package chancery-bot --no-dev --no-emit-workspace --format requirements-txt > "$work/requirements.txt"
.venv/bin/python -m pip download --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
  -r "$work/requirements.txt" -d "$bundle/wheels"
rm -f "$bundle/wheels/.gitignore"
cp bot/install.sh bot/README.md LICENSE "$bundle/"
tar -czf "$out" -C "$work" --owner=0 --group=0 --sort=name chancery-bot
echo "$out"
