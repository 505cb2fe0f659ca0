"""The plainest client there is, and orders for it."""

import base64
import hashlib
import http.client
import json
from urllib.parse import urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

KEY = ec.generate_private_key(ec.SECP256R1())


def csr_der(name="www.example.com", key=None):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key or KEY, hashes.SHA256())
    return made.public_bytes(Encoding.DER)


def csr_text(name="www.example.com", key=None):
    return base64.b64encode(csr_der(name, key)).decode()


def small_key():
    return rsa.generate_private_key(65537, 1024)


REQUESTOR = {"name": "Jane Doe", "email": "jane@example.com", "phone": "+14155551234"}
AGREEMENT = {"signerName": "Jane Doe", "signerPlace": "San Francisco", "accepted": True}


def order(**more):
    return {
        "productVariant": "dv",
        "requestor": dict(REQUESTOR),
        "certificate": {"domain": "www.example.com", "autoSecureWww": False},
        "subscription": {"validityYears": 1, "autoRenew": False},
        "agreement": dict(AGREEMENT),
        "csr": csr_text(),
        "tags": ["clm:1"],
        **more,
    }


def private(**more):
    return {
        "variant": "intranet-ssl",
        "hostname": "intranet.acme.local",
        "additionalHosts": ["portal.acme.local", "10.0.0.50"],
        "requestor": dict(REQUESTOR),
        "csr": csr_text(),
        **more,
    }


def v1_order(**more):
    return {
        "productCode": "842",
        "saveAndHold": "0",
        "requestorInformation": {
            "requestorName": "Jane Doe",
            "requestorIsdCode": "1",
            "requestorMobileNumber": "4155550100",
            "requestorEmail": "jane@example.com",
        },
        "subscriptionDetails": {"validity": "1", "autoRenew": "0", "renewCriteria": "30"},
        "certificateInformation": {"domainName": "www.example.com", "autoSecureWWW": "0"},
        "csr": csr_text(),
        "agreementDetails": {
            "acceptAgreement": "1",
            "signerName": "Jane Doe",
            "signerPlace": "San Francisco",
            "signerIP": "203.0.114.7",
        },
        "additionalInformation": {"remarks": "none", "tags": ["clm:1"]},
        **more,
    }


class Talk:
    """Speaks with a simulator; V2 by `json`, V1 by `call`."""

    def __init__(self, sim):
        self.sim, self.token, self.txn = sim, "", 10**9

    def send(self, method, path, body=None, headers=None, base=None):
        parts = urlsplit(base or self.sim.url)
        link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
        text = body if isinstance(body, bytes | str) or body is None else json.dumps(body)
        try:
            link.request(method, parts.path + path, text, headers or {})
            answer = link.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            link.close()

    def login(self, headers=None, **form):
        told = self.sim.credentials
        usual = {
            "grant_type": "client_credentials",
            "client_id": told["account_number"],
            "client_secret": told["client_secret"],
        }
        status, text, _ = self.send("POST", "/oauth/token", urlencode({**usual, **form}), headers)
        return status, json.loads(text)

    def json(self, method, path, body=None, **headers):
        if not self.token:
            self.token = self.login()[1]["access_token"]
        lines = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        status, text, _ = self.send(method, "/api/certinext/v2" + path, body, lines)
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, text

    def get(self, path, **query):
        status, found = self.json("GET", path + (f"?{urlencode(query)}" if query else ""))
        assert status == 200, found
        return found

    def place(self, body=None, path="/ssl-certificates", **headers):
        status, found = self.json("POST", path, body or order(), **headers)
        assert status == 201, found
        return found

    def refused(self, method, path, body=None, **headers):
        status, found = self.json(method, path, body, **headers)
        assert status >= 400, found
        return status, found.get("detail", "")

    def meta(self, **more):
        self.txn += 1
        told = self.sim.credentials
        made = {
            "ver": "1.0",
            "ts": "2026-11-23T12:00:00+00:00",
            "txn": str(self.txn),
            "accountNumber": told["account_number"],
        }
        made |= more
        raw = f"{told['access_key']}{made['ts']}{made['txn']}"
        return {"authKey": hashlib.sha256(raw.encode()).hexdigest(), **made}

    def call(self, name, body=None, *, method="POST", headers=None, **meta):
        status, text, _ = self.send(
            method, f"/emSignHub-API/{name}", {"meta": self.meta(**meta), **(body or {})}, headers
        )
        assert status == 200, text
        return json.loads(text)

    def good(self, name, **body):
        found = self.call(name, body)
        assert found["meta"]["status"] == "1", found
        return found

    def bad(self, name, **body):
        found = self.call(name, body)
        assert found["meta"]["status"] == "0", found
        return found["meta"]["errorCode"]

    def control(self, method, path, body=None):
        status, text, _ = self.send(method, path, body, base=self.sim.control)
        return status, json.loads(text)
