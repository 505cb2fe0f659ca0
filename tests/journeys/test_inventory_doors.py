"""An inventory through each door: the API, the command line, the console."""

import json
import re

import pytest
from django.test import Client
from django.urls import reverse

from chancery.apps.accounts import actions as people
from chancery.apps.accounts.models import User
from chancery.apps.certificates.models import Certificate
from chancery.apps.inventory.models import Finding, Pull
from tests.journeys.api import Api
from tests.journeys.inventorying import send
from tests.journeys.test_cli import data, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def there(digicert, simulator):
    """Certificates of an account that others use too."""
    return send(simulator.control, "POST", "/stock", {"number": 6, "name": "there"})["stocked"]


@pytest.fixture
def api(cast):
    return Api(people.create_token(cast.ada, "test")[1])


@pytest.fixture
def cli(cast, live_server, monkeypatch, tmp_path):
    monkeypatch.setenv("CHANCERY_URL", live_server.url)
    monkeypatch.setenv("CHANCERY_TOKEN", people.create_token(cast.ada, "test")[1])
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def ada(cast):
    client = Client()
    client.force_login(User.objects.get(username="ada"))
    return client


def pem(certificates):
    return "".join(c["pem"] for c in certificates)


def pulled(engine, ident):
    engine.until(lambda: Pull.objects.get(pk=ident).state in {"done", "failed"})
    return Pull.objects.get(pk=ident)


def text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def test_over_rest(api, there, digicert, engine):
    body = {"certificates": pem(there[:2]), "connector": str(digicert.pk), "source": "old.pem"}
    shown = api("POST", "/inventory/preview", body).json()
    assert (shown["counts"]["new"], shown["possible"], len(shown["items"])) == (2, True, 2)
    assert api("POST", "/inventory/import", {**body, "previewed": "x"}).status_code == 409
    done = api("POST", "/inventory/import", {**body, "previewed": shown["digest"]})
    assert (done.status_code, done.json()) == (201, {"stored": 2, "owners_changed": 0})
    row = api("GET", "/certificates").json()["items"][0]
    assert (row["origin"], row["order"], row["profile"]) == ("imported", None, None)
    begun = api("POST", f"/connectors/{digicert.pk}/pulls")
    assert begun.status_code == 202
    assert api("POST", f"/connectors/{digicert.pk}/pulls").status_code == 409
    pulled(engine, begun.json()["id"])
    told = api("GET", begun["Location"].removeprefix("/api/v1")).json()
    assert (told["state"], told["matched"], told["at_ca_only"]) == ("done", 2, 4)
    assert [p["id"] for p in api("GET", f"/pulls?connector={digicert.pk}").json()["items"]] == [told["id"]]
    assert api("POST", f"/pulls/{told['id']}/stop").status_code == 409
    one, two, three, four = (
        f["id"] for f in api("GET", "/findings?kind=at_ca_only&state=open&sort=id").json()["items"]
    )
    assert api("GET", f"/findings/{one}").json()["connector_name"] == "DigiCert"
    assert api("POST", f"/findings/{one}/adopt", {"profile": "Public"}).json()["state"] == "fetching"
    assert api("POST", f"/findings/{two}/ignore", {"reason": "Theirs."}).json()["reason"] == "Theirs."
    assert api("POST", f"/findings/{two}/reopen").json()["state"] == "open"
    assert api("POST", f"/findings/{three}/revoke", {"reason": "superseded"}).status_code == 422
    assert api("POST", f"/findings/{three}/revoke", {"reason": "superseded", "confirm": True}).status_code == 200
    many = api("POST", "/findings/decide", {"verb": "ignore", "ids": [two, one], "reason": "Theirs."}).json()["results"]
    assert [(r["id"], r["ok"]) for r in many] == [(two, True), (one, False)]
    assert api("POST", "/findings/decide", {"verb": "adopt", "ids": [four]}).json()["results"][0]["ok"]
    assert api("POST", "/findings/decide", {"verb": "forget", "ids": [four]}).status_code == 422
    engine.until(lambda: Certificate.objects.count() == 5)
    assert api("GET", f"/findings/{one}").json()["certificate"]


def test_owners_alone_and_a_file_that_cannot_be_used(api, there, digicert):
    assert api("POST", "/inventory/preview", {"certificates": "nothing"}).status_code == 422
    body = {"certificates": pem(there[:1]), "owners": "serial,team,owner\n99,Nowhere,x\n", "team": "Operations"}
    shown = api("POST", "/inventory/preview", body).json()
    assert (shown["possible"], shown["items"][0]["fate"], shown["unused_lines"]) == (False, "homeless", [2])
    assert api("POST", "/inventory/import", {**body, "previewed": shown["digest"]}).status_code == 422


def test_by_the_command_line(cli, there, digicert, engine, tmp_path):
    file, owners = tmp_path / "old.pem", tmp_path / "owners.csv"
    file.write_text(pem(there[:2]))
    owners.write_text(f"serial,owner\n{there[0]['serial']},Web team\n1234,x\n")
    told = cli("inventory", "import", file, "--owners", owners, "--connector", "DigiCert")
    assert "2 new" in told.stderr
    assert "lines of the CSV: 3" in told.stderr
    assert not Certificate.objects.exists()
    done = cli("inventory", "import", file, "--owners", owners, "--connector", "DigiCert", "--yes")
    assert "Stored: 2" in done.stdout
    assert Certificate.objects.get(owner="Web team").origin_text == "From old.pem, by ada"
    assert "cannot be imported" in cli("inventory", "import", file, "--connector", "DigiCert", "--yes", code=1).stderr
    assert "Nothing was given" in cli("inventory", "import", code=2).stderr
    ident = data(cli, "inventory", "pull", "DigiCert")["id"]
    pulled(engine, ident)
    printed = " ".join(cli("inventory", "pulls").stdout.split())
    assert "DigiCert" in printed
    assert "2 of 6" in printed
    assert "ended already" in cli("inventory", "stop", ident, code=1).stderr
    found = data(cli, "inventory", "findings", "--connector", "DigiCert", "--kind", "at_ca_only")["items"]
    assert data(cli, "inventory", "show", found[0]["id"]) == found[0]
    one, two, three, four = (f["id"] for f in found)
    assert "done" in cli("inventory", "adopt", one, two, "--profile", "Public").stdout
    assert "cannot be undone" in cli("inventory", "revoke", three, "--reason", "superseded", code=2).stderr
    assert data(cli, "inventory", "revoke", three, "--reason", "superseded", "--yes")["results"][0]["ok"]
    cli("inventory", "ignore", four, "--reason", "Theirs.")
    assert "1 of 1 were refused" in cli("inventory", "ignore", four, "--reason", "Again.", code=1).stderr
    cli("inventory", "reopen", four)
    assert len(data(cli, "inventory", "findings", "--state", "all")["items"]) == 4
    engine.until(lambda: Certificate.objects.filter(origin="adopted").count() == 3)


@pytest.mark.parametrize("form", ["der", "base64"])
def test_files_in_every_form(cli, there, digicert, tmp_path, form):
    import base64

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    der = x509.load_pem_x509_certificate(there[0]["pem"].encode()).public_bytes(Encoding.DER)
    file = tmp_path / "one"
    file.write_bytes(der if form == "der" else base64.encodebytes(der))
    assert data(cli, "inventory", "import", file, "--connector", "DigiCert")["counts"]["new"] == 1


def test_an_import_through_the_console(ada, there, digicert, tmp_path):
    from django.core.files.uploadedfile import SimpleUploadedFile

    file = SimpleUploadedFile("old.pem", pem(there[:2]).encode())
    owners = SimpleUploadedFile("owners.csv", f"serial,owner\n{there[0]['serial']},Web team\n77,x\n".encode())
    address = reverse("inventory_import")
    shown = ada.post(address, {"file": file, "owners": owners, "connector": str(digicert.pk)})
    assert "Import 2" in text(shown)
    assert "3 (77)" in text(shown)
    assert not Certificate.objects.exists()
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', shown.content.decode()))
    assert ada.post(address, {**fields, "certificates": "not whole"}).status_code == 422
    assert ada.post(address, {**fields, "team": "Operations"}).status_code == 409
    done = ada.post(address, fields, follow=True)
    assert "Stored: 2. Owners changed: 0." in text(done)
    row = Certificate.objects.get(owner="Web team")
    page = text(ada.get(reverse("certificate", args=[row.pk])))
    assert "Imported. From old.pem, by ada" in page
    assert "one is chosen when it is renewed" in page


def test_a_private_key_is_refused_and_not_shown_again(ada, cast):
    typed = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
    refused = ada.post(reverse("inventory_import"), {"certificates": typed})
    assert refused.status_code == 422
    assert "c2VjcmV0" not in refused.content.decode()
    kept = ada.post(reverse("inventory_import"), {"certificates": "not a certificate"})
    assert "not a certificate" in kept.content.decode()


def test_a_file_too_large_for_a_form_is_refused(ada, cast, monkeypatch):
    from django.core.files.uploadedfile import SimpleUploadedFile

    from chancery.doors.console.views import inventory

    monkeypatch.setattr(inventory, "_MOST", 10)
    refused = ada.post(reverse("inventory_import"), {"file": SimpleUploadedFile("x", b"x" * 11)})
    assert (refused.status_code, "Split it" in text(refused)) == (422, True)


def test_pulls_and_decisions_through_the_console(ada, there, digicert, engine):
    assert "No CA's list has been pulled yet" in text(ada.get(reverse("inventory"))).replace("&#x27;", "'")
    assert "Pull inventory" in text(ada.get(reverse("connector", args=[digicert.pk])))
    begun = ada.post(reverse("pull_begin"), {"connector": str(digicert.pk)})
    pull = Pull.objects.get()
    assert begun["Location"] == reverse("pull", args=[pull.pk])
    live = ada.get(begun["Location"])
    assert "No worker is running" in text(live)
    assert 'hx-trigger="every 2s"' in live.content.decode()
    again = ada.post(reverse("pull_begin"), {"connector": str(digicert.pk)}, follow=True)
    assert "being pulled already" in text(again)
    pulled(engine, pull.pk)
    part = ada.get(begun["Location"], headers={"HX-Request": "true"})
    assert "hx-trigger" not in part.content.decode()
    assert "known, of 6 listed" in text(part)
    assert "ended already" in text(ada.post(reverse("pull_stop", args=[pull.pk]), follow=True))
    assert "6 in all" in text(ada.get(reverse("inventory")))
    assert "6" in text(ada.get("/"))
    one, two, three, *_rest = (f.pk for f in Finding.objects.order_by("id"))
    page = ada.get(reverse("finding", args=[one]))
    assert "nobody here knows it" in text(page)
    decide = reverse("inventory_decide")
    assert "Nothing was selected" in text(ada.post(decide, {"verb": "ignore"}, follow=True))
    kept = {"at_kind": "at_ca_only", "at_state": "open"}
    back = ada.post(decide, {"verb": "ignore", "why": "Theirs.", "id": [one, two], **kept})
    assert back["Location"] == "/inventory?kind=at_ca_only&state=open"
    after = text(ada.get(back["Location"]))
    assert "2 findings: Ignored." in after
    assert "4 in all" in after
    unconfirmed = ada.post(decide, {"verb": "revoke", "reason": "superseded", "id": [three]}, follow=True)
    assert "cannot be undone" in text(unconfirmed)
    ada.post(decide, {"verb": "revoke", "reason": "superseded", "confirm": "on", "id": [three]})
    assert "Revocation asked for" not in text(ada.get(reverse("finding", args=[three])))
    assert "fetched from the CA" in text(ada.get(reverse("finding", args=[three])))
    assert "Open it again" in text(ada.get(reverse("finding", args=[one])))
    ada.post(reverse("finding_act", args=[one, "reopen"]))
    done = ada.post(reverse("finding_act", args=[one, "adopt"]), {"profile": "Public"}, follow=True)
    assert "Adopted, or fetched" in text(done)
    assert ada.post(reverse("finding_act", args=[one, "forget"])).status_code == 404
    engine.until(
        lambda: Certificate.objects.filter(revocation="confirmed").exists() and Certificate.objects.count() == 2
    )
    assert "Our certificate" in text(ada.get(reverse("finding", args=[one])))
    assert "No finding fits" in text(ada.get(reverse("inventory"), {"kind": "ours_only", "state": "all"}))


def test_a_requester_sees_findings_and_no_buttons(cast, there, digicert, engine):
    from chancery.apps.inventory import actions

    pulled(engine, actions.pull(cast.ada, digicert.pk).pk)
    rob = Client()
    rob.force_login(User.objects.get(username="rob"))
    page = rob.get(reverse("inventory"))
    assert "6 in all" in text(page)
    assert "With the selected" not in text(page)
    assert rob.get(reverse("inventory_import")).status_code == 403
    assert "Stop" not in text(rob.get(reverse("pull", args=[Pull.objects.get().pk])))
    assert json.dumps(text(rob.get(reverse("pulls"))))
