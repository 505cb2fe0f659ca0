"""Commands of Chancery for a CA without limits: `python -m bench.fast worker`. DigiCert's own would be what is measured, not ours."""

from __future__ import annotations

import multiprocessing
import os
import sys
from dataclasses import replace

CONNECTIONS = 64


def unlimited() -> None:
    """Let DigiCert's client ask as often as it likes, over 64 connections."""
    from chancery.authorities.digicert import authority

    facts = authority.DigiCert.facts
    authority.DigiCert.facts = replace(facts, calls_per_second=100_000, burst=100_000, concurrency=CONNECTIONS)


if multiprocessing.current_process().name == "calls":
    # The process that calls for a worker knows the same CA.
    unlimited()

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
    import django

    django.setup()
    unlimited()
    from chancery.doors.cli.main import main

    sys.argv[0] = "chancery"
    main()
