"""Every way by which an address comes into Chancery that it may connect to, each as a function of the host.

A way returns why nothing was connected to, or '' where something was. It goes through the code that runs in production.
"""

import json
import subprocess
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import requests
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from chancery.apps.acme.proving import Look
from chancery.apps.connectors import references
from chancery.apps.shared.action import current_clock
from chancery.apps.webhooks.following import Batch, Message
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.errors import ChanceryError
from chancery.core.secret import Secret
from chancery.core.tests.making import certify, key_of
from chancery.engine import freshness, hooks, proving
from chancery.keystores.vault import Server
from chancery.net.addresses import AddressPolicy
from chancery.net.sessions import session
from chancery.protocols.acme.client import AcmeClient
from chancery.protocols.acme.keys import new_account_key
from chancery.protocols.acme.solving.lookup import Lookup
from chancery.protocols.ldap.line import Line
from chancery.protocols.ldap.settings import LdapSettings, LdapWire
from chancery.protocols.msrpc.channel import Channel, Wire
from chancery.protocols.msrpc.reaching import reach
from chancery.protocols.msrpc.settings import MsrpcSettings
from chancery.sdk.errors import AuthorityError
from chancery.sdk.finding import Level
from chancery.sdk.http import HttpDoor, check_url
from tests.egress.outside import NAME

NOBODY = AddressPolicy()
KEY = Secret(new_account_key())
WAIT = 3.0


def refusal(act):
    try:
        act()
    except (AuthorityError, ChanceryError, requests.RequestException, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


def to(host, scheme="https"):
    """Return an address as it stands in a query, which the web server of the outside leads to."""
    return quote(f"{scheme}://{host}/next", safe="")


class Ways:
    """`root` (PEM) is what the web server of the outside is trusted by."""

    def __init__(self, root):
        self.root = root
        self._ca = certify("CA", key=key_of("EC-P256", 3), ca=True)

    def door(self, url, **more):
        return HttpDoor(url, clock=SYSTEM_CLOCK, trust_pem=self.root, timeout=WAIT, **more)

    # The connector's own addresses -------------------------------------------------------------------

    def base_url(self, host):
        return refusal(lambda: self.door(f"https://{host}/api").get("orders"))

    def test_connection(self, host):
        found = self.door(f"https://{host}/api").diagnose()
        return next((f.message for f in found if f.level is Level.FAILED), "")

    def plain_base_url(self, host):
        return refusal(lambda: self.door(f"http://{host}/api").get("orders"))

    def proxy(self, host):
        return refusal(lambda: self.door(f"https://{NAME}/", proxy=f"http://{host}:3128").get("orders"))

    def behind_a_proxy(self, host):
        return refusal(lambda: self.door(f"https://{host}/", proxy=f"http://{NAME}:3128").get("orders"))

    def ldap(self, host):
        settings = LdapSettings(host.strip("[]"), trust_pem=self.root)
        return refusal(Line(LdapWire(NOBODY, WAIT), settings).open)

    def rpc(self, host):
        channel = Channel(Wire(NOBODY, WAIT), host.strip("[]"), 135, lambda *_: ("", ""))
        return refusal(lambda: channel.open(("x", 1), None))

    def rpc_test(self, host):
        found = reach(Wire(NOBODY, WAIT), MsrpcSettings(host.strip("[]"), "CA"), lambda *_: ("", ""))
        return next((f.message for f in found if f.level is Level.FAILED), "")

    def dns_server(self, host):
        return refusal(lambda: Lookup(host, NOBODY).missing("_acme-challenge.www.public.test", bool))

    # What the other side says ------------------------------------------------------------------------

    def link(self, host):
        return refusal(lambda: self.door(f"https://{NAME}/").get(f"https://{host}/next", foreign=True))

    def redirect(self, host):
        answer = self.door(f"https://{NAME}/").get("x", params={"to": f"https://{host}/"})
        return "not followed" if answer.status == 307 else ""

    def acme_directory(self, host):
        door = self.door(f"https://{NAME}/directory?to={to(host)}")
        client = AcmeClient(door, KEY, SYSTEM_CLOCK, other_hosts=frozenset({host.strip("[]")}))
        return refusal(lambda: client.post(client.directory().need("newAccount"), {}, kid=None))

    def certificate(self, host):
        """Every address that a certificate names: its list, its issuer's certificate, who answers for it."""
        where = x509.UniformResourceIdentifier(f"http://{host.encode('ascii', 'replace').decode()}/a")
        access = [
            x509.AccessDescription(kind, where)
            for kind in (AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS)
        ]
        points = x509.CRLDistributionPoints([x509.DistributionPoint([where], None, None, None)])
        extensions = [(points, False), (x509.AuthorityInformationAccess(access), False)]
        leaf = certify("www.public.test", key=key_of("EC-P256"), issuer=self._ca, extensions=extensions)
        found = freshness.look({"leaf": leaf.der, "chain": [self._ca.der], "networks": []})
        return next(one["error"] for one in found if one["kind"] == freshness.CRL)

    # Programs, people, log-ins -----------------------------------------------------------------------

    def webhook(self, host):
        url = f"https://{host}/hook"
        return refusal(lambda: check_url(url, NOBODY)) or self._hook(url)

    def webhook_redirect(self, host):
        return self._hook(f"https://{NAME}/hook?to={to(host)}")

    @staticmethod
    def _hook(url):
        row = SimpleNamespace(allowed_networks=[], url=url)
        message = Message("1", None, b"{}")
        batch = Batch(row, uuid.uuid4(), (Secret("whsec_" + "A" * 32),), 0, [message])
        return hooks._send(batch, float("inf"))[1]

    def open_id(self, host):
        return refusal(lambda: session([]).get(f"https://{host}/.well-known/openid-configuration"))

    def open_id_redirect(self, host):
        return refusal(lambda: session([]).get(f"https://{NAME}/?to={to(host)}"))

    # Names of ACME clients ---------------------------------------------------------------------------

    def http_01(self, host):
        return self._proven("http-01", host)

    def tls_alpn_01(self, host):
        return self._proven("tls-alpn-01", host)

    def http_01_redirect(self, host):
        return self._proven("http-01", NAME, token=f"x?to={to(host, 'http')}")

    @staticmethod
    def _proven(challenge, host, token="token"):
        host = host.strip("[]")
        kind = "ip" if ":" in host else "dns"
        look = Look(uuid.uuid4(), current_clock().now(), challenge, kind, host, token, "key", ())
        return proving.look(look).get("detail", "")

    # The operator's own ------------------------------------------------------------------------------

    def reference(self, host):
        """A reference names a path at the server of the settings, and never a server."""
        found = [references.problem("key", Secret(t), outside=True) for t in (f"@vault:https://{host}/x#y", f"@vault://{host}/x#y",
                 f"@file://{host}/x")]  # fmt: skip
        return "; ".join(f.message for f in found) if all(found) else ""

    def vault(self, host):
        return refusal(lambda: Server(f"https://{host}", {}, timeout=WAIT).get("secret/data/x"))


CONNECTOR = (
    "base_url", "test_connection", "plain_base_url", "proxy", "behind_a_proxy", "ldap", "rpc", "rpc_test", "dns_server",
)  # fmt: skip
SAID = ("link", "redirect", "acme_directory", "certificate")
OTHERS = (
    "webhook", "webhook_redirect", "open_id", "open_id_redirect", "http_01", "tls_alpn_01", "http_01_redirect", "reference",
)  # fmt: skip
LED = ("redirect", "acme_directory", "webhook_redirect", "open_id_redirect")
"""Of these the outside is spoken to first, over TLS."""
EVERY = (*CONNECTOR, *SAID, *OTHERS)
APART = ("notices", "records")


def apart(kind, hosts):
    """Return what the processes for notices and DNS records say of each address."""
    command = [sys.executable, str(Path(__file__).parent / "apart.py"), kind]
    done = subprocess.run(command, input=json.dumps(hosts).encode(), capture_output=True, check=True, env={})
    return json.loads(done.stdout)
