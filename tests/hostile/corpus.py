"""What nobody of good will sends, once for all doors: certificate requests, files of certificates, documents.

Requests come as DER unless their name says otherwise. Each is made here, from the standards; none is anybody else's.
"""

import gzip
import io
import json
import zipfile
from functools import cache
from itertools import count
from math import gcd, prod

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from chancery.core import pem
from chancery.core.tests.making import certify, dns, key_of, request, san
from chancery.sandbox.der import NULL, OCTETS, SEQUENCE, SET, integer, oid, read_one, tlv

KEY, RSA = key_of("EC-P256"), key_of("RSA-2048")
NAME = "www.example.com"
_SMALL = prod(n for n in range(2, 752) if all(n % m for m in range(2, n)))
_ROCA = 0x924CBA6AE99DFA084537FACC54948DF0C23DA044D8CABE0EDD75BC6
_SAN, _EXTENSIONS, _RSA, _SHA256_RSA = (
    "2.5.29.17",
    "1.2.840.113549.1.9.14",
    "1.2.840.113549.1.1.1",
    "1.2.840.113549.1.1.11",
)
_DNS, _BITS, _UTF8, _CONTEXT_0 = 0x82, 0x03, 0x0C, 0xA0


# Requests put together by hand -----------------------------------------------------------------------


def by_hand(*extensions, subject=b"", spki=b"", version=b"\x02\x01\x00", attributes=None):
    """Return a request that no library would make, properly signed by `RSA` unless the key is another one."""
    spki = spki or RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    asked = tlv(SEQUENCE, oid(_EXTENSIONS), tlv(SET, tlv(SEQUENCE, *extensions))) if extensions else b""
    info = tlv(
        SEQUENCE, version, tlv(SEQUENCE, subject), spki, tlv(_CONTEXT_0, asked if attributes is None else attributes)
    )
    signature = RSA.sign(info, padding.PKCS1v15(), hashes.SHA256())
    return tlv(SEQUENCE, info, tlv(SEQUENCE, oid(_SHA256_RSA), NULL), tlv(_BITS, b"\0" + signature))


def extension(number, value):
    return tlv(SEQUENCE, oid(number), tlv(OCTETS, value))


def names(*values, tag=_DNS):
    return extension(_SAN, tlv(SEQUENCE, *(tlv(tag, v if isinstance(v, bytes) else v.encode()) for v in values)))


def common_name(text):
    return tlv(SET, tlv(SEQUENCE, oid("2.5.4.3"), tlv(_UTF8, text.encode())))


def rsa_spki(modulus, exponent=65537):
    key = tlv(SEQUENCE, integer(modulus), integer(exponent))
    return tlv(SEQUENCE, tlv(SEQUENCE, oid(_RSA), NULL), tlv(_BITS, b"\0" + key))


def with_modulus(modulus, exponent=65537):
    """Return a request for an RSA key of which nobody here has the private half; a key is judged before its signature."""
    return by_hand(names(NAME), spki=rsa_spki(modulus, exponent))


def odd(bits):
    """Return a fixed odd number of so many bits, without small factors."""
    start = (1 << (bits - 1)) | (1 << (bits - 2)) | int.from_bytes(b"\x9e\x37\x79\xb9\x7f\x4a\x7c\x15" * (bits // 64 + 1), "big") % (1 << (bits - 2))  # fmt: skip
    scrambled = start ^ pow(3, bits * 7, 1 << (bits - 2))
    return next(n for n in count(scrambled | 1, 2) if gcd(n, _SMALL) == 1)


def nested(depth, tag=SEQUENCE):
    found = b""
    for _ in range(depth):
        found = tlv(tag, found)
    return found


# Weak keys -------------------------------------------------------------------------------------------


@cache
def weak():
    """Return what is wrong with a key → a request for it, and the code of the refusal."""
    half, n = odd(1024), RSA.public_key().public_numbers().n
    near = next(m for m in count(half + 2, 2) if gcd(m, _SMALL) == 1)
    roca = next(
        m for m in count(pow(65537, 99991, _ROCA) + _ROCA * ((odd(2048)) // _ROCA), _ROCA) if gcd(m, _SMALL) == 1
    )
    run = next(m for m in count(odd(2048) >> 1200 << 1200 | (int.from_bytes(b"\xab" * 20, "big") << 900) | odd(890), 2) if gcd(m, _SMALL) == 1)  # fmt: skip
    head, b = b"\xc1\x23\x45", 0x6789ABCD
    c = -int.from_bytes(b"\0" + head, "little") * b % (1 << 64)
    door = int.from_bytes(head + b.to_bytes(4, "little") + c.to_bytes(8, "little"), "big") << 1928
    door = next(m for m in count(door + odd(1926), 2) if gcd(m, _SMALL) == 1)
    return {
        "RSA of 1024 bits": (with_modulus(odd(1024)), "rsa_size"),
        "RSA of 2047 bits": (with_modulus(odd(2047)), "rsa_size"),
        "RSA of 16384 bits": (with_modulus(odd(16_384)), "rsa_size"),
        "exponent 3": (with_modulus(n, 3), "rsa_exponent"),
        "exponent 65539": (with_modulus(n, 65_539), "rsa_exponent"),
        "a small factor": (with_modulus(odd(2038) * 751), "rsa_small_factor"),
        "primes that are close": (with_modulus(half * near), "rsa_close_primes"),
        "ROCA": (with_modulus(roca), "roca"),
        "a run of one byte": (with_modulus(run), "rsa_pattern"),
        "the backdoor in xz": (with_modulus(door), "rsa_xz"),
        "a prime of others": (request(RSA, NAME, dns(NAME)), "rsa_shared_prime"),
        "secp256k1": (request(ec.generate_private_key(ec.SECP256K1()), NAME, dns(NAME)), "unsupported_key"),
        "secp224r1": (request(ec.generate_private_key(ec.SECP224R1()), NAME, dns(NAME)), "unsupported_key"),
        "brainpool": (request(ec.generate_private_key(ec.BrainpoolP256R1()), NAME, dns(NAME)), "unsupported_key"),
        "DSA": (by_hand(names(NAME), spki=_dsa()), "unsupported_key"),
        "a compromised key": (request(compromised(), NAME, dns(NAME)), "key_compromised"),
    }


def _dsa():
    # From Debian's own table of groups there is none; any will do, since DSA is refused as such.
    return dsa.generate_private_key(1024).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def compromised():
    """Return the key that is revoked, in the tests that need one, because others have it."""
    return key_of("EC-P256", 77)


# Requests that are wrong in another way --------------------------------------------------------------


@cache
def requests():
    """Return what is wrong → a request as bytes, all of them refused with a reason."""
    good = request(KEY, NAME, dns(NAME))
    text = pem.encode("CERTIFICATE REQUEST", good).encode()
    private = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {**_shapes(good, text, private), **_encodings(), **_names(), **_wishes(), **_moduli()}


def _shapes(good, text, private):
    altered = bytearray(good)
    altered[-1] ^= 1
    return {
        "nothing": b" ",
        "words": b"please",
        "random": bytes(range(256)) * 8,
        "cut off": good[:-1],
        "a byte behind": good + b"\0",
        "twice": good + good,
        "two blocks": text * 2,
        "a thousand blocks": text * 1000,
        "words around": b"Subject: x\n" + text,
        "a certificate": certify(NAME, key=KEY).der,
        "a certificate under the wrong name": pem.encode("CERTIFICATE REQUEST", certify(NAME, key=KEY).der).encode(),
        "a private key": private,
        "a private key behind": text + private,
        "base64 without lines": text.replace(b"-----BEGIN CERTIFICATE REQUEST-----", b"").replace(b"-----END", b""),
        "another signature": bytes(altered),
        "UTF-16": text.decode().encode("utf-16"),
        "compressed": gzip.compress(text),
        "a zip": _zipped(text),
        "too large": b"\n" * 70_000 + text,
        "hundred thousand names": by_hand(names(*(f"n{n}.example.com" for n in range(100_000)))),
        "headers in the block": text.replace(b"REQUEST-----\n", b"REQUEST-----\nProc-Type: 4,ENCRYPTED\n\n", 1),
        "NUL in the block": text.replace(b"\n", b"\n\0", 2),
    }


def _zipped(content):
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("csr.pem", content)
    return kept.getvalue()


def _encodings():
    return {
        "version 7": by_hand(names(NAME), version=b"\x02\x01\x07"),
        "a version of a kilobyte": by_hand(names(NAME), version=integer(1 << 8192)),
        "deeply nested": nested(9_000),
        "deeply nested attributes": by_hand(attributes=nested(9_000)),
        "deeply nested names": by_hand(extension(_SAN, nested(9_000, 0xA4))),
        "indefinite length": b"\x30\x80" + request(KEY, NAME)[4:] + b"\0\0",
        "a length of 2^63": b"\x30\x88" + b"\x7f" + b"\xff" * 7 + b"\0" * 40,
        "a length with zeros": b"\x30\x84\x00\x00" + request(KEY, NAME)[2:],
        "an endless object identifier": by_hand(extension("2.5.29.17", b"\x06\x84\x00\x00\xff\xff" + b"\xff" * 600)),
        "the same extension twice": by_hand(names(NAME), names(NAME)),
        "extensions that are none": by_hand(attributes=tlv(SEQUENCE, oid(_EXTENSIONS), tlv(SET, b"\x05\x00"))),
        "an attribute without value": by_hand(attributes=tlv(SEQUENCE, oid(_EXTENSIONS), tlv(SET))),
        "names that are none": by_hand(extension(_SAN, b"\x30\x03\x82\x05a")),
        "an empty list of names": by_hand(names()),
        "no names": by_hand(),
        "critical twice": by_hand(tlv(SEQUENCE, oid(_SAN), b"\x01\x01\x01", tlv(OCTETS, tlv(SEQUENCE, tlv(_DNS, NAME.encode()))))),
        "a subject that is no text": by_hand(names(NAME), subject=tlv(SET, tlv(SEQUENCE, oid("2.5.4.3"), tlv(_UTF8, b"\xff\xfe")))),
    }  # fmt: skip


def _names():
    hostile = {
        "NUL": "www.example.com\0.evil.test",
        "line break": "www.example.com\nevil.test",
        "bidi": "www.\u202emoc.elpmaxe",
        "zero width": "www.exam\u200bple.com",
        "wildcard in the middle": "www.*.example.com",
        "star alone": "*",
        "two stars": "*.*.example.com",
        "part of a label": "w*.example.com",
        "dot at the end": "www.example.com.",
        "two dots": "www..example.com",
        "label of 64": f"{'a' * 64}.example.com",
        "name of 254": f"{'a.' * 125}test",
        "punycode that is none": "xn--a.example.com",
        "hyphen first": "-oProxyCommand=x",
        "path": "../../etc/passwd",
        "command": "$(id).example.com",
        "markup": "<script>alert(1)</script>",
        "address": "10.0.0.1",
        "address in hex": "0x7f000001",
        "underscore": "_acme-challenge.example.com",
        "space": "www example.com",
        "URL": "https://www.example.com/",
        "empty": "",
    }
    made = {f"a DNS name with {what}": by_hand(names(value)) for what, value in hostile.items()}
    for what in ("NUL", "line break", "bidi", "zero width", "markup", "command", "star alone"):
        made[f"a common name with {what}"] = by_hand(names(NAME), subject=common_name(hostile[what]))
    return made | {
        "two common names": by_hand(names(NAME), subject=common_name(NAME) + common_name("evil.test")),
        "101 names": by_hand(names(*(f"n{n}.example.com" for n in range(101)))),
        "an address of five octets": by_hand(names(b"\x0a\0\0\x01\0", tag=0x87)),
        "an address of no octet": by_hand(names(b"", tag=0x87)),
        "an e-mail address with a line break": by_hand(names("a@example.com\r\nBcc: x@y.test", tag=0x81)),
        "a URI with a NUL": by_hand(names("https://a.test/\0", tag=0x86)),
    }


def _wishes():
    upn = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), tlv(_UTF8, b"root@ad.test"))
    sid = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.25.2"), tlv(SEQUENCE))
    template = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2"), tlv(_UTF8, b"DomainController")
    )
    policies = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.21.10"), tlv(SEQUENCE))
    wishes = {
        "a login name": [*san(x509.DNSName(NAME), upn)],
        "a security identifier": [*dns(NAME), (sid, False)],
        "a template": [*dns(NAME), (template, False)],
        "application policies": [*dns(NAME), (policies, False)],
        "being a CA": [*dns(NAME), (x509.BasicConstraints(ca=True, path_length=9), True)],
        "any purpose": [*dns(NAME), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)],
        "smart card logon": [*dns(NAME), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SMARTCARD_LOGON]), False)],
        "a directory name": san(x509.DirectoryName(x509.Name([]))),
    }
    return {f"asks for {what}": request(KEY, "", wish) for what, wish in wishes.items()}


def _moduli():
    n = RSA.public_key().public_numbers().n
    return {
        "exponent 1": with_modulus(n, 1),
        "an even exponent": with_modulus(n, 65_536),
        "an even modulus": with_modulus(n + 1),
        "modulus 0": with_modulus(0),
        "an exponent as large as the modulus": with_modulus(n, n - 2),
        "a modulus of 400 000 bits": with_modulus((1 << 400_000) + 1),
        "a negative modulus": by_hand(names(NAME), spki=rsa_spki(n).replace(b"\x02\x82\x01\x01\0", b"\x02\x82\x01\x01\xff", 1)),
        "a point off its curve": _off_curve(),
        "a curve described by itself": _explicit(),
        "a key of no known kind": by_hand(names(NAME), spki=tlv(SEQUENCE, tlv(SEQUENCE, oid("1.2.3.4")), tlv(_BITS, b"\0\1"))),
    }  # fmt: skip


def _off_curve():
    spki = bytearray(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    spki[-1] ^= 1
    return by_hand(names(NAME), spki=bytes(spki))


def _explicit():
    parts = read_one(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).parts()
    field = tlv(SEQUENCE, oid("1.2.840.10045.1.1"), integer((1 << 256) - 189))
    curve = tlv(SEQUENCE, tlv(OCTETS, b"\0" * 32), tlv(OCTETS, b"\7" * 32))
    described = tlv(SEQUENCE, integer(1), field, curve, tlv(OCTETS, b"\x04" + b"\1" * 64), integer((1 << 256) - 1))
    return by_hand(names(NAME), spki=tlv(SEQUENCE, tlv(SEQUENCE, oid("1.2.840.10045.2.1"), described), parts[1].raw))


# Files of certificates -------------------------------------------------------------------------------


@cache
def files():
    """Return what is wrong → a file that somebody imports as certificates; every one of them is refused, on *file*."""
    good = certify(NAME, key=KEY).der
    text = pem.encode("CERTIFICATE", good).encode()
    private = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "words": b"please",
        "random": bytes(range(256)) * 8,
        "a private key": text + private,
        "a request": pem.encode("CERTIFICATE REQUEST", request(KEY, NAME)).encode(),
        "no base64": text.replace(b"\n", b"\n!!!!", 2),
        "compressed": gzip.compress(text * 100),
        "a zip": _zipped(text),
        "ten thousand blocks of nothing": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" * 10_000,
        "begun ten thousand times": b"-----BEGIN CERTIFICATE-----\n" * 10_000,
        "deeply nested": pem.encode("CERTIFICATE", nested(9_000)).encode(),
        "a PKCS#7 of nothing": pem.encode("PKCS7", nested(300)).encode(),
        "cut off": good[:-1],
    }


# Documents -------------------------------------------------------------------------------------------

DOCUMENTS = {
    "arrays in arrays": b"[" * 100_000,
    "objects in objects": b'{"a":' * 100_000,
    "closed properly": b'{"csr":' * 3_000 + b"1" + b"}" * 3_000,
    "a huge number": b'{"profile": "Internal", "csr": "x", "validity_days": ' + b"9" * 5_000 + b"}",
    "a huge exponent": b'{"profile": "Internal", "csr": "x", "validity_days": 1e999999999}',
    "not a number": b'{"profile": "Internal", "csr": "x", "validity_days": NaN}',
    "bad UTF-8": b'{"profile": "\xff\xfe", "csr": "x"}',
    "half a surrogate": b'{"profile": "\\ud800", "csr": "x"}',
    "a name twice": b'{"profile": "Internal", "profile": "x", "csr": "x"}',
    "a hundred thousand names": b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}",
    "the same hash": b"{" + b",".join(b'"%d":1' % (n * (2**61 - 1)) for n in range(1, 20_000)) + b"}",
    "a list instead": b'["Internal", "x"]',
    "nothing": b"",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"profile": "Internal"}'.encode("utf-16"),
    "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93.",
    "a string of megabytes": b'{"profile": "Internal", "csr": "' + b"A" * 3_000_000 + b'"}',
}
"""What is wrong → the body of a request that says it is JSON."""

GOOD = {
    "lines as Windows ends them": pem.encode("CERTIFICATE REQUEST", request(KEY, NAME, dns(NAME))).replace(
        "\n", "\r\n"
    ),
    "white space around": f"\n\t  {pem.encode('CERTIFICATE REQUEST', request(KEY, NAME, dns(NAME)))}  \n\n",
    "names in several spellings": pem.encode("CERTIFICATE REQUEST", request(KEY, NAME, dns(NAME, NAME.upper()))),
}
"""What looks odd and is taken all the same."""


def json_of(text):
    """Return the body that orders by a request."""
    return json.dumps({"profile": "Internal", "csr": text}).encode()
