"""Somebody else's RPC (impacket) at the simulated CA: its packets, login, marshalling and activation judge ours."""

from datetime import UTC, datetime

import pytest
from impacket.dcerpc.v5 import dcomrt, epm, icpr, rpcrt, transport
from impacket.dcerpc.v5.dcom import oaut
from impacket.dcerpc.v5.dcomrt import DCOMANSWER, DCOMCALL
from impacket.dcerpc.v5.dtypes import DWORD, FILETIME, LONG, LPWSTR, NULL, ULONG, WSTR
from impacket.uuid import bin_to_string, uuidtup_to_bin

from chancery.core.clock import ManualClock
from chancery.protocols.msrpc.calls import config_entry
from chancery.protocols.msrpc.ndr import filetime
from chancery.protocols.msrpc.simulator import CA_NAME, MANAGER, PASSWORD, USER, build
from chancery.protocols.msrpc.simulator.managing import Managing
from chancery.protocols.msrpc.simulator.server import Call
from chancery.protocols.wstep.tests.stand import request
from chancery.sandbox.certsrv import State

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ADMIN_CLASS = "d99e6e73-fc88-11d0-b498-00a0c90312f3"
ADMIN = uuidtup_to_bin(("d99e6e71-fc88-11d0-b498-00a0c90312f3", "0.0"))
ICPR = uuidtup_to_bin(("91ae6020-9e3c-11cf-8d7c-00aa00c091be", "0.0"))


class DCERPCSessionError(rpcrt.DCERPCException):
    """What the library raises for a code that is not 0; it looks for it in the module of the call."""


class RevokeCertificate(DCOMCALL):
    opnum = 10
    structure = (("ca", LPWSTR), ("serial", LPWSTR), ("reason", DWORD), ("when", FILETIME))


class RevokeCertificateResponse(DCOMANSWER):
    structure = (("ErrorCode", ULONG),)


class IsValidCertificate(DCOMCALL):
    opnum = 7
    structure = (("ca", LPWSTR), ("serial", LPWSTR))


class IsValidCertificateResponse(DCOMANSWER):
    structure = (("reason", LONG), ("disposition", LONG), ("ErrorCode", ULONG))


@pytest.fixture(scope="module")
def simulator():
    with build(clock=ManualClock(NOW)) as made:
        yield made


def connected(port, user=USER, password=PASSWORD):
    way = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:127.0.0.1[{port}]")
    domain, _, name = user.partition("\\")
    way.set_credentials(name, password, domain)
    made = way.get_dce_rpc()
    made.set_auth_level(rpcrt.RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    made.connect()
    return made


def service_port(simulator):
    plain = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:127.0.0.1[{simulator.port}]").get_dce_rpc()
    plain.connect()
    try:
        found = epm.hept_map("127.0.0.1", ICPR, protocol="ncacn_ip_tcp", dce=plain)
    finally:
        plain.disconnect()
    return int(found.partition("[")[2].rstrip("]"))


def test_its_endpoint_mapper_client_and_its_enrolment_work_here(simulator):
    rpc = connected(service_port(simulator))
    rpc.bind(ICPR)
    asked = request()
    der = icpr.hCertServerRequest(rpc, asked.csr, ["CertificateTemplate:WebServer30"], ca=CA_NAME)
    rpc.disconnect()
    rows = simulator.database.rows()
    assert rows[-1].der == der
    assert rows[-1].requester == USER


def test_a_wrong_password_of_its_is_refused(simulator):
    rpc = connected(service_port(simulator), password="wrong")
    rpc.bind(ICPR)
    with pytest.raises(rpcrt.DCERPCException, match="access_denied"):
        icpr.hCertServerRequest(rpc, request().csr, [], ca=CA_NAME)
    rpc.disconnect()


class GetConfigEntry(DCOMCALL):
    opnum = 44
    structure = (("ca", LPWSTR), ("node", LPWSTR), ("entry", WSTR))


class GetConfigEntryResponse(DCOMANSWER):
    structure = (("value", oaut.VARIANT), ("ErrorCode", ULONG))


def test_its_variant_is_ours(simulator):
    """What it reads in the simulated CA's answer, and what our client reads in its."""
    managing = Managing(simulator.database, simulator.dials, CA_NAME, MANAGER)
    asked = GetConfigEntry()
    asked["ORPCthis"]["version"]["MajorVersion"], asked["ORPCthis"]["version"]["MinorVersion"] = 5, 7
    asked["ORPCthis"]["cid"], asked["ORPCthis"]["extensions"] = bytes(16), NULL
    asked["ca"], asked["entry"] = CA_NAME + "\0", "EditFlags\0"
    asked["node"] = "PolicyModules\\CertificateAuthority_MicrosoftDefault.Policy\0"
    answer = managing.admin_2(Call("", 44, "", asked.getData(), MANAGER))
    theirs = GetConfigEntryResponse(answer)
    assert (theirs["ErrorCode"], theirs["value"]["_varUnion"]["lVal"]) == (0, 0x11014E)
    made = GetConfigEntryResponse()
    made["ORPCthat"]["flags"], made["ORPCthat"]["extensions"], made["ErrorCode"] = 0, NULL, 7
    made["value"]["clSize"], made["value"]["vt"] = 3, 3
    made["value"]["_varUnion"]["tag"], made["value"]["_varUnion"]["lVal"] = 3, 0x15014E
    assert config_entry(lambda opnum, stub: made.getData(), CA_NAME, "node", "entry") == (7, 0x15014E)


def test_its_activation_finds_an_object_that_revokes(simulator):
    row = simulator.database.take(request().csr, "WebServer30", USER)
    scm = connected(simulator.port, MANAGER)
    made = dcomrt.IRemoteSCMActivator(scm).RemoteCreateInstance(uuidtup_to_bin((ADMIN_CLASS, "0.0"))[:16], ADMIN)
    scm.disconnect()
    (port,) = {
        int(b["aNetworkAddr"].partition("[")[2].rstrip("]\0")) for b in made.get_cinstance().get_string_bindings()
    }
    rpc = connected(port, MANAGER)
    rpc.bind(ADMIN)

    def call(asked):
        asked["ORPCthis"] = made.get_cinstance().get_ORPCthis()
        asked["ORPCthis"]["flags"] = 0
        asked["ca"] = CA_NAME + "\0"
        asked["serial"] = row.serial + "\0"
        return rpc.request(asked, made.get_iPid())

    assert (answer := call(IsValidCertificate()))["disposition"] == 3
    revoke = RevokeCertificate()
    revoke["reason"] = 4
    ticks = filetime(NOW)
    revoke["when"]["dwLowDateTime"], revoke["when"]["dwHighDateTime"] = ticks & 0xFFFFFFFF, ticks >> 32
    call(revoke)
    assert (row.state, row.reason, row.revoked) == (State.REVOKED, 4, NOW)
    answer = call(IsValidCertificate())
    assert (answer["disposition"], answer["reason"]) == (2, 4)
    rpc.disconnect()
    assert bin_to_string(made.get_iPid()).lower() in simulator._objects
