"""Marked secrets go through a whole scenario, with crashes and CAs that say them again; nobody finds any of them anywhere.

One CA is followed through everything that an order may meet; connectors of every other type, with a secret in every field
that holds one, are made from what the types say of themselves.
"""

import itertools
import json
import re
import signal
import time

import httpx
import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.db import connection

from chancery import catalog
from chancery.apps.accounts import actions as people
from chancery.apps.accounts import factors, queries
from chancery.apps.connectors import sealing
from chancery.apps.connectors.models import Call, Connector
from chancery.apps.connectors.sealed import VERSION_TABLE
from chancery.apps.orders.models import Order, OrderEvent
from chancery.authorities.digicert.simulator import build
from chancery.doors.cli import doctor
from chancery.doors.cli.output import Exit
from chancery.net.listening import free_port
from chancery.sandbox.frame import Reply, json_reply
from tests.cast import digicert_values, gathered, request_pem
from tests.chaos.boundaries import SUBMIT
from tests.chaos.canaries import Canaries, CommandLines, echoes, marked
from tests.chaos.child import BUG
from tests.chaos.everyones import Everyone
from tests.chaos.parrot import Parrot
from tests.chaos.stand import START, Stand, until
from tests.commands import invoke

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = {"team": "Operations", "environment": "Production"}
PATIENCE = 90.0
"""Outer limit, in seconds, for anything that a process does on a busy machine."""
LONG = 300
"""How often a page of the CA says a secret: more than is kept of a text."""


def page(echo):
    return Reply(503, f"<html><h1>Fault</h1><pre>{echo * LONG}</pre></html>".encode(), "text/html")


def error(echo):
    # What is kept of a message ends in the middle of the secret.
    return json_reply({"errors": [{"code": f"bad_key|{echo}", "message": f"{'x' * 470} {echo} {echo}"}]}, 400)


def moved(echo):
    return Reply(302, echo.encode(), "text/plain", headers={"Location": f"https://other.example.com/{echo}"})


def garbage(echo):
    return Reply(200, f'["{echo}", '.encode(), "application/json")


def refused(echo):
    return json_reply({"errors": [{"code": "access_denied|invalid_api_key", "message": f"{echo} is no key"}]}, 401)


class Echoing:
    """A simulated CertCentral whose errors say the key again, each time in another shape and another way of writing it."""

    def __init__(self, key):
        self.sim = build(limits=((5.0, 100_000),), key=key)
        self._plain, self.sim._answer = self.sim._answer, self._answer
        self._key, self.said, self._ways, self._to = key, 0, iter(()), ""

    def say(self, *shapes, to="GET"):
        """Answer requests of one method so from now on, with nothing done for them; without a shape, as ever."""
        self._to = to
        self._ways = itertools.cycle([(shape, echo) for shape in shapes for echo in echoes(self._key).values()])

    def _answer(self, asked):
        way = next(self._ways, None) if asked.method == self._to else None
        if way is None:
            return self._plain(asked)
        self.said += 1
        shape, echo = way
        return shape(echo)


class Console:
    """A browser without a screen."""

    def __init__(self, url):
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=30, follow_redirects=True)

    def post(self, path, **values):
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.http.get(path).text)
        headers = {"Referer": str(self.http.base_url)}
        return self.http.post(path, data={"csrfmiddlewaretoken": token[1], **values}, headers=headers)

    def pages(self, most=400):
        """Yield every page that links lead to from the first one."""
        seen, left = {"/"}, ["/"]
        while left and len(seen) < most:
            path = left.pop(0)
            answer = self.http.get(path)
            yield path, answer
            for link in re.findall(r'href="(/[^"#]*)"', answer.text):
                if link not in seen and not link.startswith(("/static", "/logout", "/api")):
                    seen.add(link)
                    left.append(link)


class Scenario:
    """One installation of a server and a worker, and everything in it that has a secret."""

    def __init__(self, stand, canaries, actors, parrot):
        self.stand, self.canaries, self.cast, self.port, self.parrot = stand, canaries, actors, free_port(), parrot
        self.url = f"http://127.0.0.1:{self.port}"
        self.ca = Echoing(canaries.add("API key of a CA"))
        self.token = canaries.add("API token", people.create_token(actors.ada, "scenario")[1])
        headers = {"Authorization": f"Bearer {self.token}"}
        self.http = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, trust_env=False, timeout=30)

    def serve(self):
        self.web = self.stand.start("serve", "--listen", f"127.0.0.1:{self.port}")

    def served(self):
        until(self._answers, START, "the server does not answer")

    def _answers(self):
        try:
            return self.http.get("/health").status_code == 200
        except httpx.HTTPError:
            return False

    def api(self, method, path, body=None, code=(200, 201, 202, 204)):
        answer = self.http.request(method, path, json=body)
        assert answer.status_code in code, (method, path, answer.status_code, answer.text)
        return answer

    def fill(self):
        """Bring in what has secrets, through the doors."""
        values = digicert_values(self.ca.sim)
        made = self.api("POST", "/connectors", {"authority": "digicert", **values})
        self.canaries.look("the answer to a new connector", made.text)
        self.connector = made.json()["id"]
        # A test that fails closes the way for orders, so it has a connector of its own.
        other = self.api("POST", "/connectors", {"authority": "digicert", **values, "name": "DigiCert, tested"})
        self.tested = other.json()["id"]
        self.api("POST", "/connectors", {"authority": "local", "name": "Local", **PLACE})
        product = {"product": "ssl_basic", "organization_id": "112233"}
        self.api("POST", "/profiles", {"name": "Public", "connector": "DigiCert", "product": product})
        self.api("POST", "/profiles", {"name": "Internal", "connector": "Local", "validity_days": 30})
        self.password = self.canaries.add("one-time password")
        grants = [{"role": "administrator"}]
        self.api("POST", "/users", {"username": "eve", "password": self.password, "grants": grants})
        word = self.canaries.add("password in an address of notices", "w0rd-" + self.canaries.token(24))
        self.parrot.know("password in an address of notices", word)
        url = f"json://eve:{word}@127.0.0.1:{self.parrot.port}/hook"
        channel = {"name": "Chat", "team": "Operations", "url": url}
        self.channel = self.api("POST", "/channels", channel | {"allowed_networks": ["127.0.0.0/8"]}).json()["id"]
        hook = {"name": "Tickets", "team": "Operations", "url": "https://127.0.0.1:9/hook"}
        made = self.api("POST", "/webhooks", hook | {"allowed_networks": ["127.0.0.0/8"]}).json()
        self.hook = made["id"]
        self.canaries.add("secret of a webhook", made["secret"])
        self.api("PUT", f"/acme/offers/{self.profile('Internal')}", {"any_name": True})
        made = self.api("POST", "/acme/credentials", {"name": "web-1", "profile": "Internal"}).json()
        self.canaries.add("MAC key of an ACME client", made["mac_key"])
        made = self.api("POST", "/bots", {"name": "web-1", **PLACE}).json()
        self.canaries.add("token of a bot", made["token"])
        provider = {"title": "Ours", "server_url": "https://127.0.0.1:9", "client_id": "chancery"}
        self.api("PUT", "/providers/ours", provider | {"secret": self.canaries.add("secret of a provider")})
        self.keys()
        self.factor()

    def profile(self, name):
        return next(p["id"] for p in self.api("GET", "/profiles").json()["items"] if p["name"] == name)

    def keys(self):
        """Keep what the installation itself has to hide."""
        version = Connector.objects.get(name="Local").current
        for field, sealed in version.secrets.items():
            pem = sealing.unseal(sealed, table=VERSION_TABLE, record=str(version.pk), field=field).reveal()
            if "PRIVATE KEY" in pem:
                number = load_pem_private_key(pem.encode(), None).private_numbers().private_value
                self.canaries.add_bytes("key of the local CA", number.to_bytes(32, "big"))
        self.canaries.add_bytes("key that seals", settings.KEK_FILE.read_bytes())

    def factor(self):
        actor = queries.actor_of(self.cast.users["amy"], how="session")
        secret = self.canaries.add("secret of a second factor", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXQ")
        code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
        for spare in factors.add_totp(actor, secret, code):
            self.canaries.add("recovery code", spare)

    def misuse(self):
        """Send secrets where they do not fit: nothing of them comes back, and nothing of them is kept."""
        key = self.canaries.add("key that was mistyped")
        values = {**digicert_values(self.ca.sim), "name": "Odd"}
        odd = [[key], {"key": key}, key * 2000, f"{key}\r\nX-Odd: {key}", f"{key}\x00", 7]
        for value in odd:
            answer = self.http.post("/connectors", json={"authority": "digicert", **values, "api_key": value})
            assert answer.status_code < 500, answer.text
            self.canaries.look("the answer to a mistyped key", answer.text)
            if answer.status_code == 201:
                self.api("DELETE", f"/connectors/{answer.json()['id']}")
        for raw in (f'{{"api_key": "{key}"', json.dumps({"authority": "digicert", key: key}), f"api_key={key}"):
            answer = self.http.post("/connectors", content=raw, headers={"Content-Type": "application/json"})
            assert answer.status_code in {400, 422}, answer.text
        for path in (f"/connectors/{self.connector}/credential/staged",):
            answer = self.http.put(path, json={"secrets": {"api_key": [key], "nonsense": key}})
            self.canaries.look("the answer to a mistyped credential", answer.text)
        wrong = self.canaries.add("password that was wrong")
        other = Console(self.url)
        assert other.post("/login", username="eve", password=wrong).status_code == 403
        other.http.close()
        self.fault(values)
        stale = httpx.get(f"{self.url}/api/v1/me", headers={"Authorization": f"Bearer {self.canaries.add('token')}"})
        self.canaries.look("the answer to a wrong token", stale.text)

    def fault(self, values):
        """Send a secret that a fault of the server then says in its exception."""
        key = self.canaries.add("key in an exception of the server", BUG + marked())
        answer = self.http.post("/connectors", json={"authority": "digicert", **values, "api_key": key})
        assert answer.status_code == 500, answer.text
        self.canaries.look("the answer of a fault", answer.content + str(answer.headers.multi_items()).encode())
        until(lambda: b"RuntimeError: cannot seal" in self.stand.log, PATIENCE, self.stands)

    def enter(self):
        self.console = Console(self.url)
        answer = self.console.post("/login", username="eve", password=self.password)
        fresh = self.canaries.add("password")
        answer = self.console.post("/password", present=self.password, fresh=fresh, again=fresh)
        answer = self.console.http.get("/")
        assert "What needs you now" in answer.text, answer.text
        self.canaries.add("session", self.console.http.cookies["sessionid"])

    def order(self, host):
        body = {"profile": "Public", "csr": request_pem(host)}
        return self.api("POST", "/orders", body).json()["id"]

    def test(self, most=60):
        """Have the connection tested until the CA has said everything in every way."""
        wanted = self.ca.said + 6 * 4
        for _ in range(most):
            if self.ca.said >= wanted:
                return
            call = self.api("POST", f"/connectors/{self.tested}/test").json()["id"]
            until(lambda: Call.objects.get(pk=call).state not in {"due", "running"}, PATIENCE, self.stands)
        raise AssertionError(f"the CA said too little: {self.ca.said} of {wanted}")

    def killed(self, at):
        """Place an order, and have the worker killed that comes to a point of it."""
        order = self.order(f"{at.replace('_', '-')}.example.com")
        process = self.stand.worker(f"{at} submit {order} {int(signal.SIGKILL)}")
        assert process.wait(PATIENCE) == -signal.SIGKILL, self.stands()
        return order

    def finish(self, ends, *orders):
        """Wait until some orders are at an end of these."""
        rows = Order.objects.filter(pk__in=orders)
        until(
            lambda: set(rows.values_list("state", flat=True)) <= ends,
            PATIENCE,
            lambda: list(rows.values("state", "reason")),
        )

    def close(self):
        self.http.close()
        self.console.http.close()

    def stands(self):
        return f"{list(Call.objects.values('kind', 'state'))[-5:]} {self.stand.log[-3000:].decode()}"

    def look(self):
        """Look everywhere."""
        self.everything_read()
        self.commanded()
        for text in self.parrot.heard:
            if "/hook" in text.splitlines()[0]:
                self.canaries.look("what is told to others", text.partition("\n\n")[2])
        for path, answer in self.console.pages():
            assert answer.status_code < 500, path
            # The session's own browser is told its cookie; that is what a cookie is.
            told = [(name, value) for name, value in answer.headers.multi_items() if name != "set-cookie"]
            self.canaries.look(f"page {path}", answer.text + str(told))
        self.canaries.look("metrics", httpx.get(f"{self.url}/metrics", headers=self.http.headers).text)
        self.canaries.look("the logs", self.stand.log)
        for name, content in tables():
            self.canaries.look(name, content)

    def commanded(self):
        """Look through what the command line tells of all connectors, and what it asks of a declaration of them."""
        declared = self.command("connectors", "declare")
        self.command("connectors", "list", "--json")
        self.command("audit", "list", "--json")
        told = {name: self.canaries.add("secret of a declaration") for name in re.findall(r"@env:(\w+)", declared)}
        self.command("apply", "-", "--plan", "--secrets", input=declared, env=told)
        self.command("apply", "-", "--plan", "--secrets", "--json", input=declared, env=told)
        self.canaries.look("chancery doctor", str(list(doctor._look())))

    def command(self, *words, **more):
        done = invoke(words, **more)
        assert done.exit_code in {0, Exit.DIFFERS}, (words, done.output)
        self.canaries.look(f"chancery {' '.join(words)}", done.output)
        return done.stdout

    def everything_read(self):
        """Read every address of the API, with the ids that its lists name."""
        for about in catalog.descriptors():
            answer = self.http.get("/connectors.csv", params={"authority": about.slug})
            self.canaries.look(f"the export of {about.slug}", answer.content)
        paths = [
            p.removeprefix("/api/v1") for p, m in self.api("GET", "/openapi.json").json()["paths"].items() if "get" in m
        ]
        known = {}
        for path in sorted(paths, key=lambda p: p.count("{")):
            for ready in filled(path, known):
                answer = self.http.get(ready)
                self.canaries.look(f"GET {ready}", answer.content + str(answer.headers.multi_items()).encode())
                if "{" not in path and answer.headers["content-type"] == "application/json":
                    items = answer.json().get("items", []) if isinstance(answer.json(), dict) else []
                    known[path] = [str(i.get("id") or i.get("slug") or i.get("name")) for i in items][:20]


def filled(path, known):
    """Return an address with each id that the listing before it has named."""
    if "{" not in path:
        return [path]
    before, _, rest = path.partition("/{")
    _name, _, after = rest.partition("}")
    return [] if "{" in after else [f"{before}/{ident}{after}" for ident in known.get(before, [])]


def tables():
    """Yield everything that the database keeps, as it keeps it."""
    if connection.vendor == "sqlite":
        from pathlib import Path

        main = Path(connection.settings_dict["NAME"])
        for file in main.parent.glob(f"{main.name}*"):
            yield f"the file {file.name}", file.read_bytes()
        return
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            yield f"the table {table}", "\n".join(row[0] for row in cursor.fetchall())


@pytest.fixture
def canaries():
    return Canaries()


@pytest.fixture
def scenario(transactional_db, tmp_path, canaries, monkeypatch):
    monkeypatch.setenv("CHANCERY_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("CHAOS_BUG", "1")
    stand, parrot = Stand(tmp_path), Parrot()
    made = Scenario(stand, canaries, gathered(), parrot)
    monkeypatch.setenv("CHANCERY_URL", made.url)
    monkeypatch.setenv("CHANCERY_TOKEN", made.token)
    with made.ca.sim:
        yield made
        made.close()
        stand.close()
    parrot.close()


@pytest.mark.parametrize(
    "kills", [("answer_read",), pytest.param(SUBMIT, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_no_secret_is_written_down_anywhere(scenario, canaries, say, result, kills):
    lines = CommandLines()
    scenario.serve()
    scenario.served()
    scenario.fill()
    scenario.enter()
    scenario.misuse()
    orders = [scenario.killed(at) for at in kills]
    scenario.stand.worker()
    everyone = Everyone(scenario, scenario.parrot, whole=len(kills) > 1)
    everyone.bring()
    scenario.finish({"issued"}, *orders)
    scenario.ca.say(error, to="POST")
    scenario.finish({"rejected"}, *(scenario.order(f"refused-{n}.example.com") for n in range(6)))
    scenario.ca.say(page, garbage, to="POST")
    lost = [scenario.order(f"lost-{n}.example.com") for n in range(4)]
    unknown = OrderEvent.objects.filter(order__in=lost, kind="order.outcome_unknown").values("order").distinct()
    until(lambda: unknown.count() == len(lost), PATIENCE, scenario.stands)
    scenario.ca.say()
    scenario.finish({"issued"}, *lost)
    scenario.ca.say(page, error, moved, garbage)
    scenario.test()
    scenario.api("POST", f"/channels/{scenario.channel}/test")
    scenario.api("POST", f"/webhooks/{scenario.hook}/test")
    scenario.stand.kill(scenario.web)
    scenario.serve()
    scenario.served()
    scenario.ca.say(refused)
    call = scenario.api("POST", f"/connectors/{scenario.tested}/test").json()["id"]
    until(lambda: Call.objects.get(pk=call).state not in {"due", "running"}, PATIENCE, scenario.stands)
    open_ = Call.objects.filter(pk__in=everyone.calls, state__in=["due", "running"])
    until(lambda: not open_.exists(), PATIENCE, scenario.stands)
    scenario.look()
    everyone.close()
    canaries.look("command lines", lines.close())
    assert canaries.found == [], "\n".join(map(str, canaries.found[:40]))
    assert everyone.missing() == [], "no settings were found by which these are saved"
    unit = (
        f"of {len(canaries)} marked secrets found, of all {len(everyone.stored)} secret fields of all {len(everyone.types.models)} CA types, over"
        f" {len(kills) + 1} kills of workers and the server and {scenario.ca.said + scenario.parrot.said.total()} times that a CA"
        f" said one of them again in {len(echoes(''))} ways of writing: in logs at the level DEBUG, all tables, every page and every answer of the"
        f" API that can be read, exports, the record, metrics and command lines ({canaries.looked // 1_000_000} MB)"
    )
    say(f"{len(canaries.found)} {unit}")
    result("R38", len(canaries.found), unit)
