"""ACME clients in the console: a profile is offered, a credential is shown once, accounts and orders are looked at."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from chancery.apps.acme.models import Account, AcmeOrder, Credential, Offer, Placement
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import current_clock
from chancery.doors.console.tests.test_console import logged_in, text
from tests.cast import request_pem

pytestmark = pytest.mark.django_db
NUMBERS = {"accounts": "2", "orders_per_hour": "9", "days": "0"}


@pytest.fixture
def ada(cast, local):
    return logged_in("ada")


def test_from_the_offer_to_the_order(ada, cast, settings):
    assert "CHANCERY_ACME_URL" in text(ada.get(reverse("acme")))
    settings.ACME_URL = "https://pki.example.com"
    assert "https://pki.example.com/acme/directory" in text(ada.get(reverse("acme")))
    profile = str(Profile.objects.get(name="Internal").pk)
    wrong = ada.post(reverse("acme_offer"), {"profile": profile, "challenges": ["dns-01"], "networks": "10.1.0.0/33"})
    assert wrong.status_code == 422, text(wrong)
    assert "10.1.0.0/33" in text(wrong), text(wrong)[:3000]
    open_ = ada.post(reverse("acme_offer"), {"profile": profile})
    assert (open_.status_code, "good for all names" in text(open_)) == (422, True)
    assert ada.post(reverse("acme_offer"), {"profile": profile, "any_name": "on"}).status_code == 302
    again = ada.get(reverse("acme_offer") + f"?profile={profile}").content.decode()
    assert 'name="any_name" checked' in again
    kept = {"profile": profile, "challenges": ["dns-01"], "networks": "10.1.0.0/16, 10.2.0.0/16", "listed": "on"}
    assert ada.post(reverse("acme_offer"), kept).status_code == 302
    row = Offer.objects.get()
    assert (row.challenges, row.networks, row.listed) == (["dns-01"], ["10.1.0.0/16", "10.2.0.0/16"], True)
    shown = ada.get(reverse("acme_offer") + f"?profile={profile}").content.decode()
    assert 'value="10.1.0.0/16 10.2.0.0/16"' in shown
    assert 'value="dns-01" checked' in shown
    refused = ada.post(reverse("acme_create"), {"name": "web-1", "profile": profile, **NUMBERS, "days": "x"})
    assert (refused.status_code, "no whole number" in text(refused)) == (422, True)
    made = ada.post(reverse("acme_create"), {"name": "web-1", "profile": profile, **NUMBERS})
    credential = Credential.objects.get()
    secret = re.search(r'shown only once: <code class="break">([\w-]{43})', " ".join(made.content.decode().split()))[1]
    assert str(credential.pk) in text(made)
    now = current_clock().now()
    owned = {"team_id": row.team_id, "environment_id": row.environment_id, "created_at": now}
    account = Account.objects.create(
        credential=credential, jwk={}, contact=["mailto:a@example.com"], hour_from=now, **owned
    )
    names = {"names": [["dns", "www.example.com"]], "expires_at": now + timedelta(days=1)}
    asked = AcmeOrder.objects.create(account=account, offer=row, **names, **owned)
    AcmeOrder.objects.create(account=account, offer=row, **names, **owned)
    placed = place(cast.ada, PlaceOrder("Internal", request_pem("www.example.com")))
    Placement.objects.create(acme_order=asked, order=placed)
    for page in ("acme", "acme_credential", "acme_account"):
        ident = {"acme_credential": [credential.pk], "acme_account": [account.pk]}.get(page, [])
        assert secret not in ada.get(reverse(page, args=ident)).content.decode()
    found = text(ada.get(reverse("acme_account", args=[account.pk])))
    assert "www.example.com" in found
    assert "not finalized" in found
    assert "By the ACME client web-1" in text(ada.get(reverse("order", args=[placed.pk])))
    assert ada.post(reverse("acme_account_act", args=[account.pk, "revoke"]), follow=True).status_code == 200
    assert ada.post(reverse("acme_act", args=[credential.pk, "revoke"]), follow=True).status_code == 200
    assert (Account.objects.get().state, Credential.objects.get().revoked_at is None) == ("revoked", False)
    for name, ident in (("acme_act", credential.pk), ("acme_account_act", account.pk)):
        assert ada.post(reverse(name, args=[ident, "praise"])).status_code == 404
    ada.post(reverse("acme_withdraw", args=[row.pk]))
    assert Offer.objects.exists(), "it has a credential"


def test_who_only_reads_is_offered_nothing_to_change(cast, local):
    rob = logged_in("rob")
    assert "+ Credential" not in text(rob.get(reverse("acme")))
    assert rob.get(reverse("acme_offer")).status_code == 403
    assert rob.get(reverse("acme_create")).status_code == 403
