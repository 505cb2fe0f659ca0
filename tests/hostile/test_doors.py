"""The whole corpus through each door: refused with a reason that names the field, never a 5xx, and nothing stored."""

import html
import inspect
import json
import logging
import re
import tracemalloc
from collections import defaultdict
from html.parser import HTMLParser
from itertools import count, cycle
from urllib.parse import quote

import pytest
from chancery_bot import wire
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.http import QueryDict
from django.test import Client
from django.utils.datastructures import MultiValueDict

from bench.acme_client import b64, jwk, sign
from chancery.apps.bots import models as bots
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.shared.action import current_clock
from chancery.core.errors import Invalid
from chancery.core.importing import read
from chancery.core.tests.making import key_of
from chancery.doors.acme import resources
from chancery.doors.acme.tests.conftest import SERVER, Door, send
from chancery.doors.bots import door
from chancery.engine.jobs import Bad, Good
from chancery.engine.tests.kit import CA, Toy, at, job, leaf
from chancery.engine.work import do
from chancery.sdk.outcome import Issued
from tests.browser import routes
from tests.cast import PASSWORD
from tests.hostile import corpus, oddities
from tests.journeys.test_any_request import put, ways

pytestmark = pytest.mark.django_db(transaction=True)
FIELDS = {"csr", "names", "body"}
MOST_MEMORY = 96 * 2**20
"""Bytes for any one document; the largest has three megabytes."""


def everything():
    return {**corpus.requests(), **{what: der for what, (der, _) in corpus.weak().items()}}


def orders():
    return Order.objects.exclude(common_name="lost.example.com").count()


def test_over_rest(known, rest):
    said = {what: rest(raw) for what, raw in everything().items()}
    assert {w: s for w, s in said.items() if s[0] not in {413, 422} or not set(s[1]) <= FIELDS} == {}
    assert orders() == 0
    taken = {what: rest.document(corpus.json_of(text)) for what, text in corpus.GOOD.items()}
    assert {what: status for what, (status, _) in taken.items()} == dict.fromkeys(corpus.GOOD, 201)


def test_in_the_console(known, console, request):
    ways = [("csr", "file")] if request.config.getoption("--long") else [("csr",), ("file",)]
    tried = zip(everything().items(), cycle(ways), strict=False)
    said = {(what, name): console(raw, name) for (what, raw), names in tried for name in names}
    assert {w: s for w, s in said.items() if s not in {(413, False), (422, True)}} == {}
    assert orders() == 0


def test_by_the_command_line(known, cli, request):
    # Each starts the whole command line, so the short form has every sixth.
    tried = list(everything().items())[:: 1 if request.config.getoption("--long") else 6]
    said = {what: cli(raw) for what, raw in tried}
    assert {w: s for w, s in said.items() if s[0] == 0 or not s[1]} == {}
    assert orders() == 0


def test_by_acme(known, acme):
    said = {what: acme(raw) for what, raw in everything().items()}
    assert {w: s for w, s in said.items() if not 400 <= s[0] < 500 or not s[1]} == {}
    assert orders() == 0


@pytest.mark.parametrize("path", ["/orders", "/orders/batch", "/inventory/import", "/connectors", "/profiles"])
def test_documents(rest, path):
    wrong = {}
    for what, body in corpus.DOCUMENTS.items():
        status, told = rest.document(body, path)
        if status not in {400, 413, 415, 422} or not told:
            wrong[what] = status, told
    assert wrong == {}


def test_a_document_takes_no_memory_to_speak_of(rest):
    rest.document(b"{}")
    tracemalloc.start()
    try:
        for what, body in corpus.DOCUMENTS.items():
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            rest.document(body)
            assert tracemalloc.get_traced_memory()[1] - before < MOST_MEMORY, what
    finally:
        tracemalloc.stop()


def test_files_of_certificates(console, rest, cast):
    console.client.force_login(cast.users["ada"])
    wrong = {}
    for what, raw in corpus.files().items():
        with pytest.raises(Invalid) as refusal:
            read(raw, 2000)
        answer = console.client.post("/inventory/import", {"file": _named(raw), "team": "1", "environment": "1"})
        if answer.status_code != 422 or [p.field for p in refusal.value.problems] != ["certificates"]:
            wrong[what] = answer.status_code
    assert wrong == {}


def _named(raw):
    from django.core.files.uploadedfile import SimpleUploadedFile

    return SimpleUploadedFile("a.pem", raw)


def test_what_a_ca_answers():
    """A certificate that is none, of another key, or with a broken chain is kept apart, whatever it is made of."""
    hostile = {**everything(), **corpus.files(), "another key": leaf(key=key_of("EC-P256", 9)).der}
    found = {what: do(job(), Toy(submit=Issued(raw, (CA.der,), "ca-1")), at) for what, raw in hostile.items()}
    assert {what: type(r).__name__ for what, r in found.items() if not isinstance(r, Bad)} == {}
    chains = {what: do(job(), Toy(submit=Issued(leaf().der, (raw,), "ca-1")), at) for what, raw in hostile.items()}
    assert {what for what, r in chains.items() if isinstance(r, Good) and r.chain not in {(), (CA.der,)}} == set()


def test_each_weak_key_is_refused_by_its_name_at_each_door(known, rest, console, cli, acme, cast, result):
    wrong = []
    for what, (der, code) in corpus.weak().items():
        with pytest.raises(Invalid) as refusal:
            place(cast.rob, PlaceOrder("Internal", der))
        reason = refusal.value.problems[0].message
        if [p.code for p in refusal.value.problems] != [code]:
            wrong.append((what, refusal.value.problems))
        # Everything between its words may be wrapped or escaped on the way.
        said = {"rest": rest.said(der), "console": console.said(der), "cli": cli(der)[1], "acme": acme(der)[1]}
        wrong += [(what, door, text) for door, text in said.items() if plain(reason) not in plain(text)]
    assert wrong == []
    assert orders() == 0
    kinds = len({code for _, code in corpus.weak().values()})
    doors = "REST, console, command line and ACME, each time with the reason named"
    result("R20", 0, f"of {len(corpus.weak())} requests with weak keys of {kinds} kinds were taken by {doors}")


def plain(text):
    return re.sub(r"[^a-z0-9]", "", html.unescape(text).lower())


# Oddities in each place of each route: never a fault of ours --------------------------------------------


@pytest.fixture
def quiet(caplog):
    caplog.set_level(logging.CRITICAL, logger="django")
    caplog.set_level(logging.CRITICAL, logger="chancery")


@pytest.fixture
def asked_for(monkeypatch):
    """Collect the names that are looked for among parameters and fields."""
    found, plain, listed = set(), MultiValueDict.__getitem__, MultiValueDict._getlist

    def one(self, name):
        found.update([name] if isinstance(self, QueryDict) else ())
        return plain(self, name)

    def several(self, name, *more, **options):
        found.update([name] if isinstance(self, QueryDict) else ())
        return listed(self, name, *more, **options)

    monkeypatch.setattr(MultiValueDict, "__getitem__", one)
    monkeypatch.setattr(MultiValueDict, "_getlist", several)
    return found


class Forms(HTMLParser):
    """Reads the forms of a page that are posted: their addresses, and what they would send as they are."""

    def __init__(self, page):
        super().__init__()
        self.found, self._open, self._select = [], None, ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        name = about.get("name", "")
        if tag == "form":
            self._open = (about.get("action") or "", {}) if about.get("method", "").lower() == "post" else None
            self.found += [self._open] if self._open else []
        elif self._open is None:
            return
        elif tag in {"input", "textarea", "button"} and name:
            self._open[1][name] = about.get("value") or ""
        elif tag == "select":
            self._select = name
            self._open[1][name] = ""
        elif tag == "option" and self._select and ("selected" in about or not self._open[1][self._select]):
            self._open[1][self._select] = about.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = None


class Person:
    """A browser that belongs to Ada; whatever it is answered that is a fault of ours is kept."""

    def __init__(self, cast):
        self.web, self.wrong, self.met = Client(raise_request_exception=False), [], defaultdict(int)
        self._user = cast.users["ada"]

    def __call__(self, path, fields=None, about=""):
        if "sessionid" not in self.web.cookies or not self.web.session.get("_auth_user_id"):
            self.web.post("/login", {"username": "ada", "password": PASSWORD})
            self.web.force_login(self._user)
        answer = self.web.get(path) if fields is None else self.web.post(path, fields)
        self.met[answer.status_code] += 1
        if answer.status_code >= 500:
            self.wrong.append((path[:200], fields is not None, str(about)[:120]))
        return answer


def console_routes(made, cast):
    """Yield (name, address) of every route of the console, led to what there is."""
    for name, path in {**routes.PAGES, **routes.FORMS, **routes.FILES, **routes.SCRIPTS}.items():
        yield name, path.replace("/people/1/", f"/people/{cast.users['rob'].pk}/").format(**made)


def test_no_oddity_in_the_console_is_a_fault_of_ours(cast, local, asked_for, quiet, request):
    made, ada = oddities.furnish(cast, local), Person(cast)
    texts = oddities.Turn(oddities.TEXTS, oddities.each(request.config, 1))
    forms = []
    for name, path in console_routes(made, cast):
        asked_for.clear()
        page = ada(path)
        for one, value in ((one, value) for one in sorted(asked_for) for value in texts.next()):
            ada(f"{path}?{one}={quote(value)}", about=(name, one, value))
        if page["Content-Type"].startswith("text/html"):
            forms += [(action or path, fields) for action, fields in Forms(page.content.decode()).found]
    # Of equal forms on several pages one is enough; nobody is to be logged out by the way.
    fresh = {(action, tuple(fields)): fields for action, fields in forms if action != "/logout"}
    spots = [(action, fields, one) for (action, _), fields in fresh.items() for one in fields]
    for action, fields, one in oddities.thinned(spots, request.config, 5):
        for value in texts.next():
            ada(action, {**fields, one: value}, about=(one, value))
    for name, value in ((name, value) for name, _ in console_routes(made, cast) for value in texts.next()):
        ada(dict(console_routes(made, cast))[name].replace(oddities_of(made, name), quote(value, safe="")), about=value)
    assert ada.wrong == []
    assert len(fresh) > 40
    assert min(ada.met[code] for code in (200, 302, 404, 422)) > 0


def oddities_of(made, name):
    """Return the part of a route's address that stands for a thing; one that is not there where it has none."""
    path = {**routes.PAGES, **routes.FORMS, **routes.FILES, **routes.SCRIPTS}[name]
    hole = re.search(r"\{(\w+)\}", path)
    return made[hole[1]] if hole else path.rpartition("/")[2] or " "


def acme_places(urls):
    """Yield the address of every route of the ACME server, with what the client has where it belongs."""
    for first, number, last in sorted({(*shape, "") for shape in resources.OPEN} | set(resources.SIGNED)):
        middle = [urls.get(first, "0" * 32)] * (number > 1)
        yield first, "/".join([first, *middle, *([last or urls["last"].get(first, "0")] * (number > 2))])


def members():
    """Return what the ACME server looks for in messages, as its own code names it."""
    from chancery.apps.acme import accounts, ordering

    text = "".join(map(inspect.getsource, (resources, accounts, ordering)))
    return sorted(set(re.findall(r"""\.get\("(\w+)\"""", text)) | {"externalAccountBinding", "contact"})


@pytest.fixture
def account(served, cast):
    door = Door(cast)
    door.offer(challenges=["http-01"])
    return door.registered(accounts=5)


def test_no_oddity_over_acme_is_a_fault_of_ours(account, quiet, request):
    order = account.order(corpus.NAME)
    authorization = order.json()["authorizations"][0]
    urls = {
        "order": order.headers["location"],
        "account": account.kid,
        "authz": authorization,
        "challenge": authorization,
    }
    urls = {kind: url.rpartition("/")[2] for kind, url in urls.items()} | {"last": {"challenge": "http-01"}}
    values = oddities.Turn(oddities.VALUES, oddities.each(request.config, 1))
    texts = oddities.Turn(oddities.TEXTS, oddities.each(request.config, 1))
    payload = {"identifiers": [{"type": "dns", "value": corpus.NAME}], "csr": b64(corpus.requests()["no names"])}
    payload |= {"certificate": b64(b"x")}
    wrong, met, looked_for = [], set(), members()

    def told(answer, *about):
        met.add(answer.status)
        if answer.status >= 400 and (answer.status >= 500 or "problem+json" not in answer.headers["content-type"]):
            wrong.append((answer.status, *(str(a)[:80] for a in about)))

    for _first, path in acme_places(urls):
        url = f"{SERVER}/acme/{path}"
        for name in looked_for:
            for value in values.next():
                told(account.post(url, {**payload, name: value}), path, name, value)
        for text in texts.next() if "/" in path else ():
            odd = "/".join([path.partition("/")[0], quote(text.replace("\n", ""), safe=""), *path.split("/")[2:]])
            told(send("GET", f"{SERVER}/acme/{odd}", None, {}), odd)
    # What a message is made of, in places that are read before anything is known of its sender.
    for name in ("alg", "url", "kid", "nonce", "jwk", "crit"):
        for value in oddities.VALUES:
            told(account.post(account.urls["newOrder"], payload, **{name: value}), name, value)
    for name in jwk(account.key):
        for value in oddities.VALUES:
            told(
                account.post(account.urls["newAccount"], {}, kid=None, jwk={**jwk(account.key), name: value}),
                name,
                value,
            )
    inner = sign(account.key, {"alg": "HS256", "kid": "x", "url": account.urls["newAccount"]}, jwk(account.key))
    for name, value in ((name, value) for name in ("alg", "kid", "url", "jwk") for value in oddities.VALUES):
        header = {"alg": "HS256", "kid": "x", "url": account.urls["newAccount"], name: value}
        bound = {**inner, "protected": b64(json.dumps(header).encode())}
        asked = {"externalAccountBinding": bound}
        told(account.post(account.urls["newAccount"], asked, kid=None, jwk=jwk(corpus.compromised())), name, value)
    assert wrong == []
    assert {200, 201, 400, 403, 404} <= met


def bot_messages(made):
    """Return each message of the bots' protocol as a bot would send it."""
    host = {"hostname": "web-1", "os": "Debian", "machine": "ab" * 32, "bot_version": "0.1", "kinds": ["pem"]}
    files = {"certificate": "/etc/nginx/www.pem", "key": "/etc/nginx/www.key"}
    service = {"kind": "nginx", "title": "nginx", "settings": files, "names": ["www.example.com"]}
    record = {
        "number": 1,
        "at": "2026-11-26T12:00:00Z",
        "kind": "step",
        "level": "info",
        "text": "Done.",
        "step": "plan",
    }
    record |= {"deployment": made["deployment"], "outcome": "", "served": ""}
    return {
        "enrol": {"v": 2, "token": "cbt_x", "public_key": "", "host": host},
        "poll": {"v": 2, "host": host, "found": [service]},
        "csr": {"v": 2, "deployment": made["deployment"], "csr": "x"},
        "certificate": {"v": 2, "deployment": made["deployment"]},
        "report": {"v": 2, "records": [record, {**record, "number": 2}]},
    }


class Bot:
    """A bot that signs whatever it is given."""

    def __init__(self, made):
        self.key, self.web = Ed25519PrivateKey.generate(), Client(raise_request_exception=False)
        bots.Bot.objects.update(public_key=wire.public_text(self.key), machine="ab" * 32)
        self.ident, self.number = made["bot"], count()
        self.wrong, self.met = [], set()

    def __call__(self, what, body, about, **parts):
        path = f"/api/bot/{what}"
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = wire.Signed(
            self.ident, "ab" * 32, int(current_clock().now().timestamp()), f"{next(self.number):020}", b""
        )
        header = wire.authorization(self.key, "POST", path, raw, signed)
        for name, value in parts.items():
            header = re.sub(f'{name}="[^"]*"', lambda _, n=name, v=value: f'{n}="{v}"', header)
        answer = self.web.post(path, raw, content_type="application/json", headers={"Authorization": header})
        self.met.add(answer.status_code)
        if answer.status_code >= 500:
            self.wrong.append((what, *(str(a)[:80] for a in about)))


def test_no_oddity_of_a_bot_is_a_fault_of_ours(cast, local, quiet, request):
    bot = Bot(made := oddities.furnish(cast, local))
    values = oddities.Turn(oddities.VALUES, oddities.each(request.config, 2))
    messages = bot_messages(made)
    messages["enrol"]["public_key"] = wire.public_text(bot.key)
    assert set(messages) == {*door._MESSAGES, "enrol"}
    for what, message in messages.items():
        for way in ways(message, {}):
            for value in oddities.VALUES if way[-1] == "at" else values.next():
                bot(what, put(message, way, value), (way, value))
        for raw in corpus.DOCUMENTS.values():
            bot(what, raw[: 10**5], (raw[:40],))
    for name, value in (
        (n, v) for n in ("bot", "machine", "time", "nonce", "signature") for v in ("é", *oddities.TEXTS)
    ):
        odd = value.encode("latin-1", "ignore").decode("latin-1").replace("\r\n", "")
        bot("poll", messages["poll"], (name, value), **{name: odd})
    assert bot.wrong == []
    assert {200, 400, 401, 409} <= bot.met
