"""Signs batches in processes of their own: Python threads do not sign faster than one of them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from typing import Any

from chancery import catalog
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.secret import Secret
from chancery.engine.jobs import Job, Result
from chancery.engine.said import fit
from chancery.engine.work import do_all
from chancery.sdk.authority import Context

Settings = tuple[str, tuple[tuple[str, Any], ...], tuple[tuple[str, str], ...]]
"""Authority slug, plain settings, opened secrets: hashable, so that a process builds each one once."""


def pool(processes: int) -> ProcessPoolExecutor:
    """Return the processes; they are started afresh, so they hold no database connection."""
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)


def run(settings: Settings, jobs: list[Job]) -> list[Result]:
    """Do a batch of jobs of one connector version."""
    secrets = tuple(Secret(text) for _, text in settings[2])
    return [fit(result, secrets) for result in do_all(jobs, _authority(settings), SYSTEM_CLOCK.now)]


def _begin() -> None:
    # The worker stops its processes itself, after the batch; a terminal's Ctrl-C must not.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    follow()


def follow() -> None:
    """Have this process end with the worker, also when that is killed: nobody else would ever wake one that waits for work."""
    threading.Thread(target=_follow, name="follow", daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@lru_cache(maxsize=16)
def _authority(settings: Settings) -> Any:
    slug, plain, secrets = settings
    cls = catalog.build(slug)
    config = cls.config.model_validate({**dict(plain), **{name: Secret(text) for name, text in secrets}})
    context = Context(http=None, clock=SYSTEM_CLOCK, log=logging.getLogger(f"chancery.authority.{slug}"))  # type: ignore[arg-type]  # cpu-bound authorities reach nothing outside
    return cls(config, context)
