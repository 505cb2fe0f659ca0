"""Whatever comes back becomes an outcome or one of the engine's errors, and shows no key."""

from datetime import timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from pyasn1.codec.der.encoder import encode
from pyasn1.type import char, univ

from chancery.core.clock import ManualClock
from chancery.protocols.bundle import climb, pick, serial
from chancery.protocols.cms import Unreadable, certificates, content
from chancery.protocols.scep import message, roster
from chancery.protocols.scep.client import ScepClient
from chancery.protocols.scep.identity import Identity
from chancery.protocols.scep.message import Asked, Kind
from chancery.protocols.scep.sealing import unseal
from chancery.protocols.scep.settings import Authorization, ScepCredentials, ScepSettings
from chancery.protocols.scep.signing import SHA_256, SHA_512, sign, verify
from chancery.protocols.scep.simulator.dials import ScepDials
from chancery.protocols.scep.simulator.service import Service
from chancery.protocols.scep.simulator.writing import Rep, envelope, signed
from chancery.protocols.scep.tests.stand import NOW, TRANSPORT, checked, csr, request
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.der import CONTEXT_0, OCTETS, SEQUENCE, SET, certs_only, integer, oid, tlv
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa
from chancery.sandbox.frame import Asked as Sent
from chancery.sandbox.ledger import Ledger
from chancery.sdk import (
    Answer,
    AuthFailed,
    AuthorityError,
    Forbidden,
    Issued,
    Level,
    OutcomeUnknown,
    Pending,
    ProtocolViolation,
    Throttled,
    Unreachable,
)
from tests.trying import examples

CLOCK = ManualClock(NOW)
CA = EnrolmentCa(NOW, rsa_keys=True)
EC_CA = EnrolmentCa(NOW)
LEAF = CA.issue(x509.load_der_x509_csr(csr()), NOW, NOW + timedelta(days=9))


def der(certificate):
    return certificate.public_bytes(Encoding.DER)


class Door:
    """Leads straight into the simulated CA; `spoil` changes what comes back of an operation."""

    def __init__(self, **spoil):
        self.spoil, self.secrets = spoil, []
        dials = Dials().widen(ScepDials)
        self.service = Service(CA, Ledger(), dials, ShiftedClock(CLOCK))

    def learn(self, secret):
        self.secrets.append(secret)

    def get(self, path, *, params=None, effect=False, max_bytes=0):
        return self._answer("GET", list((params or {}).items()), b"", effect)

    def post(self, path, *, content, headers, effect, max_bytes):
        return self._answer("POST", [("operation", "PKIOperation")], content, effect)

    def _answer(self, method, query, body, effect):
        reply = self.service.answer(Sent(method, "/scep/open", {}, query, body))
        status, said, headers = reply.status, reply.body, {}
        if query[0][1] in self.spoil:
            status, said, headers = self.spoil[query[0][1]](said)
        return Answer(status, headers, said, NOW, tuple(self.secrets), effect)


def client(**spoil):
    settings = ScepSettings(path="open", authorization=Authorization.MANUAL)
    return ScepClient(Door(**spoil), settings, ScepCredentials(TRANSPORT), CLOCK)


def saying(status, body, headers=None):
    return lambda _: (status, body, headers or {})


def refused(act, *values):
    with pytest.raises(AuthorityError) as caught:
        act(*values)
    return caught.value


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (saying(200, b""), OutcomeUnknown),
        (saying(200, b"<html>"), OutcomeUnknown),
        (saying(200, b"\x30\x80"), OutcomeUnknown),
        (saying(200, b"\x30" * 600_000), OutcomeUnknown),
        (saying(200, b"\x30\x80" * 100_000), OutcomeUnknown),
        (lambda body: (200, body + b"more", {}), OutcomeUnknown),
        (lambda body: (200, body + b"\r\n", {}), Issued),
        (saying(400, b"bad"), OutcomeUnknown),
        (saying(401, b""), AuthFailed),
        (saying(403, b""), Forbidden),
        (saying(404, b""), Unreachable),
        (saying(302, b""), Unreachable),
        (saying(429, b"", {"retry-after": "5"}), Throttled),
        (saying(500, b""), OutcomeUnknown),
    ],
)
def test_what_an_answer_to_an_order_means(answer, kind):
    one, asked = client(PKIOperation=answer), request()
    if kind is Issued:
        checked(one.submit(asked), asked)
        return
    error = refused(one.submit, asked)
    assert type(error) is kind
    assert error.bytes_sent
    assert error.remedy or isinstance(error, Throttled)


@pytest.mark.parametrize("operation", ["GetCACaps", "GetCACert"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (saying(200, b"<html>"), ProtocolViolation),
        (saying(200, b'{"error": 1}'), ProtocolViolation),
        (saying(200, b"\x00\xff"), ProtocolViolation),
        (saying(500, b""), Unreachable),
    ],
)
def test_a_question_that_is_answered_senselessly_sends_no_order(operation, answer, kind):
    one = client(**{operation: answer})
    error = refused(one.submit, request())
    assert type(error) is kind
    assert not error.bytes_sent
    failed = [f for f in one.check() if f.level is Level.FAILED]
    assert failed
    assert all(f.remedy for f in failed)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # the flipped bit may be its sign
@pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")  # or name another attribute
@settings(max_examples=examples(60), deadline=None)
@given(
    place=st.integers(0, 10_000),
    flip=st.integers(1, 255),
    operation=st.sampled_from(["PKIOperation", "GetCACaps", "GetCACert"]),
)
def test_a_flipped_bit_becomes_an_outcome_or_an_error(place, flip, operation):
    def spoil(body):
        changed = bytearray(body)
        changed[place % len(changed)] ^= flip
        return 200, bytes(changed), {}

    asked = request()
    try:
        outcome = client(**{operation: spoil}).submit(asked)
        assert isinstance(outcome, Issued | Pending)
        if operation == "PKIOperation":
            checked(outcome, asked)
    except AuthorityError as error:
        assert TRANSPORT.reveal()[40:80] not in repr(vars(error))


@settings(max_examples=examples(25), deadline=None)
@given(status=st.integers(200, 599), body=st.binary(max_size=300), text=st.text(max_size=20))
def test_any_answer_at_all_is_an_error(status, body, text):
    answer = saying(status, body, {"retry-after": text, "location": text})
    refused(client(PKIOperation=answer).submit, request())
    try:
        client(GetCACaps=answer).submit(request())
    except AuthorityError as error:
        assert not error.bytes_sent or isinstance(error, OutcomeUnknown)


# Who is who -------------------------------------------------------------------------------------------


def test_the_ca_is_found_among_others_in_any_order():
    reader, signer = CA.registration(NOW, encrypts=True)[0], CA.registration(NOW, encrypts=False)[0]
    stranger = EC_CA.registration(NOW, encrypts=True)[0]
    for together in ([CA.root, stranger, signer, reader, CA.issuing], [reader, CA.issuing, signer, CA.root]):
        found = roster.read(certs_only(together), "")
        assert found.ca == CA.issuing
        assert found.reader == reader
        assert found.signers == (signer, CA.issuing)
        assert stranger not in found.registration
        assert found.ders == (der(CA.issuing), der(CA.root))


def test_a_ca_that_nothing_can_be_encrypted_to_is_refused_unless_an_authority_reads_for_it():
    one = client(GetCACert=saying(200, der(EC_CA.issuing)))
    error = refused(one.submit, request())
    assert (error.kind, error.bytes_sent, "not RSA" in error.message) == ("ProtocolViolation", False, True)
    assert (one.check()[-1].code, bool(one.check()[-1].remedy)) == ("not_rsa", True)
    reader = EC_CA.registration(NOW, encrypts=True)[0]
    assert roster.read(certs_only([EC_CA.issuing, reader]), "").reader == reader


def test_a_key_that_openssl_cannot_use_is_no_bug():
    """An even modulus: it decodes, and nothing can be encrypted with it."""
    numbers = CA.key.public_key().public_numbers()
    text = numbers.n.to_bytes(256, "big")
    even = der(CA.issuing).replace(text, text[:-1] + bytes([text[-1] ^ 1]))
    error = refused(client(GetCACert=saying(200, even)).submit, request())
    assert (error.kind, error.bytes_sent) == ("ProtocolViolation", False)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "does not decode"),
        (der(LEAF), "no CA's certificate"),
        (certs_only([]), "no CA's certificate"),
        (certs_only([CA.root]).replace(der(CA.root)[10:40], b"\0" * 30), "does not decode"),
    ],
)
def test_a_roster_without_a_ca_is_none(body, said):
    with pytest.raises(Unreadable, match=said):
        roster.read(body, "")


def test_two_cas_that_certified_each_other_are_taken_as_they_come():
    """Neither is below the other; the first one is asked."""
    first, second = _crossed()
    assert roster.read(certs_only([first, second]), "").ca in {first, second}


@cache
def _crossed():
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, n)]) for n in ("One", "Two")]

    def made(mine, other):
        return (
            x509.CertificateBuilder()
            .subject_name(names[mine])
            .issuer_name(names[other])
            .public_key(keys[mine].public_key())
            .serial_number(mine + 1)
            .not_valid_before(NOW)
            .not_valid_after(NOW + timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(keys[other], hashes.SHA256())
        )

    return made(0, 1), made(1, 0)


# Signatures -------------------------------------------------------------------------------------------

IDENTITY = Identity.read(ScepCredentials(TRANSPORT))
CHAIN = IDENTITY.chain(LEAF.subject, "a-transaction", NOW)
ASKED = Asked.fresh(Kind.PKCS_REQ, "a-transaction")
REP = Rep("a-transaction", ASKED.nonce, "0")


def read(body, trusted=(CA.issuing,)):
    return message.read(body, ASKED, trusted, accept_sha1=False)


def test_our_own_message_is_verified_by_the_same_rules():
    body = sign(b"text", ASKED.attributes(), IDENTITY.key, CHAIN, SHA_512)
    assert verify(body, CHAIN, accept_sha1=False).content == b"text"


def test_the_certificate_of_a_transaction_is_the_same_after_a_restart():
    again = Identity.read(ScepCredentials(TRANSPORT)).chain(LEAF.subject, "a-transaction", NOW)
    assert again == CHAIN
    assert IDENTITY.chain(LEAF.subject, "another", NOW) != CHAIN


@pytest.mark.parametrize("signer", [EC_CA.issuing, CA.issuing])
def test_a_signature_is_checked_by_the_kind_of_key(signer):
    """A signature of another kind, or by another key, is none."""
    body = signed(b"", REP, (CA.issuing, CA.key), "")
    forged = x509.load_der_x509_certificate(der(signer))
    if signer is CA.issuing:
        assert read(body).status == "0"
        return
    with pytest.raises(Unreadable, match="not signed by the CA"):
        read(body, (forged,))


def _signed_by(key, certificate, **changes):
    """Return an answer made by hand: ECDSA, a key identifier, missing or doubled attributes."""
    data, vs = oid("1.2.840.113549.1.7.1"), "2.16.840.1.113733.1.9."
    hashed = hashes.Hash(hashes.SHA256())
    values = {
        "1.2.840.113549.1.9.3": data,
        "1.2.840.113549.1.9.4": tlv(OCTETS, hashed.finalize()),
        f"{vs}2": encode(char.PrintableString("3")),
        f"{vs}3": encode(char.PrintableString("3")),
        f"{vs}6": encode(univ.OctetString(ASKED.nonce)),
        f"{vs}7": encode(char.PrintableString("a-transaction")),
    } | changes.get("values", {})
    rows = [tlv(SEQUENCE, oid(n), tlv(SET, *([v] if isinstance(v, bytes) else v))) for n, v in values.items() if v]
    rows += changes.get("more", [])
    inside = b"".join(sorted(rows))
    signature = key.sign(tlv(SET, inside), ec.ECDSA(hashes.SHA256())) if key else b"\0" * 64
    keyid = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    sid = changes.get("sid", tlv(0x80, keyid))
    algorithm = tlv(SEQUENCE, changes.get("digest", oid("2.16.840.1.101.3.4.2.1")))
    attributes = tlv(CONTEXT_0, inside) if changes.get("attributes", True) else b""
    kind = tlv(SEQUENCE, oid("1.2.840.10045.4.3.2"))
    info = tlv(SEQUENCE, integer(3), sid, algorithm, attributes, kind, tlv(OCTETS, signature))
    body = tlv(SEQUENCE, integer(1), tlv(SET, algorithm), tlv(SEQUENCE, data), tlv(SET, info))
    return tlv(SEQUENCE, oid("1.2.840.113549.1.7.2"), tlv(CONTEXT_0, body))


def test_an_elliptic_ca_may_sign_and_be_named_by_its_key():
    assert read(_signed_by(EC_CA.key, EC_CA.issuing), (CA.issuing, EC_CA.issuing)).status == "3"


VS = "2.16.840.1.113733.1.9."


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"attributes": False}, "no signed attributes"),
        ({"values": {f"{VS}7": b""}}, "lacks the attribute"),
        ({"values": {f"{VS}7": encode(univ.Integer(5))}}, "is no text"),
        ({"values": {f"{VS}6": encode(char.PrintableString("n"))}}, "no byte string"),
        ({"values": {f"{VS}3": [encode(char.PrintableString(n)) for n in "02"]}}, "ambiguous"),
        ({"more": [tlv(SEQUENCE, oid(f"{VS}3"), tlv(SET, encode(char.PrintableString("0"))))]}, "ambiguous"),
        ({"values": {f"{VS}2": encode(char.PrintableString("19"))}}, "no CertRep"),
        ({"digest": oid("1.2.840.113549.2.5")}, "MD5"),
        ({"digest": oid("1.2.3.4")}, "the digest 1.2.3.4"),
        ({"values": {"1.2.840.113549.1.9.4": tlv(OCTETS, b"x")}}, "not what was signed"),
    ],
)
def test_an_answer_that_lacks_or_doubles_something_is_none(changes, said):
    with pytest.raises(Unreadable, match=said):
        read(_signed_by(EC_CA.key, EC_CA.issuing, **changes), (EC_CA.issuing,))


def test_a_signature_that_does_not_fit_is_none():
    with pytest.raises(Unreadable, match="does not fit"):
        read(_signed_by(None, EC_CA.issuing), (EC_CA.issuing,))


def test_a_ca_with_a_key_that_scep_does_not_know_signs_nothing():
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    name = EC_CA.issuing.subject
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(5)
        .not_valid_before(NOW).not_valid_after(NOW + timedelta(days=9))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False).sign(key, None)
    )  # fmt: skip
    with pytest.raises(Unreadable, match="a key that SCEP does not know"):
        read(_signed_by(None, made), (made,))


def test_a_message_without_signer_or_of_another_kind_is_none():
    with pytest.raises(Unreadable, match="not signed once"):
        read(certs_only([CA.root]))
    with pytest.raises(Unreadable, match="content type"):
        read(envelope(b"text", CHAIN[0], "", stretched=False))


# Envelopes --------------------------------------------------------------------------------------------


def test_an_envelope_that_is_for_nobody_or_cut_short_is_none():
    good = envelope(b"text", CHAIN[0], "", stretched=False)
    assert unseal(good, IDENTITY.key, allow_3des=False) == b"text"
    with pytest.raises(Unreadable, match="the cipher 1.2.3"):
        unseal(
            good.replace(oid("2.16.840.1.101.3.4.1.2"), tlv(6, b"\x2a\x03" + b"\0" * 7)[:11]),
            IDENTITY.key,
            allow_3des=False,
        )


def test_an_envelope_by_another_way_than_rsa_is_none():
    inner = tlv(
        SEQUENCE,
        oid("1.2.840.113549.1.7.1"),
        tlv(SEQUENCE, oid("2.16.840.1.101.3.4.1.2"), tlv(OCTETS, b"i" * 16)),
        tlv(0x80, b"x" * 16),
    )
    kek = tlv(0xA2, integer(4), tlv(SEQUENCE, tlv(OCTETS, b"id")), tlv(SEQUENCE, oid("1.2.3.4")), tlv(OCTETS, b"k"))
    for infos in (tlv(SET, kek),):
        body = tlv(SEQUENCE, integer(0), infos, inner)
        message_ = tlv(SEQUENCE, oid("1.2.840.113549.1.7.3"), tlv(CONTEXT_0, body))
        with pytest.raises(Unreadable, match="to nobody by an RSA key"):
            unseal(message_, IDENTITY.key, allow_3des=False)


# Certificates -----------------------------------------------------------------------------------------


def test_certificates_out_of_a_bag():
    assert certificates(certs_only([CA.root, LEAF])) == [der(CA.root), der(LEAF)]
    with pytest.raises(Unreadable):
        content(b"\x30\x00", "1.2")


def test_what_cannot_be_decoded_is_passed_over():
    leaf, others = pick([b"garbage", der(CA.root)], "0" * 64)
    assert (leaf, others) == (b"garbage", (der(CA.root),))
    assert pick([der(CA.root)], "0" * 64)[0] is None
    assert climb(b"garbage", [der(CA.root)]) == ((), False)
    assert climb(der(LEAF), [b"garbage", der(CA.root), der(CA.issuing)]) == ((der(CA.issuing), der(CA.root)), True)
    assert serial(b"garbage") == ""
    assert int(serial(der(LEAF)), 16) == LEAF.serial_number


def test_a_climb_ends_even_where_cas_certified_each_other():
    first, second = _crossed()
    way, whole = climb(der(first), [der(first), der(second)])
    assert not whole
    assert len(way) <= 10


def test_sha256_is_preferred():
    from chancery.protocols.scep.capabilities import Capabilities

    assert Capabilities.read("SHA-512\nSHA-256\n").digest == SHA_256
    assert Capabilities.read("SHA-512\r\n\r\n").digest == SHA_512
    assert str(Capabilities.read("")) == "nothing"
    assert len(Capabilities.read("x\n" * 1000).said) == 40
