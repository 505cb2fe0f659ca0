"""Odd answers that the simulator does not give, and the small parts that read them."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from chancery.authorities.emsign import read
from chancery.authorities.emsign.authority import EmSign
from chancery.authorities.emsign.bundle import certificates, leaf_of
from chancery.authorities.emsign.config import HOSTS, EmSignConfig
from chancery.authorities.emsign.tests.stand import PERSON, connector, request, scripted
from chancery.core.secret import Secret
from chancery.sdk.config import pins_of
from chancery.sdk.errors import NotFound, ProtocolViolation, RejectedByPolicy
from chancery.sdk.outcome import Pending, PendingKind

# Standing, by answers --------------------------------------------------------------------------------


def standing(detail, **paths):
    """A V2 connector whose CA shows an order as `detail`; `paths` answers by a path's last part."""

    def answer(method, path, body):
        return paths.get(path.rsplit("/", 1)[-1], detail)

    return scripted(answer)[0]


STATE = {"v": 1, "order": "1"}


def test_an_organisation_without_words_is_told_plainly():
    ca = standing({"status": "pending-organization-verification"})
    assert ca.poll(STATE, request()).text == "emSign verifies the organisation."


def test_issued_but_waiting_for_a_person_is_told_as_such():
    ca = standing(
        {"status": "issued", "certificateState": "Pending for Approver"}, certificate=(422, {"detail": "EMS-1165"})
    )
    pending = ca.poll(STATE, request())
    assert (pending.kind, "Pending for Approver" in pending.text) == (PendingKind.APPROVAL, True)


def test_a_download_without_anything_in_it_is_fetched_again():
    ca = standing(
        {"status": "issued"},
        certificate={"certificatePem": "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "chainPem": "x"},
    )
    pending = ca.poll(STATE, request())
    for _ in range(8):
        assert isinstance(pending, Pending)
        assert "fetched again" in pending.text
        pending = ca.poll(pending.state, request())


def test_a_request_that_was_handed_in_is_not_handed_in_again():
    ca = standing({"status": "pending-csr", "csrSubmitted": True})
    assert ca.poll(STATE, request()).state.get("done") is None
    ca = standing({"status": "pending-csr"}, csr=(422, {"detail": "[EMS-1165] wrong state"}))
    assert ca.poll(STATE, request()).state.get("done") is None
    ca = standing({"status": "pending-csr"})
    assert ca.poll({**STATE, "done": ["csr"]}, request()).state["done"] == ["csr"]


def test_an_agreement_is_signed_once_and_its_refusal_told():
    signed = standing({"status": "pending-agreement"}, agreement=(422, {"detail": "[EMS-1082] signed"}))
    assert "was signed in the name of Pat Requestor" in signed.poll(STATE, request()).text
    again = standing({"status": "pending-agreement"}).poll({**STATE, "done": ["agreement"]}, request())
    assert again.kind is PendingKind.ACTION
    refused = standing({"status": "pending-agreement"}, agreement=(422, {"detail": "[EMS-920] no"}))
    assert "was not taken" in refused.poll(STATE, request()).text


def of_v1(detail, **methods):
    def answer(method, path, body):
        found = methods.get(path.rsplit("/", 1)[-1], {"orderDetails": detail})
        return found if "meta" in found else {"meta": {"status": "1"}, **found}

    return scripted(answer, transport="v1")[0]


def v1_no(code):
    return {"meta": {"status": "0", "errorCode": code, "errorMessage": "no"}}


def test_v1_hands_in_and_signs_once_and_tells_what_was_refused():
    setup = {"orderStatusId": "2", "certificateStatusId": "1"}
    assert of_v1(setup, SubmitCSR=v1_no("EMS-956")).poll(STATE, request()).state.get("done") is None
    waits = of_v1(setup, SubmitCSR=v1_no("EMS-939")).poll(STATE, request())
    assert (waits.state.get("done"), "did not take" in waits.text) == (None, True)
    assert of_v1(setup).poll({**STATE, "done": ["csr"]}, request()).state["done"] == ["csr"]
    unsigned = {"orderStatusId": "2", "certificateStatusId": "24"}
    assert "was signed" in of_v1(unsigned, AgreementAcceptance=v1_no("EMS-1082")).poll(STATE, request()).text
    refused = of_v1(unsigned, AgreementAcceptance=v1_no("EMS-1091")).poll(STATE, request())
    assert (refused.kind, "public IP" in refused.text) == (PendingKind.ACTION, True)


@pytest.mark.parametrize(
    ("order", "certificate", "kind"),
    [
        ("8", "24", PendingKind.APPROVAL),
        ("9", "4", PendingKind.APPROVAL),
        ("2", "16", PendingKind.APPROVAL),
        ("3", "4", PendingKind.PROCESSING),
    ],
)
def test_v1_waits_for_people_by_either_of_its_two_numbers(order, certificate, kind):
    ca = of_v1({"orderStatusId": order, "certificateStatusId": certificate, "csr": "x"})
    assert ca.poll({**STATE, "done": ["csr", "agreement"]}, request()).kind is kind


@pytest.mark.parametrize("ident", ["3", "5", "8", "13", "14", "18", "19", "21", "22", "12"])
def test_every_number_of_an_end_is_one(ident):
    with pytest.raises(Exception, match="has ended at emSign") as refused:
        of_v1({"orderStatusId": "2", "certificateStatusId": ident}).poll(STATE, request())
    assert refused.value.kind == "RejectedByPolicy"


@pytest.mark.parametrize("ident", ["15", "7", "20", "9", "23"])
def test_an_approval_that_is_called_issued_is_believed_only_with_the_certificate(ident):
    ca = of_v1({"orderStatusId": "6", "certificateStatusId": ident}, GetCertificate=v1_no("EMS-956"))
    assert "not yet downloadable" in ca.poll(STATE, request()).text
    ca = of_v1({"orderStatusId": "6", "certificateStatusId": ident}, GetCertificate={"certificateDetails": {}})
    assert "fetched again" in ca.poll(STATE, request()).text


def test_a_refusal_without_a_reason_names_what_was_seen_to_help(sim, clock):
    v1 = connector(sim, clock, "v1")
    asked = request("a.example.local", variant="intranet-ssl", product_code="149", days=365)
    with pytest.raises(RejectedByPolicy, match="Generic failure") as refused:
        v1.submit(asked)
    assert "Save as draft" in refused.value.remedy
    as_draft = request("a.example.local", variant="intranet-ssl", product_code="149", days=365, draft=True)
    assert v1.submit(as_draft).kind is PendingKind.ACTION


def test_a_cancelled_order_of_v1_may_be_cancelled_again_and_a_finished_one_not():
    ca = of_v1({"certificateStatusId": "24", "orderStatusId": "2"}, RejectOrder=v1_no("EMS-956"))
    with pytest.raises(Exception, match="refused") as refused:
        ca.cancel(STATE, request())
    assert refused.value.kind == "RejectedByPolicy"


def test_an_order_of_v2_that_will_not_be_cancelled_says_why():
    ca = standing({"status": "pending-approval"}, cancel=(422, {"detail": "[EMS-984] remarks"}))
    with pytest.raises(Exception, match="refused") as refused:
        ca.cancel(STATE, request())
    assert refused.value.kind == "RejectedByPolicy"
    with pytest.raises(NotFound):
        standing({}, cancel=(404, {"detail": "no"})).cancel({"v": 1, "request": "5"}, request())


def test_an_adopted_order_whose_certificate_cannot_be_had_is_taken_by_its_names():
    ca = standing({"status": "issued", "domain": "www.example.com"}, certificate=(422, {"detail": "EMS-1165"}))
    assert "not yet downloadable" in ca.adopt("1", request()).outcome.text
    ca = standing({"status": "issued"}, certificate={"certificatePem": ""})
    assert "fetched again" in ca.adopt("1", request()).outcome.text
    assert (
        "not yet"
        in of_v1({"certificateStatusId": "20"}, GetCertificate=v1_no("EMS-956")).adopt("1", request()).outcome.text
    )


# Lists -------------------------------------------------------------------------------------------------


def test_lists_of_v1_are_found_whatever_they_are_called():
    ca = scripted(
        lambda *_: {"meta": {"status": "1"}, "rows": [{"groupNumber": "9", "groupName": "Nine"}]}, transport="v1"
    )[0]
    assert [c.label for c in ca.choices("group_number")] == ["9 Nine"]
    with pytest.raises(ProtocolViolation):
        scripted(lambda *_: {"meta": {"status": "1"}}, transport="v1")[0].choices("group_number")


def test_lists_of_v2_are_read_in_both_shapes(v2, sim):
    for stale in (False, True):
        sim.dials.set(stale_shapes=stale)
        assert {c.value for c in v2.choices("product_code")} >= {"842", "104"}
        assert [c.value for c in v2.choices("organization_number")] == ["2368754851"]
        assert len(v2.choices("group_number")) == 2
    assert v2.choices("nothing") == []


def test_a_list_that_is_none_is_an_error():
    for field in ("group_number", "organization_number", "product_code"):
        with pytest.raises(ProtocolViolation, match="no list of"):
            standing({}).choices(field)


def test_a_right_that_is_missing_is_named():
    from chancery.sdk.errors import Forbidden

    with pytest.raises(Forbidden) as refused:
        standing((403, {"detail": "no"})).choices("group_number")
    assert "right" in refused.value.remedy


# Settings ----------------------------------------------------------------------------------------------


def config(**changes):
    values = {"transport": "v2", "account_number": "1234567890", "client_secret": Secret("s3cret-value"), **PERSON}
    return EmSignConfig(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"account_number": ""}, "account_number"),
        ({"client_secret": None}, "client_secret"),
        ({"requestor_email": ""}, "requestor_email"),
        ({"requestor_email": "nobody"}, "requestor_email"),
        ({"signer_place": ""}, "signer_place"),
        ({"transport": "v1", "access_key": None, "client_secret": None}, "access_key"),
        ({"transport": "v1", "access_key": Secret("k"), "requestor_phone": ""}, "requestor_phone"),
        ({"transport": "v1", "access_key": Secret("k"), "signer_ip": ""}, "signer_ip"),
        ({"transport": "acme"}, "eab_key_id"),
        ({"transport": "acme", "eab_key_id": "k"}, "eab_hmac_key"),
        ({"transport": "carrier pigeon"}, "transport"),
        ({"dcv_txt_host": "no place"}, "dcv_txt_host"),
        ({"server_key_pins": "not hex"}, "server_key_pins"),
    ],
)
def test_what_a_transport_needs_is_asked_for_by_field(changes, field):
    with pytest.raises(ValidationError) as refused:
        config(**changes)
    assert field in {str(e["loc"][0]) for e in refused.value.errors()}


def test_what_a_transport_does_not_need_may_stay_empty():
    acme = {"eab_key_id": "k", "eab_hmac_key": Secret("h"), "account_key": Secret("p")}
    made = EmSignConfig(transport="acme", accept_agreement=True, **acme)
    assert made.signer == ""
    assert config(transport="v1").access_key is None
    assert config(signer_name="Sam Signer").signer == "Sam Signer"
    assert all(config(dcv_txt_host=host).dcv_txt_host == host for host in HOSTS)


def test_pinned_keys_reach_the_door_in_any_notation():
    made = config(server_key_pins=f"{'ab' * 32}, {'CD:' * 31}CD\n")
    assert pins_of(made) == ("ab" * 32, "CD:" * 31 + "CD")
    assert pins_of(config()) == ()


def test_the_settings_have_no_switch_that_turns_verification_off():
    names = set(EmSignConfig.model_fields)
    assert not [n for n in names if any(w in n for w in ("verify_tls", "insecure", "skip_tls", "no_verify", "ssl"))]


def test_an_account_key_is_made_for_acme_alone_and_only_where_none_is_given():
    assert EmSign.prepare({"transport": "v2"}) == {"transport": "v2"}
    assert EmSign.prepare({"transport": "acme", "account_key": "mine"})["account_key"] == "mine"
    assert "PRIVATE KEY" in EmSign.prepare({"transport": "acme"})["account_key"]


# Reading -----------------------------------------------------------------------------------------------


def test_values_are_read_carefully():
    assert read.word(True) == ""
    assert read.word(10**20) == ""
    assert read.word(7) == "7"
    assert read.count("x") == 0
    assert read.count("12") == 12
    assert read.texts(None) is None
    assert read.texts(["a", None, ""]) == ["a"]
    assert read.rows({"a": 1}) == []
    assert read.moment("nonsense") is None
    assert read.moment("0001-01-01T00:00:00+14:00") is None
    assert read.moment("2026-11-23T12:00:00") == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert read.ident("../x") == ""
    with pytest.raises(ProtocolViolation):
        read.segment("a/b")


def test_what_is_no_certificate_is_left_out():
    assert certificates([None, "", "no pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"]) == []
    assert leaf_of([b"garbage"]) is None
