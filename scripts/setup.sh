#!/usr/bin/env bash
# Makes .venv with everything locked, and copies the few front-end files. Does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
UV=uv==0.13.9
stamp=.venv/.chancery-setup
want=$(cat uv.lock pyproject.toml package-lock.json scripts/setup.sh | sha256sum | cut -d' ' -f1)
vendor=src/chancery/doors/console/static/vendor
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && [ -x .venv/bin/chancery ] && [ -e "$vendor/htmx.min.js" ]; then
  exit 0
fi

find_python() {
  local candidate
  for candidate in /usr/bin/python3.11 python3.11 python3 /usr/bin/python3; do
    if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
}
packages=()
python=$(find_python)
[ -n "$python" ] || packages+=(python3 python3-venv)
command -v npm >/dev/null || packages+=(npm)
[ ${#packages[@]} -eq 0 ] || bash scripts/packages.sh "${packages[@]}"
python=$(find_python)
[ -n "$python" ] || { echo "No Python 3.11 or later with venv: install python3.11 and python3.11-venv." >&2; exit 1; }

# Trust what this machine trusts: behind an inspecting proxy the tools' own lists of roots are not enough.
roots=/etc/ssl/certs/ca-certificates.crt
if [ -e "$roots" ]; then export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$roots}"; fi
export UV_SYSTEM_CERTS=true UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv

echo "Setting up .venv, from what is locked (a minute, the first time) …"
[ -x .venv/bin/python ] || "$python" -m venv .venv
npm ci --ignore-scripts --no-audit --no-fund --silent &
front=$!
.venv/bin/python -m pip install --quiet --disable-pip-version-check "$UV"
.venv/bin/uv sync --locked --all-extras --no-extra kerberos --quiet
wait "$front" || { echo "The front-end files did not come: npm ci says why." >&2; exit 1; }
mkdir -p "$vendor"
cp node_modules/@tabler/core/dist/css/tabler.min.css node_modules/htmx.org/dist/htmx.min.js "$vendor/"
echo "$want" > "$stamp"
