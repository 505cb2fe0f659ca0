from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.net.progress import Cause, Failed, Progress, TlsNotes
from chancery.net.tests.serving import make
from chancery.net.url import parse_url
from chancery.sdk.diagnosis import SENTENCES, findings_of, findings_of_failure, findings_of_refusal
from chancery.sdk.errors import Unreachable
from chancery.sdk.finding import Level

BASE = parse_url("https://ca.example/v2")
NOW = datetime.now(UTC)


def progress(made=None, stage="response"):
    notes = made and TlsNotes("TLSv1.3", "TLS_AES_256_GCM_SHA384", made.certificate.public_bytes(Encoding.DER))
    return Progress(0.0, stage=stage, addresses=["192.0.2.7", "192.0.2.8"], peer="192.0.2.7 port 443", tls=notes)


def test_a_good_call_gives_four_findings_with_evidence():
    made = make("ca.example", "other.example")
    name, tcp, tls, clock = findings_of(progress(made), BASE, NOW, timedelta(seconds=2))
    assert [f.stage for f in (name, tcp, tls, clock)] == ["name", "tcp", "tls", "clock"]
    assert {f.level for f in (name, tcp, tls, clock)} == {Level.OK}
    assert name.evidence == "192.0.2.7, 192.0.2.8"
    assert tcp.evidence == "192.0.2.7 port 443"
    until = made.certificate.not_valid_after_utc.strftime("%Y-%m-%d %H:%M UTC")
    for part in ("TLSv1.3", "CN=ca.example", "ca.example, other.example", "issuer", until, made.pin):
        assert part in tls.evidence
    assert clock.evidence == "2 s apart"


def test_a_certificate_that_ends_soon_is_a_warning():
    tls = findings_of(progress(make("ca.example", days=(-80, 3.5))), BASE, NOW, None)[2]
    assert (tls.level, tls.code) == (Level.WARNING, "expires_soon")
    assert "in 3 days" in tls.message
    assert tls.remedy


def test_a_certificate_without_alternative_names_is_described_all_the_same():
    made = make("ca.example", ca=True)
    with pytest.raises(x509.ExtensionNotFound):
        made.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    tls = findings_of(progress(made), BASE, NOW, None)[2]
    assert "names ;" in tls.evidence


def test_many_names_are_cut_short():
    made = make(*(f"n{i}.example" for i in range(9)))
    evidence = findings_of(progress(made), BASE, NOW, None)[2].evidence
    assert "n4.example" in evidence
    assert "n5.example" not in evidence


@pytest.mark.parametrize("base", [BASE, parse_url("http://127.0.0.1:8080")])
def test_without_tls_the_stage_is_skipped(base):
    tls = findings_of(progress(), base, NOW, None)[2]
    assert (tls.level, tls.code) == (Level.SKIPPED, "plain_http")


@pytest.mark.parametrize(
    ("skew", "level", "evidence"),
    [
        (None, Level.SKIPPED, ""),
        (timedelta(minutes=5), Level.OK, "300 s apart"),
        (timedelta(minutes=-5), Level.OK, "300 s apart"),
        (timedelta(seconds=301), Level.WARNING, "the CA is 301 s ahead"),
        (timedelta(seconds=-301), Level.WARNING, "the CA is 301 s behind"),
    ],
)
def test_the_clocks_are_compared(skew, level, evidence):
    clock = findings_of(progress(), BASE, NOW, skew)[3]
    assert (clock.level, clock.evidence) == (level, evidence)


@pytest.mark.parametrize(
    ("stage", "levels"),
    [
        ("name", ["failed", "skipped", "skipped", "skipped"]),
        ("tcp", ["ok", "failed", "skipped", "skipped"]),
        ("tls", ["ok", "ok", "failed", "skipped"]),
        ("request", ["ok", "ok", "ok", "failed"]),
        ("response", ["ok", "ok", "ok", "failed"]),
    ],
)
def test_a_failure_stands_where_it_happened(stage, levels):
    failed = Failed(Cause.BROKEN, "unscrubbed", progress(make("ca.example"), stage))
    found = findings_of_failure(failed, BASE, NOW, "scrubbed")
    assert [f.stage for f in found] == ["name", "tcp", "tls", "clock"]
    assert [f.level.value for f in found] == levels
    wrong = next(f for f in found if f.level is Level.FAILED)
    assert (wrong.code, wrong.message, wrong.remedy) == ("broken", *SENTENCES[Cause.BROKEN])
    assert wrong.evidence == "scrubbed"


def test_a_refusal_before_any_call_says_why():
    found = findings_of_refusal(Unreachable("No.", code="trust_bundle", text="bad", stage="tls", remedy="Do."))
    assert [(f.stage, f.level.value, f.code) for f in found] == [
        ("name", "skipped", "not_tried"),
        ("tcp", "skipped", "not_tried"),
        ("tls", "failed", "trust_bundle"),
        ("clock", "skipped", "not_reached"),
    ]
    assert (found[2].message, found[2].evidence, found[2].remedy) == ("No.", "bad", "Do.")


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_sentence_and_a_remedy(cause):
    message, remedy = SENTENCES[cause]
    assert message.endswith(".")
    assert remedy.endswith(".")
