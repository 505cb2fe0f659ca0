"""Every listing is asked by the benchmark, at both doors, with everything that it offers."""

from bench.catalogue import LISTINGS, SHORT, WALKED
from bench.offers import operations
from tests.browser.routes import PAGES

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
    "roles": "made by hand, a few",
    "providers": "made by hand, a few",
    "change_rules": "a row for each environment",
    "posture": WALKED["posture"],
    "places": "teams by pages of their own, and environments, all made by hand",
    "account": SHORT["sessions"],
    **dict.fromkeys(("login", "password", "factors", "acme_offer", "audit_proof"), "a form"),
    **dict.fromkeys(("connector", "connector_health", "connector_version", "credential", "call", "change"), ONE),
    **dict.fromkeys(("pool", "profile", "order", "certificate", "finding", "pull", "channel", "webhook"), ONE),
    **dict.fromkeys(("deployment", "posture_finding"), ONE),
}
"""Pages of the console that list nothing that grows with use, and why."""


def test_every_operation_that_answers_with_a_list_is_asked_or_short():
    assert sorted([*LISTINGS, *SHORT, *WALKED]) == sorted(operations())
    unpaged = [where for where in (*LISTINGS, *WALKED) if "cursor" not in operations()[where]]
    assert not unpaged, "what grows with use has pages"
    paged = [where for where in SHORT if "cursor" in operations()[where]]
    assert not paged, "what has pages grows with use"


def test_every_page_of_the_console_is_asked_or_lists_nothing():
    shown = {name.partition(".")[0] for name in PAGES if not name.endswith(FORMS)}
    assert sorted({*(one.route for one in LISTINGS.values() if one.page), *NOT_LISTED}) == sorted(shown)
