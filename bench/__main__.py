"""`python -m bench [PART …] [--seconds N]`: one process for each part, so that none inherits another's state."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys

from bench import figures, page, stand

PARTS = ("engine", "rest", "acme", "peers", "listings", "writers")


def main() -> int:
    """Run the parts on the database that CHANCERY_DATABASE_URL names, or SQLite."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("parts", nargs="*", default=[], help=f"some of {', '.join(PARTS)}; all when left out")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long sustained rates are measured")
    options = parser.parse_args()
    parts = options.parts or PARTS
    if len(parts) > 1:
        return max(_apart(part, options.seconds) for part in parts)
    found = importlib.import_module(f"bench.{parts[0]}").run(options.seconds)
    path = figures.save(parts[0], stand.database(), found)
    print(f"{parts[0]} on {stand.database()} → {path.name}")
    print(json.dumps(found, indent=2))
    page.write()
    return 0


def _apart(part: str, seconds: float) -> int:
    """Run one part in a process and, on PostgreSQL, in a database of its own; returns its exit status."""
    environ = dict(os.environ)
    with stand.fresh_database(f"bench_{part}") as url:
        environ |= {"CHANCERY_DATABASE_URL": url} if url else {}
        command = [sys.executable, "-m", "bench", part, "--seconds", str(seconds)]
        return subprocess.run(command, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
