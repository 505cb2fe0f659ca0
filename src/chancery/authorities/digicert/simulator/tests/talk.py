"""The plainest client there is, and orders for it."""

import http.client
import json
from urllib.parse import quote, urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding


def csr_pem(inside="inside.example.org", key=None):
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, inside)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(Encoding.PEM).decode()


def order(*names, days=199, reference="clm:1", **more):
    names = names or ("www.example.com",)
    return {
        "certificate": {
            "common_name": names[0],
            "dns_names": list(names),
            "csr": csr_pem(),
            "signature_hash": "sha256",
            "cert_validity": {"days": days},
        },
        "organization": {"id": 112233},
        "order_validity": {"years": 1},
        "custom_fields": [{"metadata_id": 12, "value": reference}],
        "skip_approval": True,
        **more,
    }


class Talk:
    """Speaks with one key of a simulator."""

    def __init__(self, sim, key="main"):
        self.sim = sim
        self.key = {**sim.credentials["other_keys"], "main": sim.credentials["api_key"]}[key]

    def send(self, method, path, body=None, headers=None, base=None):
        parts = urlsplit(base or self.sim.url)
        link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
        sent = {"X-DC-DEVKEY": self.key, "Content-Type": "application/json", **(headers or {})}
        try:
            link.request(method, parts.path + path, json.dumps(body) if body is not None else None, sent)
            answer = link.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            link.close()

    def json(self, method, path, body=None):
        status, text, _ = self.send(method, path, body)
        return status, json.loads(text) if text else None

    def get(self, path, **query):
        status, found = self.json("GET", path + (f"?{urlencode(query)}" if query else ""))
        assert status == 200, found
        return found

    def put(self, path, body=None):
        return self.json("PUT", path, body or {})

    def refused(self, method, path, body=None):
        status, found = self.json(method, path, body)
        assert status >= 400, found
        return status, found["errors"][0]["code"]

    def place(self, body=None, product="ssl_basic"):
        status, made = self.json("POST", f"/order/certificate/{product}", body or order())
        assert status == 201, made
        return made

    def status(self, made):
        return self.get(f"/order/certificate/{made['id']}")["status"]

    def listed(self, **filters):
        query = "&".join(f"{quote(f'filters[{name}]')}={quote(str(value))}" for name, value in filters.items())
        return [row["id"] for row in self.get(f"/order/certificate?{query}")["orders"]]

    def control(self, method, path, body=None):
        status, text, _ = self.send(method, path, body, base=self.sim.control)
        assert status == 200, text
        return json.loads(text)


def names_in(certificate_pem):
    leaf = x509.load_pem_x509_certificate(certificate_pem.encode())
    return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
