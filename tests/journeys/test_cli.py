"""The commands that speak REST, against a live server: what they print, what they leave, how they end."""

import base64
import hashlib
import json
import stat
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chancery.apps.accounts import actions as people
from chancery.doors.cli.output import EXITS, Exit
from tests.cast import digicert_values, request_pem
from tests.commands import invoke
from tests.journeys.working import working

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cli(cast, local, live_server, monkeypatch, tmp_path):
    from chancery.apps.orders import grouping

    monkeypatch.setenv("CHANCERY_URL", live_server.url)
    monkeypatch.setenv("CHANCERY_TOKEN", people.create_token(cast.ada, "test")[1])
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    yield run
    grouping.close()


def run(*command, code=0, stdin=None):
    done = invoke(command, input=stdin)
    assert done.exit_code == code, (command, done.output, done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def data(cli, *command, code=0):
    return json.loads(cli(*command, "--json", code=code).stdout)


def issue(cli, engine, *command):
    from chancery.apps.orders.models import Order

    made = data(cli, "orders", "create", "Internal", *command)
    engine.until(lambda: Order.objects.get(pk=made["id"]).state == "issued")
    return data(cli, "orders", "show", made["id"])


# How it ends


def test_every_exit_status_is_explained():
    assert set(EXITS) == set(Exit)


def test_a_refusal_is_a_sentence_with_a_remedy(cli):
    done = cli("orders", "list", "--state", "lost", code=Exit.REFUSED)
    assert "state" in done.stderr
    assert "outcome_unknown" in done.stderr
    assert done.stdout == ""


def problem(cli, *command, code=1):
    """Return what a command for programs says on standard error: a problem document, and nothing on standard output."""
    done = cli(*command, "--json", code=code)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return json.loads(line)


def test_programs_are_refused_in_json(cli, monkeypatch):
    refused = problem(cli, "orders", "list", "--state", "lost")
    assert (refused["status"], refused["code"], refused["exit"]) == (400, "invalid", Exit.REFUSED)
    assert refused["errors"][0]["field"] == "state"
    nobody = problem(cli, "pools", "show", "None")
    assert (nobody["code"], nobody["type"]) == ("refused", "urn:chancery:problem:refused")
    assert ("pools list" in nobody["remedy"], nobody["errors"]) == (True, [])
    for written in (["orders", "show"], ["orders", "fly"], ["orders", "list", "--limit", "many"], ["fly"]):
        wrong = problem(cli, *written, code=Exit.USAGE)
        assert (wrong["code"], wrong["exit"]) == ("usage", 2)
        assert f"chancery {' '.join(written[:2])}" in wrong["remedy"]
    monkeypatch.setenv("CHANCERY_TOKEN", "chy_wrong")
    assert problem(cli, "whoami", code=Exit.UNAUTHENTICATED)["status"] == 401
    monkeypatch.setenv("CHANCERY_URL", "http://127.0.0.1:1")
    assert problem(cli, "whoami", code=Exit.UNREACHABLE)["code"] == "unreachable"
    assert "Usage" in cli("whoami", "--json", "--help").stdout


def test_no_token(cli, monkeypatch):
    monkeypatch.delenv("CHANCERY_TOKEN")
    assert "CHANCERY_TOKEN_FILE" in cli("whoami", code=Exit.UNAUTHENTICATED).stderr
    monkeypatch.setenv("CHANCERY_TOKEN", "chy_wrong")
    assert "unknown, expired or revoked" in cli("whoami", code=Exit.UNAUTHENTICATED).stderr
    monkeypatch.setenv("CHANCERY_TOKEN", "zwei Wörter")
    cli("whoami", code=Exit.UNAUTHENTICATED)


def test_the_token_file(cli, monkeypatch, tmp_path):
    import os

    file = tmp_path / "token"
    file.write_text(os.environ["CHANCERY_TOKEN"] + "\n")
    monkeypatch.delenv("CHANCERY_TOKEN")
    monkeypatch.setenv("CHANCERY_TOKEN_FILE", str(file))
    assert data(cli, "whoami")["name"] == "ada"
    file.write_bytes(b"\xff\xfe")
    assert "UTF-8" in cli("whoami", code=Exit.USAGE).stderr
    file.unlink()
    assert "No such file" in cli("whoami", code=Exit.USAGE).stderr
    monkeypatch.setenv("CHANCERY_TOKEN_FILE", str(tmp_path))
    assert "directory" in cli("whoami", code=Exit.USAGE).stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[", "ftp://x", "nonsense"])
def test_no_server(cli, monkeypatch, url):
    monkeypatch.setenv("CHANCERY_URL", url)
    assert "CHANCERY_URL" in cli("whoami", code=Exit.UNREACHABLE).stderr


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (302, b""), (404, b"[]"), (502, b'"no"')])
def test_another_server(cli, monkeypatch, status, body):
    with answering(status, body) as url:
        monkeypatch.setenv("CHANCERY_URL", url)
        cli("whoami", code=Exit.UNREACHABLE)


class answering:  # noqa: N801  reads as a sentence
    """A server that answers everything alike, or breaks off where the status is 0."""

    def __init__(self, status, body=b""):
        class Handler(BaseHTTPRequestHandler):
            def _any(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if status:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                self.close_connection = True

            do_GET = do_POST = _any

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


# Tables and JSON


LISTS = [
    ("authorities", "list"), ("authorities", "fields", "digicert"), ("connectors", "list"), ("connectors", "show", "Local"),
    ("profiles", "list"), ("profiles", "show", "Internal"), ("orders", "list"), ("certificates", "list"),
    ("people", "list"), ("roles", "list"), ("teams", "list"), ("environments", "list"), ("tokens", "list"),
    ("audit", "list"), ("whoami",), ("inventory", "pulls"), ("inventory", "findings"), ("bots", "kinds"),
]  # fmt: skip


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_tables_fit_a_terminal_and_json_is_json(cli, cast, command):
    from chancery.apps.orders.place import PlaceOrder, place

    place(cast.rob, PlaceOrder("Internal", request_pem(f"{'very-long.name.of.it.' * 2}example.com")))
    table = cli(*command).stdout
    assert table.strip()
    assert max(map(len, table.splitlines())) <= 80
    assert data(cli, *command)


def test_what_steers_a_terminal_is_not_printed(cli, monkeypatch):
    page = {"items": [{"id": "1", "state": "\x1b[31m[red]x\x07", "common_name": "[/]"}], "next": ""}
    with answering(200, json.dumps(page).encode()) as url:
        monkeypatch.setenv("CHANCERY_URL", url)
        printed = cli("orders", "list").stdout
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert "[red]x" in printed
    assert "[/]" in printed


# Files


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_a_request_that_cannot_be_read(cli, tmp_path, content):
    file = tmp_path / "csr"
    if content is not None:
        file.write_bytes(content)
    assert str(file) in cli("orders", "create", "Internal", "--csr", file, code=Exit.USAGE).stderr


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("api_key=plain", "files"),
        ("api_key=@none", "No such file"),
        ("api_key=@empty", "empty"),
        ("api_key=@.", "directory"),
    ],
)
def test_a_secret_that_cannot_be_read(cli, tmp_path, given, named):
    (tmp_path / "empty").write_text("\n")
    done = cli("connectors", "create", "digicert", "X", "--secret", given, code=Exit.USAGE)
    assert named in done.stderr
    assert "plain" not in done.stderr
    cli("connectors", "create", "digicert", "X", "--set", "nothing", code=Exit.USAGE)


def test_requests_in_every_form(cli, tmp_path):
    text = request_pem("form.example.com")
    (tmp_path / "pem").write_text(text)
    (tmp_path / "der").write_bytes(base64.b64decode("".join(text.splitlines()[1:-1])))
    assert data(cli, "orders", "create", "Internal", "--csr", "pem")["common_name"] == "form.example.com"
    assert data(cli, "orders", "create", "Internal", "--csr", "der")["common_name"] == "form.example.com"
    piped = cli("orders", "create", "Internal", "--csr", "-", "--json", stdin=text)
    assert json.loads(piped.stdout)["common_name"] == "form.example.com"


def test_a_key_is_made_here_and_fits(cli, engine, tmp_path):
    whole = issue(cli, engine, "--new-key", "EC-P256", "--name", "new.example.com", "--key-out", "k.pem")
    key = tmp_path / "k.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert not (tmp_path / "k.pem.order").exists()
    ident = whole["certificate"]
    for kind in ("pem", "chain", "pkcs7", "der"):
        cli("certificates", "download", ident, "--format", kind, "--out", f"c.{kind}")
    leaf = x509.load_der_x509_certificate((tmp_path / "c.der").read_bytes())
    assert leaf.public_key() == load_pem_private_key(key.read_bytes(), None).public_key()
    assert (tmp_path / "c.pem").read_bytes() == cli("certificates", "download", ident, "--format", "pem").stdout_bytes
    assert cli("certificates", "download", ident, "--format", "der").stdout_bytes == (tmp_path / "c.der").read_bytes()
    assert (tmp_path / "c.chain").read_text().startswith((tmp_path / "c.pem").read_text())
    assert "already" in cli("certificates", "download", ident, "--out", "c.pem", code=Exit.USAGE).stderr
    cli("certificates", "download", ident, "--format", "p12", code=Exit.USAGE)


@pytest.mark.parametrize("made", ["k.pem", "k.pem.order"])
def test_a_file_in_the_way_is_said_before_anything_is_ordered(cli, tmp_path, made):
    (tmp_path / made).write_text("mine")
    command = ("orders", "create", "Internal", "--new-key", "EC-P256", "--name", "x.example.com", "--key-out", "k.pem")
    assert "already" in cli(*command, code=Exit.USAGE).stderr
    assert (tmp_path / made).read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == [made]
    assert data(cli, "orders", "list")["items"] == []


def test_a_name_too_long_for_a_common_name(cli):
    name = f"{'a' * 60}.{'b' * 60}.example.com"
    assert data(cli, "orders", "create", "Internal", "--new-key", "EC-P256", "--name", name)["names"] == [name]


@pytest.mark.parametrize("name", ["a b", "-", "x..y"])
def test_a_name_that_is_none(cli, tmp_path, name):
    cli("orders", "create", "Internal", "--new-key", "EC-P256", "--name", name, code=Exit.USAGE)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(cli):
    command = (
        "orders",
        "create",
        "Internal",
        "--new-key",
        "EC-P256",
        "--name",
        "x.example.com",
        "--key-out",
        "no/k.pem",
    )
    assert "folder" in cli(*command, code=Exit.USAGE).stderr
    assert data(cli, "orders", "list")["items"] == []


def test_a_refused_order_leaves_no_key(cli, tmp_path):
    command = ("orders", "create", "Nobody", "--new-key", "EC-P256", "--name", "x.example.com")
    assert "removed" in cli(*command, code=Exit.REFUSED).stderr
    assert list(tmp_path.iterdir()) == []


def test_an_order_whose_answer_is_lost_is_resumed(cli, monkeypatch, live_server, tmp_path):
    command = ("orders", "create", "Internal", "--new-key", "EC-P256", "--name", "lost.example.com")
    with answering(0) as url:
        monkeypatch.setenv("CHANCERY_URL", url)
        assert "orders resume key.pem.order" in cli(*command, code=Exit.UNREACHABLE).stderr
    state = tmp_path / "key.pem.order"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in state.read_text()
    monkeypatch.setenv("CHANCERY_URL", live_server.url)
    saved = state.read_bytes()
    first = data(cli, "orders", "resume", "key.pem.order")
    state.write_bytes(saved)
    assert data(cli, "orders", "resume", "key.pem.order")["id"] == first["id"]
    assert not state.exists()
    state.write_text("{}")
    cli("orders", "resume", "key.pem.order", code=Exit.USAGE)


def test_a_repeated_order_is_the_same(cli, monkeypatch, live_server, tmp_path):
    (tmp_path / "csr").write_text(request_pem("again.example.com"))
    with answering(503, b'{"detail": "away", "errors": []}') as url:
        monkeypatch.setenv("CHANCERY_URL", url)
        told = cli("orders", "create", "Internal", "--csr", "csr", code=Exit.UNREACHABLE).stderr
    key = told.partition("--idempotency-key ")[2].partition(":")[0]
    monkeypatch.setenv("CHANCERY_URL", live_server.url)
    command = ("orders", "create", "Internal", "--csr", "csr", "--idempotency-key", key)
    assert data(cli, *command)["id"] == data(cli, *command)["id"]
    cli("orders", "create", "Internal", code=Exit.USAGE)
    cli("orders", "create", "Internal", "--new-key", "ROT13", "--name", "x.example.com", code=Exit.USAGE)


def test_waiting_in_vain(cli, tmp_path):
    (tmp_path / "csr").write_text(request_pem("held.example.com"))
    made = cli("orders", "create", "Careful", "--csr", "csr", "--wait", "1", code=Exit.STILL_OPEN)
    assert "awaiting_approval" in made.stdout


def test_a_server_with_many_who_wait_is_asked_again(cli, engine, monkeypatch, tmp_path):
    from chancery.apps.orders.models import Order
    from chancery.doors.api import orders as door
    from chancery.doors.cli import orders as command

    def meanwhile(seconds):
        engine.until(lambda: Order.objects.get().state == "issued")

    monkeypatch.setattr(door, "_waiting", threading.BoundedSemaphore(1))
    monkeypatch.setattr(command, "time", SimpleNamespace(monotonic=time.monotonic, sleep=meanwhile))
    (tmp_path / "csr").write_text(request_pem("many.example.com"))
    with door._waiting:
        assert data(cli, "orders", "create", "Internal", "--csr", "csr", "--wait", "50")["state"] == "issued"


# Batches


def test_a_batch_has_a_line_for_each(cli, tmp_path):
    texts = [request_pem(f"b{i}.example.com") for i in range(3)]
    bad = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
    (tmp_path / "all").write_text("text before\n" + texts[0] + texts[1] + bad + texts[2])
    done = cli("orders", "batch", "Internal", "all", "--run", "r1", code=Exit.REFUSED)
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["1", "201"], ["2", "201"], ["3", "422"], ["4", "201"]]
    again = json.loads(cli("orders", "batch", "Internal", "all", "--run", "r1", "--json", code=Exit.REFUSED).stdout)
    assert [r["status"] for r in again["results"]] == [200, 200, 422, 200]
    assert again["results"][0]["id"] == lines[0].split()[2]
    assert len(data(cli, "orders", "list")["items"]) == 3
    (tmp_path / "none").write_text("nothing")
    cli("orders", "batch", "Internal", "none", code=Exit.USAGE)


def test_a_batch_of_which_a_request_has_no_end_is_not_begun(cli, tmp_path):
    whole, other = request_pem("c1.example.com"), request_pem("c2.example.com")
    cut = other[: len(other) // 2]
    for text, number, line in ((whole + cut, 2, whole.count("\n") + 1), (cut + "\n" + whole, 1, 1)):
        (tmp_path / "all").write_text(text)
        said = cli("orders", "batch", "Internal", "all", code=Exit.USAGE).stderr
        assert f"request {number}, which begins in line {line}, has no end." in said
    assert data(cli, "orders", "list")["items"] == []


def test_a_batch_that_breaks_off_says_how_to_go_on(cli, monkeypatch, tmp_path):
    (tmp_path / "all").write_text(request_pem("off.example.com"))
    with answering(0) as url:
        monkeypatch.setenv("CHANCERY_URL", url)
        told = cli("orders", "batch", "Internal", "all", "--run", "r9", code=Exit.UNREACHABLE).stderr
    assert "--run r9" in told


# Things by name


def test_a_name_beyond_the_first_pages(cli, cast, local):
    from chancery.apps.connectors.models import Connector
    from chancery.apps.profiles import actions as profiles
    from chancery.core.ids import new_id

    twins = []
    for number in range(230):
        row = Connector.objects.get(pk=local.pk)
        row.pk, row.name = new_id(row.created_at), f"A{number:03}"
        twins.append(row)
    Connector.objects.bulk_create(twins)
    for number in range(205):
        profiles.create(cast.ada, {"name": f"Internal {number}", "connector": "Local"})
    assert data(cli, "connectors", "show", "A229")["name"] == "A229"
    assert data(cli, "profiles", "show", "Internal 99")["name"] == "Internal 99"
    assert data(cli, "connectors", "show", str(local.pk))["name"] == "Local"
    assert len(data(cli, "connectors", "list", "--limit", "0")["items"]) == 231
    assert len(data(cli, "connectors", "list", "--limit", "3")["items"]) == 3
    assert "connectors list" in cli("connectors", "show", "Nobody", code=Exit.REFUSED).stderr
    cli("connectors", "show", "00000000-0000-7000-8000-000000000000", code=Exit.REFUSED)


def test_the_life_of_a_connector(cli, cast, local, simulator, engine, tmp_path):
    values = digicert_values(simulator)
    (tmp_path / "secret").write_text(values["api_key"] + "\n")
    own = ("base_url", "allowed_networks", "reference_field_id", "skip_approval")
    sets = [
        part
        for name in own
        for part in ("--set", f"{name}={str(values[name]).lower() if name == 'skip_approval' else values[name]}")
    ]
    (tmp_path / "wrong").write_text("wrong")
    create = ("connectors", "create", "digicert", "Local", *sets)
    with working(engine):
        refused = cli(*create, "--secret", "api_key=@wrong", "--test", code=Exit.REFUSED).stderr
        assert "test: login" in refused
        made = data(cli, *create, "--secret", "api_key=@secret", "--test")
    assert made["tested_at"]
    assert "are called 'Local'" in cli("connectors", "show", "Local", code=Exit.REFUSED).stderr
    ident = made["id"]
    assert ", tested at 2" in cli("connectors", "edit", ident, "--set", "description=new").stdout
    assert "is inactive" in cli("connectors", "deactivate", ident).stdout
    assert data(cli, "connectors", "activate", ident)["status"] == "active"
    assert "without secrets" in cli("connectors", "copy", ident, "Twin").stdout
    with working(engine):
        findings = data(cli, "connectors", "test", ident)["result"]["findings"]
        choices = data(cli, "connectors", "choices", ident, "product")["result"]["choices"]
    assert findings
    assert {"value", "label"} <= choices[0].keys()
    csv = cli("connectors", "export", "digicert").stdout
    assert len(csv.splitlines()) == 3
    cli("connectors", "export", "digicert", "--out", "c.csv")
    assert (tmp_path / "c.csv").read_bytes().decode() == csv.replace("\n", "\r\n").replace("\r\r", "\r")
    cli("profiles", "create", "Ours", ident, "--product", "product=ssl_basic", "--product", "organization_id=112233",
        "--set", "validity_days=30", "--set", "name_suffixes=example.com,example.org")  # fmt: skip
    assert data(cli, "profiles", "show", "Ours")["name_suffixes"] == ["example.com", "example.org"]
    assert "profile" in cli("connectors", "delete", ident, "--preview").stdout
    assert "Ours" in cli("connectors", "delete", ident, code=Exit.REFUSED).stderr
    edited = data(cli, "profiles", "edit", "Ours", "--set", "description=new", "--product", "product=ssl_plus")
    assert (edited["description"], edited["validity_days"], edited["connector"]) == ("new", 30, ident)
    product = edited["products"]["digicert"]
    assert (product["product"], product["organization_id"]) == ("ssl_plus", "112233")
    moved = data(cli, "profiles", "edit", "Ours", "--connector", str(local.pk))
    assert (moved["connector_name"], list(moved["products"])) == ("Local", ["local"])
    assert moved["name_suffixes"] == ["example.com", "example.org"]
    cli("profiles", "delete", "Ours")
    assert data(cli, "connectors", "delete", ident)["deleted"] is True
    assert values["api_key"] not in json.dumps(data(cli, "audit", "list"))


def test_the_only_key_of_a_ca_is_deleted_by_name_alone(cli, engine):
    issue(cli, engine, "--csr", str(csr_file()))
    told = cli("connectors", "delete", "Local", "--preview").stderr
    assert "1 valid certificate could no longer be revoked" in told
    assert "www.example.com, serial " in told
    assert "Issuing CA key" in told
    for name in ("Internal", "Careful"):
        cli("profiles", "delete", name)
    assert "exists nowhere else" in cli("connectors", "delete", "Local", code=Exit.REFUSED).stderr
    cli("connectors", "delete", "Local", "--confirm", "Local")


def csr_file():
    path = Path("www.csr")
    path.write_text(request_pem("www.example.com"))
    return path


def test_connectors_are_listed_with_queue_and_last_issue_and_filtered(cli, engine):
    cli("connectors", "create", "local", "Europe", "--set", "region=EU")
    issue(cli, engine, "--csr", str(csr_file()))
    shown = cli("connectors", "list").stdout
    assert all(column in shown for column in ("REGION", "QUEUE", "LAST", "HEALTH"))
    assert "BASE" not in shown, "a column in which nothing stands takes room"
    rows = {row["name"]: row for row in data(cli, "connectors", "list")["items"]}
    assert (rows["Local"]["queue"], rows["Europe"]["last_issue_at"]) == ("0", None)
    assert rows["Local"]["last_issue_at"]
    found = data(cli, "connectors", "list", "--authority", "local", "--region", "eu", "--environment", "Production")
    assert [row["name"] for row in found["items"]] == ["Europe"]
    assert "one CA type" in cli("connectors", "list", "--region", "eu", code=Exit.REFUSED).stderr


def test_a_profile_moves_to_another_environment_only_when_that_is_said(cli, cast):
    people.create_environment(cast.host, "QA")
    cli("connectors", "create", "local", "QA CA", "--environment", "QA")
    move = ("profiles", "edit", "Internal", "--connector", "QA CA")
    assert "has ordered in Production" in cli(*move, code=Exit.REFUSED).stderr
    assert data(cli, *move, "--confirm-environment", "QA")["environment"] == "QA"


# Orders, certificates, people, the record


def test_decisions_about_orders(cli, cast, tmp_path):
    from chancery.apps.orders.place import PlaceOrder, place

    held = [place(cast.rob, PlaceOrder("Careful", request_pem(f"d{i}.example.com"))).pk for i in range(3)]
    assert "is queued" in cli("orders", "approve", held[0]).stdout
    assert data(cli, "orders", "deny", held[1], "not needed")["reason"] == "not needed"
    assert "is cancelled" in cli("orders", "cancel", held[2]).stdout
    cli("orders", "give-up", held[2], "why", code=Exit.REFUSED)
    cli("orders", "adopt", held[2], "4711", code=Exit.REFUSED)
    cli("orders", "confirm", held[2], code=Exit.REFUSED)
    assert "order.denied" in cli("orders", "show", held[1]).stdout


def test_renewing_and_revoking(cli, engine, tmp_path):
    (tmp_path / "csr").write_text(request_pem("r.example.com"))
    ident = issue(cli, engine, "--csr", "csr")["certificate"]
    assert data(cli, "certificates", "show", ident)["common_name"] == "r.example.com"
    assert "r.example.com" in cli("certificates", "list", "--search", "r.ex").stdout
    first = data(cli, "certificates", "renew", ident, "--csr", "csr")
    assert first["state"] == "queued"
    assert first["id"] in cli("certificates", "renew", ident, code=Exit.REFUSED).stderr
    cli("orders", "cancel", first["id"])
    assert "Order" in cli("certificates", "renew", ident).stdout
    assert "superseded" in cli("certificates", "revoke", ident, "boredom", code=Exit.REFUSED).stderr
    assert "revocation requested" in cli("certificates", "revoke", ident, "superseded").stdout


def test_reporting_a_key(cli, engine, tmp_path, monkeypatch):
    from chancery.apps.certificates import reporting
    from chancery.apps.certificates.models import KeyReport

    (tmp_path / "csr").write_text(request_pem("r.example.com"))
    one, two = (issue(cli, engine, "--csr", "csr")["certificate"] for _ in range(2))
    cli("certificates", "report-key", one, "--revoke", one, code=Exit.USAGE)
    told = cli("certificates", "report-key", one, "--note", "Lost.", "--revoke", f"{one}=keyCompromise")
    assert "is reported as compromised" in told.stdout
    assert f"{one}: the CA is asked to revoke it." in told.stdout
    assert f"Revoke it: chancery certificates revoke {two} keyCompromise" in told.stderr
    again = cli("certificates", "report-key", one, "--revoke", f"{one}=superseded", code=Exit.REFUSED)
    assert "asked for already" in again.stdout
    told = cli("certificates", "report-key", one, "--revoke", f"{one}=superseded", "--json", code=Exit.REFUSED)
    assert [row["ok"] for row in json.loads(told.stdout)["revocations"]] == [False]
    assert data(cli, "certificates", "report-key", two)["note"] == "Lost."
    assert "Its key was reported as compromised." in cli("certificates", "renew", two, code=Exit.REFUSED).stderr
    (report,) = data(cli, "certificates", "key-reports")["items"]
    assert "everybody" in cli("certificates", "key-reports", "--key", report["spki_sha256"]).stdout
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        heads, line = cli("certificates", "key-reports").stdout.splitlines()
    assert heads.split() == ["ID", "KEY", "STATE", "STOPS", "TEAM", "WHEN", "CERTIFICATE", "REPORTED", "BY"]
    assert {report["spki_sha256"][:12], "stands", "Operations", "r.example.com", "ada"} <= set(line.split())
    KeyReport.objects.update(for_everybody=False)
    assert "Operations alone" in cli("certificates", "key-reports").stdout
    with monkeypatch.context() as patch:  # as for somebody of a team that has no order for the key
        patch.setattr(reporting, "report", lambda *_, **__: (KeyReport.objects.get(), False))
        told = cli("certificates", "report-key", two)
    assert f"chancery certificates confirm-key-report {report['id']}" in told.stderr
    assert "stops everybody's orders" in cli("certificates", "confirm-key-report", report["id"]).stdout
    assert "confirmed" in cli("certificates", "key-reports").stdout
    assert "reason" in cli("certificates", "withdraw-key-report", report["id"], code=Exit.USAGE).stderr
    done = cli("certificates", "withdraw-key-report", report["id"], "--reason", "It was found.")
    assert "is withdrawn" in done.stdout
    assert "withdrawn  nobody" in cli("certificates", "key-reports").stdout
    assert "Order" in cli("certificates", "renew", two).stdout


def test_people(cli, tmp_path):
    made = data(cli, "people", "add", "grace", "--role", "requester@Operations", "--role", "auditor@/Production")
    assert len(made["one_time_password"]) >= 20
    assert [(g["role"], g["team"] is None) for g in made["grants"]] == [("requester", False), ("auditor", True)]
    (tmp_path / "pw").write_text("a phrase of my own\n")
    assert "phrase" not in cli("people", "reset-password", "grace", "--password-file", "pw").stdout
    assert "one-time password is" in cli("people", "reset-password", "grace").stdout
    assert "2 roles" in cli("people", "grant", "grace", "--role", "approver", "--role", "requester").stdout
    listed = cli("people", "list").stdout
    assert "grace" in listed
    roles = cli("roles", "list").stdout
    assert "orders." not in roles, "what each gives is a page of its own"
    assert "everywhere" in next(line for line in roles.splitlines() if line.startswith("approver"))
    whole = cli("roles", "show", "approver").stdout.splitlines()
    assert whole[0] == "approver (built in)"
    assert "have it: everywhere" in whole[1]
    given = data(cli, "roles", "show", "approver")
    assert given in data(cli, "roles", "list")["items"]
    assert whole[2:] == given["permissions"]
    assert "roles list" in cli("roles", "show", "king", code=Exit.REFUSED).stderr
    assert "has 1 role." in cli("people", "grant", "grace", "--role", "approver").stdout
    assert "kept out" in cli("people", "disable", "grace").stdout
    for refused in (("people", "grant", "grace"), ("people", "reset-password", "grace")):
        assert "people enable" in cli(*refused, code=Exit.REFUSED).stderr
    assert "phrase" not in cli("people", "enable", "grace", "--password-file", "pw").stdout
    assert "has no roles." in cli("people", "grant", "grace").stdout
    cli("people", "disable", "grace")
    assert "may log in again. The one-time password is" in cli("people", "enable", "grace").stdout
    assert "Operations" in cli("people", "grant", "grace", "--role", "x@Nowhere", code=Exit.USAGE).stderr
    assert "requester" in cli("people", "grant", "grace", "--role", "king", code=Exit.REFUSED).stderr
    cli("people", "disable", "nobody", code=Exit.REFUSED)
    assert "last administrator" in cli("people", "disable", "ada", code=Exit.REFUSED).stderr
    cli("teams", "add", "Night")
    cli("environments", "add", "QA")
    assert {t["name"] for t in data(cli, "teams", "list")["items"]} >= {"Night", "Operations"}


def test_teams_and_environments(cli):
    cli("teams", "add", "Night")
    assert "Night is Nights now." in cli("teams", "rename", "Night", "Nights").stdout
    assert data(cli, "teams", "delete", "Nights")["deleted"] is True
    assert "There is no team 'Nights'" in cli("teams", "delete", "Nights", code=Exit.REFUSED).stderr
    assert "connector Local: belongs to it" in cli("teams", "delete", "Operations", code=Exit.REFUSED).stderr
    cli("environments", "add", "QA")
    assert "Quality is production." in cli("environments", "edit", "QA", "--new-name", "Quality", "--production").stdout
    assert data(cli, "environments", "edit", "Quality", "--no-production")["is_production"] is False
    assert "is deleted" in cli("environments", "delete", "Quality").stdout
    assert "is in use" not in cli("environments", "delete", "Quality", code=Exit.REFUSED).stderr


def test_tokens(cli, monkeypatch, tmp_path):
    made = data(cli, "tokens", "create", "ci")
    cli("tokens", "create", "file", "--out", "t")
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o600
    assert (tmp_path / "t").read_text().startswith("chy_")
    cli("tokens", "revoke", made["id"])
    monkeypatch.setenv("CHANCERY_TOKEN", made["token"])
    cli("whoami", code=Exit.UNAUTHENTICATED)
    monkeypatch.delenv("CHANCERY_TOKEN")
    monkeypatch.setenv("CHANCERY_TOKEN_FILE", "t")
    assert data(cli, "whoami")["how"] == "token:file"


def test_the_record_is_exported_byte_for_byte(cli, tmp_path):
    from chancery.apps.audit.models import Entry

    stored = b"".join(bytes(e.body) + b"\n" for e in Entry.objects.order_by("id"))
    assert cli("audit", "export").stdout_bytes == stored
    cli("audit", "export", "--out", "a")
    assert hashlib.sha256((tmp_path / "a").read_bytes()).digest() == hashlib.sha256(stored).digest()
    assert {e["action"] for e in data(cli, "audit", "list", "--action", "teams.create")["items"]} == {"teams.create"}
    asked = ("--action", "teams", "--since", "2020-01-01", "--until", "2099-12-31", "--outcome", "done")
    assert {e["action"] for e in data(cli, "audit", "list", *asked)["items"]} == {"teams.create"}
    assert data(cli, "audit", "list", "--address", "203.0.113.9")["items"] == []
    assert cli("audit", "export", "--outcome", "refused").stdout_bytes == b""
    assert "refused" in cli("audit", "list", "--outcome", "lost", code=Exit.REFUSED).stderr
    assert "2026-11-23" in cli("audit", "list", "--since", "today", code=Exit.REFUSED).stderr


def test_the_record_shows_what_state_the_engine_reached(cli, engine, tmp_path):
    (tmp_path / "csr").write_text(request_pem("state.example.com"))
    issue(cli, engine, "--csr", "csr")
    assert "done, issued" in cli("audit", "list", "--action", "engine").stdout


def test_the_command_itself(cli):
    done = subprocess.run(
        [sys.executable, "-m", "chancery", "whoami", "--json"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, json.loads(done.stdout)["name"]) == (0, "ada")
    assert Path(sys.executable).parent.joinpath("chancery").exists()


# Flags of a CA type


def test_the_flags_of_a_ca_type_are_made_from_what_it_declares(cli, simulator, tmp_path):
    shown = cli("connectors", "create", "digicert", "--help-fields").stdout
    for word in ("--api-key", "@FILE", "--[no-]skip-approval", "required"):
        assert word in shown
    flags = {row["flag"] for row in data(cli, "connectors", "create", "local", "--help-fields")}
    assert {"--subject", "--years"} <= flags
    values = digicert_values(simulator)
    (tmp_path / "key").write_text(values["api_key"])
    where = ("--set", f"base_url={values['base_url']}", "--set", "allowed_networks=127.0.0.0/8")
    made = data(
        cli,
        "connectors",
        "create",
        "digicert",
        "Flags",
        *where,
        "--api-key",
        "@key",
        "--skip-approval",
        "--rate-percent=50",
    )
    assert (made["settings"]["skip_approval"], made["settings"]["rate_percent"]) == (True, 50)
    done = data(cli, "connectors", "edit", "Flags", "--no-skip-approval", "--rate-percent", "40")
    assert (done["settings"]["skip_approval"], done["settings"]["rate_percent"]) == (False, 40)
    assert values["api_key"] not in json.dumps(done)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Name", "--colour", "red"), "has no flag --colour"),
        (("Name", "extra"), "has no flag extra"),
        (("Name", "--years"), "a value belongs to it"),
        (("Name", "--no-years"), "a value belongs to it"),
        (("Name", "--issuing-key", "hunter2"), "secrets are read from files"),
        (("--years", "3", "Name"), "name is missing"),
        ((), "name is missing"),
    ],
)
def test_flags_that_cannot_be_used(cli, arguments, said):
    told = cli("connectors", "create", "local", *arguments, code=Exit.USAGE).stderr
    assert said in told
    assert "hunter2" not in told


def test_the_flags_of_a_ca_type_that_there_is_not(cli):
    assert "no CA type 'x'" in cli("connectors", "create", "x", "--help-fields", code=Exit.REFUSED).stderr


@pytest.mark.parametrize(
    "ident", ["../connectors/{}/deactivate?", "../connectors/{}/deactivate#", "..", "%2E%2E", "\0"]
)
def test_an_id_leads_to_no_other_request_than_the_commands(cli, local, ident):
    for command in (("orders", "cancel"), ("orders", "show"), ("bots", "cancel"), ("bots", "timeline")):
        assert "neither an id nor a name" in cli(*command, ident.format(local.pk), code=Exit.USAGE).stderr
    local.refresh_from_db()
    assert local.status == "active"


# ACME clients


def test_acme_clients_from_the_command_line(cli, tmp_path):
    offered = ("acme", "offer", "Internal", "--challenge", "dns-01", "--network", "10.1.0.0/16", "--listed")
    assert "Internal is offered." in cli(*offered).stdout
    assert "10.1.0.0/16" in cli("acme", "offers").stdout
    assert "challenges" in cli("acme", "offer", "Internal", "--challenge", "x", code=Exit.REFUSED).stderr
    for more, proof in (
        (("--no-listed",), ["dns-01"]),
        (("--challenge", "", "--network", "10.2.0.0/16", "--any-name"), []),
    ):
        row = data(cli, "acme", "offer", "Internal", *more)
        assert (row["challenges"], row["listed"]) == (proof, False), "what is not given keeps its value"
    assert row["networks"] == ["10.2.0.0/16"]
    assert data(cli, "acme", "offer", "Internal", "--listed")["any_name"] is True, "it was said before"
    key = tmp_path / "key"
    made = ("acme", "create-credential", "web-1", "--profile", "Internal", "--accounts", "3")
    assert f"is in {key}." in cli(*made, "--out", str(key)).stdout
    assert (len(key.read_text()), key.stat().st_mode & 0o077) == (44, 0)
    assert "--out" in cli(*made, "--out", str(key), code=Exit.USAGE).stderr
    assert "MAC key" in cli("acme", "create-credential", "web-2", "--profile", "Internal", "--days", "3").stdout
    assert [c["status"] for c in data(cli, "acme", "credentials")["items"]] == ["usable", "usable"]
    assert data(cli, "acme", "accounts", "web-1")["items"] == []
    nobody = "00000000-0000-0000-0000-000000000000"
    assert "no ACME account" in cli("acme", "orders", nobody, code=Exit.REFUSED).stderr
    assert "no ACME account" in cli("acme", "revoke-account", nobody, code=Exit.REFUSED).stderr
    assert "acme credentials" in cli("acme", "revoke-credential", "web-3", code=Exit.REFUSED).stderr
    assert data(cli, "acme", "revoke-credential", "web-1")["status"] == "revoked"
    assert "Credentials were made for it" in cli("acme", "withdraw", "Internal", code=Exit.REFUSED).stderr
    assert "any_name" in cli("acme", "offer", "Careful", code=Exit.REFUSED).stderr
    cli("acme", "offer", "Careful", "--any-name")
    assert "not offered any more" in cli("acme", "withdraw", "Careful").stdout


# Bots


def test_a_bot_and_its_targets_from_the_command_line(cli, tmp_path):
    token = tmp_path / "token"
    made = ("bots", "create", "web-1", "--team", "Operations", "--environment", "Production", "--tag", "rack=7")
    assert f"The token of web-1 is in {token}." in cli(*made, "--out", str(token)).stdout
    assert token.read_text().startswith("cbt_")
    assert token.stat().st_mode & 0o077 == 0
    assert cli("bots", "token", "web-1", "--days", "2").stdout.startswith("cbt_")
    assert "--out" in cli(*made, "--out", str(token), code=Exit.USAGE).stderr
    assert "kubernetes" in cli("bots", "kinds").stdout
    assert "ssl_certificate" in cli("bots", "kinds", "nginx").stdout
    assert "no kind" in cli("bots", "kinds", "iis", code=Exit.REFUSED).stderr
    files = ("--set", "certificate=/etc/nginx/w.pem", "--set", "key=/etc/nginx/w.key", "--set", "probe_port=8443")
    target = (
        "bots",
        "add-target",
        "web-1",
        "www",
        "--kind",
        "nginx",
        "--profile",
        "Internal",
        "--name",
        "www.example.com",
    )
    assert data(cli, *target, *files)["settings"]["probe_port"] == 8443
    assert "settings.key" in cli(*target, code=Exit.REFUSED).stderr
    edited = data(cli, "bots", "edit-target", "web-1", "www", "--window", "sat 01:00-02:00", "--set", "owner=root")
    assert (edited["window"], edited["settings"]["owner"], edited["revision"]) == ("sat 01:00-02:00", "root", 2)
    assert data(cli, "bots", "edit-target", "web-1", "www", "--name", "w.example.com", "--profile", "Internal")[
        "names"
    ] == ["w.example.com"]
    more = ("--new-name", "shop", "--key-type", "RSA-2048", "--renew-days", "20", "--window", "")
    changed = data(cli, "bots", "edit-target", "web-1", "www", *more)
    assert [changed[n] for n in ("name", "key_type", "renew_days", "window", "names", "settings")] == [
        "shop", "RSA-2048", 20, "", ["w.example.com"], edited["settings"],
    ]  # fmt: skip
    assert (
        data(cli, "bots", "edit-target", "web-1", "shop", "--new-name", "www", "--renew-days", "0")["renew_days"] == 0
    )
    assert "no target" in cli("bots", "deploy", "web-1", "other", code=Exit.REFUSED).stderr
    wanted = data(cli, "bots", "deploy", "web-1", "www")
    assert (wanted["kind"], wanted["state"]) == ("issue", "wanted")
    assert "under way" in cli("bots", "deploy", "web-1", "www", code=Exit.REFUSED).stderr
    assert "Nothing was deployed" in cli("bots", "roll-back", "web-1", "www", code=Exit.REFUSED).stderr
    assert "A new certificate is wanted." in cli("bots", "timeline", wanted["id"]).stdout
    assert "given up" in cli("bots", "cancel", wanted["id"]).stdout
    assert "no certificate yet" in cli("bots", "deploy", "web-1", "www", "--again", code=Exit.REFUSED).stderr
    assert data(cli, "bots", "deployments", "web-1")["items"][0]["state"] == "cancelled"
    for command in (("list",), ("list", "--status", "configuration_pending"), ("show", "web-1"), ("targets", "web-1")):
        assert data(cli, "bots", *command)
    assert data(cli, "bots", "log", "web-1")["items"] == []
    assert "is changed" in cli("bots", "edit", "web-1", "--new-name", "web-2", "--poll-seconds", "9").stdout
    assert data(cli, "bots", "edit", "web-2", "--tag", "rack=8", "--tag", "live=true")["tags"] == {
        "rack": "8",
        "live": "true",
    }
    assert data(cli, "bots", "edit", "web-2", "--purpose", "both")["tags"] == {"rack": "8", "live": "true"}
    assert data(cli, "bots", "edit", "web-2", "--tag", "")["tags"] == {}
    assert data(cli, "bots", "stop", "web-2")["status"] == "stopped"
    assert "work again" in cli("bots", "start", "web-2").stdout
    assert "deleted" in cli("bots", "delete-target", "web-2", "www").stdout
    assert "deleted" in cli("bots", "delete", "web-2").stdout
    assert data(cli, "bots", "list")["items"] == []


@pytest.mark.parametrize("kind", ["webhooks", "channels"])
def test_what_is_told_is_renamed_and_its_lists_are_emptied(cli, kind):
    Path("url").write_text("json://tickets.example.com/hook")
    own = {
        "webhooks": ("https://tickets.example.com/hook", "--secret-out", "secret", "--event", "order.issued"),
        "channels": ("--secret", "url=@url", "--kind", "ca_stale"),
    }
    made = data(cli, kind, "create", "Tickets", *own[kind], "--network", "127.0.0.0/8", "--network", "10.1.0.0/16")
    listed = "events" if kind == "webhooks" else "kinds"
    kept = data(cli, kind, "edit", "Tickets", "--new-name", "Tickets 2", "--off")
    assert [kept[n] for n in ("name", listed, "allowed_networks", "is_active")] == [
        "Tickets 2", made[listed], made["allowed_networks"], False,
    ]  # fmt: skip
    again = ("--secret", "url=@url") if kind == "channels" else ()
    emptied = data(cli, kind, "edit", "Tickets 2", f"--{listed.removesuffix('s')}", "", "--network", "", *again)
    assert (emptied[listed], emptied["allowed_networks"]) == ([], [])
