"""Which jobs are about a key that was reported as compromised, since their order was placed or looked at last."""

from __future__ import annotations

from collections.abc import Iterable

from chancery.apps.certificates.keys import barred
from chancery.engine.jobs import Job


def with_bad_keys(jobs: Iterable[Job]) -> list[Job]:
    """Return those whose key is stopped for the team of their order: one query for all of them."""
    asked = [(job, (job.asked.spki_sha256, job.asked.team)) for job in jobs if job.asked is not None]
    bad = barred(pair for _, pair in asked)
    return [job for job, pair in asked if pair in bad]
