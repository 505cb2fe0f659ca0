"""A Borealis on loopback: no more than its API says."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TOKEN = "borealis-token-Zm9yIHRlc3Rz/+=7"
MOST_NAMES = 20
PRODUCTS = [{"id": "aurora", "name": "Aurora (internal)"}, {"id": "polar", "name": "Polar (public)"}]


class Book:
    """What this Borealis holds: orders by number.

    `held` keeps them pending, `refuses` refuses them, `strict` refuses a second order with the same reference, `fresh`
    one with a key that it knows, and the search sees orders that are `lag` old.
    """

    held = refuses = strict = fresh = False
    lag = timedelta()

    def __init__(self, now=lambda: datetime.now(UTC), **dials):
        self.now, self.orders, self.lock = now, {}, threading.RLock()
        vars(self).update(dials)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._root = self._sign(
            _name("Borealis Root"), self._key.public_key(), now(), timedelta(days=3650), (), ca=True
        )

    @contextmanager
    def play(self, fault):
        """Hold or refuse every order, for as long as the block lasts."""
        dial = {"HOLDS": "held", "REJECTS": "refuses"}[fault.name]
        setattr(self, dial, True)
        try:
            yield
        finally:
            setattr(self, dial, False)

    def number(self, reference):
        """Return how many orders there are under a client's reference."""
        with self.lock:
            return sum(o["reference"] == reference for o in self.orders.values())

    def place(self, body):
        same = next((o for o in self.orders.values() if o["reference"] == body["reference"]), None)
        if same is not None:
            return (409, {"error": "there is an order with this reference"}) if self.strict else self.show(same)
        if self.refuses or body["product"] not in {p["id"] for p in PRODUCTS}:
            return 422, {"error": f"the product {body['product']} cannot be ordered"}
        csr = x509.load_pem_x509_csr(body["csr"].encode())
        names = list(_names(csr))
        if len(names) > MOST_NAMES or not all(isinstance(name, x509.DNSName) for name in names):
            return 422, {"error": f"1 to {MOST_NAMES} DNS names are certified"}
        if self.fresh and _spki(csr) in {_spki(o["csr"]) for o in self.orders.values()}:
            return 422, {"error": "this key is known already"}
        number = f"B-{len(self.orders) + 1:05}"
        self.orders[number] = {**body, "id": number, "status": "pending", "csr": csr, "at": self.now()}
        return self.show(self.orders[number])

    def show(self, order):
        if order["status"] == "pending" and not self.held:
            order["status"] = "issued"
        shown = {"id": order["id"], "status": order["status"], "key": _spki(order["csr"])}
        if order["status"] in {"issued", "revoked"}:
            shown["chain"] = order.setdefault("chain", self._issue(order))
        return 200, shown

    def search(self, reference):
        seen = [o for o in self.orders.values() if o["at"] + self.lag <= self.now()]
        return [self.show(o)[1] for o in seen if o["reference"] == reference]

    def cancel(self, order):
        if order["status"] == "pending" and self.held:
            order["status"] = "cancelled"
        return self.show(order)

    def revoke(self, order):
        if order["status"] not in {"issued", "revoked"}:
            return 409, {"error": "there is nothing to revoke"}
        order["status"] = "revoked"
        return self.show(order)

    def _issue(self, order):
        csr, start = order["csr"], datetime.fromisoformat(order["not_before"]) - timedelta(minutes=5)
        lives = timedelta(seconds=order["seconds"])
        leaf = self._sign(csr.subject, csr.public_key(), start, lives, ((_names(csr), False),), ca=False)
        return "".join(c.public_bytes(Encoding.PEM).decode() for c in (leaf, self._root))

    def _sign(self, subject, key, start, lives, more, *, ca):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name("Borealis Root"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + lives)
        )
        for value, critical in ((x509.BasicConstraints(ca=ca, path_length=None), True), *more):
            builder = builder.add_extension(value, critical)
        return builder.sign(self._key, hashes.SHA256())


def _name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _names(csr):
    return csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def _spki(csr):
    digest = hashes.Hash(hashes.SHA256())
    digest.update(csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


class Simulator:
    """Serves a book on a free port of the loopback address, for as long as the block lasts."""

    def __init__(self, book=None):
        self.book = book or Book()

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Talk)
        self._server.book, self._server.daemon_threads = self.book, True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.002,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class _Talk(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

    def log_message(self, format, *args):  # noqa: A002  the name that the base class has
        pass

    def _do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.book.lock:
            status, document = self._answer(json.loads(body or b"null"))
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = _do

    def _answer(self, body):
        book, url = self.server.book, urlsplit(self.path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "unknown token"}
        match [self.command, *url.path.removeprefix("/api/v1/").split("/")]:
            case ["GET", "me"]:
                return 200, {"account": "B-1234"}
            case ["GET", "products"]:
                return 200, {"products": PRODUCTS}
            case ["POST", "orders"]:
                return book.place(body)
            case ["GET", "orders"]:
                wanted = parse_qs(url.query).get("reference", [""])[0]
                return 200, {"orders": book.search(wanted)}
            case [_, "orders", number, *rest] if number in book.orders:
                act = {"GET": book.show, "DELETE": book.cancel}.get(self.command) if not rest else book.revoke
                return act(book.orders[number])
        return 404, {"error": "there is no such thing"}
