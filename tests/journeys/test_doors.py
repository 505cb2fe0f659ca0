"""Every console page and API route answers for an administrator, and the API refuses strangers."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from chancery.apps.accounts import actions as people
from tests.cast import PASSWORD, digicert_values, request_pem

pytestmark = pytest.mark.django_db(transaction=True)
JSON = "application/json"


@pytest.fixture
def token(cast):
    from chancery.apps.orders import grouping

    yield people.create_token(cast.ada, "test")[1]
    grouping.close()


def api(token, method, path, body=None, **headers):
    client = Client()
    more = {f"HTTP_{k.upper()}": v for k, v in headers.items()}
    text = json.dumps(body) if body is not None else ""
    return client.generic(method, f"/api/v1{path}", text, JSON, HTTP_AUTHORIZATION=f"Bearer {token}", **more)


def test_api_refuses_strangers(cast):
    answer = Client().get("/api/v1/orders")
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_order_over_rest_with_wait_and_idempotency(cast, local, token, engine):
    import threading

    body = {"profile": "Internal", "csr": request_pem("api.example.com")}
    done = []

    def call():
        from django.db import connections

        done.append(api(token, "POST", "/orders", body, idempotency_key="k", prefer="wait=20"))
        connections.close_all()

    thread = threading.Thread(target=call)
    thread.start()
    from chancery.apps.orders.models import Order

    engine.until(lambda: Order.objects.filter(state="issued").exists())
    thread.join()
    first = done[0]
    assert first.status_code == 201, first.content
    assert first.json()["state"] == "issued"
    assert api(token, "POST", "/orders", body, idempotency_key="k").status_code == 200
    other = {**body, "csr": request_pem("other.example.com")}
    refused = api(token, "POST", "/orders", other, idempotency_key="k")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_mismatch")
    certificate = first.json()["certificate"]
    for kind in ("pem", "chain", "pkcs7", "der"):
        assert api(token, "GET", f"/certificates/{certificate}/download?format={kind}").status_code == 200


def test_connector_life_over_rest(cast, simulator, token):
    made = api(token, "POST", "/connectors", {"authority": "digicert", **digicert_values(simulator)})
    assert made.status_code == 201, made.content
    ident = made.json()["id"]
    assert simulator.credentials["api_key"] not in made.content.decode()
    edited = api(token, "PATCH", f"/connectors/{ident}", {"revision": 1, "description": "new"})
    assert edited.json()["description"] == "new"
    assert api(token, "PATCH", f"/connectors/{ident}", {"revision": 1}).status_code == 409
    assert api(token, "POST", f"/connectors/{ident}/deactivate").json()["status"] == "inactive"
    assert api(token, "POST", f"/connectors/{ident}/activate").json()["status"] == "active"
    assert api(token, "POST", f"/connectors/{ident}/copy", {"name": "Copy"}).json()["secrets_set"] == []
    assert api(token, "POST", f"/connectors/{ident}/test").status_code == 202
    assert api(token, "DELETE", f"/connectors/{ident}").status_code == 204


def test_batch_over_rest(cast, local, token):
    good = {"profile": "Internal", "csr": request_pem("batch.example.com")}
    answer = api(token, "POST", "/orders/batch", {"orders": [good, {"profile": "Internal", "csr": "bad"}, 7]})
    assert [r["status"] for r in answer.json()["results"]] == [201, 422, 422]


@pytest.mark.parametrize(
    "path",
    [
        "/authorities",
        "/connectors",
        "/connectors?authority=local",
        "/profiles",
        "/orders",
        "/certificates",
        "/audit",
        "/audit/export",
        "/users",
        "/teams",
        "/environments",
        "/tokens",
        "/connectors.csv?authority=local",
        "/openapi.json",
        "/pulls",
        "/findings",
    ],
)
def test_api_reads(cast, local, token, path):
    assert api(token, "GET", path).status_code == 200


def test_private_key_is_refused_and_not_echoed(cast, local, client):
    client.login(username="ada", password=PASSWORD)
    from chancery.apps.profiles.models import Profile

    profile = str(Profile.objects.get(name="Internal").pk)
    text = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
    answer = client.post(reverse("order_new"), {"profile": profile, "csr": text})
    assert answer.status_code == 422
    assert b"c2VjcmV0" not in answer.content


def test_the_same_form_sent_again_is_the_same_order(cast, local, client):
    from chancery.apps.orders.models import Order
    from chancery.apps.profiles.models import Profile

    client.login(username="ada", password=PASSWORD)
    form = client.get(reverse("order_new")).context["form"]
    sent = {"profile": str(Profile.objects.get(name="Internal").pk), "csr": request_pem("a.example.com"), "form": form}
    places = [client.post(reverse("order_new"), sent).url for _ in range(2)]
    assert places[0] == places[1]
    assert Order.objects.count() == 1
    assert client.post(reverse("order_new"), {**sent, "comment": "another"}).url != places[0]
    fresh = client.get(reverse("order_new")).context["form"]
    assert client.post(reverse("order_new"), {**sent, "form": fresh}).url not in places


PLAIN = (
    "home",
    "ca_types",
    "pools",
    "pool_create",
    "profiles",
    "profile_create",
    "orders",
    "order_new",
    "certificates",
    "inventory",
    "inventory_import",
    "pulls",
    "audit",
    "people",
)


@pytest.mark.parametrize("name", [*PLAIN, "tokens", "password", "audit_export"])
def test_pages(cast, local, client, name):
    assert client.get(reverse(name)).status_code in {200, 302}
    client.login(username="ada", password=PASSWORD)
    answer = client.get(reverse(name))
    assert answer.status_code == 200
    assert "unsafe" not in answer["Content-Security-Policy"]


def test_pages_about_things(cast, local, client, engine):
    from chancery.apps.certificates.models import Certificate
    from chancery.apps.orders.place import PlaceOrder, place
    from chancery.apps.profiles.models import Profile

    made = place(cast.rob, PlaceOrder("Internal", request_pem("page.example.com")))
    engine.until(lambda: Certificate.objects.exists())
    client.login(username="ada", password=PASSWORD)
    certificate = Certificate.objects.get()
    pages = [("connectors", ["local"]), ("connector_create", ["local"]), ("connector_create", ["digicert"])]
    pages += [
        (n, [local.pk])
        for n in (
            "connector",
            "connector_edit",
            "connector_copy",
            "connector_delete",
            "connector_impact",
            "connector_repoint",
        )
    ]
    pages += [("order", [made.pk]), ("certificate", [certificate.pk]), ("connector_export", ["local"])]
    pages += [("certificate_download", [certificate.pk, "chain"]), ("profile_edit", [Profile.objects.first().pk])]
    for name, arguments in pages:
        answer = client.get(reverse(name, args=arguments))
        assert answer.status_code == 200, name
    body = client.get(reverse("connector_edit", args=[local.pk])).content
    assert b"PRIVATE KEY" not in body


def test_connector_through_the_console(cast, simulator, client, engine):
    client.login(username="ada", password=PASSWORD)
    values = {k: v for k, v in digicert_values(simulator).items() if k != "skip_approval"} | {"skip_approval": "on"}
    empty = client.post(reverse("connector_create", args=["digicert"]), {**values, "api_key": ""})
    assert empty.status_code == 422
    assert client.post(reverse("connector_create", args=["digicert"]), values).status_code == 302
    from chancery.apps.connectors.models import Call, Connector

    row = Connector.objects.get()
    tested = client.post(reverse("connector_test", args=[row.pk]))
    engine.until(lambda: Call.objects.filter(state="done", kind="diagnose").exists())
    assert b"The API key is accepted" in client.get(tested["Location"]).content
    unsaved = client.post(reverse("connector_test_unsaved", args=["digicert"]), values)
    assert unsaved.status_code == 200
    assert client.post(reverse("connector_switch", args=[row.pk, "deactivate"])).status_code == 302
    assert (
        client.post(reverse("connector_bulk", args=["digicert"]), {"id": [str(row.pk)], "to": "active"}).status_code
        == 302
    )
    assert client.post(reverse("connector_delete", args=[row.pk])).status_code == 302


def test_requester_may_not_create_connectors(cast, client):
    client.login(username="rob", password=PASSWORD)
    answer = client.post(
        reverse("connector_create", args=["local"]), {"name": "x", "team": "Operations", "environment": "Production"}
    )
    assert answer.status_code == 403


def test_one_time_password_must_be_changed(cast, client):
    people.create_user(cast.host, "eve", PASSWORD, grants=[("requester", None, None)], must_change_password=True)
    client.login(username="eve", password=PASSWORD)
    assert client.get(reverse("home"))["Location"] == reverse("password")
    fresh = "another long pass phrase"
    wrong = client.post(reverse("password"), {"present": "no", "fresh": fresh, "again": fresh})
    assert wrong.status_code == 200
    client.post(reverse("password"), {"present": PASSWORD, "fresh": fresh, "again": fresh})
    assert client.get(reverse("home")).status_code == 200
