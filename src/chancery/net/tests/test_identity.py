"""Our own certificate: shown to the CA's host alone, and what a server that refuses it means."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from chancery.core.secret import Secret
from chancery.net.connect import tls_context
from chancery.net.identity import ClientIdentity, present
from chancery.net.progress import Cause, Failed
from chancery.net.tests.serving import LOOPBACK, OK, Made, Server, make, proxying, to_loopback
from chancery.net.tests.test_transport import call
from chancery.net.transport import Outgoing
from chancery.net.url import Url


def key_pem(made: Made, encryption=NoEncryption()) -> str:
    return made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def identity(made: Made, *above: Made) -> ClientIdentity:
    return ClientIdentity("".join(one.pem for one in (made, *above)), Secret(key_pem(made)))


@pytest.fixture(scope="module")
def root() -> Made:
    return make("Test Root", ca=True)


@pytest.fixture(scope="module")
def own(root: Made) -> Made:
    return make("chancery.example", issuer=root)


class Asking:
    """A server that asks for a certificate and keeps what it was shown."""

    def __init__(self, context: ssl.SSLContext, *, trust: Made, mode=ssl.CERT_OPTIONAL, newest=None) -> None:
        context.verify_mode = mode
        context.load_verify_locations(cadata=trust.pem)
        if newest is not None:
            context.maximum_version = newest
        self.context, self.shown = context, []

    def __call__(self, request, conn, number):
        self.shown.append(conn.getpeercert(True))
        return OK


@pytest.fixture
def asking(root: Made, tmp_path: Path) -> Asking:
    return Asking(make("ca.example", "elsewhere.example", issuer=root).serving(tmp_path), trust=root)


def way(root: Made, known: ClientIdentity | None, **more: object) -> Outgoing:
    more = {"pinned_host": "ca.example", "resolver": to_loopback} | more
    return Outgoing(LOOPBACK, trust_pem=root.pem, identity=known, **more)


def sent(out: Outgoing, url: str, **more: object):
    try:
        return out.send(call(url, "POST", b"{}", once=True, **more))
    finally:
        out.close()


def der(made: Made) -> bytes:
    return made.certificate.public_bytes(Encoding.DER)


def test_the_cas_host_is_shown_it_and_nobody_else(root: Made, own: Made, asking: Asking) -> None:
    with Server(asking, asking.context) as server:
        for host in ("ca.example", "elsewhere.example"):
            assert sent(way(root, identity(own, root)), f"https://{host}:{server.port}/x").status == 200
        assert sent(way(root, None), f"https://ca.example:{server.port}/x").status == 200
    assert asking.shown == [der(own), None, None]


def test_a_proxy_is_not_shown_it_even_where_it_has_the_cas_name(root: Made, own: Made, tmp_path: Path) -> None:
    served = Asking(make("ca.example", issuer=root).serving(tmp_path), trust=root)
    between = Asking(make("ca.example", issuer=root).serving(tmp_path), trust=root)
    with Server(served, served.context) as server:
        tunnel = proxying({b"ca.example:443": server.port})

        def carry(request, conn, number):
            between.shown.append(conn.getpeercert(True))
            return tunnel(request, conn, number)

        with Server(carry, between.context) as proxy:
            out = way(root, identity(own), proxy=Url("https", "ca.example", proxy.port, "/"))
            assert sent(out, "https://ca.example/x").status == 200
    assert (between.shown, served.shown) == ([None], [der(own)])


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
@pytest.mark.parametrize("has_one", [True, False])
def test_a_server_that_refuses_it_read_nothing(root: Made, tmp_path: Path, newest, has_one: bool) -> None:
    """In TLS 1.3 the refusal comes after our first bytes, yet nobody read them."""
    asking = Asking(
        make("ca.example", issuer=root).serving(tmp_path), trust=root, mode=ssl.CERT_REQUIRED, newest=newest
    )
    stranger = identity(make("stranger.example")) if has_one else None
    with Server(asking, asking.context) as server, pytest.raises(Failed) as caught:
        sent(way(root, stranger), f"https://ca.example:{server.port}/x")
    if not has_one and newest is ssl.TLSVersion.TLSv1_2:
        # TLS 1.2 has no alert of its own for a certificate that is missing.
        assert caught.value.cause is Cause.TLS
    else:
        assert caught.value.cause is Cause.TLS_CLIENT
    assert (caught.value.progress.stage, caught.value.progress.sent) == ("tls", False)
    assert asking.shown == []


def _block(body: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


class Watched:
    """Stands in for the TLS settings, and looks at the file that they are given."""

    def load_cert_chain(self, path: Path, password: bytes) -> None:
        self.path, self.text, self.mode = path, path.read_text(), path.stat().st_mode & 0o777
        self.folder_mode = path.parent.stat().st_mode & 0o777
        self.password = password

    def set_alpn_protocols(self, protocols: list[str]) -> None:
        self.protocols = protocols


@pytest.mark.parametrize("pasted", ["", "the key"])
def test_the_key_is_never_written_down_in_the_clear_and_the_file_is_gone_at_once(own: Made, pasted: str) -> None:
    """Not even where it was pasted into the field of the certificate as well."""
    context, known = Watched(), identity(own)
    present(context, ClientIdentity(known.chain_pem + (key_pem(own) if pasted else ""), known.key_pem))
    assert "ENCRYPTED PRIVATE KEY" in context.text
    assert "BEGIN PRIVATE KEY" not in context.text
    assert own.pem in context.text
    assert len(context.password) == 64
    assert (context.mode, context.folder_mode) == (0o600, 0o700)
    assert not context.path.exists()
    assert not context.path.parent.exists()
    assert context.protocols == ["http/1.1"]
    assert context.post_handshake_auth is True


@pytest.mark.parametrize("broken", ["key", "passphrase", "other key", "chain", "base64", "certificate", "nothing"])
def test_an_identity_that_cannot_be_used_says_why_and_quotes_no_key(root: Made, own: Made, broken: str) -> None:
    other = key_pem(make("other.example"))
    chain, key, reason = {
        "key": (own.pem, "no key at all", "the private key is no readable PEM"),
        "passphrase": (own.pem, key_pem(own, BestAvailableEncryption(b"word")), "protected by a passphrase"),
        "other key": (own.pem, other, "not that of the first certificate"),
        "chain": ("no certificate", key_pem(own), "holds no readable PEM certificate"),
        "base64": (_block("!!"), key_pem(own), "holds no readable PEM certificate"),
        "certificate": (_block("AAAA"), key_pem(own), "holds no readable PEM certificate"),
        "nothing": ("", "", "holds no readable PEM certificate"),
    }[broken]
    with pytest.raises(ValueError, match=reason) as refused:
        way(root, ClientIdentity(chain, Secret(key)))
    assert not key[30:60] or key[30:60] not in str(refused.value)


def test_others_settings_are_not_touched(root: Made, own: Made) -> None:
    before = tls_context(root.pem)
    way(root, identity(own)).close()
    assert tls_context(root.pem) is before
    assert before.post_handshake_auth is False


def test_it_does_not_show_itself(own: Made) -> None:
    assert key_pem(own)[30:60] not in repr(identity(own))
    assert isinstance(own.key, ec.EllipticCurvePrivateKey)
