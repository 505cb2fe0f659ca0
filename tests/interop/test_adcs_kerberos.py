"""Our Kerberos client in a domain of a real KDC (MIT), at Apache with mod_auth_gssapi; the simulated AD CS stands behind it."""

import base64

import pytest

from chancery.protocols.negotiate.tokens import has_kerberos
from chancery.sdk.errors import AuthFailed, Unreachable
from chancery.sdk.finding import Level
from chancery.sdk.outcome import Issued
from tests.interop import pki
from tests.interop.windows_login import (
    PASSWORD,
    REALM,
    USER,
    apache,
    asked,
    ca_behind,
    connector,
    folder_for_all,
    kdc,
    needs_apache,
)

LINES = ["GssapiAllowedMech krb5"]


@pytest.fixture
def server(monkeypatch):
    needs_apache()
    if not has_kerberos():
        pytest.skip("the extra chancery[kerberos] is not installed (make interop installs it)")
    with folder_for_all() as folder, ca_behind() as (simulator, behind), kdc(folder, monkeypatch) as environment:
        files = pki.write(folder)
        (folder / "http.keytab").chmod(0o644)
        lines = [*LINES, f"GssapiCredStore keytab:{folder}/http.keytab"]
        with apache(folder, files, lines, behind, environment) as port:
            yield port, files, simulator, folder


def login(**more):
    return {"authentication": "kerberos", "username": f"{USER}@{REALM.lower()}", **more}


@pytest.mark.parametrize("way", ["password", "keytab"])
def test_an_order_goes_through_a_login_by_kerberos(server, way):
    port, files, simulator, folder = server
    keytab = base64.b64encode((folder / "alice.keytab").read_bytes()).decode()
    account = {"password": PASSWORD} if way == "password" else {"keytab": keytab}
    with connector(port, files, simulator, **login(**account)) as ca:
        wanted = asked()
        outcome = ca.submit(wanted)
        assert isinstance(ca.poll(outcome.state, wanted), Issued)
        found = {f.code: f for f in ca.check()}
    assert len(simulator.ledger.lines("order")) == 1
    assert (found["known"].level, found["bound"].level) == (Level.OK, Level.OK)
    assert "used: Negotiate" in found["known"].evidence
    # This server compares no bindings, and *Test connection* finds that out.
    assert found["relay"].level is Level.WARNING


@pytest.mark.parametrize(
    ("account", "word"),
    [
        (login(password="wrong"), "password"),
        (login(password=PASSWORD) | {"username": f"mallory@{REALM}"}, "account"),
        (login(password=PASSWORD, spn="HTTP/unknown.peer.test"), "SPN"),
        (login(password=PASSWORD) | {"username": "alice@other.test"}, "realm"),
    ],
)
def test_what_the_domain_refuses_is_said_in_a_sentence(server, account, word):
    port, files, simulator, _ = server
    with connector(port, files, simulator, **account) as ca, pytest.raises((AuthFailed, Unreachable)) as refused:
        ca.submit(asked())
    assert word in refused.value.message
    assert refused.value.remedy
    assert refused.value.bytes_sent is False
    assert simulator.ledger.lines("order") == []


def test_a_keytab_without_the_accounts_key_is_said(server):
    port, files, simulator, folder = server
    keytab = base64.b64encode((folder / "http.keytab").read_bytes()).decode()
    with connector(port, files, simulator, **login(keytab=keytab)) as ca, pytest.raises(AuthFailed) as refused:
        ca.submit(asked())
    assert refused.value.code == "keytab"
