"""The simulator, used by somebody else's client: the one that certbot is made of."""

import josepy as jose
import pytest
from acme import client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from chancery.core import csr, keys
from chancery.core.names import parse_name
from chancery.core.pem import encode
from chancery.protocols.acme.simulator import EAB_KEY, EAB_KEY_ID, build
from chancery.protocols.acme.tests.zone import Zone
from chancery.sandbox.dials import Dials
from chancery.sdk.testing import START, ManualClock


@pytest.fixture
def simulator():
    with build(clock=ManualClock(START), dials=Dials(seed=7)) as made:
        yield made


def connected(simulator, key=None, **registration):
    key = jose.JWKEC(key=key or ec.generate_private_key(ec.SECP256R1()))
    network = client.ClientNetwork(key, alg=jose.ES256)
    directory = client.ClientV2.get_directory(simulator.url, network)
    made = client.ClientV2(directory, network)
    bound = {}
    if simulator.dials.now.eab_required:
        binding = messages.ExternalAccountBinding.from_data(key.public_key(), EAB_KEY_ID, EAB_KEY, directory)
        bound["external_account_binding"] = binding
    made.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True, **bound, **registration))
    return made


def request_pem(*names):
    parsed = [parse_name(n) for n in names]
    return encode("CERTIFICATE REQUEST", csr.build(keys.generate("EC-P256"), parsed, names[0])).encode()


def validated(made, order, kind):
    for authorization in order.authorizations:
        if authorization.body.status != messages.STATUS_VALID:
            body = next(c for c in authorization.body.challenges if c.chall.typ == kind)
            made.answer_challenge(body, body.chall.response(made.net.key))
    return order


def finished(made, order, monkeypatch):
    from datetime import datetime, timedelta

    monkeypatch.setattr("acme.client.time.sleep", lambda seconds: None)
    return made.poll_and_finalize(order, datetime.now() + timedelta(seconds=20))  # noqa: DTZ005  the library wants one without a zone


@pytest.mark.parametrize("eab", [False, True])
def test_a_certificate_is_issued_and_revoked(simulator, monkeypatch, eab):
    simulator.dials.set(eab_required=eab)
    made = connected(simulator, email="pki@example.com")
    order = made.new_order(request_pem("www.example.com", "two.example.com"))
    done = finished(made, validated(made, order, "http-01"), monkeypatch)
    leaf, *others = x509.load_pem_x509_certificates(done.fullchain_pem.encode())
    leaf.verify_directly_issued_by(others[0])
    made.revoke(leaf, 4)
    with pytest.raises(messages.Error) as again:
        made.revoke(leaf, 4)
    assert again.value.code == "alreadyRevoked"
    assert [line.kind for line in simulator.ledger.lines()] == ["opened", "order", "revoke"]


def test_chains_are_offered_and_the_other_one_can_be_fetched(simulator, monkeypatch):
    made = connected(simulator)
    order = validated(made, made.new_order(request_pem("www.example.com")), "dns-01")
    from datetime import datetime, timedelta

    monkeypatch.setattr("acme.client.time.sleep", lambda seconds: None)
    order = made.poll_authorizations(order, datetime.now() + timedelta(seconds=20))  # noqa: DTZ005  the library wants one without a zone
    order = made.begin_finalization(order)
    done = made.poll_finalization(order, datetime.now() + timedelta(seconds=20), fetch_alternative_chains=True)  # noqa: DTZ005  the library wants one without a zone
    assert len(done.alternative_fullchains_pem) == 1
    assert done.alternative_fullchains_pem[0] != done.fullchain_pem


def test_a_nonce_in_twenty_is_refused_and_survived(simulator, monkeypatch):
    simulator.dials.set(bad_nonces=0.05)
    made = connected(simulator)
    finished(made, validated(made, made.new_order(request_pem("www.example.com")), "http-01"), monkeypatch)


def test_the_account_is_found_again_by_its_key(simulator):
    key = ec.generate_private_key(ec.SECP256R1())
    connected(simulator, key)
    with pytest.raises(errors.ConflictError) as found:
        connected(simulator, key)
    assert found.value.location.endswith("/acct/1")


def test_an_account_changes_its_contact_and_is_closed(simulator):
    made = connected(simulator)
    registration = made.query_registration(made.net.account)
    changed = made.update_registration(
        registration.update(body=registration.body.update(contact=("mailto:a@example.com",)))
    )
    assert changed.body.contact == ("mailto:a@example.com",)
    assert made.deactivate_registration(changed).body.status == "deactivated"
    with pytest.raises(messages.Error) as refused:
        made.new_order(request_pem("www.example.com"))
    assert refused.value.code == "unauthorized"


def test_an_authorization_is_given_up(simulator):
    made = connected(simulator)
    order = made.new_order(request_pem("www.example.com"))
    assert made.deactivate_authorization(order.authorizations[0]).body.status.name == "deactivated"
    assert made.net.post(order.uri, None).json()["status"] == "invalid"


def test_names_are_really_looked_at_where_that_is_wanted(simulator, monkeypatch):
    zone = Zone(apex="example.com")
    with zone.served() as place:
        simulator.dials.set(validation="look", dns_at=place)
        made = connected(simulator)
        order = made.new_order(request_pem("*.example.com"))
        body = next(c for c in order.authorizations[0].body.challenges if c.chall.typ == "dns-01")
        zone.records["_acme-challenge.example.com", "TXT"] = [body.chall.validation(made.net.key)]
        finished(made, validated(made, order, "dns-01"), monkeypatch)
        again = made.new_order(request_pem("www.example.com"))
        with pytest.raises(errors.ValidationError):
            finished(made, validated(made, again, "dns-01"), monkeypatch)
        del monkeypatch


def test_renewal_information_is_given(simulator, monkeypatch):
    made = connected(simulator)
    done = finished(made, validated(made, made.new_order(request_pem("www.example.com")), "http-01"), monkeypatch)
    when, _ = made.renewal_time(
        done.fullchain_pem.split("-----END CERTIFICATE-----")[0].encode() + b"-----END CERTIFICATE-----\n"
    )
    assert when is not None
