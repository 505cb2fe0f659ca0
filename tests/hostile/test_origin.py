"""No other page acts in somebody's name: forms and calls that another origin has a browser send, with the person's cookies."""

import json

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver

from chancery.apps.audit.models import Entry
from tests.browser import routes
from tests.journeys.api import operations

pytestmark = pytest.mark.django_db(transaction=True)
EVIL = "https://evil.example"
SIGNED = {"login/saml/<slug:organization_slug>/acs"}
"""What another site is meant to send a person to: believed by its signature alone."""
MACHINES = ("api/", "acme/")
"""Where machines speak, with tokens and signatures of their own; the API looks at the console's token itself."""
OVERRIDES = ("DELETE", "POST", "PUT", "PATCH")


@pytest.fixture
def victim(cast, local):
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(cast.users["ada"])
    return client


def addresses():
    known = {**routes.PAGES, **routes.FORMS, **routes.FILES}
    class_of_ids = {"{" + name + "}": routes.NOWHERE for name in
                    {part.split("}")[0] for path in known.values() for part in path.split("{")[1:]}}  # fmt: skip
    for name, path in sorted(known.items()):
        for hole, ident in class_of_ids.items():
            path = path.replace(hole, ident)  # noqa: PLW2901  the address with what fills it
        yield name, path


def forged(victim, path, **headers):
    """Send what a form on another page can: no token, and the browser says where it comes from."""
    kinds = {
        "application/x-www-form-urlencoded": b"name=x&confirm=on&csrfmiddlewaretoken=" + b"a" * 64,
        "multipart/form-data; boundary=x": b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n",
        "text/plain": b'{"name": "x", "a": "="}',
    }
    for kind, body in kinds.items():
        yield victim.generic("POST", path, body, kind, headers={"Origin": EVIL, "Referer": f"{EVIL}/", **headers})


def test_nothing_is_done_for_another_origin(victim, cast, result):
    before, tries, wrong = Entry.objects.count(), 0, []
    for name, path in addresses():
        for answer in forged(victim, path):
            tries += 1
            if answer.status_code not in {403, 405}:
                wrong.append((name, answer.status_code))
        for method in OVERRIDES:
            answer = victim.get(f"{path}?_method={method}", headers={"X-HTTP-Method-Override": method, "Origin": EVIL})
            tries += 1
            if answer.status_code == 500:
                wrong.append((name, method, answer.status_code))
    assert wrong == []
    assert Entry.objects.count() == before
    more, bad = over_rest(victim)
    assert bad == []
    assert Entry.objects.count() == before
    result("R36", 0, f"acts, of {tries + more} forged requests at {len(list(addresses()))} routes and the whole API")


def over_rest(victim):
    tries, bad = 0, []
    for method, template, _ in operations():
        path = "/api/v1" + template.replace("/api/v1", "").replace("{ident}", routes.NOWHERE)
        if method == "GET":
            for override in OVERRIDES:
                headers = {"X-HTTP-Method-Override": override, "X-Method-Override": override, "Origin": EVIL}
                answer = victim.generic("GET", path, headers=headers)
                tries += 1
                if answer.status_code == 500:
                    bad.append((override, path, answer.status_code))
            continue
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
            answer = victim.generic(method, path, json.dumps({"name": "x"}).encode(), kind, headers={"Origin": EVIL})
            tries += 1
            if answer.status_code not in {401, 403, 404, 405, 415}:
                bad.append((method, path, kind, answer.status_code))
    return tries, bad


def test_cookies_stay_at_home(cast, settings):
    assert (settings.SESSION_COOKIE_SAMESITE, settings.SESSION_COOKIE_HTTPONLY) in {("Lax", True), ("Strict", True)}
    assert settings.CSRF_COOKIE_SAMESITE in {"Lax", "Strict"}


def test_only_what_is_signed_needs_no_token():
    exempt = {path for path, view in views(get_resolver().url_patterns) if getattr(view, "csrf_exempt", False)}
    assert {path for path in exempt if not path.startswith(MACHINES)} == SIGNED


def views(patterns, before=""):
    for one in patterns:
        path = before + str(one.pattern)
        if isinstance(one, URLPattern):
            yield path, one.callback
        else:
            yield from views(one.url_patterns, path)
