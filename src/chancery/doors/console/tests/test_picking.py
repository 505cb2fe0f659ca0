"""One of many is picked by its name: suggested while it is typed, and taken without scripts."""

import pytest
from django.urls import reverse

from bench.rows import Filler
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.acme.models import Offer
from chancery.apps.orders.models import Order
from chancery.apps.profiles.models import Profile
from chancery.core.clock import SYSTEM_CLOCK
from chancery.doors.console.picking import FEW, SUGGESTED
from chancery.doors.console.tests.test_console import logged_in, text
from tests.cast import request_pem

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(cast, local):
    return logged_in("ada")


@pytest.fixture
def many(ada):
    """Make more teams and profiles than a list holds."""
    Team.objects.bulk_create(Team(name=f"Team {n:03}") for n in range(FEW))
    here = [Team.objects.get(name="Operations").pk], [Environment.objects.get(name="Production").pk]
    Filler(SYSTEM_CLOCK.now(), *here).connectors(FEW)
    return ada


def test_few_are_a_list(ada):
    page = ada.get(reverse("order_new"), {"profile": "Internal"}).content.decode()
    internal = Profile.objects.get(name="Internal")
    assert f'<option value="{internal.pk}" selected>Internal (Production)</option>' in page
    assert "datalist" not in page


def test_of_many_the_name_is_typed_and_ordered_with(many):
    page = many.get(reverse("order_new"), {"profile": Profile.objects.get(name="Internal").pk}).content.decode()
    assert '<datalist id="p-suggested">' in page
    assert 'value="Internal"' in page, "an id is shown as its name"
    assert page.count("<option") == FEW
    csr = request_pem("a.example.com")
    refused = many.post(reverse("order_new"), {"profile": "intern", "csr": csr})
    assert refused.status_code == 422
    assert "These begin so: Internal." in text(refused)
    assert csr.splitlines()[1] in refused.content.decode(), "what was typed is kept"
    assert many.post(reverse("order_new"), {"profile": "Internal", "csr": csr}).status_code == 302
    assert Order.objects.get().profile.name == "Internal"
    assert "Type its whole name." in text(many.post(reverse("order_new"), {"profile": "", "csr": csr}))


def test_acme_offers_and_roles_take_names(many, cast):
    done = many.post(reverse("acme_offer"), {"profile": "Internal", "challenges": "http-01"})
    assert (done.status_code, Offer.objects.get().profile.name) == (302, "Internal")
    for route in ("acme_offer", "acme_create"):
        given = {"profile": "Nobody's", "name": "x", "accounts": 1, "orders_per_hour": 1, "days": 0}
        refused = many.post(reverse(route), given)
        assert (refused.status_code, "Nothing here is called" in text(refused)) == (422, True)
    many.post(reverse("person", args=[cast.users["rob"].pk, "grant"]), {"role": "approver", "team": "Team 007"})
    assert [g.team.name for g in cast.users["rob"].grants.all()] == ["Team 007"]
    form = many.get(reverse("connector_create", args=["local"])).content.decode()
    assert '<datalist id="l-team">' in form


def test_what_begins_so_is_suggested_to_whoever_may_pick_it(many):
    def asked(who, kind, typed):
        answer = who.get(reverse("suggest", args=[kind]), {"field": typed})
        assert answer.status_code == 200
        return answer.content.decode()

    assert asked(many, "teams", "Team 00").count("<option") == 10
    assert asked(many, "teams", "Team").count("<option") == SUGGESTED
    assert 'value="Internal"' in asked(many, "profiles", "INTER")
    assert 'value="Internal"' in asked(many, "seen-profiles", "int")
    assert "option" not in asked(many, "offers", "int")
    assert "option" not in asked(logged_in("dan"), "profiles", "int"), "an auditor orders nothing"
    assert many.get(reverse("suggest", args=["weather"])).status_code == 404
