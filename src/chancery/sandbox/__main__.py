"""Starts every simulator on loopback and writes where they are: `python -m chancery.sandbox --port-file F`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chancery.core.clock import SYSTEM_CLOCK
from chancery.sandbox.frame import Simulator
from chancery.sandbox.ledger import Ledger

AUTHORITIES = Path(__file__).resolve().parent.parent / "authorities"


def simulators(ledgers: Path | None) -> list[Simulator]:
    """Return a simulator for every authority that has one."""
    found = []
    for folder in sorted(AUTHORITIES.iterdir()):
        if (folder / "simulator" / "__init__.py").exists():
            module = importlib.import_module(f"chancery.authorities.{folder.name}.simulator")
            path = ledgers / f"{folder.name}.jsonl" if ledgers else None
            found.append(module.build(ledger=Ledger(path)))
    return found


def _orphaned(parent: int | None) -> bool:
    return parent is not None and os.getppid() != parent


def _about(simulator: Simulator) -> dict[str, Any]:
    return {
        "url": simulator.url,
        "control": simulator.control,
        "credentials": simulator.credentials,
        "examples": [asdict(example) for example in simulator.examples],
    }


def main() -> None:
    """Serve until terminated, or until the parent is gone."""
    begun_by = os.getppid()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--ledger-dir", type=Path)
    parser.add_argument(
        "--with-parent",
        nargs="?",
        const=begun_by,
        type=int,
        metavar="PID",
        help="end when the process that started this ends; with its PID, also when it had ended before we looked",
    )
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    started = simulators(options.ledger_dir)
    for one in started:
        one.start()
    where = {s.name: _about(s) for s in started}
    fresh = options.port_file.with_suffix(".tmp")
    fresh.write_text(json.dumps({"started": SYSTEM_CLOCK.now().isoformat(), "simulators": where}), encoding="utf-8")
    fresh.rename(options.port_file)
    while not _orphaned(options.with_parent) and not stop.wait(0.5):
        pass
    for one in started:
        one.stop()


if __name__ == "__main__":
    main()
