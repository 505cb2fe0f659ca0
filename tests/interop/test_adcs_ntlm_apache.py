"""Our NTLM client at Apache with mod_auth_gssapi and gss-ntlmssp, an implementation in C; the simulated AD CS stands behind it."""

import pytest

from chancery.protocols.negotiate import Login
from chancery.sdk.errors import AuthFailed
from chancery.sdk.finding import Level
from chancery.sdk.outcome import Issued
from tests.interop import pki
from tests.interop.windows_login import NTLM, apache, asked, ca_behind, connector, folder_for_all, needs_apache

LINES = ["GssapiAllowedMech ntlmssp", "GssapiConnectionBound On"]
DOMAIN, USER, PASSWORD = "PEER", "bob", "interop-password-2"


@pytest.fixture
def server():
    needs_apache((NTLM, "gss-ntlmssp"))
    with folder_for_all() as folder, ca_behind() as (simulator, behind):
        files = pki.write(folder)
        users = folder / "users"
        users.write_text(f"{DOMAIN}:{USER}:{PASSWORD}\n")
        with apache(folder, files, LINES, behind, {"NTLM_USER_FILE": str(users)}) as port:
            yield port, files, simulator


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
def test_an_order_goes_through_a_login_by_ntlm(server, scheme, monkeypatch):
    port, files, simulator = server
    monkeypatch.setattr(Login, "_scheme", lambda self, offered: scheme)
    with connector(
        port, files, simulator, authentication="ntlm", username=f"{DOMAIN}\\{USER}", password=PASSWORD
    ) as ca:
        wanted = asked()
        outcome = ca.submit(wanted)
        assert isinstance(ca.poll(outcome.state, wanted), Issued)
        assert len(simulator.ledger.lines("order")) == 1
        found = {f.code: f for f in ca.check()}
    assert found["known"].level is Level.OK
    assert f"used: {scheme}" in found["known"].evidence
    assert found["bound"].level is Level.OK
    # This server compares no bindings, and *Test connection* finds that out.
    assert found["relay"].level is Level.WARNING


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("mallory", PASSWORD)])
def test_a_wrong_login_orders_nothing(server, user, password):
    port, files, simulator = server
    with (
        connector(port, files, simulator, authentication="ntlm", username=f"{DOMAIN}\\{user}", password=password) as ca,
        pytest.raises(AuthFailed) as refused,
    ):
        ca.submit(asked())
    assert refused.value.bytes_sent is False
    assert simulator.ledger.lines("order") == []
