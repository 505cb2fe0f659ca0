"""The CA's numbers, each with a sentence and a remedy."""

import pytest

from chancery.authorities.adcs.hresults import MEANINGS, code_in, error_of, meaning_of
from chancery.authorities.adcs.refusals import explain
from chancery.protocols.hresult import Refusal
from chancery.sdk.errors import Forbidden, NotFound, OutcomeUnknown, ProtocolViolation, RejectedByPolicy, Unreachable


@pytest.mark.parametrize("code", MEANINGS, ids=lambda code: f"0x{code:08X}")
def test_each_number_is_said_with_its_remedy(code):
    meaning = meaning_of(code)
    error = error_of(code, "as the CA words it", request="7")
    assert meaning.symbol.isupper()
    assert (error.code, error.kind) == (f"0x{code:08X}", meaning.kind.__name__)
    assert error.message.startswith(meaning.message)
    assert "request id is 7" in error.message
    assert meaning.symbol in error.text
    assert "as the CA words it" in error.text
    assert error.remedy.endswith((".", ")."))
    assert error.bytes_sent is False


def test_what_passes_waits_and_what_the_ca_decided_ends():
    kinds = {code: meaning.kind for code, meaning in MEANINGS.items()}
    assert {kinds[c] for c in (0x80094006, 0x8009400F, 0x800706BA, 0x80092013)} == {Unreachable}
    assert {kinds[c] for c in (0x80094800, 0x80094012, 0x80094014, 0x80094811)} == {RejectedByPolicy}
    assert kinds[0x80094004] is NotFound


def test_a_web_server_that_may_not_pass_the_login_on_is_told_to_delegate():
    for code in (0x80070005, 0x800706D3):
        assert "delegate" in error_of(code, "").remedy


def test_a_number_that_is_not_known_ends_an_order_in_a_denial_alone():
    error = error_of(0x8009ABCD, "odd")
    assert (error.code, error.kind, error.text) == ("0x8009ABCD", "RejectedByPolicy", "odd")
    assert "certutil -error" in error.remedy
    for effect, kind in ((True, OutcomeUnknown), (False, ProtocolViolation)):
        told = explain(Refusal(0x8009ABCD, "odd", None, effect))
        assert (type(told), told.bytes_sent) == (kind, effect)
        assert "certutil -error" in told.remedy
        assert type(explain(Refusal(0x8009ABCD, "odd", True, effect))) is RejectedByPolicy
    assert error_of(None, "no number at all").code == "denied"
    assert meaning_of(0x80093102) is meaning_of(0x8009310B)


@pytest.mark.parametrize(
    ("code", "denied", "effect", "kind"),
    [
        (0x80094004, None, True, OutcomeUnknown),  # it says nothing about a request that was only being made
        (0x80094004, None, False, NotFound),
        (0x80094003, None, False, ProtocolViolation),
        (0x80094003, None, True, OutcomeUnknown),
        (0x8009310B, None, False, ProtocolViolation),
        (0x8009310B, None, True, RejectedByPolicy),
        (0x80092013, True, True, Unreachable),
        (0x80092013, True, False, RejectedByPolicy),  # else a denied request would be looked at for ever
        (0x80094011, True, False, RejectedByPolicy),
        (0x80094011, None, False, Forbidden),
        (0x80070005, True, False, Forbidden),  # the look was not let in
        (0x80094004, True, False, NotFound),
        (0x80094800, None, False, RejectedByPolicy),
    ],
)
def test_a_number_ends_an_order_where_it_is_the_cas_word_on_the_request(code, denied, effect, kind):
    told = explain(Refusal(code, "so", denied, effect, None if denied is None else 7))
    assert type(told) is kind
    assert told.remedy


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0x80094800 (-2146875392 CERTSRV_E_UNSUPPORTED_CERT_TYPE)", 0x80094800),
        ("Denied by Policy Module  0x80094012, The", 0x80094012),
        ("first 0x80070057, then 0x80094014 (-2146877420)", 0x80094014),
        ("0x0 (WIN32: 0)", None),
        ("0x00000000", None),
        ("0x8009480", None),
        ("0x800948001", None),
        ("", None),
    ],
)
def test_the_number_in_a_text(text, code):
    assert code_in(text) == code
