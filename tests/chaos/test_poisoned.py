"""Odd and hostile requests among good ones, and orders that break what takes them up: the good are issued, the pages go on."""

import json
from importlib.resources import files

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.test import Client

from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place_many
from chancery.authorities.local.authority import Local
from chancery.core import pem
from chancery.core.errors import ChanceryError
from chancery.core.tests.making import certify, distinguished, dns, key_of, request, san
from tests.cast import request_pem

pytestmark = pytest.mark.django_db(transaction=True)
KEY = key_of("EC-P256")
PUBLISHED = files("cryptography_vectors") / "x509" / "requests"
NAMES = (
    *(
        "a\0b.example",
        "a\nb.example",
        "\u202egro.elpmaxe",
        "a..b.example",
        ".example",
        "a.example.",
        "*.*.example",
        "a.*.example",
    ),
    *(
        "xn--\u00fc.example",
        "xn--a.example",
        "x" * 64 + ".example",
        ".".join(["y" * 60] * 5),
        "A.Example",
        "a.EXAMPLE",
        "10.0.0.1",
    ),
    *(
        "<script>alert(1)</script>",
        "a'; DROP TABLE orders_order; --",
        "=cmd|' /C calc'!A0",
        "%s%n.example",
        "{{ 7*7 }}.example",
    ),
    *(
        "\u0430pple.example",
        "\ud7ff.example",
        "\U0001f3db.example",
        "z" * 253,
        "-a.example",
        "a-.example",
        "_dmarc.example",
        "1.2.3.999",
    ),
)
COMMENTS = ("\u202e\u2066", "\0", "<img src=x onerror=alert(1)>", "=1+1", "x" * 499, "\r\nSet-Cookie: a=b")
PAGES = (
    "/",
    "/overview",
    "/orders",
    "/certificates",
    "/certificates/renewals",
    "/inventory",
    "/audit",
    "/profiles",
    "/posture",
)
FILES = ("/audit/export", "/integrations/ca-connectors/type/local/export.csv")
API = ("/api/v1/orders", "/api/v1/certificates", "/api/v1/audit/export", "/api/v1/connectors")
ERRORS = (RuntimeError, RecursionError, MemoryError, KeyError, UnicodeError, ZeroDivisionError, OverflowError)
"""What an authority raises that no author foresaw."""


def raw(name):
    """Return a name as DER has it, whatever it says."""
    return x509.DNSName._init_without_validation(name) if not name.isascii() else x509.DNSName(name)


def named(name):
    """Return requests that name it among the names, and as the subject where a subject takes it."""
    made = [request(KEY, "", san(raw(name)))]
    if 0 < len(name) <= 64:
        made.append(request(KEY, distinguished(name)))
    return made


def corpus():
    """Return every odd request: published ones, odd names, and texts that are no request or more than one."""
    good = request_pem("corpus.example.com")
    texts = [
        good + good,
        good + "trailing",
        f"x{good}",
        good.replace("\n", "\r\n"),
        good[:-60],
        "",
        " ",
        "A" * 10_000,
        "\0" * 99,
    ]
    texts += [pem.encode("CERTIFICATE", certify("a.example", key=KEY).der), good.replace("REQUEST", "CERTIFICATE")]
    texts.append(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    many = request(KEY, "", dns(*(f"n{n}.example.com" for n in range(100))))
    most = request(KEY, "", dns(*(f"n{n}.example.com" for n in range(5000))))
    found = [many, most, b"\x30\x84\xff\xff\xff\xff", b"\x30" * 5000, bytes(range(256))]
    found += [one for name in NAMES for one in named(name)]
    found += [entry.read_bytes() for entry in sorted(PUBLISHED.iterdir(), key=lambda e: e.name)]
    return [PlaceOrder("Internal", one) for one in [*texts, *found]] + [
        PlaceOrder("Internal", request_pem("comment.example.com"), comment=comment) for comment in COMMENTS
    ]


def poisoned(monkeypatch):
    """Have the authority break for names that begin with *poison*, each time in another way."""
    plain, kinds = Local.submit, {}

    def submit(self, asked):
        name = asked.common_name
        if name.startswith("poison"):
            raise kinds.setdefault(name, ERRORS[len(kinds) % len(ERRORS)])("\0 \u202e <b>it broke</b>")
        return plain(self, asked)

    monkeypatch.setattr(Local, "submit", submit)


def spoil(orders):
    """Change what is stored of some orders to what no code of ours writes."""
    columns = ({"csr": b"\0garbage"}, {"names": {"no": "list"}}, {"product": [1]}, {"poll_state": {"x": "\u202e"}})
    for order, column in zip(orders, columns, strict=True):
        Order.objects.filter(pk=order.pk).update(**column)


def shown(paths, **how):
    """Return the paths that are not answered with a page or file."""
    client = Client(raise_request_exception=False)
    client.force_login(how.pop("user"))
    found = {path: client.get(path) for path in paths}
    # A file may be made while it is read.
    whole = {path: b"".join(a.streaming_content) if a.streaming else a.content for path, a in found.items()}
    return [
        (path, answer.status_code) for path, answer in found.items() if answer.status_code != 200 or not whole[path]
    ]


@pytest.mark.parametrize("good", [20, pytest.param(1000, marks=pytest.mark.long)])
def test_what_is_poisoned_stops_nobody_else(cast, local, engine, monkeypatch, say, result, good):
    poisoned(monkeypatch)
    asks, odd = [PlaceOrder("Internal", request_pem(f"good{n}.example.com")) for n in range(good)], corpus()
    step = max(1, good // len(odd))
    placed, refused = [], 0
    for at in range(max(len(odd), -(-good // step))):
        mixed = [*asks[at * step : (at + 1) * step], *odd[at : at + 1]]
        for one in place_many(cast.rob, mixed) if mixed else []:
            assert isinstance(one, Order | ChanceryError), one
            placed += [one] if isinstance(one, Order) else []
            refused += isinstance(one, ChanceryError)
    bad = place_many(
        cast.rob, [PlaceOrder("Internal", request_pem(f"poison{n}.example.com")) for n in range(len(ERRORS) + 4)]
    )
    spoil(bad[len(ERRORS) :])
    worker, mine = engine.worker, [o.pk for o in placed]
    engine.until(lambda: not Order.objects.filter(pk__in=mine).exclude(state="issued").exists(), 600)
    for _ in range(20):
        worker.turn()
        worker._wait(0.02)
    issued = Certificate.objects.filter(order__common_name__startswith="good").count()
    stuck = Order.objects.filter(pk__in=[o.pk for o in bad]).exclude(reason="").count()
    ada = cast.users["ada"]
    paths = [*PAGES, *FILES, *API, *(f"/orders/{o.pk}" for o in [*placed[-len(odd) :], *bad])]
    paths += [
        f"/certificates/{pk}" for pk in Certificate.objects.order_by("-id").values_list("pk", flat=True)[: len(odd)]
    ]
    broken = shown(paths, user=ada)
    unit = (
        f"good orders of {good} not issued, among {len(odd)} odd requests ({refused} refused) and {len(bad)} that break what takes "
        f"them up ({stuck} say why); {len(broken)} of {len(paths)} pages and files did not come; 0 restarts of the worker"
    )
    say(f"{good - issued} {unit}")
    result("R18", good - issued, unit)
    assert issued == good
    assert refused > len(odd) // 2
    assert broken == []
    assert stuck == len(bad), json.dumps(
        list(Order.objects.filter(pk__in=[o.pk for o in bad]).values("state", "reason", "common_name"))
    )
