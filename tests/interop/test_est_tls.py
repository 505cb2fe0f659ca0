"""Our EST client over TLS, known by its client certificate."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.net.tests.serving import make
from chancery.protocols.est.client import EstClient
from chancery.protocols.est.settings import EstCredentials, EstSettings
from chancery.protocols.est.simulator import build
from chancery.sdk import AuthFailed, ClientIdentity, HttpDoor
from tests.interop.requests import DAY, checked, request
from tests.interop.tls_front import tls_front

OWN = make("Clients root", ca=True)


@pytest.fixture
def enrolling(tmp_path):
    """Give what makes a client of a server that lets in who has a certificate of `OWN`, and asks for no password."""
    doors = []
    with (
        build(user="") as simulator,
        tls_front(int(simulator.url.rpartition(":")[2]), tmp_path, clients=OWN.pem) as front,
    ):
        port, root = front

        def make_client(identity):
            policy = AddressPolicy(("127.0.0.0/8",))
            url = f"https://localhost:{port}"
            doors.append(
                HttpDoor(url, clock=SYSTEM_CLOCK, policy=policy, trust_pem=root, client_identity=identity, timeout=10.0)
            )
            return EstClient(doors[-1], EstSettings(), EstCredentials(), SYSTEM_CLOCK)

        yield simulator, make_client
        for door in doors:
            door.close()


def identity(made):
    key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return ClientIdentity(made.pem, Secret(key))


def test_a_client_certificate_enrols(enrolling):
    simulator, client = enrolling
    asked = request(validity=90 * DAY)
    checked(client(identity(make("chancery.example", issuer=OWN))).submit(asked), asked)
    assert [line.kind for line in simulator.ledger.lines()] == ["order", "certificate"]


@pytest.mark.parametrize("known", [None, "stranger.example"])
def test_without_one_that_is_known_nothing_is_ordered(enrolling, known):
    simulator, client = enrolling
    with pytest.raises(AuthFailed) as refused:
        client(identity(make(known)) if known else None).submit(request())
    assert not refused.value.bytes_sent
    assert simulator.ledger.lines() == []
