"""The processes that sign: what they build, and that they end with their worker."""

import threading

import pytest

from chancery.engine import cpu
from chancery.engine.jobs import Good
from chancery.engine.tests.kit import job


@pytest.fixture
def settings():
    from chancery.authorities.local.authority import Local

    values = Local.prepare({"key_type": "EC-P256"})
    plain = {k: v for k, v in values.items() if k != "issuing_key"}
    return ("local", tuple(sorted(plain.items())), (("issuing_key", values["issuing_key"]),))


def submission():
    from dataclasses import replace

    from chancery.core.clock import SYSTEM_CLOCK
    from chancery.core.csr import parse
    from chancery.engine.tests.kit import asked
    from tests.cast import request_pem

    request = parse(request_pem("www.example.com"))
    values = asked(csr=request.der, spki_sha256=request.key.spki_sha256, intended_at=SYSTEM_CLOCK.now())
    return replace(job(), asked=values, authority="local")


def test_a_batch_is_signed_in_order(settings):
    jobs = [submission(), submission()]
    results = cpu.run(settings, jobs)
    assert [r.reference for r in results if isinstance(r, Good)] == [str(j.asked.id) for j in jobs]


def test_a_process_signs_what_it_is_sent_and_ends(settings):
    with cpu.pool(1) as pool:
        result = pool.submit(cpu.run, settings, [submission()]).result(60)
    assert isinstance(result[0], Good)


def test_a_process_ends_with_its_worker(monkeypatch):
    ended, parent = [], threading.Event()
    monkeypatch.setattr(cpu.signal, "signal", lambda *_: None)
    monkeypatch.setattr(cpu.multiprocessing, "parent_process", lambda: type("P", (), {"join": parent.wait}))
    monkeypatch.setattr(cpu.os, "_exit", ended.append)
    cpu._begin()
    follower = next(t for t in threading.enumerate() if t.name == "follow")
    assert ended == []
    parent.set()
    follower.join(10)
    assert ended == [1]


def test_without_a_worker_there_is_nothing_to_follow(monkeypatch):
    monkeypatch.setattr(cpu.multiprocessing, "parent_process", lambda: None)
    cpu._follow()
