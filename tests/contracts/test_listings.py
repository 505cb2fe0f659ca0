"""Every listing is asked by the benchmark, at both doors, with everything that it offers."""

import pytest

from bench.catalogue import LISTINGS, SHORT
from bench.offers import operations, paths
from bench.rows import Filler
from chancery.apps.accounts import actions, queries
from chancery.apps.accounts.models import Environment, Team, User
from chancery.core.clock import SYSTEM_CLOCK
from tests.browser.routes import PAGES
from tests.cast import gathered, lasting, local_ca

ROWS = 240
FORMS = ("_create", "_edit", "_copy", "_delete", "_repoint", "_import", "_new")
ONE = "one thing"
"""What is shown with it is what people put there, or the newest of it."""
NOT_LISTED = {
    "home": "the first of what needs somebody",
    "overview": "sums",
    "forecast": "sums",
    "connector_impact": "counts, and the first of each",
    "ca_types": "the CA types that are installed",
    "nodes": "processes that were seen in the last ten minutes",
    "places": "made by hand, and every form offers them all",
    "roles": "made by hand, a few",
    "providers": "made by hand, a few",
    "change_rules": "a row for each environment",
    "posture": SHORT["posture"],
    "account": SHORT["sessions"],
    **dict.fromkeys(("login", "password", "factors", "acme_offer", "audit_proof"), "a form"),
    **dict.fromkeys(("connector", "connector_health", "connector_version", "credential", "call", "change"), ONE),
    **dict.fromkeys(("pool", "profile", "order", "certificate", "finding", "pull", "channel", "webhook"), ONE),
    **dict.fromkeys(("deployment", "posture_finding"), ONE),
}
"""Pages of the console that list nothing that grows with use, and why."""


def test_every_operation_that_answers_with_a_list_is_asked_or_short():
    assert sorted([*LISTINGS, *SHORT]) == sorted(operations())
    unpaged = [where for where in LISTINGS if "cursor" not in operations()[where]]
    assert not unpaged, "what grows with use has pages"
    paged = [where for where in SHORT if "cursor" in operations()[where]]
    assert not paged, "what has pages grows with use"


def test_every_page_of_the_console_is_asked_or_lists_nothing():
    shown = {name.partition(".")[0] for name in PAGES if not name.endswith(FORMS)}
    assert sorted({*(one.route for one in LISTINGS.values() if one.page), *NOT_LISTED}) == sorted(shown)


@pytest.fixture(scope="module")
def filled(django_db_setup, django_db_blocker):
    with lasting(django_db_blocker):
        cast = gathered()
        local_ca(cast)
        teams = list(Team.objects.values_list("pk", flat=True))
        Filler(SYSTEM_CLOCK.now(), teams, list(Environment.objects.values_list("pk", flat=True))).everything(ROWS)
        yield paths(LISTINGS)


@pytest.mark.django_db
def test_what_the_benchmark_asks_is_answered_and_no_listing_is_empty(filled, client):
    client.force_login(User.objects.get(username="ada"))
    _, token = actions.create_token(queries.actor_of(User.objects.get(username="ada"), how="test"), "bench", 1)
    for name, (door, path) in filled.items():
        if door == "api":
            answer = client.get(path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200, (name, answer.content)
            assert answer.json()["items"] or name in {"api tokens first page", "api tokens deep"}, name
        elif name.endswith("first page"):
            assert client.get(path).status_code == 200, name
