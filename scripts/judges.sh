#!/usr/bin/env bash
# Clients of other people, in an environment of their own (.judges), for tests/interop alone.
set -euo pipefail
cd "$(dirname "$0")/.."
export UV_SYSTEM_CERTS=true UV_PYTHON_DOWNLOADS=never
if ! .judges/bin/python -c "import certmesh, hvac, requests, tenacity" 2>/dev/null; then
  .venv/bin/uv venv -q --clear .judges
  # certmesh without the servers that its package brings along; then what its DigiCert client imports.
  .venv/bin/uv pip install -q --python .judges/bin/python --no-deps certmesh==3.0.38
  .venv/bin/uv pip install -q --python .judges/bin/python requests tenacity hvac cryptography pyyaml
fi
