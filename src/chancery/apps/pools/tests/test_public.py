"""A pool that asks for public trust: who is known to be public, who stands in for whom, and why others do not."""

import pytest

from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.connectors.tests.account import COMMON, values
from chancery.apps.orders.models import Order
from chancery.apps.pools import moving
from chancery.apps.profiles.models import Profile
from chancery.core.clock import SYSTEM_CLOCK

pytestmark = pytest.mark.django_db
PRODUCTS = {
    "digicert": {"product": "ssl_basic", "organization_id": "112233"},
    "emsign": {"variant": "ov", "organization_number": "7"},
    "adcs": {"template": "WebServer"},
    "local": {},
}


@pytest.fixture
def public(site):
    """Return a function that makes a pool of DigiCert and another member, and an order that waits at DigiCert."""
    account = {"account_number": "1234567890", "client_secret": "canary-secret", "requestor_name": "Ada Byron"}
    account |= {"requestor_email": "ada@example.com"}
    login = {"ca_name": "Issuing CA", "username": "svc@corp.example.com", "password": "canary-word"}
    others = {
        "emSign": ("emsign", "https://us-api.certinext.io", account),
        "AD CS": ("adcs", "https://pki.corp.example.com/certsrv", login),
    }

    def make(other, level="ov", **product):
        connectors.create(
            site.cast.ada, "digicert", values(name="DigiCert", base_url="https://www.digicert.com/services/v2")
        )
        if other in others:
            slug, url, more = others[other]
            connectors.create(site.cast.ada, slug, {"name": other, "base_url": url, **COMMON, **more})
        members = [
            {"connector": name, "preference": at, "validation": level} for at, name in enumerate(("DigiCert", other), 1)
        ]
        site.edit(members=members)
        site.pool.__class__.objects.filter(pk=site.pool.pk).update(trust="public", trust_reason="")
        Profile.objects.filter(pk=site.profile.pk).update(products={**PRODUCTS, **product})
        made = site.order("www.example.com")
        assert made.connector.name == "DigiCert"
        Connector.objects.filter(name="DigiCert").update(breaker="stopped", sick_since=SYSTEM_CLOCK.now())
        return made

    return make


def moved(order):
    moving.fail_over(SYSTEM_CLOCK.now(), {})
    after = Order.objects.select_related("connector").get(pk=order.pk)
    return after.connector.name, after.reason


def test_orders_of_public_tls_go_from_digicert_to_emsign(public):
    made = public("emSign")
    assert moved(made) == ("emSign", "")
    routed = made.events.order_by("id").last().detail["routed"]
    assert ["trust", True, "Both are public CAs."] in routed["tried"]["emSign"]
    assert Order.objects.get(pk=made.pk).product == PRODUCTS["emsign"]


@pytest.mark.parametrize("other", ["Berlin", "AD CS"])
def test_a_private_ca_does_not_stand_in_for_a_public_one(public, other):
    where, why = moved(public(other))
    assert where == "DigiCert"
    assert f"That it is publicly trusted is not known of what this profile orders at {other}." in why


@pytest.mark.parametrize(
    ("products", "named"),
    [
        ({"emsign": {"variant": "intranet-ssl", "product_code": "100"}}, "emSign"),
        ({"digicert": {"product": "private_ssl_plus"}}, "DigiCert"),
    ],
    ids=["private PKI at emSign", "private TLS at DigiCert"],
)
def test_what_a_public_ca_sells_as_private_is_not_public(public, products, named):
    where, why = moved(public("emSign", **products))
    assert (where, f"not known of what this profile orders at {named}." in why) == ("DigiCert", True)


def test_a_public_ca_needs_a_level_of_validation(public):
    where, why = moved(public("emSign", level=""))
    assert (where, "at a level that nobody has said" in why) == ("DigiCert", True)
