"""What every address below /api/ has in common: problems, headers, revisions, pages, keys; all as it is described."""

import json
import logging
import threading

import pytest
from django.db import OperationalError
from django.test import Client
from openapi_spec_validator import validate

from chancery.apps.accounts import actions as people
from tests.cast import PASSWORD, digicert_values, request_pem
from tests.journeys.api import Api, assert_problem, description, errors_in, operations, resolved
from tests.journeys.working import working

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api(cast, local):
    from chancery.apps.orders import grouping

    yield Api(people.create_token(cast.ada, "test")[1])
    grouping.close()


def fields(answer):
    assert_problem(answer)
    assert all(e["remedy"] for e in answer.json()["errors"])
    return [e["field"] for e in answer.json()["errors"]]


# The description itself


def test_the_description_is_openapi():
    assert description()["openapi"].startswith("3.1")
    validate(description())


def test_every_route_is_described_and_nothing_else(client):
    from chancery.doors.api.api import api

    routes = {str(p.pattern) for p in api.urls[0]} - {"openapi.json", ""}
    served = set()
    for route in routes:
        # Whatever a route's methods are, it names them when it is asked for another.
        answer = client.options("/api/v1/" + route.replace("<", "").replace(">", ""))
        assert answer.status_code == 405
        template = "/api/v1/" + route.replace("<", "{").replace(">", "}")
        served |= {(method, template) for method in answer["Allow"].split(", ")}
    described = {(method, path) for method, path, _ in operations()}
    assert served == described
    assert len(described) > 50


@pytest.mark.parametrize(("method", "path", "operation"), [pytest.param(*o, id=f"{o[0]} {o[1]}") for o in operations()])
def test_every_operation_says_all_there_is_to_say(method, path, operation):
    assert operation["summary"]
    assert operation["tags"]
    assert path == "/api/v1/health" or {"Bearer": []} in operation["security"]
    assert all(p.get("description") and "example" in p for p in operation["parameters"]), operation["parameters"]
    assert not any(note.startswith("x-") for note in operation)
    parts = [operation["requestBody"]] if "requestBody" in operation else []
    parts += [resolved(answer) for answer in operation["responses"].values()]
    for part in parts:
        for content in part.get("content", {}).values():
            assert content["schema"] not in ({}, {"type": "object"})
            assert not errors_in(content["example"], content["schema"]), content["example"]
    done = [code for code in operation["responses"] if code.startswith("2")]
    assert done
    assert all("content" in operation["responses"][code] for code in done if code != "204")


# Problems


@pytest.mark.parametrize("path", ["/nope", "/orders/", "/orders/x/y/z", "/../v2", "", "/"])
def test_unknown_addresses(api, path):
    answer = api("GET", path)
    assert answer.status_code == 404
    assert fields(answer) == ["path"]


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v2/orders"])
def test_addresses_beside_the_version(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert_problem(answer)


def test_unknown_methods(api):
    answer = api("DELETE", "/orders")
    assert answer.status_code == 405
    assert set(answer["Allow"].split(", ")) == {"GET", "POST"}
    assert "GET" in answer.json()["remedy"]
    assert fields(answer) == ["method"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"])
def test_other_content_types(api, kind):
    answer = api("POST", "/teams", b'{"name": "x"}', content_type=kind)
    assert answer.status_code == 415
    assert fields(answer) == ["Content-Type"]


def test_json_by_another_name(api):
    assert (
        api("POST", "/teams", b'{"name": "x"}', content_type="application/vnd.x+json; charset=utf-8").status_code == 201
    )


@pytest.mark.parametrize(
    "body",
    ['{"name": "x"}'.encode("utf-16"), '{"name": "x"}'.encode("utf-32-le"), b'{"name": "a\xed\xa0\x80"}', b"\xff"],
)
def test_json_in_another_encoding(api, body):
    answer = api("POST", "/teams", body, content_type="application/json")
    assert (answer.status_code, fields(answer)) == (422, ["body"])


def test_json_with_a_byte_order_mark(api):
    assert api("POST", "/teams", b'\xef\xbb\xbf{"name": "x"}', content_type="application/json").status_code == 201


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, ""),
        ({"Authorization": "Bearer chy_wrong"}, "invalid_token"),
        ({"Authorization": "Basic eDp5"}, "invalid_token"),
        ({"Authorization": "Bearer"}, "invalid_token"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/orders"), ("POST", "/orders"), ("DELETE", "/tokens/1")])
def test_strangers(cast, headers, error, method, path):
    answer = Api("", **headers)(method, path)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert error in answer["WWW-Authenticate"]
    assert fields(answer) == ["Authorization"]


def test_a_wrong_token_is_not_saved_by_a_session(cast):
    api = Api("wrong")
    api.client.login(username="ada", password=PASSWORD)
    assert api("GET", "/orders").status_code == 401


def test_a_session_needs_the_csrf_token_to_change_anything(cast):
    api = Api("")
    api.client = Client(enforce_csrf_checks=True)
    api.client.login(username="ada", password=PASSWORD)
    assert api("GET", "/me").json()["how"] == "session"
    refused = api("POST", "/teams", {"name": "x"})
    assert (refused.status_code, fields(refused)) == (403, ["X-CSRFToken"])
    api.client.get("/tokens")
    token = api.client.cookies["csrftoken"].value
    assert api("POST", "/teams", {"name": "x"}, X_CSRFToken=token).status_code == 201


def test_a_fault_has_a_number_and_nothing_else(api, monkeypatch, caplog):
    from chancery.apps.orders import queries

    def broken(*_, **__):
        raise RuntimeError("password=hunter2 in the middle of things")

    monkeypatch.setattr(queries, "listing", broken)
    logging.getLogger("chancery.api").setLevel(logging.ERROR)
    answer = api("GET", "/orders")
    assert answer.status_code == 500
    assert b"hunter2" not in answer.content
    assert b"RuntimeError" not in answer.content
    assert f"incident {answer.json()['incident']}:" in caplog.text


def test_a_database_that_is_away_is_no_fault(api, monkeypatch):
    from chancery.apps.orders import queries

    def away(*_, **__):
        raise OperationalError("connection to 10.0.0.1 refused")

    monkeypatch.setattr(queries, "listing", away)
    answer = api("GET", "/orders")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"10.0.0.1" not in answer.content


def test_a_host_that_is_not_ours(cast):
    answer = Client().get("/api/v1/health", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert_problem(answer)


def test_more_parameters_than_anybody_needs(api):
    answer = api("GET", "/orders?" + "&".join(f"a{i}=1" for i in range(2000)))
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "field", "named"),
    [
        ("/orders?statee=queued", "statee", "state"),
        ("/teams?x=1", "x", "none"),
        ("/orders?state=lost", "state", "outcome_unknown"),
        ("/orders?sort=-reason", "sort", "-common_name"),
        ("/certificates?status=lost", "status", "expiring"),
        ("/connectors?authority=local&sort=x", "sort", "-created_at"),
        ("/connectors?status=active", "status", "authority"),
        ("/orders?cursor=x", "cursor", "first page"),
        ("/orders?size=201", "size", "Correct"),
        ("/orders?size=x", "size", "number"),
        ("/orders?connector=x", "connector", "list"),
        ("/connectors.csv", "authority", "Send"),
        ("/audit?outcome=lost", "outcome", "refused"),
        ("/audit?since=x", "since", "2026-11-23"),
    ],
)
def test_listings_name_what_they_offer(api, path, field, named):
    answer = api("GET", path)
    assert answer.status_code == 400
    assert fields(answer) == [field]
    assert named in json.dumps(answer.json()["errors"])


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/orders", {"profile": "Internal"}, "csr"),
        ("/orders", {"profile": "Internal", "csr": 7}, "csr"),
        ("/orders", {"profile": "Internal", "csr": "x", "validity_days": "9"}, "validity_days"),
        ("/orders", {"profile": "Internal", "csr": "x", "extra": 1}, "extra"),
        ("/orders", [], "body"),
        ("/orders", None, "body"),
        ("/orders", b"{", "body"),
        ("/orders", b'{"validity_days": NaN}', "body"),
        ("/orders/batch", {"orders": []}, "orders"),
        ("/users", {"username": "x", "password": PASSWORD, "grants": [{"role": 1}]}, "grants[0].role"),
        ("/connectors", {"authority": "local", "name": {"a": 1}}, "name"),
        ("/tokens", {"name": "x", "days": 0}, "days"),
    ],
)
def test_bodies_name_the_field(api, path, body, field):
    answer = api("POST", path, body)
    assert answer.status_code == 422
    assert fields(answer)[0] == field


# Keys


def test_idempotency_keys(api):
    body = {"profile": "Internal", "csr": request_pem("key.example.com")}
    first = api("POST", "/orders", body, Idempotency_Key='"k-1"')
    assert (first.status_code, first.json()["idempotency_key"]) == (201, "k-1")
    assert first["Location"].endswith(first.json()["id"])
    again = api("POST", "/orders", body, Idempotency_Key="k-1")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    other = api("POST", "/orders", {**body, "comment": "another"}, Idempotency_Key="k-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert api("POST", "/orders", body, Idempotency_Key="").status_code == 422
    assert api("POST", "/orders", body, Idempotency_Key="k" * 201).status_code == 422
    batch = api("POST", "/orders/batch", {"orders": [{**body, "comment": "x", "idempotency_key": "k-1"}]})
    assert batch.json()["results"][0]["status"] == 422


def test_waiting_is_confirmed(api):
    body = {"profile": "Internal", "csr": request_pem("wait.example.com")}
    waited = api("POST", "/orders", body, Prefer="respond-async, wait=0")
    assert waited["Preference-Applied"] == "wait=0"
    assert waited.json()["timeline"]
    assert api("POST", "/orders", body, Prefer='wait="0"')["Preference-Applied"] == "wait=0"
    assert "Preference-Applied" not in api("POST", "/orders", body, Prefer="wait=soon")


def test_those_who_wait_leave_threads_to_the_others(api, monkeypatch):
    from chancery.doors.api import orders

    monkeypatch.setattr(orders, "_waiting", threading.BoundedSemaphore(1))
    body = {"profile": "Internal", "csr": request_pem("wait.example.com")}
    with orders._waiting:
        told = api("POST", "/orders", body, Prefer="wait=60")
    assert (told.status_code, told["Preference-Applied"]) == (201, "wait=0")
    assert told.json()["state"] == "queued"
    assert api("POST", "/orders", body, Prefer="wait=1")["Preference-Applied"] == "wait=1"
    assert orders._waiting.acquire(blocking=False)


# Revisions


@pytest.mark.parametrize("kind", ["connectors", "profiles"])
def test_edits_name_the_revision(api, local, kind):
    thing = api("GET", f"/{kind}?{'authority=local' if kind == 'connectors' else ''}").json()["items"][-1]
    path, method = f"/{kind}/{thing['id']}", "PATCH" if kind == "connectors" else "PUT"
    body = {"description": "x"} | ({} if kind == "connectors" else {"name": thing["name"], "connector": str(local.pk)})
    seen = api("GET", path)["ETag"]
    unnamed = api(method, path, body)
    assert (unnamed.status_code, fields(unnamed)) == (428, ["If-Match"])
    assert api(method, path, body, If_Match='"99"').status_code == 412
    assert api(method, path, body, If_Match=f"W/{seen}").status_code == 412
    done = api(method, path, body, If_Match=seen)
    assert (done.status_code, done["ETag"]) == (200, '"2"')
    lost = api(method, path, body, If_Match=seen)
    assert (lost.status_code, fields(lost)) == (412, ["If-Match"])
    assert api(method, path, {**body, "revision": 1}).status_code == 409
    assert api(method, path, {**body, "revision": 1}, If_Match='"2"').status_code == 412
    assert api(method, path, body, If_Match='"7", "2"').status_code == 200
    assert api(method, path, body, If_Match="*").status_code == 200
    assert api("DELETE", path, If_Match='"1"').status_code == 412


# Pages


def test_pages_are_linked(api):
    for number in range(5):
        api("POST", "/teams", {"name": f"T{number}"})
    first = api("GET", "/audit?action=teams.create&size=2")
    assert len(first.json()["items"]) == 2
    links = dict(reversed(part.split("; rel=")) for part in first["Link"].split(", "))
    assert links['"first"'] == "</api/v1/audit?action=teams.create&size=2>"
    seen, path = first.json()["items"], links['"next"'][len("</api/v1") : -1]
    while path:
        page = api("GET", path)
        seen += page.json()["items"]
        links = dict(reversed(part.split("; rel=")) for part in page["Link"].split(", "))
        path = links.get('"next"', "")[len("</api/v1") : -1]
    assert len(seen) == 7
    assert '"prev"' in links


def test_connectors_of_every_type(api, cast, simulator):
    api("POST", "/connectors", {"authority": "digicert", **digicert_values(simulator), "name": "Local"})
    both = api("GET", "/connectors?name=Local").json()["items"]
    assert {c["authority"] for c in both} == {"local", "digicert"}
    assert len(api("GET", "/connectors?name=Local&authority=local").json()["items"]) == 1
    assert api("GET", "/connectors?name=None").json()["items"] == []
    one = api("GET", "/connectors?size=1").json()
    assert len(one["items"]) == 1
    assert len(api("GET", f"/connectors?size=1&cursor={one['next']}").json()["items"]) == 1


# People


def test_teams_and_environments_over_rest(api, local):
    team = api("POST", "/teams", {"name": "Night"}).json()["id"]
    assert api("PATCH", f"/teams/{team}", {"name": "Nights"}).json() == {"id": team, "name": "Nights"}
    assert api("DELETE", f"/teams/{team}").status_code == 204
    assert api("DELETE", f"/teams/{team}").status_code == 404
    used = api("DELETE", f"/teams/{local.team_id}")
    assert (used.status_code, used.json()["code"]) == (409, "in_use")
    assert {b["kind"] for b in used.json()["blockers"]} >= {"connector", "profile", "role"}
    environment = api("POST", "/environments", {"name": "QA"}).json()["id"]
    edited = api("PATCH", f"/environments/{environment}", {"is_production": True}).json()
    assert (edited["name"], edited["is_production"]) == ("QA", True)
    assert api("PATCH", f"/environments/{environment}", {"name": "Production"}).status_code == 422
    assert api("DELETE", f"/environments/{environment}").status_code == 204


def test_the_record_is_filtered_over_rest(api, local):
    api("DELETE", f"/teams/{local.team_id}")
    (entry,) = api("GET", "/audit?action=teams&outcome=refused&address=127.0.0.1&since=2020-01-01").json()["items"]
    assert (entry["v"], entry["actor"]["name"], entry["actor"]["address"]) == (3, "ada", "127.0.0.1")
    assert (entry["reason"], entry["target"]["name"]) == ("in_use", "Operations")
    line = b"".join(api("GET", "/audit/export?outcome=refused").streaming_content)
    assert json.loads(line)["id"] == entry["id"]
    assert b"127.0.0.1" not in line


def test_people_over_rest(api):
    body = {"username": "grace", "password": PASSWORD, "grants": [{"role": "requester"}]}
    made = api("POST", "/users", body)
    assert (made.status_code, made.json()["must_change_password"]) == (201, True)
    path = f"/users/{made.json()['id']}"
    assert api("GET", path).json() == made.json()
    assert [u["username"] for u in api("GET", "/users?search=gra").json()["items"]] == ["grace"]
    grants = [{"role": "auditor", "team": None, "environment": None}]
    assert api("PUT", f"{path}/grants", {"grants": grants}).json()["grants"] == grants
    assert api("PUT", f"{path}/grants", {"grants": [{"role": "king"}]}).status_code == 422
    assert api("POST", f"{path}/password", {"password": "another long phrase"}).status_code == 200
    assert api("POST", f"{path}/disable").json()["is_active"] is False
    assert api("POST", f"{path}/password", {"password": "another long phrase"}).json()["code"] == "disabled"
    assert api("PUT", f"{path}/grants", {"grants": grants}).json()["code"] == "disabled"
    back = api("POST", f"{path}/enable", {"password": "yet another phrase"}).json()
    assert (back["is_active"], back["must_change_password"], back["grants"]) == (True, True, grants)
    assert api("POST", f"{path}/enable", {"password": "yet another phrase"}).status_code == 409
    assert api("GET", "/users/999999").status_code == 404
    me = api("GET", "/me").json()
    last = api("POST", f"/users/{me['id']}/disable")
    assert (last.status_code, last.json()["code"]) == (409, "last_administrator")


def test_people_only_for_those_who_may(cast):
    rob = Api(people.create_token(cast.rob, "test")[1])
    assert rob("GET", "/users").status_code == 403
    assert rob("POST", f"/users/{cast.users['ada'].pk}/disable").status_code == 403
    assert "orders.place" in rob("GET", "/me").json()["permissions"]
    assert {r["name"] for r in rob("GET", "/roles").json()["items"]} >= {"requester", "auditor"}


def test_an_issued_certificate(api, engine):
    from chancery.apps.certificates.models import Certificate

    order = api("POST", "/orders", {"profile": "Internal", "csr": request_pem("life.example.com")}).json()
    engine.until(lambda: Certificate.objects.exists())
    whole = api("GET", f"/orders/{order['id']}").json()
    path = f"/certificates/{whole['certificate']}"
    assert api("GET", path).json()["pem"].startswith("-----BEGIN CERTIFICATE")
    for kind in ("pem", "chain", "pkcs7", "der"):
        assert api("GET", f"{path}/download?format={kind}").status_code == 200
    assert api("GET", f"{path}/download?format=p12").status_code == 400
    assert api("POST", f"{path}/renew").status_code == 201
    assert api("POST", f"{path}/revoke", {"reason": "boredom"}).status_code == 422
    assert api("POST", f"{path}/revoke", {"reason": "superseded"}).json()["revocation"] == "requested"
    assert api("POST", f"{path}/revoke", {"reason": "superseded"}).status_code == 409
    assert api("GET", "/orders?state=issued").json()["items"][0]["id"] == order["id"]
    assert api("GET", "/certificates?search=life").json()["count"] == "1"


def test_a_connector_of_a_ca_type_that_is_gone_is_listed_as_broken_and_deleted(api, local):
    from chancery.apps.connectors.models import Connector
    from chancery.apps.profiles.models import Profile

    Connector.objects.filter(pk=local.pk).update(authority="gone")
    for path in ("/connectors", "/connectors?authority=gone"):
        (row,) = api("GET", path).json()["items"]
        assert (row["id"], row["broken"]) == (str(local.pk), "No package that is installed brings it.")
    assert api("GET", f"/connectors/{local.pk}").json()["broken"]
    assert api("GET", "/connectors.csv?authority=gone").status_code == 200
    assert api("GET", "/connectors?authority=never").status_code == 400
    edited = api("PATCH", f"/connectors/{local.pk}", {"revision": 1, "name": "Other"})
    assert (edited.status_code, "Install its package" in edited.json()["remedy"]) == (404, True)
    preview = api("GET", f"/connectors/{local.pk}/delete-preview").json()
    assert (preview["erased"], len(preview["blockers"])) == (["issuing_key"], 2)
    for row in Profile.objects.all():
        api("DELETE", f"/profiles/{row.pk}")
    assert api("DELETE", f"/connectors/{local.pk}").status_code == 422
    assert api("DELETE", f"/connectors/{local.pk}?confirm={local.name}").status_code == 204


def test_a_key_is_reported_and_what_is_chosen_is_revoked(cast, api, engine):
    from chancery.apps.certificates.models import Certificate

    csr = request_pem("lost.example.com")
    for _ in range(2):
        api("POST", "/orders", {"profile": "Internal", "csr": csr})
    engine.until(lambda: Certificate.objects.count() == 2)
    one, two = (str(row.pk) for row in Certificate.objects.order_by("id"))
    assert api("GET", f"/certificates/{one}").json()["key_reported_at"] is None
    body = {"note": "The laptop is gone.", "revoke": [{"certificate": one, "reason": "keyCompromise"}]}
    made = api("POST", f"/certificates/{one}/report-key", body).json()
    assert made["revocations"] == [{"id": one, "ok": True, "detail": ""}]
    assert (made["reported_by"], made["note"]) == ("ada", "The laptop is gone.")
    assert [(row["id"], "keyCompromise" in row["reasons"]) for row in made["still_valid"]] == [(two, True)]
    whole = api("GET", f"/certificates/{two}").json()
    assert (whole["spki_sha256"], whole["key_reported_at"]) == (made["spki_sha256"], made["reported_at"])
    refused = api("POST", "/orders", {"profile": "Internal", "csr": csr}).json()
    assert [e["code"] for e in refused["errors"]] == ["key_compromised"]
    body = {"revoke": [{"certificate": one, "reason": "superseded"}]}
    again = api("POST", f"/certificates/{one}/report-key", body).json()
    assert [(r["ok"], "asked for already" in r["detail"]) for r in again["revocations"]] == [(False, True)]
    rob = Api(people.create_token(cast.rob, "test")[1])
    assert rob("POST", f"/certificates/{one}/report-key", {}).status_code == 403
    assert (made["for_everybody"], made["team"], made["confirmed_at"]) == (True, "Operations", None)
    assert api("POST", f"/key-reports/{made['id']}/confirm").status_code == 409
    assert rob("POST", f"/key-reports/{made['id']}/withdraw", {"reason": "No."}).status_code == 403
    withdrawn = api("POST", f"/key-reports/{made['id']}/withdraw", {"reason": "It was found."}).json()
    (listed,) = rob("GET", f"/key-reports?key={made['spki_sha256']}").json()["items"]
    assert listed == withdrawn
    assert (listed["withdrawn_by"], listed["withdrawn_why"], listed["note"]) == ("ada", "It was found.", made["note"])
    assert rob("GET", f"/key-reports?key={'0' * 64}").json()["items"] == []
    whole = api("GET", f"/certificates/{two}").json()
    assert (whole["key_reported_at"], whole["key_warned_at"]) == (None, None)
    assert api("POST", "/orders", {"profile": "Internal", "csr": csr}).status_code == 201


def test_calls(api, local):
    made = api("POST", f"/connectors/{local.pk}/test")
    assert made["Retry-After"] == "1"
    assert api("GET", made["Location"].removeprefix("/api/v1")).json()["state"] == "due"
    assert api("GET", f"/connectors/{local.pk}/delete-preview").status_code == 200
    assert api("GET", f"/connectors/{local.pk}/references").json() == {"references": {}}
    assert api("POST", f"/connectors/{local.pk}/deactivate").json()["submissions_in_flight"] == 0
    assert api("POST", "/connectors/bulk-switch", {"ids": [str(local.pk), 7], "status": "active"}).json()[
        "results"
    ] == [{"id": str(local.pk), "ok": True, "detail": ""}, {"id": "7", "ok": False, "detail": "There is no connector '7' that you may see."}]  # fmt: skip
    unsaved = {"authority": "local", "name": "x", "team": "Operations", "environment": "Production"}
    assert api("POST", "/connectors/test", unsaved).status_code == 202
    assert api("POST", f"/connectors/{local.pk}/choices/nothing").status_code == 422


def test_unknown_ca_types(api):
    assert fields(api("GET", "/connectors?authority=none")) == ["authority"]
    refused = api("POST", "/connectors", {"authority": "none", "name": "x"})
    assert (refused.status_code, fields(refused)) == (422, ["authority"])
    assert "digicert" in refused.json()["remedy"]


# Deleting


def test_a_key_that_exists_nowhere_else_is_erased_by_name(api):
    made = api(
        "POST",
        "/connectors",
        {"authority": "local", "name": "Spare", "team": "Operations", "environment": "Production"},
    )
    path = f"/connectors/{made.json()['id']}"
    preview = api("GET", f"{path}/delete-preview").json()
    assert preview == {
        "blockers": [], "certificates_no_longer_revocable": 0, "certificates": [], "erased": ["Issuing CA key"]
    }  # fmt: skip
    refused = api("DELETE", path)
    assert (refused.status_code, fields(refused)) == (422, ["confirm"])
    assert api("DELETE", f"{path}?confirm=Spare").status_code == 204


# Profiles


def test_a_profile_says_where_it_orders_and_moves_only_on_purpose(api, cast, local):
    from chancery.apps.accounts import actions as people

    people.create_environment(cast.host, "QA")
    qa = api("POST", "/connectors", {"authority": "local", "name": "QA CA", "team": "Operations", "environment": "QA"})
    profile = api("GET", "/profiles/Internal").json()
    assert (profile["connector"], profile["connector_name"]) == (str(local.pk), "Local")
    assert {p["connector_name"] for p in api("GET", "/profiles").json()["items"]} == {"Local"}
    body = {"name": "Internal", "connector": qa.json()["id"], "revision": 1}
    refused = api("PUT", "/profiles/Internal", body)
    assert (refused.status_code, fields(refused)) == (422, ["confirm_environment"])
    moved = api("PUT", "/profiles/Internal", {**body, "confirm_environment": "QA"}).json()
    assert (moved["connector_name"], moved["environment"]) == ("QA CA", "QA")
    api("POST", f"/connectors/{local.pk}/deactivate")
    other = api("PUT", "/profiles/Internal", {**body, "connector": "Local", "revision": 2})
    assert (other.status_code, fields(other)) == (422, ["connector"])


# Revocation


def test_a_revocation_that_nobody_publishes_says_so(api, engine, monkeypatch):
    from chancery import catalog
    from chancery.apps.certificates.models import Certificate

    api("POST", "/orders", {"profile": "Internal", "csr": request_pem("r.example.com")})
    engine.until(lambda: Certificate.objects.exists())
    path = f"/certificates/{Certificate.objects.get().pk}"
    assert api("GET", path).json()["revocation_published"] is None
    api("POST", f"{path}/revoke", {"reason": "superseded"})
    engine.until(lambda: Certificate.objects.get().revocation == "confirmed")
    found = api("GET", path).json()
    assert (found["status"], found["revocation_published"]) == ("revoked", False)
    assert "not published" in found["revocation_text"]
    types = {t["slug"]: t["publishes_revocations"] for t in api("GET", "/authorities").json()["items"]}
    assert (types["local"], types["digicert"]) == (False, True)
    monkeypatch.setattr(catalog, "find", lambda slug: None)
    assert api("GET", path).json()["revocation_published"] is True


# Tested before it is saved


def test_settings_are_tested_before_they_are_saved(api, engine, simulator):
    values = dict(digicert_values(simulator).items())
    with working(engine):
        wrong = api("POST", "/connectors?test=true", {"authority": "digicert", **values, "api_key": "wrong"})
        assert (wrong.status_code, set(fields(wrong))) == (422, {"test", "untested"})
        made = api("POST", "/connectors?test=true", {"authority": "digicert", **values})
        assert made.status_code == 201
        assert made.json()["tested_at"]
        path = f"/connectors/{made.json()['id']}"
        spoilt = {"revision": 1, "api_key": "wrong"}
        assert set(fields(api("PATCH", f"{path}?test=true", spoilt))) == {"test", "untested"}
        assert api("GET", path).json()["version"] == 1
        same = api("PATCH", f"{path}?test=true", {"revision": 1, "description": "words"}).json()
        assert same["tested_at"] == made.json()["tested_at"]
        saved = api("PATCH", f"{path}?test=true&untested=It%20comes%20tomorrow.", {**spoilt, "revision": 2}).json()
    assert (saved["tested_at"], saved["untested_reason"]) == (None, "It comes tomorrow.")


def test_a_test_that_no_worker_makes_is_said_and_nothing_is_saved(api, simulator, monkeypatch):
    from chancery.apps.connectors import trial

    monkeypatch.setattr(trial, "PATIENCE", 0.2)
    made = api("POST", "/connectors?test=true", {"authority": "digicert", **digicert_values(simulator)})
    assert made.status_code == 503
    assert "No worker is running" in made.json()["detail"]
    assert api("GET", "/connectors?authority=digicert").json()["items"] == []
    plain = api("POST", "/connectors", {"authority": "digicert", **digicert_values(simulator)}).json()
    assert (plain["tested_at"], plain["untested_reason"]) == (None, "")


# One schema for each CA type


def test_each_ca_type_has_a_schema_of_its_own(api):
    whole = {"$ref": "#/components/schemas/ConnectorIn"}
    digicert = {"authority": "digicert", "name": "Public", "api_key": "x", "rate_percent": 50}
    assert errors_in(digicert, whole) == []
    assert errors_in({"authority": "local", "name": "Inside"}, whole) == []
    for wrong in ({"rate_percent": 500}, {"colour": "red"}, {"authority": "local"}, {"authority": "x"}, {"years": 3}):
        assert errors_in({**digicert, **wrong}, whole), wrong
    assert errors_in({k: v for k, v in digicert.items() if k != "api_key"}, whole)
    schemas = description()["components"]["schemas"]
    assert schemas["ConnectorIn"]["discriminator"]["mapping"]["local"] == "#/components/schemas/ConnectorIn_local"
    assert schemas["ConnectorIn_digicert"]["properties"]["api_key"]["writeOnly"] is True
    assert errors_in({"server": True}, {"$ref": "#/components/schemas/Product_local"}) == []
    assert api("GET", "/authorities/local").json()["slug"] == "local"
    assert api("GET", "/authorities/none").status_code == 404
