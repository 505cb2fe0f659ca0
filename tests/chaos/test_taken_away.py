"""What is taken from somebody is gone with their next request, in every process that serves: rights, roles, tokens, sessions."""

import re
import time
from datetime import timedelta

import httpx
import pytest
from django.contrib.auth.hashers import make_password

from chancery.apps.accounts import actions, ending, queries, roles
from chancery.apps.accounts.models import ApiToken, User
from chancery.net.listening import free_port
from tests.cast import PASSWORD
from tests.chaos.stand import START, until

pytestmark = pytest.mark.django_db(transaction=True)
PROCESSES = 2
ASKED = 8
"""Requests of each kind after each change, each over a connection of its own: they spread over the processes."""
SIZES = [1, pytest.param(12, marks=pytest.mark.long)]
NIGHT = ["orders.view", "tokens.create"]


class Door:
    """A server of several processes, and Rob's ways through it."""

    def __init__(self, stand):
        self.url = f"http://127.0.0.1:{free_port()}"
        where = self.url.removeprefix("http://")
        stand.start("serve", "--listen", where, "--processes", str(PROCESSES))
        until(lambda: self.get("/api/v1/health") == 200, START, "the server does not answer")

    def get(self, path, **headers):
        """Ask over a fresh connection; returns the status, 0 where nobody answers."""
        try:
            return httpx.get(f"{self.url}{path}", headers=headers, timeout=30, trust_env=False).status_code
        except httpx.HTTPError:
            return 0

    def log_in(self):
        """Return the header of a session that a password alone has begun."""
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            form = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/login").text)
            values = {"csrfmiddlewaretoken": form[1], "username": "rob", "password": PASSWORD}
            assert client.post("/login", data=values).status_code == 302
            return {"Cookie": f"sessionid={client.cookies['sessionid']}"}

    def bearer(self, text, path="/api/v1/orders"):
        return self.get(path, Authorization=f"Bearer {text}")


@pytest.fixture
def door(stand, cast):
    # The servers hash as an installation does, and not as tests do.
    User.objects.filter(username="rob").update(password=make_password(PASSWORD, hasher="argon2"))
    roles.create(cast.ada, "night_shift", NIGHT)
    return Door(stand)


def given(cast, door):
    """Give Rob his role (back), and return a fresh token and session of his."""
    rob = cast.users["rob"]
    User.objects.filter(pk=rob.pk).update(is_active=True)
    actions.set_grants(cast.ada, rob.pk, [("night_shift", None, None)])
    roles.edit(cast.ada, "night_shift", NIGHT)
    roles.require_factor(cast.ada, "night_shift", needed=False)
    token, text = actions.create_token(queries.actor_of(rob, how="session"), "his own")
    return token, [{"Authorization": f"Bearer {text}"}, door.log_in()]


def changes(cast):
    """Yield what takes something away: its name, and what does it when it is handed a token."""
    ada, rob = cast.ada, cast.users["rob"]
    yield "the roles are taken", lambda _: actions.set_grants(ada, rob.pk, [])
    yield "the role gives less", lambda _: roles.edit(ada, "night_shift", ["connectors.view"])
    yield "the role asks for a second factor", lambda _: roles.require_factor(ada, "night_shift", needed=True)
    yield "the person is kept out", lambda _: actions.disable_user(ada, rob.pk)
    yield "what lets in is ended", lambda t: (actions.end_token(ada, t.pk), ending.end_all(ada, rob.pk))


def honoured(door, ways):
    """Ask over and over with what was taken away; returns how often it was honoured, and for how long."""
    begun, last, number = time.monotonic(), 0.0, 0
    for _ in range(ASKED):
        for way in ways:
            asked = time.monotonic()
            status = door.get("/api/v1/orders", **way)
            assert status in {200, 401, 403}, status
            if status == 200:
                number, last = number + 1, asked - begun
    return number, last


@pytest.mark.parametrize("rounds", SIZES)
def test_what_is_taken_away_is_gone_in_every_process(door, cast, say, result, rounds):
    late, longest, asked = 0, 0.0, 0
    for _ in range(rounds):
        for name, take in changes(cast):
            token, ways = given(cast, door)
            assert [door.get("/api/v1/orders", **way) for way in ways] == [200, 200], name
            take(token)
            number, last = honoured(door, ways)
            late, longest, asked = late + number, max(longest, last), asked + ASKED * len(ways)
            assert number == 0, f"{name}: {number} requests were still honoured, the last after {last:.2f} s"
    kinds = len(list(changes(cast)))
    unit = f"of {asked} requests honoured after {kinds} ways of taking rights away, by tokens and sessions, at {PROCESSES} processes"
    say(f"{late} {unit}; longest {longest:.2f} s")
    result("R32", late, f"{unit}; the first request after each change was refused already" if late == 0 else unit)


@pytest.mark.parametrize("rounds", SIZES)
def test_a_stolen_token_is_of_little_use(door, cast, say, result, rounds):
    rob, opened, tried = cast.users["rob"], 0, 0

    def refused(status):
        nonlocal opened, tried
        tried, opened = tried + 1, opened + (status == 200)
        assert status in {401, 403, 302}, status

    for _ in range(rounds):
        actions.set_grants(cast.ada, rob.pk, [("requester", None, None)])
        actor = queries.actor_of(rob, how="session")
        _, plain = actions.create_token(actor, "plain", 1)
        _, narrow = actions.create_token(actor, "narrow", 1, permissions=["orders.view"])
        _, bound = actions.create_token(actor, "bound", 1, networks=["192.0.2.0/24"])
        old, gone = actions.create_token(actor, "old", 1)
        ApiToken.objects.filter(pk=old.pk).update(expires_at=old.created_at - timedelta(seconds=1))
        assert [door.bearer(text) for text in (plain, narrow)] == [200, 200]
        refused(door.bearer(bound))
        refused(door.get("/api/v1/orders", Authorization=f"Bearer {bound}", **{"X-Forwarded-For": "192.0.2.7"}))
        refused(door.bearer(gone))
        for path in ("/api/v1/connectors", "/api/v1/profiles", "/api/v1/audit", "/metrics"):
            refused(door.bearer(narrow, path))
        for query in ("token", "access_token", "api_key"):
            refused(door.get(f"/api/v1/orders?{query}={plain}"))
        refused(door.get("/api/v1/orders", Cookie=f"sessionid={plain}"))
        refused(door.bearer(plain, "/orders"))  # the console knows no tokens
        refused(door.bearer(plain[:-1]))
        refused(door.bearer(plain.upper()))
        refused(door.bearer(ApiToken.objects.get(name="plain").digest))
        for token in ApiToken.objects.filter(user=rob, revoked_at=None):
            actions.end_token(cast.ada, token.pk)
        for text in (plain, narrow) * (ASKED // 2):
            refused(door.bearer(text))
        ApiToken.objects.all().delete()
    assert plain.startswith("chy_")
    unit = (
        f"of {tried} requests answered with tokens that were ended, too old, bound elsewhere, limited to less, in an address"
        " or a cookie, or copied from the table; one that is ended is refused from its next request on"
    )
    say(f"{opened} {unit}")
    result("R30", opened, unit)
