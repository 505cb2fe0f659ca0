"""Our reader at the directory of Samba's domain controller: logins by NTLM and Kerberos, a seal, TLS, pages, rights."""

import logging

import pytest

from chancery.authorities.adcs.directory.listing import read
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.ldap.client import LdapClient
from chancery.protocols.ldap.settings import LdapSettings, LdapWire, Protection
from chancery.protocols.negotiate.settings import Credentials, Way
from chancery.protocols.negotiate.tokens import has_kerberos
from chancery.sdk.errors import AuthFailed, NotFound
from tests.interop.samba_dc import CA, DOMAIN, HOST, PASSWORD, REALM, USER, controller

LOG = logging.getLogger("interop")


@pytest.fixture(scope="module")
def dc(tmp_path_factory):
    with controller(tmp_path_factory.mktemp("dc")) as made:
        yield made


@pytest.fixture
def realm(dc, tmp_path, monkeypatch):
    """Tell Kerberos where this domain is, for this test alone."""
    config = tmp_path / "krb5.conf"
    config.write_text(f"""[libdefaults]
 default_realm = {REALM}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
 default_ccache_name = MEMORY:none
[realms]
 {REALM} = {{
  kdc = 127.0.0.1:{dc.kdc}
 }}
[domain_realm]
 {HOST} = {REALM}
""")
    monkeypatch.setenv("KRB5_CONFIG", str(config))


def client(dc, how=Protection.SEALED, way=Way.NTLM, password=PASSWORD):
    port = dc.ldaps if how is Protection.LDAPS else dc.ldap
    wire = LdapWire(AddressPolicy(("127.0.0.0/8",)), timeout=15.0, resolver=lambda host, port: ["127.0.0.1"])
    name = f"{USER}@{REALM.lower()}" if way is Way.KERBEROS else f"{DOMAIN}\\{USER}"
    return LdapClient(wire, LdapSettings(HOST, how, port, dc.trust), Credentials(way, name, Secret(password)))


def well(forest):
    """What it has of the CA: which templates, and what this account may do."""
    assert forest.cas == (CA,)
    assert forest.absent == ("Gone",)
    found = {one.template.name: one for one in forest.published}
    assert set(found) == {"OnlyServer", "ForUsers", "ForAdmins", "FromDirectory"}
    assert found["OnlyServer"].template.obstacles == ()
    assert found["OnlyServer"].template.validity.days == 90
    assert found["ForUsers"].template.may_enroll
    assert not found["ForAdmins"].template.may_enroll
    assert "builds the names" in found["FromDirectory"].template.obstacles[0]
    assert found["FromDirectory"].template.subject_flags == 0x8000_0000
    assert found["OnlyServer"].label == "The OnlyServer"
    return found


def test_templates_and_rights_are_read_over_a_sealed_login_by_ntlm(dc):
    """More than 200 templates, so that they come in pages; and nearly everybody may enrol from one of them (ESC1)."""
    found = well(read(client(dc).session, CA))
    (broad,) = found["ForUsers"].security.broad("0e10c968-78fb-11d2-90d4-00c04f79dc55")
    assert broad.endswith("-513")
    assert found["OnlyServer"].security.broad("0e10c968-78fb-11d2-90d4-00c04f79dc55") == ()


@pytest.mark.parametrize("how", list(Protection))
def test_kerberos_logs_in_whatever_protects_it(dc, realm, how):
    if not has_kerberos():
        pytest.skip("the extra chancery[kerberos] is not installed (make interop installs it)")
    well(read(client(dc, how, Way.KERBEROS).session, CA))


@pytest.mark.parametrize("how", [Protection.LDAPS, Protection.STARTTLS])
def test_ntlm_inside_tls_is_refused_by_samba_in_a_sentence(dc, how):
    """Samba 4.17 wants a session key that MS-NLMP has only for logins that sign, and inside TLS a login must not sign."""
    with pytest.raises(AuthFailed) as refused, client(dc, how).session():
        pass
    assert "AcceptSecurityContext error, data 57" in refused.value.text


def test_a_wrong_password_and_an_unknown_ca_are_said(dc):
    with pytest.raises(AuthFailed) as refused, client(dc, password="wrong").session():
        pass
    assert refused.value.remedy
    with pytest.raises(NotFound, match="no CA of the name"):
        read(client(dc).session, "Another CA")
