"""The services refuse what the documents say that they refuse; asked without our client."""

import json
from datetime import UTC, datetime
from http.client import HTTPConnection
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest

from chancery.core.clock import ManualClock
from chancery.protocols.wstep.simulator import PASSWORD, USER, build

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CEP, CES = "/ADPolicyProvider_CEP_{}/service.svc/CEP", "/Sandbox-Issuing-CA_CES_{}/service.svc/CES"
S, A = "http://www.w3.org/2003/05/soap-envelope", "http://www.w3.org/2005/08/addressing"
E = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
T = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
O = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"  # noqa: E741  as the documents call it
U = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
TEXT = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"


@pytest.fixture(scope="module")
def simulator():
    with build(clock=ManualClock(NOW)) as made:
        yield made


def ask(url, path, body, method="POST", kind="application/soap+xml; charset=utf-8"):
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=5)
    connection.request(method, path, body.encode(), {"Content-Type": kind})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def stamp(
    created="2026-06-01T12:00:00.000Z", expires="2026-06-01T12:05:00.000Z", user=USER, password=PASSWORD, kind=TEXT
):
    return (
        f'<o:Security xmlns:o="{O}" xmlns:u="{U}"><u:Timestamp><u:Created>{created}</u:Created>'
        f"<u:Expires>{expires}</u:Expires></u:Timestamp><o:UsernameToken><o:Username>{user}</o:Username>"
        f'<o:Password Type="{kind}">{password}</o:Password></o:UsernameToken></o:Security>'
    )


def message(inside, path, security="", action=f"{E}/RST/wstep", must='s:mustUnderstand="1"'):
    return (
        f'<s:Envelope xmlns:s="{S}" xmlns:a="{A}"><s:Header><a:Action {must}>{action}</a:Action>'
        f'<a:MessageID>urn:uuid:1</a:MessageID><a:To s:mustUnderstand="1">https://ca{path}</a:To>{security}</s:Header>'
        f"<s:Body>{inside}</s:Body></s:Envelope>"
    )


def token(content="MAA=", value=f"{E}#PKCS10", encoding=f'EncodingType="{O}#base64binary"', kind=f"{T}/Issue"):
    return (
        f'<t:RequestSecurityToken xmlns:t="{T}"><t:RequestType>{kind}</t:RequestType>'
        f'<o:BinarySecurityToken xmlns:o="{O}" ValueType="{value}" {encoding}>{content}</o:BinarySecurityToken>'
        "</t:RequestSecurityToken>"
    )


PATH = CES.format("Certificate")
FAULTY = {
    "no XML": ("<", "The message is no XML"),
    "no envelope": ("<x/>", "SOAP 1.2 envelope"),
    "not understood": (message(token(), PATH, must=""), "must be understood"),
    "elsewhere": (message(token(), "/elsewhere"), "addressed to another"),
    "another action": (message(token(), PATH, action="urn:x"), "cannot be processed"),
    "another element": (message("<x/>", PATH), "cannot be processed"),
    "another type of request": (message(token(kind="urn:x"), PATH), "request type"),
    "no encoding": (message(token(encoding=""), PATH), "EncodingType is invalid"),
    "another token": (message(token(value="urn:x"), PATH), "ValueType is invalid"),
    "no Base64": (message(token("%"), PATH), "no Base64"),
}


@pytest.mark.parametrize("what", FAULTY)
def test_what_is_wrong_is_a_fault_with_status_500(simulator, what):
    body, words = FAULTY[what]
    status, answer = ask(simulator.url, PATH, body)
    assert status == 500
    assert words in ET.fromstring(answer).findtext(f".//{{{S}}}Text")


SIGNED = CES.format("UsernamePassword")
STAMPS = {
    "none": "",
    "old": stamp("2026-06-01T11:40:00.000Z", "2026-06-01T11:45:00.000Z"),
    "early": stamp("2026-06-01T12:20:00.000Z"),
    "unreadable": stamp("yesterday"),
    "digest": stamp(kind="urn:digest"),
    "wrong": stamp(password="wrong"),
}


@pytest.mark.parametrize("what", STAMPS)
def test_a_login_must_be_right_and_fresh(simulator, what):
    status, answer = ask(simulator.url, SIGNED, message(token(), SIGNED, STAMPS[what]))
    assert status == 500
    code = ET.fromstring(answer).findtext(f".//{{{S}}}Subcode/{{{S}}}Value")
    assert code == ("wsse:FailedAuthentication" if what == "wrong" else "wsse:InvalidSecurity")


def test_a_denial_carries_a_signed_code_and_the_row(simulator):
    body = message(token("MAA="), SIGNED, stamp())
    status, answer = ask(simulator.url, SIGNED, body)
    found = ET.fromstring(answer)
    assert status == 500
    assert int(found.findtext(f".//{{{E}}}ErrorCode")) & 0xFFFFFFFF == 0x8009310B
    assert found.findtext(f".//{{{E}}}InvalidRequest") == "true"
    assert found.findtext(f".//{{{A}}}RelatesTo") == "urn:uuid:1"


def test_the_web_server_answers_with_pages(simulator):
    assert ask(simulator.url, PATH, "", "GET")[0] == 404
    assert ask(simulator.url, "/elsewhere", "")[0] == 404
    assert ask(simulator.url, PATH, "", kind="text/xml")[0] == 415
    assert ask(simulator.url, CEP.format("Certificate"), message("<x/>", "/x"))[0] == 500


def test_patience_and_control_doors(simulator):
    simulator.dials.set(throttle=True, retry_after="7")
    assert ask(simulator.url, PATH, "")[0] == 429
    simulator.dials.reset()
    status, body = ask(simulator.control, "/approve", "")
    assert (status, json.loads(body)) == (200, {"decided": 0})
    assert json.loads(ask(simulator.control, "/state", "", "GET")[1])["requests"] == []
