"""What every answer tells a browser, and what a fault tells a stranger."""

import pytest
from django.test import Client

from chancery.apps.accounts import queries
from chancery.apps.shared.action import current_clock
from chancery.doors.console.tests.test_console import logged_in

pytestmark = pytest.mark.django_db
POLICY = {
    "default-src": "'none'", "object-src": "'none'", "script-src": "'self'", "style-src": "'self'", "base-uri": "'none'",
    "frame-ancestors": "'none'", "form-action": "'self'",
}  # fmt: skip
PATHS = (
    "/",
    "/login",
    "/orders",
    "/account",
    "/nowhere",
    "/api/v1/me",
    "/api/v1/nowhere",
    "/api/v1/connectors.csv",
    "/metrics",
)


def test_nothing_but_ours_runs_nobody_frames_it_and_nothing_is_kept(cast):
    dan, stranger = logged_in("dan"), Client()
    for answer in [client.get(path) for client in (dan, stranger) for path in PATHS]:
        told = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert {name: told.get(name) for name in POLICY} == POLICY
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_fault_tells_its_number_and_the_log_the_rest(cast, caplog, monkeypatch):
    def fail():
        raise RuntimeError("words that are for the log alone")

    monkeypatch.setattr(queries, "roles", fail)
    client = logged_in("ada", raise_request_exception=False)
    with caplog.at_level("ERROR"):
        answer = client.get("/api/v1/roles")
    assert answer.status_code == 500
    assert "for the log alone" not in answer.content.decode()
    assert f"incident {answer.json()['incident']}" in caplog.text
    assert "for the log alone" in caplog.text
    assert client.get("/api/v1/teams").status_code == 200, "and goes on"


@pytest.mark.parametrize("how", ["log out", "ended", "new password", "too old"])
def test_the_cookie_of_a_session_that_is_over_opens_nothing(cast, how):
    from chancery.apps.accounts import actions, ending

    client, rob = logged_in("rob"), cast.users["rob"]
    kept = client.cookies["sessionid"].value
    assert kept not in str(list(queries.Session.objects.values())), "the table holds a digest of it"
    if how == "log out":
        client.post("/logout")
    elif how == "ended":
        ending.end_all(cast.ada, rob.pk)
    elif how == "too old":
        assert queries.Session.objects.filter(user=rob).update(expire_date=current_clock().now()) == 1
    else:
        actions.set_password(cast.ada, rob.pk, "another long pass phrase")
    thief = Client()
    thief.cookies["sessionid"] = kept
    assert thief.get("/orders").headers["Location"].startswith("/login")
