"""OpenSSL's CMP server in a network namespace of its own, its CA, and our client at it.

The server knows a transaction only on the connection that began it, and our door opens a new connection for everything
that has an effect. So between them stands a front on loopback that keeps one connection, as a reverse proxy would.
"""

import logging
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chancery.core import csr, keys
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.names import parse_name
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.cmp import CmpClient, SharedSecret, SigningKey
from chancery.sdk.authority import Request
from chancery.sdk.config import ProfileSettings
from chancery.sdk.http import HttpDoor

PORT = 8080
REFERENCE, SECRET = "chancery", "correct horse battery"
LOG = logging.getLogger("interop")
_DAY = timedelta(days=1)


@cache
def why_not():
    """Return why OpenSSL's server cannot run here; '' where it can."""
    if shutil.which("openssl") is None or shutil.which("unshare") is None or shutil.which("ip") is None:
        return "openssl, unshare or ip is not installed"
    tried = subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"no network namespace can be made here: {tried.stderr.strip()[:100]}"


class Files:
    """A CA, the connector's own certificate below it, and whatever a test writes beside them."""

    def __init__(self, folder):
        self.folder = folder
        self.ca_key, self.ra_key = keys.generate("EC-P256"), keys.generate("EC-P256")
        self.ca = self._certificate(self.ca_key, "Interop CA", self.ca_key, "Interop CA", ca=True)
        self.ra = self.issue(self.ra_key, "chancery-ra")
        self.write("ca.pem", self.ca.public_bytes(Encoding.PEM))
        self.write("ca.key", key_pem(self.ca_key))
        self.write("ra.pem", self.ra.public_bytes(Encoding.PEM))
        self.write("ra.key", key_pem(self.ra_key))

    def write(self, name, content):
        (self.folder / name).write_bytes(content)
        return str(self.folder / name)

    def path(self, name):
        return str(self.folder / name)

    def text(self, name):
        return (self.folder / name).read_text()

    def issue(self, key, name):
        return self._certificate(key, name, self.ca_key, "Interop CA", ca=False)

    @staticmethod
    def _certificate(key, name, issuer_key, issuer, *, ca):
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 30 * _DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return builder.sign(issuer_key, hashes.SHA256())


def key_pem(key):
    return key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@contextmanager
def openssl_server(files, *options, answer=None):
    """Give the URL of OpenSSL's server; `answer` is the certificate that it hands out, made beforehand."""
    certificate = files.write("answer.pem", (answer or files.ra).public_bytes(Encoding.PEM))
    path = files.path("keeper.sock")
    command = ["openssl", "cmp", "-config", "", "-port", str(PORT), "-srv_cert", files.path("ca.pem")]
    command += ["-srv_key", files.path("ca.key"), "-srv_trusted", files.path("ca.pem"), "-rsp_cert", certificate]
    command += ["-rsp_extracerts", files.path("ca.pem"), "-rsp_capubs", files.path("ca.pem"), *options]
    keeper = str(Path(__file__).with_name("keeper.py"))
    began = ["unshare", "-n", sys.executable, keeper, path, str(PORT), *command]
    log = (files.folder / "server.log").open("w")
    process = subprocess.Popen(began, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout.readline() == "ready\n", files.text("server.log")
        with _front(path) as url:
            yield url
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
        log.close()
        Path(path).unlink(missing_ok=True)


class _Unix(HTTPConnection):
    def __init__(self, path):
        super().__init__("127.0.0.1", timeout=10)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


@contextmanager
def _front(path):
    kept = [_Unix(path)]

    class Talk(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent = {"Content-Type": self.headers["Content-Type"], "Connection": "keep-alive"}
            try:
                kept[0].request("POST", self.path, body, sent)
                answer = kept[0].getresponse()
                content = answer.read()
            except (OSError, HTTPException):
                kept[0].close()
                kept[0] = _Unix(path)
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Talk)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/pkix"
    finally:
        server.shutdown()
        server.server_close()
        kept[0].close()


@contextmanager
def client(url, settings, credential):
    door = HttpDoor(url, clock=SYSTEM_CLOCK, policy=AddressPolicy(("127.0.0.0/8",)))
    try:
        yield CmpClient(door, settings, credential, SYSTEM_CLOCK)
    finally:
        door.close()


def shared(secret=SECRET, **more):
    return SharedSecret(REFERENCE, Secret(secret), **more)


def signing(files):
    return SigningKey(files.text("ra.pem"), Secret(files.text("ra.key")))


def request(key, name="www.example.com", reference="0191-interop"):
    der = csr.build(key, [parse_name(name)], name)
    facts = csr.parse(der).key
    now = SYSTEM_CLOCK.now()
    names = (parse_name(name),)
    return Request(reference, der, name, names, facts.spki_sha256, 90 * _DAY, now, ProfileSettings())
