"""Orders over Web Enrollment, from the post to the chain."""

import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from chancery.authorities.adcs.tests.stand import DAY, KEY, START, request, standing
from chancery.core import csr, keys
from chancery.core.certificate import Expected, Mismatch, check_issued
from chancery.core.names import parse_name
from chancery.sdk.errors import (
    AuthFailed,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Unreachable,
)
from chancery.sdk.outcome import Found, Issued, Pending, PendingKind

LANGUAGES = ["en", "de", "ja"]
STRONG = keys.generate("RSA-2048")


@pytest.fixture(scope="module")
def serving():
    with standing() as made:
        yield made


@pytest.fixture
def stand(serving):
    serving.simulator.dials.reset()
    return serving


def place(stand, connector=None, **more):
    connector = connector or stand.connector()
    asked = request(at=stand.clock.now(), **more)
    return connector, asked, connector.submit(asked)


def issue(stand, connector=None, **more):
    connector, asked, outcome = place(stand, connector, **more)
    return asked, stand.finish(connector, outcome, asked)


def refusal(stand, **more):
    with pytest.raises(RejectedByPolicy) as caught:
        place(stand, **more)
    assert caught.value.remedy
    return caught.value


def row(stand, outcome):
    return stand.simulator.state()[outcome.reference]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_order_is_issued_whatever_the_servers_language(stand, language):
    stand.turn(language=language)
    connector, asked, outcome = place(stand)
    assert isinstance(outcome, Pending)
    # The id is kept by the engine before the certificate is fetched: a crash in between loses nothing.
    assert (outcome.state["request"], outcome.state["issued"]) == (int(outcome.reference), True)
    assert (outcome.kind, outcome.next_check) == (PendingKind.PROCESSING, timedelta(seconds=1))
    issued = stand.finish(connector, outcome, asked)
    check_issued(issued.leaf, issued.chain, Expected(asked.spki_sha256, asked.names, stand.clock.now(), None))
    assert (len(issued.chain), issued.reference, issued.warnings) == (2, outcome.reference, ())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pending_order_says_whom_it_waits_for_and_is_looked_at_ever_more_rarely(stand, language):
    stand.turn(language=language)
    connector, asked, outcome = place(stand, template="WebServerApproved")
    gaps = []
    for _ in range(7):
        assert (outcome.kind, outcome.state["issued"]) == (PendingKind.APPROVAL, False)
        assert f"Request {outcome.reference} waits for a manager" in outcome.text
        gaps.append(outcome.next_check)
        stand.clock.advance(outcome.next_check)
        outcome = connector.poll(json.loads(json.dumps(outcome.state)), asked)
    assert gaps == [timedelta(minutes=n) for n in (1, 2, 5, 15, 60, 60, 60)]
    stand.manager("approve", request=int(outcome.reference))
    assert isinstance(stand.finish(connector, outcome, asked), Issued)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_managers_denial_ends_a_pending_order_with_its_reason(stand, language):
    stand.turn(language=language)
    connector, asked, outcome = place(stand, template="WebServerApproved")
    stand.manager("deny", request=int(outcome.reference))
    with pytest.raises(RejectedByPolicy) as caught:
        connector.poll(outcome.state, asked)
    assert caught.value.code == "0x80094014"
    assert "Denied by SANDBOX\\camanager" in caught.value.text
    assert f"request id is {outcome.reference}" in caught.value.message


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_denial_is_seen_before_it_could_look_pending(stand, language):
    """It carries a request id and no link, as a pending page does: others wait for such requests for ever."""
    stand.turn(language=language)
    before = stand.orders
    error = refusal(stand, template="Unpublished")
    assert (error.code, "Unpublished" in error.text, stand.orders) == ("0x80094800", True, before)
    assert "cn" in error.remedy
    assert "order again" in error.remedy
    number = max(map(int, stand.simulator.state()))
    assert f"request id is {number}" in error.message


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("Web Server, half a year", "0x80094800"),
        ("Closed", "0x80094012"),
        ("Machine", "0x8009480F"),
        ("ByAgent", "0x8009480A"),
        ("KeyArchival", "0x80094804"),
    ],
)
def test_what_a_template_does_not_allow_is_said_with_its_number(stand, template, code):
    assert refusal(stand, template=template).code == code


def test_a_key_that_is_too_short_for_the_template(stand):
    assert refusal(stand, template="WebServerStrong", key=STRONG).code == "0x80094811"


def test_a_template_is_named_by_its_oid_as_well(stand):
    asked, issued = issue(stand, template="1.3.6.1.4.1.311.21.8.1234567.7654321.1.1.1.1")
    assert isinstance(issued, Issued)
    assert asked.settings.template.startswith("1.3.6.1.4.1.311.21.8.")


def test_a_denial_ends_the_order_and_a_new_order_goes_through_after_the_fix(stand):
    stand.turn(reject=True)
    refusal(stand)
    stand.turn(reject=False)
    assert isinstance(issue(stand)[1], Issued)


def test_names_travel_in_the_request_alone_and_an_open_ca_adds_none(stand):
    """EDITF_ATTRIBUTESUBJECTALTNAME2 is switched on at this CA: nothing that we send makes use of it."""
    stand.turn(san_attribute=True)
    connector, asked, outcome = place(stand, reference="0191-names")
    assert row(stand, outcome)["attributes"] == ["CertificateTemplate:WebServer2", "chancery-request:0191-names"]
    issued = stand.finish(connector, outcome, asked)
    check_issued(issued.leaf, issued.chain, Expected(asked.spki_sha256, asked.names, stand.clock.now(), None))


def test_our_reference_is_sent_as_a_request_attribute_unless_switched_off(stand):
    _, _, outcome = place(stand, stand.connector(send_reference=False), reference="0191-silent")
    assert row(stand, outcome)["attributes"] == ["CertificateTemplate:WebServer2"]
    assert stand.simulator.ledger.orders_by_reference()["0191-silent"] == 0


def built(*extensions, attribute=None):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.com")])
    names = x509.SubjectAlternativeName([x509.DNSName("www.example.com")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    if not any(isinstance(e, x509.SubjectAlternativeName) for e in extensions):
        extensions = (names, *extensions)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    if attribute:
        builder = builder.add_attribute(x509.ObjectIdentifier(attribute), b"SAN: dns=other.example")
    from cryptography.hazmat.primitives.serialization import Encoding

    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def raw(oid):
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x0c\x01x")


UPN = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x05admin")


@pytest.mark.parametrize(
    ("der", "word"),
    [
        (built(raw("1.3.6.1.4.1.311.25.2")), "security identifier"),
        (built(raw("1.3.6.1.4.1.311.21.10")), "application policies"),
        (built(raw("1.3.6.1.4.1.311.20.2")), "template name"),
        (built(x509.MSCertificateTemplate(x509.ObjectIdentifier("1.2.3"), 1, 0)), "a certificate template"),
        (built(x509.SubjectAlternativeName([UPN])), "otherName"),
        (built(attribute="1.3.6.1.4.1.311.13.2.1"), "name and value pairs"),
        (b"\x30\x03no!", "cannot be decoded"),
    ],
)
def test_what_smuggles_names_or_templates_is_refused_before_anything_is_sent(stand, der, word):
    before = len(stand.simulator.state())
    error = refusal(stand, der=der)
    assert (error.code, word in error.message, error.bytes_sent) == ("smuggled", True, False)
    assert len(stand.simulator.state()) == before


def test_an_enterprise_ca_wants_a_template_and_a_standalone_one_has_none(stand):
    assert refusal(stand, template="").code == "no_template"
    with standing(standalone=True) as alone:
        connector = alone.connector(setup_type="standalone")
        with pytest.raises(RejectedByPolicy) as caught:
            connector.submit(request())
        assert (caught.value.code, caught.value.bytes_sent) == ("template", False)
        asked = request(template="")
        outcome = connector.submit(asked)
        assert outcome.kind is PendingKind.APPROVAL
        alone.manager("approve")
        assert isinstance(alone.finish(connector, outcome, asked), Issued)
        assert connector.choices("template") == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("800706BA", Unreachable),
        ("80094006", Unreachable),
        ("8009400F", Unreachable),
        ("80092013", Unreachable),
        ("80094011", Forbidden),
        ("80070005", Forbidden),
        ("80090346", AuthFailed),
        ("8009310B", RejectedByPolicy),
        ("80093102", RejectedByPolicy),
    ],
)
def test_an_error_page_is_believed_as_far_as_its_number_says(stand, code, kind):
    stand.turn(fails_with=code)
    with pytest.raises(kind) as caught:
        place(stand)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.bytes_sent) == (f"0x{code}", False)
    assert caught.value.remedy
    assert "request id is" not in caught.value.message or kind is not RejectedByPolicy


TROUBLE = ["800706BE", "800706BB", "8007045B", "80080005", "80010108"]
"""Call failed, too busy, shutdown, no server process, disconnected."""


@pytest.mark.parametrize("code", [*TROUBLE, "C8000713", "8009ABCD"])
def test_a_number_that_says_nothing_about_the_request_leaves_a_post_open(stand, code):
    stand.turn(fails_with=code)
    with pytest.raises(OutcomeUnknown) as caught:
        place(stand)
    assert (caught.value.code, caught.value.bytes_sent) == (f"0x{code}", True)
    assert "certutil -error" in caught.value.remedy


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, Unreachable) for code in TROUBLE),
        *((code, ProtocolViolation) for code in ("C8000713", "8009ABCD", "80070057", "8007000D")),
        ("80094012", RejectedByPolicy),
    ],
)
def test_a_number_that_says_nothing_about_the_request_ends_no_order_that_waits(stand, monkeypatch, code, kind):
    """One restart of the CA's service must not end what waits for a manager."""
    from chancery.authorities.adcs.simulator.retrieving import Retrieving

    connector, asked, outcome = place(stand, template="WebServerApproved")
    number = int(code, 16)
    with monkeypatch.context() as patched:
        patched.setattr(
            Retrieving, "error", lambda self, row, pages: pages.error(pages.disposition(0), "", result=number)
        )
        with pytest.raises(kind) as caught:
            connector.poll(outcome.state, asked)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.bytes_sent) == (f"0x{code}", False)
    assert connector.poll(outcome.state, asked).kind is PendingKind.APPROVAL


def test_a_denial_with_a_number_of_the_policy_modules_own_is_final(stand):
    from chancery.authorities.adcs.over_certsrv import OverCertsrv
    from chancery.authorities.adcs.pages import Kind, Verdict
    from chancery.authorities.adcs.progress import Progress

    for code in (0xA0001234, None):
        denied = Verdict(Kind.DENIED, "7", code, "no")
        for told in (lambda v: OverCertsrv._accepted(v), lambda v: OverCertsrv._told(v, Progress(7))):
            with pytest.raises(RejectedByPolicy, match="request id is 7"):
                told(denied)


def test_a_front_end_that_does_not_reach_the_ca_has_ordered_nothing(stand):
    before = stand.orders
    stand.turn(ca_stopped=True)
    with pytest.raises(Unreachable) as caught:
        place(stand)
    assert (caught.value.code, caught.value.bytes_sent, stand.orders) == ("0x800706BA", False, before)
    assert "port 135" in caught.value.remedy


@pytest.mark.parametrize("how", [{}, {"cer_type": "text/html"}, {"cer_type": "application/pkix-cert; charset=x"}])
@pytest.mark.parametrize("bundle", [{}, {"chain": "shuffled"}, {"split_chain": True}])
def test_the_body_decides_what_came_and_the_chain_is_put_in_order(stand, how, bundle):
    stand.turn(**how, **bundle)
    _, issued = issue(stand)
    assert len(issued.chain) == 2
    subject = x509.load_der_x509_certificate(issued.chain[0]).subject
    assert subject == x509.load_der_x509_certificate(issued.leaf).issuer


def test_what_is_neither_a_certificate_nor_a_page_of_the_ca_is_fetched_again(stand):
    connector, asked, outcome = place(stand)
    stand.turn(fail_next=1, fail_next_path="certnew.cer", fail_next_with="garbled")
    with pytest.raises(ProtocolViolation) as caught:
        connector.poll(outcome.state, asked)
    assert caught.value.bytes_sent is False
    assert isinstance(stand.finish(connector, outcome, asked), Issued)


@pytest.mark.parametrize("how", ["page", "error"])
def test_a_web_server_that_cannot_give_a_requests_chain_gives_the_cas(stand, how):
    connector, asked, outcome = place(stand)
    stand.turn(fail_next=1, fail_next_path="certnew.p7b", fail_next_with=how)
    assert len(stand.finish(connector, outcome, asked).chain) == 2


def test_a_ca_that_was_renewed_between_post_and_fetch(stand):
    connector, asked, outcome = place(stand)
    stand.manager("renew")
    issued = stand.finish(connector, outcome, asked)
    assert len(issued.chain) == 2
    assert len(issue(stand)[1].chain) == 2


def test_a_certificate_without_its_issuer_is_fetched_again(stand):
    connector, asked, outcome = place(stand)
    stand.turn(chain="missing")
    with pytest.raises(ProtocolViolation) as caught:
        connector.poll(outcome.state, asked)
    assert (caught.value.code, "certnew.p7b" in caught.value.remedy) == ("chain", True)
    stand.turn(chain="")
    assert isinstance(stand.finish(connector, outcome, asked), Issued)


@pytest.mark.parametrize("how", ["wrong_key", "wrong_name"])
def test_a_certificate_for_another_key_or_name_reaches_the_engine_and_is_held(stand, how):
    stand.turn(**{how: True})
    asked, issued = issue(stand)
    with pytest.raises(Mismatch):
        check_issued(issued.leaf, issued.chain, Expected(asked.spki_sha256, asked.names, stand.clock.now(), None))


def test_of_a_strangers_certificate_the_leaf_is_given_even_where_nothing_signed_it(stand):
    stand.turn(wrong_key=True, chain="missing")
    _, issued = issue(stand)
    assert issued.chain


@pytest.mark.parametrize(
    ("template", "word"), [("WebAndClient", "logging in as a client"), ("AnyUse", "good for any purpose")]
)
def test_a_template_with_dangerous_uses_is_told_with_the_certificate(stand, template, word):
    warnings = issue(stand, template=template)[1].warnings
    assert len(warnings) == 1
    assert word in warnings[0]
    assert "server authentication alone" in warnings[0]


def test_a_certificate_that_was_revoked_before_it_was_fetched_ends_the_order(stand):
    connector, asked, outcome = place(stand)
    stand.manager("revoke", request=int(outcome.reference))
    with pytest.raises(RejectedByPolicy) as caught:
        connector.poll(outcome.state, asked)
    assert caught.value.code == "revoked"


def test_a_request_that_the_ca_no_longer_has_is_not_called_denied(stand):
    connector, asked, _ = place(stand)
    with pytest.raises(NotFound) as caught:
        connector.poll({"v": 1, "request": 99_999, "issued": True, "looks": 0}, asked)
    assert caught.value.code == "0x80094004"
    assert "another CA" in caught.value.remedy


@pytest.mark.parametrize("state", [{}, {"request": "7"}, {"request": True}, {"request": -1}, {"request": 2**40}])
def test_a_state_without_a_request_is_said_to_be_one(stand, state):
    with pytest.raises(ProtocolViolation) as caught:
        stand.connector().poll(state, request())
    assert caught.value.bytes_sent is False


def test_an_order_that_a_person_names_is_taken_over_by_its_key(stand):
    connector, asked, outcome = place(stand)
    number = outcome.reference
    found = connector.adopt(f" {number} ", asked)
    assert isinstance(found, Found)
    assert f"request {number}" in found.evidence
    other = request(key=keys.generate("EC-P256"))
    with pytest.raises(RejectedByPolicy, match="another key"):
        connector.adopt(number, other)
    for unknown in ("", "abc", "99999", "-3", "0", "9" * 40):
        with pytest.raises(NotFound):
            connector.adopt(unknown, asked)
    waiting = place(stand, template="WebServerApproved")[2]
    assert connector.adopt(waiting.reference, asked).outcome.kind is PendingKind.APPROVAL


def test_a_redirect_is_not_followed_and_nothing_is_told_there(stand):
    stand.turn(portal=True)
    with pytest.raises(ProtocolViolation) as caught:
        place(stand)
    assert (caught.value.code, caught.value.bytes_sent) == ("302", False)


def test_a_login_failure_is_a_status_and_no_page_to_read(stand):
    stand.turn(refuse_key=True)
    with pytest.raises(AuthFailed) as caught:
        place(stand)
    assert (caught.value.code, caught.value.bytes_sent) == ("401", False)
    assert "401 - Unauthorized" in caught.value.text


@pytest.mark.parametrize("missing", ["username", "password"])
def test_a_login_that_is_not_filled_in_says_so_before_anything_is_sent(stand, missing):
    with pytest.raises(AuthFailed) as caught:
        place(stand, stand.connector(**{missing: "" if missing == "username" else None}))
    assert (caught.value.code, caught.value.bytes_sent) == ("missing", False)


@pytest.mark.parametrize("base", ["", "/certsrv"])
def test_the_base_url_is_that_of_the_server_or_of_certsrv(stand, base):
    from chancery.authorities.adcs.client import prefix_of

    assert prefix_of(f"https://pki.example.com{base}", "") == ("" if base else "certsrv/")
    assert prefix_of("https://pki.example.com/CertSrv/", "") == ""
    assert prefix_of("https://pki.example.com/certsrv", "other/certsrv/") == "other/certsrv/"
    assert isinstance(place(stand, stand.connector(base=base))[2], Pending)


def test_the_same_account_logs_in_by_certificate_or_basic_over_tls():
    with standing(secure=True) as stand:
        known = stand.known
        own = stand.connector(
            authentication="certificate", client_certificate=known["client_pem"], client_key=known["client_key"]
        )
        assert isinstance(issue(stand, own)[1], Issued)
        stand.turn(logins="Basic")
        assert isinstance(issue(stand, stand.connector(authentication="basic"))[1], Issued)
        broken = stand.connector(authentication="certificate")
        with pytest.raises(Unreachable) as caught:
            place(stand, broken)
        assert caught.value.code == "identity"


def test_a_certificate_request_goes_out_whole(stand):
    """Plus signs, line ends and names of every kind: form encoding must not change a bit of them."""
    names = tuple(parse_name(n) for n in ("www.example.com", "192.0.2.7", "who@example.com", "https://example.com/a+b"))
    for _ in range(4):
        key = keys.generate("EC-P256")
        _, issued = issue(stand, key=key, der=csr.build(key, names, "www.example.com"))
        found = x509.load_der_x509_certificate(issued.leaf).extensions
        assert len(found.get_extension_for_class(x509.SubjectAlternativeName).value) == len(names)
        uses = found.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(uses) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_page_that_says_nothing_of_the_request_leaves_it_open(stand, monkeypatch):
    from chancery.authorities.adcs.simulator.pages import Pages

    connector = stand.connector()
    whole = Pages.issued
    monkeypatch.setattr(Pages, "issued", lambda self, number: whole(self, 9_999_999_999))
    with pytest.raises(OutcomeUnknown):
        place(stand, connector)
    monkeypatch.setattr(Pages, "issued", lambda self, number: self.error(self.disposition(0), ""))
    with pytest.raises(OutcomeUnknown) as caught:
        place(stand, connector)
    assert (caught.value.bytes_sent, "enter its id" in caught.value.remedy) == (True, True)
    stand.turn(needs_approval=True)
    asked = request()
    outcome = connector.submit(asked)
    stand.turn(unknown_status="x")
    monkeypatch.setattr(Pages, "disposition", lambda self, number: "0 - ")
    with pytest.raises(ProtocolViolation):
        connector.poll(outcome.state, asked)


def test_intents_from_before_are_older_than_their_order():
    assert request().intended_at == START
    assert timedelta(days=1) == DAY
