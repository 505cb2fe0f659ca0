"""Our NTLM client at pyspnego's acceptor, which keeps out whoever does not bind the login to the TLS connection."""

from dataclasses import replace

import pytest

from chancery.authorities.adcs.login import credentials_of
from chancery.authorities.adcs.simulator.service import build
from chancery.protocols.negotiate import Login
from chancery.sdk.errors import AuthFailed
from chancery.sdk.outcome import Issued
from tests.interop.tls_front import tls_front
from tests.interop.windows_login import asked, connector


class Trust:
    def __init__(self, pem):
        self.root_pem = pem


@pytest.fixture
def iis():
    with build(secure=True) as simulator:
        yield simulator


def account(simulator):
    known = simulator.credentials
    return {"authentication": "ntlm", "username": known["username"], "password": known["password"]}


def test_bound_to_the_connection_it_orders(iis):
    port, trust = int(iis.url.rpartition(":")[2]), Trust(iis.credentials["trust_pem"])
    with connector(port, trust, iis, **account(iis)) as ca:
        wanted = asked()
        outcome = ca.submit(wanted)
        assert isinstance(ca.poll(outcome.state, wanted), Issued)
    assert len(iis.ledger.lines("order")) == 1


def test_without_binding_it_is_kept_out(iis):
    port, trust = int(iis.url.rpartition(":")[2]), Trust(iis.credentials["trust_pem"])
    with connector(port, trust, iis, **account(iis)) as ca:
        client = ca._way._client
        unbound = replace(credentials_of(client._config), binding=False)
        with pytest.raises(AuthFailed), Login(client._http, unbound, "certsrv/certcarc.asp").session():
            pass


def test_behind_a_proxy_that_ends_tls_it_is_kept_out_and_says_why(iis, tmp_path):
    """IIS speaks plain HTTP to the proxy here, so it is told the certificate that it would have: not the proxy's."""
    plain = build()
    plain._answer = iis._answer
    with plain, tls_front(int(plain.url.rpartition(":")[2]), tmp_path) as (port, root):
        with connector(port, Trust(root), iis, **account(iis)) as ca, pytest.raises(AuthFailed) as refused:
            ca.submit(asked())
    assert "a proxy that ends TLS" in refused.value.remedy
    assert iis.ledger.lines("order") == []
