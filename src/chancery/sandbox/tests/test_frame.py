"""The frame that every simulator stands in: faults by count and chance, the control door, its own time."""

import http.client
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from chancery.core.clock import ManualClock
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import FAULTS, Dials
from chancery.sandbox.frame import Reply, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Counter:
    """A CA of one call: it counts."""

    def __init__(self):
        self.done = 0

    def answer(self, asked):
        if asked.throttled:
            return Reply(429, b"{}", headers={"Retry-After": "7"})
        self.done += 1
        return json_reply({"done": self.done}, acted=True)


@pytest.fixture
def counter():
    return Counter()


@pytest.fixture
def sim(counter):
    made = Simulator(
        "counter", counter.answer, prefix="/v1", ledger=Ledger(), dials=Dials(), clock=ShiftedClock(ManualClock(START))
    )
    made.state = lambda: {"done": counter.done}
    with made:
        yield made


def talk(url, method, path, body=None):
    parts = urlsplit(url)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        link.request(method, parts.path + path, json.dumps(body) if body is not None else None)
        answer = link.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        link.close()


def status(sim, path="/x"):
    try:
        return talk(sim.url, "POST", path, {})[0]
    except (http.client.HTTPException, OSError) as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("fault", "seen", "done"),
    [("drop", str, 0), ("lose", str, 2), ("page", 503, 0), ("error", 500, 2), ("throttle", 429, 0)],
)
def test_the_next_calls_fail_as_told_and_no_more(sim, counter, fault, seen, done):
    sim.dials.set(fail_next=2, fail_next_with=fault)
    first = [status(sim), status(sim)]
    assert all(isinstance(s, str) for s in first) if seen is str else first == [seen, seen]
    assert counter.done == done
    assert status(sim) == 200
    assert sim.dials.now.fail_next == 0


def test_a_fault_of_the_simulator_itself_is_shown_and_a_client_that_goes_is_not(sim, counter, monkeypatch, capfd):
    sim.dials.set(fail_next=1, fail_next_with="drop")
    assert isinstance(status(sim), str)
    assert "Traceback" not in capfd.readouterr().err
    monkeypatch.setattr(Counter, "answer", lambda self, asked: 1 / 0)
    sim._server.answer = counter.answer
    assert isinstance(status(sim), str)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_ledger_makes_its_folder(tmp_path):
    Ledger(tmp_path / "new" / "l.jsonl").add(START, "order", order="1")
    assert len((tmp_path / "new" / "l.jsonl").read_text().splitlines()) == 1


def test_half_and_garbled_answers_come_after_the_act(sim, counter):
    sim.dials.set(fail_next=1, fail_next_with="half")
    with pytest.raises((http.client.HTTPException, OSError)):
        talk(sim.url, "POST", "/x", {})
    sim.dials.set(fail_next=1, fail_next_with="garbled")
    with pytest.raises(ValueError):
        json.loads(talk(sim.url, "POST", "/x", {})[1])
    assert counter.done == 2


def test_only_calls_on_the_named_path_are_counted(sim):
    sim.dials.set(fail_next=1, fail_next_with="page", fail_next_path="POST /v1/order")
    assert status(sim, "/other") == 200
    assert status(sim, "/order/1") == 503
    assert status(sim, "/order/1") == 200


def test_headers_of_a_reply_are_sent(sim):
    sim.dials.set(fail_next=1, fail_next_with="throttle")
    assert talk(sim.url, "GET", "/x")[2]["Retry-After"] == "7"


@pytest.mark.parametrize(
    "wrong", [{"no_such": 1}, {"fail_next": "2"}, {"throttle": 1}, {"delay": True}, {"fail_next_with": "boom"}, [1]]
)
def test_wrong_dials_are_refused_and_turn_nothing(sim, wrong):
    before = sim.dials.as_dict()
    more = {"delay": 9, **wrong} if isinstance(wrong, dict) and "delay" not in wrong else wrong
    assert talk(sim.control, "PUT", "/dials", more)[0] == 400
    assert sim.dials.as_dict() == before


def test_state_and_tick(sim):
    status(sim)
    assert json.loads(talk(sim.control, "GET", "/state")[1]) == {"done": 1}
    answer, body, _ = talk(sim.control, "POST", "/tick", {"seconds": 3600})
    assert (answer, json.loads(body)) == (200, {"now": (START + timedelta(hours=1)).isoformat()})
    assert sim.clock.monotonic() == 3600.0


@pytest.mark.parametrize("seconds", [-1, "1", True, 1e30])
def test_time_runs_forward_only(sim, seconds):
    assert talk(sim.control, "POST", "/tick", {"seconds": seconds})[0] == 400
    assert sim.clock.now() == START


def test_unknown_control_requests_are_refused(sim):
    assert talk(sim.control, "GET", "/tick")[0] == 404


def test_a_ledger_counts_doubles_by_reference_and_by_request(tmp_path):
    ledger = Ledger(tmp_path / "lines")
    for reference in ("a", "a", "", ""):
        ledger.add(START, "order", order="1", reference=reference, csr_sha256="c")
    assert ledger.orders_by_reference() == {"a": 2}
    assert ledger.orders_by_csr() == {"c": 4}
    assert json.loads((tmp_path / "lines").read_text().splitlines()[0])["csr_sha256"] == "c"


def test_every_fault_has_its_word():
    dials = Dials()
    for fault in FAULTS:
        dials.set(fail_next=1, fail_next_with=fault)
        assert dials.next_fault("GET /") == fault
    assert dials.next_fault("GET /") == ""


def sandbox(tmp_path, flag):
    command = [sys.executable, "-m", "chancery.sandbox", "--port-file", str(tmp_path / "ports"), flag]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def test_a_sandbox_whose_parent_is_gone_already_ends(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(30)
    process = sandbox(tmp_path, f"--with-parent={gone.pid}")
    try:
        assert process.wait(30) == 0
    finally:
        process.kill()


def test_a_sandbox_serves_while_its_parent_lives(tmp_path):
    process = sandbox(tmp_path, f"--with-parent={os.getpid()}")
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "ports").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        where = json.loads((tmp_path / "ports").read_text())["simulators"]["digicert"]
        assert talk(where["control"], "GET", "/dials")[0] == 200
    finally:
        process.terminate()
        assert process.wait(30) == 0
