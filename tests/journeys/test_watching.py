"""A day in which things go wrong and come right: measured, told, renewed; through every door."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.test import Client

from chancery.apps.accounts import actions as people
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Connector
from chancery.apps.health.models import EVER, Bucket, Vital
from chancery.apps.notices import watch
from chancery.apps.notices.models import Channel, Delivery, Notice
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals import planning, renewing
from chancery.apps.renewals.models import Plan
from chancery.apps.shared.action import current_clock
from chancery.engine import routine
from tests.cast import request_pem
from tests.commands import invoke
from tests.journeys.test_acme import acme, ca, state  # noqa: F401  fixtures
from tests.journeys.working import working

pytestmark = pytest.mark.django_db(transaction=True)


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hook():
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.url = [], f"json://127.0.0.1:{server.server_port}/a-token-of-the-test"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def token(cast):
    from chancery.apps.orders import grouping

    yield people.create_token(cast.ada, "test")[1]
    grouping.close()


@pytest.fixture
def api(token):
    def call(method, path, body=None, code=200, **headers):
        more = {f"HTTP_{k.upper()}": v for k, v in headers.items()}
        text = json.dumps(body) if body is not None else ""
        answer = Client().generic(
            method, f"/api/v1{path}", text, "application/json", HTTP_AUTHORIZATION=f"Bearer {token}", **more
        )
        assert answer.status_code == code, answer.content
        return answer.json() if answer.content else None

    return call


def measured(engine):
    """Have the worker add what it counted to the tables now."""
    engine.worker._meter._last = engine.worker._last_beat = float("-inf")
    engine.worker.turn()


def test_a_ca_that_wants_its_certificates_replaced_gets_each_renewed_once(cast, acme, ca, engine):
    Profile.objects.update(renewal="same_key")
    made = place(cast.ada, PlaceOrder("Web", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "issued")
    planning.cover(current_clock().now(), {})
    plan = Plan.objects.get()
    assert (plan.state, plan.ask_at is not None) == ("planned", True)
    ca.dials.set(renew_now=True)
    routine.ask_hints(current_clock().now(), {})
    engine.until(lambda: Plan.objects.get().hint_at is not None)
    plan = Plan.objects.get()
    assert plan.hint_url == "https://ca.example/renewals"
    assert plan.due_at < current_clock().now()
    for _ in range(2):
        renewing.renew(current_clock().now(), {})
    engine.until(lambda: Order.objects.filter(replaces=plan.pk, state="issued").exists())
    renewing.renew(current_clock().now(), {})
    assert Plan.objects.get(pk=plan.pk).state == "replaced"
    orders = ca.ledger.lines("order")
    assert [bool(line.detail) for line in orders] == [False, True], "the renewal must say what it replaces, once"


def test_calls_of_seats_and_of_signing_processes_are_measured(cast, local, digicert, engine):
    for profile in ("Internal", "Public"):
        place(cast.rob, PlaceOrder(profile, request_pem("www.example.com")))
    engine.until(lambda: Certificate.objects.count() == 2)
    measured(engine)
    rows = Bucket.objects.filter(width=EVER, operation="submit", outcome="issued")
    assert set(rows.values_list("connector", "number")) == {(local.pk, 1), (digicert.pk, 1)}
    assert all(0 < row.seconds < 15 for row in rows)
    routine.ask_freshness(current_clock().now(), {})
    engine.until(lambda: Vital.objects.filter(kind="ca_certificate", connector=local).exists())
    engine.until(lambda: Vital.objects.filter(kind="clock_skew", connector=digicert).exists())


def test_a_sick_connector_is_told_once_and_so_is_its_recovery(cast, local, hook, api, engine):
    body = {"name": "Chat", "team": "Operations", "url": hook.url, "allowed_networks": ["127.0.0.0/8"]}
    made = api("POST", "/channels", body, 201)
    assert "token" not in json.dumps(made)
    tested = api("POST", f"/channels/{made['id']}/test", code=202)
    Connector.objects.update(health="unreachable", health_text="Nobody answers.", failures=4)
    for _ in range(2):
        watch.watch(current_clock().now(), {})
    engine.until(lambda: set(Delivery.objects.values_list("state", flat=True)) == {"sent"})
    Connector.objects.update(health="healthy", failures=0)
    watch.watch(current_clock().now(), {})
    engine.until(lambda: Delivery.objects.filter(state="sent").count() == 3)
    texts = [message["message"] for message in hook.got]
    assert "Test, asked for by ada: this channel works." in texts[0]
    assert sum("New: Local: unreachable\nNobody answers." in text for text in texts) == 1
    assert texts[-1] == "Over: Local: unreachable"
    assert api("GET", f"/channels/{made['id']}/deliveries/{tested['id']}")["state"] == "sent"
    assert api("GET", "/notices")["items"] == []
    assert [n["kind"] for n in api("GET", "/notices?state=over")["items"]] == ["connector_sick"]


def test_channels_over_rest(cast, local, hook, api):
    body = {"name": "Chat", "team": "Operations", "url": hook.url}
    made = api("POST", "/channels", body, 201)
    path = f"/channels/{made['id']}"
    assert api("GET", "/channels")["items"] == [made] == [api("GET", "/channels/Chat")]
    api("PUT", path, {"name": "Talk", "team": "Operations"}, 428)
    done = api("PUT", path, {"name": "Talk", "team": "Operations", "environment": "Production", "revision": 1})
    assert (done["name"], done["environment"], done["service"]) == ("Talk", "Production", "json")
    api("PUT", path, {"name": "T", "team": "Operations", "revision": 1}, 409)
    api("PUT", path, {"name": "T", "team": "Operations"}, 412, if_match='"1"')
    assert api("POST", "/channels", {**body, "url": "nosuch://x"}, 422)["errors"][0]["field"] == "url"
    api("DELETE", path, code=204)
    api("GET", path, code=404)


def test_renewals_and_health_over_rest(cast, local, api, engine):
    made = place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "issued")
    measured(engine)
    found = api("GET", f"/connectors/{local.pk}/health?span=week")
    assert [(o["name"], o["calls"]) for o in found["operations"] if o["name"] == "submit"] == [("submit", 1)]
    assert sum(point["issued"] for point in found["points"]) == 1
    api("GET", f"/connectors/{local.pk}/health?span=century", code=400)
    ident = str(Certificate.objects.get().pk)
    Plan.objects.all().delete()
    api("GET", f"/certificates/{ident}/renewal", code=404)
    planning.cover(current_clock().now(), {})
    plan = api("GET", f"/certificates/{ident}/renewal")
    assert (plan["state"], plan["order"], plan["common_name"]) == ("planned", None, "www.example.com")
    assert api("GET", "/renewals")["items"] == [plan] == api("GET", "/renewals?state=planned")["items"]
    forecast = api("GET", "/renewals/forecast")
    assert (sum(forecast["weeks"]), forecast["connectors"][0]["name"]) == (1, "Local")
    left = api("PUT", f"/certificates/{ident}/next-request", {"csr": request_pem("www.example.com")})
    assert left["next_request_by"] == "ada"
    order = api("POST", f"/certificates/{ident}/renew", {}, 201)
    assert api("GET", f"/certificates/{ident}/renewal")["order"] == order["id"]
    refused = api("POST", f"/certificates/{ident}/renew", {}, 409)
    assert (refused["code"], refused["blockers"][0]["id"]) == ("renewal_open", order["id"])


def test_the_command_line(cast, local, hook, token, live_server, engine, monkeypatch, tmp_path):
    monkeypatch.setenv("CHANCERY_URL", live_server.url)
    monkeypatch.setenv("CHANCERY_TOKEN", token)
    address = tmp_path / "address"
    address.write_text(hook.url + "\n")

    def run(*command, code=0):
        done = invoke(command)
        assert done.exit_code == code, (command, done.output, done.exception)
        return done.output

    allowed = ("--network", "127.0.0.0/8")
    assert "Created Chat (json)" in run("channels", "create", "Chat", "--secret", f"url=@{address}", *allowed)
    assert "Chat" in run("channels", "list")
    with working(engine):
        assert "Sent." in run("channels", "test", "Chat")
    assert len(hook.got) == 1
    assert "Chat is changed" in run("channels", "edit", "Chat", "--kind", "ca_stale", "--off")
    row = Channel.objects.get()
    assert (row.kinds, row.is_active, row.allowed_networks) == (["ca_stale"], False, ["127.0.0.0/8"])
    mine = {"team_id": local.team_id, "environment_id": local.environment_id}
    now = current_clock().now()
    Notice.objects.create(kind="ca_stale", key="1", title="A list runs out", opened_at=now, told_at=now, **mine)
    assert "A list runs out" in run("notices", "list", "--kind", "ca_stale")
    assert "Chat is deleted" in run("channels", "delete", "Chat")
    made = place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "issued")
    measured(engine)
    planning.cover(now, {})
    Vital.objects.create(connector=local, kind="crl", subject="http://crl", error="It cannot be fetched.", at=now)
    assert "crl http://crl: It cannot be fetched." in run("connectors", "health", "Local")
    assert json.loads(run("connectors", "health", "Local", "--json"))["span"] == "day"
    certificate = str(Certificate.objects.get().pk)
    assert "www.example.com" in run("renewals", "list")
    Plan.objects.update(due_at=now - timedelta(days=1))
    assert "1 of the first week are due already." in run("renewals", "forecast")
    assert "planned" in run("renewals", "show", certificate)
    csr = tmp_path / "csr.pem"
    csr.write_text(request_pem("www.example.com"))
    assert "It will be renewed by that request." in run("renewals", "leave-request", certificate, csr)
    assert "No request is left for it." in run("renewals", "leave-request", certificate)
    run("profiles", "edit", "Internal", "--set", "renewal=same_key", "--set", "renewal_share=50")
    assert Profile.objects.filter(renewal="same_key", renewal_share=50).count() == 1
