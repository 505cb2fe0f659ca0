"""The whole corpus through each door: refused with a reason that names the field, never a 5xx, and nothing stored."""

import html
import re
import tracemalloc
from itertools import cycle

import pytest

from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.core.errors import Invalid
from chancery.core.importing import read
from chancery.core.tests.making import key_of
from chancery.engine.jobs import Bad, Good
from chancery.engine.tests.kit import CA, Toy, at, job, leaf
from chancery.engine.work import do
from chancery.sdk.outcome import Issued
from tests.hostile import corpus

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
