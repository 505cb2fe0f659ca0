"""What the policy service says: rights, templates, CAs; and the diagnosis made of it."""

from datetime import timedelta

import pytest

from chancery.core.clock import ManualClock
from chancery.protocols.wstep.policies import Login
from chancery.protocols.wstep.simulator import build
from chancery.protocols.wstep.tests.stand import NOW, Stand, envelope, saying
from chancery.sdk import Level, ProtocolViolation

SPACE = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"


@pytest.fixture(scope="module")
def stand():
    clock = ManualClock(NOW)
    with build(clock=clock) as simulator:
        made = Stand(simulator, clock)
        yield made
        made.close()


@pytest.fixture(autouse=True)
def reset(stand):
    yield
    stand.simulator.dials.reset()


def test_templates_come_with_the_rights_of_the_account(stand):
    told = stand.client().policies()
    found = {t.name: t for t in told.templates}
    assert told.name == "Example Enrollment Policy"
    assert "Retired" not in found
    usable = {name for name, t in found.items() if not t.obstacles}
    assert usable == {"WebServer30", "WebServer", "ApprovedServer", "LargeKeys", "Anybody"}
    web = told.template("webserver30")
    assert web is told.template(web.oid)
    assert (web.minimal_key, web.validity, web.renewal) == (2048, timedelta(days=30), timedelta(days=3))
    assert (web.schema, found["WebServer"].schema) == (2, 1)
    assert web.key_algorithm == "1.2.840.113549.1.1.1"
    assert web.usages == ("1.3.6.1.5.5.7.3.1",)
    assert web.revision == (100, 3)
    assert found["ApprovedServer"].pends
    assert not web.pends
    (issuer,) = told.issuers_of(web)
    assert issuer.may_enroll
    assert [a.login for a in issuer.addresses] == [Login.KERBEROS, Login.USER_NAME, Login.CERTIFICATE]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("ForAdmins", "no right to enrol"),
        ("DirectoryNames", "from the directory"),
        ("Archived", "archives private keys"),
        ("Agent", "1 signatures"),
    ],
)
def test_what_cannot_be_used_says_why(stand, template, words):
    assert words in " ".join(stand.client().policies().template(template).obstacles)


def test_the_diagnosis_of_a_good_connector_is_all_well(stand):
    found = stand.client().check()
    assert [f.stage for f in found] == ["login", "rights", "product", "chain"]
    assert {f.level for f in found} == {Level.OK}


@pytest.mark.parametrize(
    ("template", "code", "level"),
    [
        ("NoSuch", "unknown_template", Level.FAILED),
        ("ForAdmins", "unusable_template", Level.FAILED),
        ("Anybody", "dangerous_template", Level.WARNING),
        ("", "no_template", Level.SKIPPED),
    ],
)
def test_the_diagnosis_looks_at_the_template(stand, template, code, level):
    found = {f.code: f for f in stand.client(template=template).check()}
    assert found[code].level is level
    assert found[code].remedy or level is Level.SKIPPED


def test_the_diagnosis_says_that_requests_wait(stand):
    found = stand.client(template="ApprovedServer").check()
    assert any("waits for a certificate manager" in f.message for f in found)


def test_without_a_policy_service_the_diagnosis_says_what_it_cannot_see(stand):
    found = stand.client(policy="").check()
    assert [(f.stage, f.level) for f in found] == [("login", Level.OK), ("rights", Level.SKIPPED)]


def test_a_policy_service_that_is_away_is_one_finding(stand):
    found = stand.client(policy="nowhere/service.svc/CEP").check()
    assert [(f.stage, f.level) for f in found] == [("login", Level.OK), ("rights", Level.FAILED)]
    assert found[1].remedy


def test_a_refused_login_is_the_diagnosis(stand):
    stand.simulator.dials.set(refuse_key=True)
    found = stand.client().check()
    assert [f.level for f in found] == [Level.FAILED, Level.FAILED]
    assert found[0].stage == "login"


def answer(inside="", cas="", oids="", policies=""):
    return envelope(
        f"<GetPoliciesResponse xmlns='{SPACE}' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>"
        f"<response>{inside}<policies>{policies}</policies></response><cAs>{cas}</cAs><oIDs>{oids}</oIDs>"
        "</GetPoliciesResponse>"
    )


@pytest.mark.parametrize(
    "body",
    [
        envelope("<GetPoliciesResponse/>"),
        envelope(f"<GetPoliciesResponse xmlns='{SPACE}'/>"),
        answer("<policiesNotChanged>true</policiesNotChanged>"),
        answer().replace("<response>", "<response xsi:nil='true'>"),
    ],
)
def test_what_is_no_list_of_policies_is_said_so(body):
    client, _ = saying(200, body)
    with pytest.raises(ProtocolViolation):
        client.policies()


ODD = (
    "<policy/>"
    "<policy><attributes><commonName>Odd</commonName><subjectNameFlags>-1</subjectNameFlags>"
    "<generalFlags>many</generalFlags><privateKeyAttributes><minimalKeyLength>99999999999999999999999"
    "</minimalKeyLength></privateKeyAttributes><certificateValidity><validityPeriodSeconds>99999999999999999"
    "</validityPeriodSeconds></certificateValidity><extensions><extension><oIDReference>5</oIDReference>"
    "<value>%%%</value></extension></extensions></attributes></policy>"
    "<policy><attributes><commonName>Subordinate</commonName><generalFlags>128</generalFlags>"
    "<permission><enroll>1</enroll></permission><extensions><extension><oIDReference>6</oIDReference></extension>"
    "</extensions></attributes></policy>"
)


def test_one_odd_template_hides_no_other():
    oids = "<oID><value>2.5.29.37</value><oIDReferenceID>5</oIDReferenceID></oID>"
    cas = (
        "<cA><certificate>%%%</certificate><enrollPermission>false</enrollPermission><uris><cAURI>"
        "<clientAuthentication>16</clientAuthentication></cAURI></uris></cA>"
    )
    client, _ = saying(200, answer(policies=ODD, oids=oids, cas=cas), template="Odd")
    told = client.policies()
    odd, subordinate = told.templates
    assert (odd.subject_flags, odd.general_flags, odd.minimal_key) == (0xFFFFFFFF, 0, 0)
    assert odd.usages == ()
    assert odd.validity == timedelta(days=36_500)
    assert "certificates of CAs" in " ".join(subordinate.obstacles)
    codes = {f.code: f for f in client.check() if f.stage != "login"}
    assert codes["no_enrolment"].level is Level.FAILED
    assert "kind 16" in codes["no_enrolment"].evidence
    assert codes["no_certificates"].level is Level.WARNING


def test_a_template_that_names_no_use_is_dangerous():
    usable = (
        "<policy><attributes><commonName>Any</commonName><subjectNameFlags>1</subjectNameFlags>"
        "<permission><enroll>true</enroll></permission></attributes></policy>"
    )
    many = "".join(usable.replace("Any", f"T{n}") for n in range(20))
    client, _ = saying(200, answer(policies=usable + many), template="Any")
    found = {f.code: f for f in client.check()}
    assert "every use" in found["dangerous_template"].message
    assert "and 9 more" in found["dangerous_template"].evidence or "and 9 more" in found["ok"].evidence
