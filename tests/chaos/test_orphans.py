"""A worker that is killed leaves no process behind: those that signed for it notice."""

import os
import signal
from pathlib import Path

import pytest

from chancery.apps.orders.models import Order
from tests.chaos.stand import place, until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc"),
]


def members(group):
    """Return the living processes of a process group."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, _, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(pgrp) == group and state != "Z":
                found.append(int(folder.name))
    return found


def test_no_process_outlives_a_killed_worker(stand, cast, local):
    process = stand.worker()
    order = place(cast.rob, "Internal", ["orphan.example.com"])[0]
    until(lambda: Order.objects.get(pk=order.pk).state == "issued", 60, "not issued")
    assert len(members(process.pid)) > 1
    process.kill()
    process.wait(10)
    try:
        until(lambda: not members(process.pid), 10, lambda: f"left behind: {members(process.pid)}")
    finally:
        if members(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("ends", ["closed", "killed"])
def test_no_process_outlives_what_forked_it(stand, ends):
    process = stand.worker()
    (nest,) = stand._nests.values()
    if ends == "closed":
        nest.close()
    else:
        nest._process.kill()
        nest._process.wait(10)
    assert process.wait(20) == -signal.SIGKILL
    until(lambda: not members(process.pid), 10, lambda: f"left behind: {members(process.pid)}")
    if ends == "killed":
        with pytest.raises(RuntimeError, match="the nest"):
            stand.worker()
