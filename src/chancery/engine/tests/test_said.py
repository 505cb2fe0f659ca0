"""What an authority says is stored and shown only without secrets and without what tables refuse."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chancery.core.secret import Secret
from chancery.engine.jobs import Answered, Bad, Failed, Good, Missing, Stopped, Waiting
from chancery.engine.said import fit, storable
from chancery.engine.tests.kit import CA, Toy, at, job, leaf
from chancery.engine.work import do
from chancery.sdk.outcome import Issued, Pending, RevocationPending, Revoked

KEY = "k3y-that-nobody-sees"
SAID = f"the key {KEY} \x00 is \ud800 wrong"
GOOD = do(job(), Toy(submit=Issued(leaf().der, (CA.der,), "ca\x001")), at)


def mended(result):
    return fit(result, [Secret(KEY)])


def shown(text):
    assert KEY not in text
    text.encode()
    assert "\x00" not in text
    return text


@pytest.mark.parametrize(
    ("result", "texts"),
    [
        (Failed("Bug", SAID, SAID, SAID, remedy=SAID), lambda r: [r.message, r.code, r.text, r.remedy]),
        (Missing(SAID), lambda r: [r.evidence]),
        (Waiting(Pending({}, text=SAID), SAID), lambda r: [r.pending.text, r.evidence]),
        (Answered({"findings": [{"evidence": SAID}], SAID: 1}), lambda r: [json.dumps(r.result)]),
        (Answered({}, Failed("Bug", SAID, SAID, SAID)), lambda r: [r.fault.message, r.fault.code, r.fault.text]),
        (Bad((SAID,)), lambda r: list(r.problems)),
        (Revoked(SAID), lambda r: [r.text]),
        (RevocationPending({}, text=SAID), lambda r: [r.text]),
    ],
)
def test_every_text_loses_secrets_and_what_cannot_be_stored(result, texts):
    after = mended(result)
    assert type(after) is type(result)
    assert all(" is " in shown(text) for text in texts(after))


def test_state_that_belongs_to_the_authority_keeps_its_meaning():
    pending = Pending({"v": 1, "ticket": "a\x00b", "pages": [1, "\udfff"]}, reference="r\x001")
    after = mended(Waiting(pending)).pending
    assert after.state == {"v": 1, "ticket": "a�b", "pages": [1, "�"]}
    assert after.reference == "r�1"
    assert mended(RevocationPending({"t": "\x00"})).state == {"t": "�"}
    assert mended(Bad(("x",), b"", "\x00")).reference == "�"


def test_a_certificate_stays_byte_for_byte():
    after = mended(GOOD)
    assert isinstance(GOOD, Good)
    assert (after.facts, after.chain, after.reference) == (GOOD.facts, GOOD.chain, "ca�1")


def test_what_has_no_text_passes():
    assert mended(Stopped()) == Stopped()


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_storable_values_encode_and_lines_survive(value):
    text = json.dumps(storable(value), ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()
    assert storable("a\r\n\tb") == "a\r\n\tb"
