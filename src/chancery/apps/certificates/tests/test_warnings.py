"""What is not well with a certificate is told wherever the certificate is."""

import pytest
from django.test import Client
from django.urls import reverse

from chancery.apps.accounts import actions as people
from chancery.apps.accounts.models import User
from tests.journeys.api import Api

pytestmark = pytest.mark.django_db(transaction=True)
WARNING = "It chains to <emSign ECC Root CA - G3>, which was removed."


@pytest.fixture
def warned(issued):
    return issued(warnings=[WARNING]), issued("well.example.com")


def test_its_page_tells_it(cast, warned):
    client = Client()
    client.force_login(User.objects.get(username="ada"))
    told, silent = (client.get(reverse("certificate", args=[row.pk])).content.decode() for row in warned)
    assert "It chains to &lt;emSign ECC Root CA - G3&gt;, which was removed." in told
    assert "alert-warning" not in silent


def test_the_api_tells_it(cast, warned):
    api = Api(people.create_token(cast.ada, "test")[1])
    told, silent = (api("GET", f"/certificates/{row.pk}").json()["warnings"] for row in warned)
    assert (told, silent) == ([WARNING], [])
