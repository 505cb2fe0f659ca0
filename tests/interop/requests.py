"""Requests for certificates as an order would carry them."""

import uuid
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, NameOID

from chancery.core import csr, keys
from chancery.core.certificate import Expected, check_issued
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.names import canonical, parse_name
from chancery.sdk import ProfileSettings, Request

DAY = timedelta(days=1)


def request(label="EC-P256", name="www.example.com", challenge=None, validity=30 * DAY):
    """Return a request; with a challengePassword in it where one is given."""
    key = keys.generate(label)
    names = canonical([parse_name(name)])
    return Request(
        reference=str(uuid.uuid4()),
        csr=signed_request(key, name, challenge),
        common_name=name,
        names=names,
        spki_sha256=keys.spki_sha256(key.public_key()),
        validity=validity,
        intended_at=SYSTEM_CLOCK.now(),
        settings=ProfileSettings(),
    )


def signed_request(key, name, challenge=None):
    """Return a request (DER) as its maker signs it, password and all."""
    if challenge is None:
        return csr.build(key, [parse_name(name)], name)
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def checked(issued, asked):
    """Hold what was issued against the request, as the engine does."""
    now = SYSTEM_CLOCK.now()
    return check_issued(issued.leaf, issued.chain, Expected(asked.spki_sha256, asked.names, now, now + asked.validity))
