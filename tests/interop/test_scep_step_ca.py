"""Our SCEP client against somebody else's server: step-ca, as Debian packages its library."""

import pytest

from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.scep.client import ScepClient
from chancery.protocols.scep.identity import fresh_key
from chancery.protocols.scep.settings import ScepCredentials, ScepSettings
from chancery.sdk import HttpDoor, Level, OutcomeUnknown, RejectedByPolicy, Unreachable
from tests.interop import stepca_server
from tests.interop.requests import checked, request

pytestmark = pytest.mark.skipif(bool(stepca_server.missing()), reason=f"step-ca: {stepca_server.missing()}")
KEY = fresh_key()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    program = stepca_server.build(tmp_path_factory.mktemp("build"))
    with stepca_server.serving(program, tmp_path_factory.mktemp("stepca")) as served:
        yield served


@pytest.fixture
def client(server):
    doors = []

    def make(provisioner="aes128", **more):
        url, root = server
        doors.append(HttpDoor(url, clock=SYSTEM_CLOCK, policy=AddressPolicy(("127.0.0.0/8",)), trust_pem=root))
        settings = ScepSettings(path=provisioner, **{"accept_sha1": True, **more})
        return ScepClient(doors[-1], settings, ScepCredentials(KEY), SYSTEM_CLOCK)

    yield make
    for door in doors:
        door.close()


@pytest.mark.parametrize("provisioner", ["aes128", "aes256"])
@pytest.mark.parametrize("label", ["EC-P256", "RSA-2048"])
def test_a_certificate_is_enrolled_for_the_key_of_somebody_else(client, provisioner, label):
    asked = request(label, challenge=stepca_server.CHALLENGE)
    issued = client(provisioner).submit(asked)
    facts, chain = checked(issued, asked)
    assert facts.issuer == "CN=Step Issuing CA"
    assert len(chain) == 2
    assert issued.reference == facts.serial


def test_the_server_is_understood_before_anything_is_asked(client):
    found = client().check()
    assert [f.stage for f in found] == ["login", "rights", "rights", "chain"]
    assert not [f for f in found if f.level is Level.FAILED]
    assert "AES" in found[1].evidence
    assert "CN=Step Issuing CA" in found[3].evidence


def test_a_request_without_the_password_is_not_even_sent(client):
    with pytest.raises(RejectedByPolicy) as refused:
        client().submit(request())
    assert (refused.value.code, refused.value.bytes_sent) == ("no_challenge", False)


def test_a_wrong_password_is_refused_by_the_server(client):
    with pytest.raises(RejectedByPolicy) as refused:
        client().submit(request(challenge="guessed-wrong"))
    assert refused.value.code == "failInfo 2"
    assert "badRequest" in refused.value.message
    assert "guessed-wrong" not in str(vars(refused.value))


def test_its_answers_are_signed_with_sha1_which_has_to_be_allowed(client):
    """Version 0.19 leaves its library's default in place: what was issued cannot be believed without."""
    with pytest.raises(OutcomeUnknown, match="SHA-1") as refused:
        client(accept_sha1=False).submit(request(challenge=stepca_server.CHALLENGE))
    assert refused.value.bytes_sent


def test_its_default_cipher_is_single_des_which_is_never_accepted(client):
    with pytest.raises(OutcomeUnknown, match="single DES"):
        client("des", allow_3des=True).submit(request(challenge=stepca_server.CHALLENGE))


def test_it_keeps_no_transactions_so_a_request_sent_again_would_be_doubled(client):
    """Why `remembers` and `Dedup.RETURN_ORIGINAL` are for products that are known to keep them."""
    asked, one = request(challenge=stepca_server.CHALLENGE), client()
    assert one.submit(asked).leaf != one.submit(asked).leaf
    with pytest.raises(Unreachable, match="500"):
        client(remembers=True).find(asked)


def test_an_expected_password_is_compared_here(client):
    wrong = client(challenge=Secret("another-password"))
    with pytest.raises(RejectedByPolicy) as refused:
        wrong.submit(request(challenge=stepca_server.CHALLENGE))
    assert (refused.value.code, refused.value.bytes_sent) == ("wrong_challenge", False)
