"""A client at the simulated services, and one at a door that answers as the test wants."""

import re
import uuid
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chancery.core import keys
from chancery.core.clock import ManualClock
from chancery.core.csr import build as build_csr
from chancery.core.names import canonical, parse_name
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.wstep.client import WstepClient
from chancery.protocols.wstep.settings import WstepCredentials, WstepSettings
from chancery.protocols.wstep.simulator import PASSWORD, USER
from chancery.protocols.wstep.simulator.service import Service
from chancery.sdk import Answer, HttpDoor, ProfileSettings, Request

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = keys.generate("RSA-2048")
LOGIN = WstepCredentials(USER, Secret(PASSWORD))
XML = {"content-type": "application/soap+xml; charset=utf-8"}


def request(name="www.example.com", *, key=KEY, csr=None):
    names = canonical([parse_name(name)])
    return Request(
        reference=str(uuid.uuid4()),
        csr=csr or build_csr(key, [parse_name(name)], name),
        common_name=name,
        names=names,
        spki_sha256=keys.spki_sha256(key.public_key()),
        validity=timedelta(days=30),
        intended_at=NOW,
        settings=ProfileSettings(),
    )


def csr_naming(oid, value, key=KEY):
    """Return a request (DER) with an extension of the CA's own, which names a template."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.com")])
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


class Stand:
    """A running simulator and clients to it, by one clock."""

    def __init__(self, simulator, clock):
        self.simulator, self.clock, self.doors = simulator, clock, []

    def client(self, credentials=LOGIN, *, login="UsernamePassword", **settings):
        door = HttpDoor(
            self.simulator.url, clock=self.clock, policy=AddressPolicy(("127.0.0.0/8",)), secrets=(LOGIN.password,)
        )
        self.doors.append(door)
        given = {**Service.addresses(login), "template": "WebServer30", **settings}
        return WstepClient(door, WstepSettings(**given), credentials, self.clock)

    def dial(self, **dials):
        self.simulator.dials.set(**dials)

    def close(self):
        for door in self.doors:
            door.close()


class Saying:
    """A door that keeps what was asked, and answers what it is given. `{number}` in a body is our MessageID."""

    base_url = "https://ca.example.com"

    def __init__(self, status, body, headers=XML):
        self.given, self.asked, self.learnt = (status, body, headers), [], []

    def learn(self, secret):
        self.learnt.append(secret)

    def post(self, path, **more):
        self.asked.append((path, more))
        status, body, headers = self.given
        number = re.search(rb"urn:uuid:[0-9a-f-]{36}", more["content"]).group(0)
        now, effect = NOW, more.get("effect", False)
        return Answer(status, headers, body.replace(b"{number}", number), now, tuple(self.learnt), effect)


def saying(status, body, headers=XML, **settings):
    given = {"enrollment": "CA_CES/service.svc/CES", "policy": "CEP/service.svc/CEP", **settings}
    door = Saying(status, body.encode() if isinstance(body, str) else body, headers)
    return WstepClient(door, WstepSettings(**given), LOGIN, ManualClock(NOW)), door


def envelope(inside, header="<a:RelatesTo>{number}</a:RelatesTo>"):
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        ' xmlns:a="http://www.w3.org/2005/08/addressing"'
        f" ><s:Header>{header}</s:Header><s:Body>{inside}</s:Body></s:Envelope>"
    )


def fault(detail="", codes="<s:Value>s:Receiver</s:Value>", text="Nein"):
    inside = f"<s:Detail>{detail}</s:Detail>" if detail else ""
    return envelope(f"<s:Fault><s:Code>{codes}</s:Code><s:Reason><s:Text>{text}</s:Text></s:Reason>{inside}</s:Fault>")


def detail(code="-2146877420", denied="true", number="<RequestID>89</RequestID>"):
    return (
        '<CertificateEnrollmentWSDetail xmlns="http://schemas.microsoft.com/windows/pki/2009/01/enrollment">'
        f"<ErrorCode>{code}</ErrorCode><InvalidRequest>{denied}</InvalidRequest>{number}"
        "</CertificateEnrollmentWSDetail>"
    )


def answered(
    inside, number="<RequestID xmlns='http://schemas.microsoft.com/windows/pki/2009/01/enrollment'>89</RequestID>"
):
    return envelope(
        '<RequestSecurityTokenResponseCollection xmlns="http://docs.oasis-open.org/ws-sx/ws-trust/200512">'
        f"<RequestSecurityTokenResponse>{inside}{number}</RequestSecurityTokenResponse>"
        "</RequestSecurityTokenResponseCollection>"
    )
