"""Whoever guesses passwords or codes is looked at ten times an hour, however they write the name and wherever they come from."""

import random
from datetime import timedelta

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from django.test import Client

from chancery.apps.accounts import entering, factors
from chancery.apps.accounts.models import User
from chancery.apps.shared import action
from chancery.core.clock import ManualClock
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
SIZES = [120, pytest.param(10_000, marks=pytest.mark.long)]
NAMES = ("rob", "ROB", "  Rob", "rOb\t", "rob ", "ｒｏｂ", "rob\u200b", "rob\x00", "r\u00f3b")
"""How a name may be written; the last ones are nobody's."""
OWN = "192.0.2.50"
STEP = timedelta(seconds=7)


@pytest.fixture
def clock():
    manual = ManualClock(action.current_clock().now())
    before = action.use_clock(manual)
    yield manual
    action.use_clock(before)


@pytest.fixture
def looked_at(monkeypatch, clock):
    """When a password or code of Rob's was compared with what somebody sent."""
    found = []

    def counting(owner, name, is_his):
        plain = getattr(owner, name)

        def looked(*given):
            if is_his(*given):
                found.append(clock.now())
            return plain(*given)

        monkeypatch.setattr(owner, name, looked)

    counting(User, "check_password", lambda user, _: user.username == "rob")
    counting(factors, "prove", lambda user, _: user.username == "rob")
    return found


def most_in_an_hour(times):
    return max((sum(0 <= (b - a).total_seconds() < 3600 for b in times) for a in times), default=0)


def log_in(name, password, address, **headers):
    return Client(REMOTE_ADDR=address).post("/login", {"username": name, "password": password}, headers=headers)


def code(secret, clock, steps=0):
    return format_hotp_value(hotp_value(secret, int(clock.now().timestamp()) // 30 + steps))


@pytest.mark.parametrize("size", SIZES)
def test_guesses_of_a_password_are_looked_at_ten_times_an_hour(cast, clock, looked_at, size, say_result):
    assert log_in("rob", PASSWORD, OWN).status_code == 302
    looked_at.clear()
    dice = random.Random(20261126)
    statuses = set()
    for number in range(size):
        address = f"198.51.{dice.randrange(256)}.{dice.randrange(256)}"
        spoofed = {"X-Forwarded-For": OWN, "X-Real-IP": OWN} if number % 2 else {}
        statuses.add(log_in(dice.choice(NAMES), f"guess {number}", address, **spoofed).status_code)
        if number % 500 == 499:
            assert log_in("rob", PASSWORD, OWN).status_code == 302, "the owner gets in where they work, all the time"
            looked_at.pop()
        clock.advance(STEP)
    most = most_in_an_hour(looked_at)
    assert statuses == {403, 429}
    assert 0 < most <= entering.TRIES
    assert log_in("rob", PASSWORD, "203.0.113.9").status_code == 429
    clock.advance(entering.PAUSE)
    assert log_in("rob", PASSWORD, "203.0.113.9").status_code == 302, "nobody is kept out for ever"
    say_result(size, most)


@pytest.fixture
def say_result(result):
    def keep(size, most):
        unit = (
            f"guesses at most were looked at within an hour, of {size} over {len(NAMES)} ways of writing the name and as many"
            " addresses; the owner got in from where they work all the time, from anywhere an hour later, and a code counted once"
        )
        result("R37", most, unit, 20261126)

    return keep


@pytest.mark.parametrize("size", [40, pytest.param(2000, marks=pytest.mark.long)])
def test_guesses_of_a_code_are_counted_with_them_and_a_code_counts_once(cast, clock, looked_at, size):
    secret = generate_totp_secret()
    factors.add_totp(cast.rob, secret, code(secret, clock))
    clock.advance(timedelta(seconds=60))
    thief, first = Client(REMOTE_ADDR="198.51.100.1"), clock.now()
    for number in range(size):
        if thief.get("/login/second").status_code == 302:
            thief.post("/login", {"username": "rob", "password": PASSWORD})
        thief.post("/login/second", {"code": f"{number:06}"})
        clock.advance(STEP)
    assert 0 < most_in_an_hour(looked_at) <= entering.TRIES
    clock.advance(entering.PAUSE)
    assert clock.now() > first
    good = code(secret, clock)
    for expected in ("/", None):
        owner = Client(REMOTE_ADDR=OWN)
        owner.post("/login", {"username": "rob", "password": PASSWORD})
        answer = owner.post("/login/second", {"code": good})
        assert answer.headers.get("Location") == expected, "the same code opened twice"


def test_guesses_of_the_present_password_are_counted_with_them(cast, clock, looked_at, client):
    client.force_login(cast.users["rob"])
    fresh = {"fresh": "a new and long enough one", "again": "a new and long enough one"}
    for n in range(30):
        assert client.post("/password", {"present": f"guess {n}", **fresh}).status_code == 200
    assert len(looked_at) == entering.TRIES
    assert b"Too many wrong tries" in client.post("/password", {"present": PASSWORD, **fresh}).content
    clock.advance(entering.PAUSE + STEP)
    assert client.post("/password", {"present": PASSWORD, "fresh": "short", "again": "short"}).status_code == 200
    assert client.post("/password", {"present": PASSWORD, **fresh}).status_code == 302
    assert log_in("rob", "a new and long enough one", "198.51.100.1").status_code == 302
