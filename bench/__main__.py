"""`python -m bench [PART …] [--seconds N]`: one process for each part, so that none inherits another's state."""

from __future__ import annotations

import argparse
import importlib
import json
import sys

from bench import figures, page, stand

PARTS = ("engine", "rest", "peers", "listings", "writers")


def main() -> int:
    """Run the parts on the database that CHANCERY_DATABASE_URL names, or SQLite."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("parts", nargs="*", default=[], help=f"some of {', '.join(PARTS)}; all when left out")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long sustained rates are measured")
    options = parser.parse_args()
    for part in options.parts or PARTS:
        found = importlib.import_module(f"bench.{part}").run(options.seconds)
        path = figures.save(part, stand.database(), found)
        print(f"{part} on {stand.database()} → {path.name}")
        print(json.dumps(found, indent=2))
        page.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
