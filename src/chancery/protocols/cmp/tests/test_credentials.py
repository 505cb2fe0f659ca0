"""What the connector's own certificate and key may look like, and which signers are trusted."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from chancery.core import keys
from chancery.core.secret import Secret
from chancery.protocols.cmp import CmpSettings, SharedSecret, SigningKey, oids
from chancery.protocols.cmp.protection import Protection, _key_identifier, _readable
from chancery.protocols.cmp.signatures import Unusable, _verify, algorithm_of, chain_flaw
from chancery.protocols.cmp.tests.stand import DAY, START, key_pem, pem, request, standing
from chancery.sdk.errors import AuthFailed, OutcomeUnknown

SHARED = SharedSecret("r", Secret("s3cret-s3cret"))
NOW = START


@pytest.fixture
def stand():
    with standing() as made:
        yield made


def key_with_password(key, password):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password)).decode()


def test_a_key_may_have_a_password(stand):
    given = SigningKey(pem(stand.own), Secret(key_with_password(stand.own_key, b"pw")), Secret("pw"))
    assert Protection(CmpSettings(), given).signer is not None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c, k: SigningKey("", k),
        lambda c, k: SigningKey("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----", k),
        lambda c, k: SigningKey("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", k),
        lambda c, k: SigningKey(c, Secret("no key")),
        lambda c, k: SigningKey(c, k, Secret("a password for nothing")),
        lambda c, k: SigningKey(c, Secret(key_pem(keys.generate("EC-P256")))),
        lambda c, k: SigningKey(c, Secret(key_pem(x25519.X25519PrivateKey.generate()))),
    ],
)
def test_a_credential_that_cannot_be_used_is_the_connectors_fault(stand, spoil):
    given = spoil(pem(stand.own), Secret(key_pem(stand.own_key)))
    with pytest.raises(AuthFailed) as refused:
        stand.client(given).submit(request())
    assert not refused.value.bytes_sent
    assert refused.value.remedy
    assert "PRIVATE" not in str(vars(refused.value))
    assert stand.kinds() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"recipient": "no name"},
        {"sender": "CN"},
        {"name": "CN"},
        {"trust_pem": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"},
    ],
)
def test_settings_that_cannot_be_read(wrong):
    with pytest.raises(Unusable):
        Protection(CmpSettings(**wrong), SHARED)


@pytest.mark.parametrize(
    ("name", "shown"), [(None, b"\x0c\x01r"), ("CN=Chancery", b"Chancery"), ("", b"\xa4\x02\x30\x00")]
)
def test_our_own_name_beside_a_secret(name, shown):
    assert shown in Protection(CmpSettings(name=name), SHARED).sender


def test_keys_that_sign_nothing():
    with pytest.raises(Unusable):
        algorithm_of(x25519.X25519PrivateKey.generate())


def test_a_shared_secret_has_no_certificate():
    made = Protection(CmpSettings(), SHARED)
    assert made.extra == ()
    with pytest.raises(Unusable):
        made._signing()


# Whom we trust ---------------------------------------------------------------------------------------


class Tree:
    """Certificates made to measure."""

    def __init__(self):
        self.keys = {name: keys.generate("EC-P256") for name in ("root", "middle", "low", "signer")}

    def make(self, name, issuer, *, ca=True, days=100, path=None, usage=None, since=1):
        names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in (name, issuer)]
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[0])
            .issuer_name(names[1])
            .public_key(self.keys[name].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(START - since * DAY)
            .not_valid_after(START + days * DAY)
        )
        if ca is not None:
            builder = builder.add_extension(
                x509.BasicConstraints(ca=ca, path_length=path if ca else None), critical=True
            )
        if usage is not None:
            builder = builder.add_extension(uses(usage), critical=True)
        return builder.sign(self.keys[issuer], hashes.SHA256())


def uses(what):
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
    )
    return x509.KeyUsage(**{n: n == what for n in names.split()}, encipher_only=False, decipher_only=False)


TREE = Tree()
ROOT, MIDDLE, LOW = TREE.make("root", "root"), TREE.make("middle", "root"), TREE.make("low", "middle")
SIGNER = TREE.make("signer", "low", ca=False)


@pytest.mark.parametrize("trusted", [[ROOT], [MIDDLE], [LOW], [SIGNER], [TREE.make("signer", "low", ca=False), ROOT]])
def test_signers_that_are_trusted(trusted):
    assert chain_flaw(SIGNER, [LOW, MIDDLE, ROOT], trusted, NOW) is None
    assert chain_flaw(TREE.make("signer", "root", ca=None, usage="digital_signature"), [], [ROOT], NOW) is None


def test_a_ca_that_signs_by_itself_is_trusted():
    assert chain_flaw(LOW, [MIDDLE], [ROOT], NOW) is None


@pytest.mark.parametrize(
    ("signer", "pool", "trusted"),
    [
        (SIGNER, [LOW], [ROOT]),
        (SIGNER, [LOW, TREE.make("middle", "root", days=-0.5)], [ROOT]),
        (SIGNER, [LOW, TREE.make("middle", "root", since=-1)], [ROOT]),
        (SIGNER, [LOW, TREE.make("middle", "root", ca=False)], [ROOT]),
        (SIGNER, [LOW, TREE.make("middle", "root", ca=None)], [ROOT]),
        (SIGNER, [LOW, TREE.make("middle", "root", path=0)], [ROOT]),
        (SIGNER, [LOW, TREE.make("middle", "root", usage="crl_sign")], [ROOT]),
        (SIGNER, [LOW, MIDDLE], [TREE.make("root", "root", days=-0.5)]),
        (TREE.make("signer", "low", ca=False, usage="key_agreement"), [LOW, MIDDLE], [ROOT]),
        (TREE.make("signer", "low", ca=False, days=-0.5), [LOW, MIDDLE], [ROOT]),
        (TREE.make("signer", "signer", ca=False), [LOW, MIDDLE], [ROOT]),
    ],
)
def test_signers_that_are_not_trusted(signer, pool, trusted):
    assert chain_flaw(signer, pool, trusted, NOW)


def test_a_path_that_fits_is_long_enough():
    assert chain_flaw(SIGNER, [LOW, TREE.make("middle", "root", path=1)], [ROOT], NOW) is None
    assert chain_flaw(SIGNER, [LOW, TREE.make("middle", "root", usage="key_cert_sign")], [ROOT], NOW) is None


def test_a_circle_of_issuers_ends():
    a, b = TREE.make("middle", "low"), TREE.make("low", "middle")
    assert chain_flaw(SIGNER, [a, b], [ROOT], NOW)


def test_time_is_the_clocks():
    assert chain_flaw(SIGNER, [LOW, MIDDLE], [ROOT], NOW + timedelta(days=200))


def test_a_certificate_that_cannot_be_read_may_do_nothing():
    doubled = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), b"\x04\x01x")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "odd")])
    builder = x509.CertificateBuilder(name, name, TREE.keys["root"].public_key(), 1, *_dates())
    odd = builder.add_extension(doubled, critical=False).sign(TREE.keys["root"], hashes.SHA256())
    assert chain_flaw(odd, [], [odd], NOW) == "the certificate that signed it is not for signatures"
    assert chain_flaw(SIGNER, [odd], [ROOT], NOW)


def _dates():
    return (START - DAY).replace(tzinfo=None), (START + DAY).replace(tzinfo=None)


# Signed answers --------------------------------------------------------------------------------------


def test_a_wrong_signature_is_not_believed(stand):
    stand.turn(spoilt=True)
    with pytest.raises(OutcomeUnknown) as refused:
        stand.signing().submit(request())
    assert "signature is wrong" in refused.value.message


def test_a_signature_by_another_kind_of_key_is_not_believed(stand):
    with pytest.raises(InvalidSignature):
        _verify(stand.own_key.public_key(), b"", oids.ED25519, b"")


def test_a_signer_that_does_not_come_along_is_not_believed(stand):
    given = SigningKey(pem(stand.own), Secret(key_pem(stand.own_key)))
    client = stand.client(given, trust_pem=pem(stand.own))
    with pytest.raises(OutcomeUnknown):
        client.submit(request())
    nobody = stand.client(given)
    with pytest.raises(OutcomeUnknown) as refused:
        nobody.submit(request(reference="0191-b"))
    assert "trusts no certificate" in refused.value.message


def test_certificates_along_the_way_that_cannot_be_read_are_passed_over():
    assert _readable((b"nonsense", b"\x30\x00")) == []


def test_the_name_in_a_certificate_without_key_identifier():
    assert _key_identifier(TREE.make("signer", "low", ca=False)) == b""


@pytest.mark.parametrize(("label", "number"), [("Ed25519", oids.ED25519), ("Ed448", oids.ED448)])
def test_signatures_without_a_digest(label, number):
    key = keys.generate(label)
    _verify(key.public_key(), key.sign(b"message"), number, b"message")
    with pytest.raises(InvalidSignature):
        _verify(key.public_key(), key.sign(b"message"), number, b"another")
