#!/usr/bin/env bash
# Makes .venv with everything locked, and copies the few front-end files. Does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
UV=uv==0.13.9
stamp=.venv/.chancery-setup
want=$(cat uv.lock pyproject.toml package-lock.json scripts/setup.sh | sha256sum | cut -d' ' -f1)
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && [ -x .venv/bin/chancery ]; then exit 0; fi
packages=()
python=$(command -v python3.11 || true)
[ -x /usr/bin/python3.11 ] && python=/usr/bin/python3.11
[ -n "$python" ] || packages+=(python3.11)
if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then packages+=(python3.11-venv); fi
command -v npm >/dev/null || packages+=(npm)
[ ${#packages[@]} -eq 0 ] || bash scripts/packages.sh "${packages[@]}"
python=${python:-/usr/bin/python3.11}
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check "$UV"
UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --locked --all-extras --quiet
npm ci --ignore-scripts --no-audit --no-fund --silent
vendor=src/chancery/doors/console/static/vendor
mkdir -p "$vendor"
cp node_modules/@tabler/core/dist/css/tabler.min.css node_modules/htmx.org/dist/htmx.min.js "$vendor/"
echo "$want" > "$stamp"
