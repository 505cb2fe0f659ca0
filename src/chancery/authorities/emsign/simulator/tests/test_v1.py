"""V1 as its documents have it, and as it was seen live."""

import hashlib
import json
from datetime import timedelta

import pytest

from chancery.authorities.emsign.simulator.tests.talk import csr_text, v1_order

MAIL = "jane@example.com"


def place(talk, **more):
    return talk.good("GenerateOrderSSL", orderDetails=v1_order(**more))["orderDetails"]


def with_(part, **more):
    return {part: {**v1_order()[part], **more}}


# The envelope ---------------------------------------------------------------------------------------------


def test_a_transaction_number_is_taken_once(talk):
    assert talk.call("ValidateCredentials", txn="12345678901")["meta"]["status"] == "1"
    again = talk.call("ValidateCredentials", txn="12345678901")["meta"]
    assert (again["status"], again["errorMessage"]) == ("0", "Duplicate transaction ID.")


@pytest.mark.parametrize("txn", ["123456789", "1" * 51, "12345abcde", ""])
def test_a_transaction_number_is_ten_to_fifty_digits(talk, txn):
    assert talk.call("ValidateCredentials", txn=txn)["meta"]["status"] == "0"


@pytest.mark.parametrize(
    "meta",
    [
        {"authKey": "0" * 64}, {"authKey": ""}, {"accountNumber": "1"}, {"ver": "2.0"}, {"ts": "yesterday"},
        {"ts": "2026-11-23T12:00:00"},
    ],
)  # fmt: skip
def test_what_is_not_signed_as_it_should_be_is_refused_with_http_200(talk, meta):
    found = talk.call("ValidateCredentials", **meta)["meta"]
    assert found["status"] == "0"
    assert found["errorCode"]


def test_the_signature_is_a_plain_hash_over_key_stamp_and_number(talk, sim):
    meta = talk.meta(txn="5555555555")
    raw = sim.credentials["access_key"] + meta["ts"] + "5555555555"
    assert meta["authKey"] == hashlib.sha256(raw.encode()).hexdigest()
    assert talk.call("ValidateCredentials", **meta)["meta"]["status"] == "1"


def test_every_value_is_a_string(talk):
    assert talk.bad("GetOrderReport", searchCriteria={"pageNumber": 1}) == "EMS-939"
    assert talk.bad("GetOrderReport", searchCriteria=[True]) == "EMS-939"


def test_no_body_no_envelope_no_method(talk):
    for body in ("nonsense", "[]", json.dumps({"meta": 7})):
        _, text, _ = talk.send("POST", "/emSignHub-API/ValidateCredentials", body)
        assert json.loads(text)["meta"]["status"] == "0"
    assert talk.send("POST", "/emSignHub-API/GetCAs", "{}")[0] == 404
    assert talk.send("GET", "/emSignHub-API/ValidateCredentials")[0] == 404


def test_a_bearer_token_takes_the_place_of_the_signature(talk):
    token = talk.login()[1]["access_token"]
    lines = {"Authorization": f"Bearer {token}"}
    assert talk.call("ValidateCredentials", headers=lines, authKey="")["meta"]["status"] == "1"
    assert talk.call("ValidateCredentials", headers=lines)["meta"]["status"] == "0"
    assert talk.call("ValidateCredentials", headers={"Authorization": "Bearer x"}, authKey="")["meta"]["status"] == "0"


def test_a_burst_of_orders_is_answered_as_a_disabled_user_is(talk, sim, clock):
    said = [talk.call("GenerateOrderSSL", {"orderDetails": v1_order(csr=csr_text())})["meta"] for _ in range(20)]
    assert [m["status"] for m in said] == ["1"] * 16 + ["0"] * 4
    assert {m.get("errorMessage") for m in said[16:]} == {"Inactive Account User."}
    clock.advance(timedelta(seconds=10))
    assert place(talk, csr=csr_text())["orderNumber"]
    sim.dials.set(disabled_user=True)
    assert talk.call("ValidateCredentials")["meta"]["errorMessage"] == "Inactive Account User."


# Orders ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"productCode": "1"}, "EMS-1162"),
        ({"productCode": "104"}, "EMS-1162"),
        (with_("additionalInformation", remarks=""), "EMS-918"),
        (with_("requestorInformation", requestorMobileNumber=""), "EMS-916"),
        (with_("subscriptionDetails", validity="9"), "EMS-919"),
        (with_("certificateInformation", domainName="nodots"), "EMS-917"),
        (with_("certificateInformation", domainName="192.0.2.7"), "EMS-917"),
        ({"delegationInformation": {"groupNumber": "1"}}, "EMS-1269"),
        ({"productCode": "846"}, "EMS-1073"),
        ({"csr": "x"}, "EMS-921"),
        (with_("agreementDetails", signerPlace=""), "EMS-920"),
        (with_("agreementDetails", signerIP="127.0.0.1"), "EMS-1091"),
        (with_("agreementDetails", signerIP="here"), "EMS-1091"),
        ({"requestNumber": "1"}, "EMS-913"),
        (
            {
                "productCode": "844",
                "certificateInformation": {
                    "domainName": "a.example.com",
                    "additionalDomains": [f"n{i}.example.com" for i in range(250)],
                },
            },
            "EMS-1063",
        ),
    ],
)
def test_what_is_wrong_with_an_order_is_said_by_its_code(talk, sim, change, code):
    assert talk.bad("GenerateOrderSSL", orderDetails=v1_order(**change)) == code
    assert sim.ledger.lines() == []


def test_a_request_is_taken_once(talk):
    same = csr_text()
    place(talk, csr=same)
    assert talk.bad("GenerateOrderSSL", orderDetails=v1_order(csr=same)) == "EMS-1099"


def test_what_is_not_said_is_decided_by_the_ca(talk, sim):
    place(talk, certificateInformation={"domainName": "example.com"}, subscriptionDetails={})
    kept = sim.tick.__self__.book.orders[0]
    assert (kept.auto_renew, kept.names) == (True, ["example.com", "www.example.com"])
    place(talk, csr=csr_text(), certificateInformation={"domainName": "www.example.org"}, autoSecureWWW="1")
    assert sim.tick.__self__.book.orders[1].names == ["www.example.org", "example.org"]


def test_a_draft_becomes_an_order_or_is_rejected(talk):
    draft = place(talk, saveAndHold="1")
    assert "orderNumber" not in draft
    assert talk.good("GenerateOrderSSL", orderDetails={"requestNumber": draft["requestNumber"]})["orderDetails"][
        "orderNumber"
    ]
    other = place(talk, saveAndHold="1", csr=csr_text())
    asked = {"requestNumber": other["requestNumber"], "rejectRemarks": "gone"}
    assert talk.bad("RejectRequest", orderDetails={**asked, "rejectRemarks": ""}) == "EMS-964"
    talk.good("RejectRequest", orderDetails=asked)
    assert talk.bad("RejectRequest", orderDetails={"requestNumber": "1", "rejectRemarks": "x"}) == "EMS-913"


def test_what_comes_after_an_order(talk, sim, clock):
    made = place(talk, csr="", agreementDetails={})
    who = {"orderNumber": made["orderNumber"], "requestorEmail": MAIL}
    assert talk.bad("SubmitCSR", orderDetails={**who, "csr": "x"}) == "EMS-921"
    assert talk.bad("SubmitCSR", orderDetails={**who, "requestorEmail": "x", "csr": csr_text()}) == "EMS-913"
    talk.good("SubmitCSR", orderDetails={**who, "csr": csr_text()})
    assert talk.bad("SubmitCSR", orderDetails={**who, "csr": csr_text()}) == "EMS-956"
    signer = {"signerName": "J", "signerPlace": "P", "signerIP": "203.0.114.7"}
    assert talk.bad("AgreementAcceptance", agreementDetails={**who, **signer}) == "EMS-920"
    talk.good("AgreementAcceptance", agreementDetails={**who, **signer, "acceptAgreement": "1"})
    assert talk.bad("AgreementAcceptance", agreementDetails={**who, **signer, "acceptAgreement": "1"}) == "EMS-1082"
    assert talk.bad("GetCertificate", orderDetails=who) == "EMS-956"
    clock.advance(timedelta(seconds=2))
    found = talk.good("GetCertificate", orderDetails=who)["certificateDetails"]
    assert found["ceritficateSerialNumber"].isdecimal()
    assert "certificateSerialNumber" not in found
    asked = {**who, "revokeReasonId": "4", "revokeRemarks": "x"}
    assert talk.bad("RevokeOrder", revocationDetails={**asked, "revokeReasonId": "0"}) == "EMS-969"
    assert talk.bad("RevokeOrder", revocationDetails={**asked, "revokeRemarks": ""}) == "EMS-984"
    talk.good("RevokeOrder", revocationDetails=asked)
    assert talk.bad("RevokeOrder", revocationDetails=asked) == "EMS-956"
    shown = talk.good("TrackOrder", orderDetails={"orderNumber": made["orderNumber"]})["orderDetails"]
    assert (shown["certificateStatusId"], shown["revocationDetails"]["revokeRequestStatusId"]) == ("22", "2")
    assert shown["revocationDetails"]["revokeReasonId"] == "4"
    assert talk.bad("RejectOrder", orderDetails={"orderNumber": made["orderNumber"], "rejectRemarks": "x"}) == "EMS-956"


def test_domains_are_told_by_their_names_beside_one_reserved_word(talk, sim, clock):
    sim.dials.set(dcv="none", dcv_lag=5)
    made = place(talk)
    who = {
        "orderNumber": made["orderNumber"],
        "requestorEmail": MAIL,
        "domainName": "www.example.com",
        "dcvMethod": "1",
    }
    assert talk.bad("GetDcv", dcvDetails=who) == "EMS-956"
    clock.advance(timedelta(seconds=6))
    found = talk.good("GetDcv", dcvDetails=who)["dcvDetails"]
    assert set(found) == {"token", "fileName", "fileContent", "dcvEmails"}
    assert "host" not in json.dumps(found).lower()
    assert talk.good("GetDcv", dcvDetails={**who, "dcvMethod": "3"})["dcvDetails"]["dcvEmails"]
    assert talk.good("GetDcv", dcvDetails={**who, "dcvMethod": "2"})["dcvDetails"]["fileName"]
    assert talk.bad("GetDcv", dcvDetails={**who, "dcvMethod": "9"}) == "EMS-1158"
    assert talk.bad("GetDcv", dcvDetails={**who, "domainName": "x"}) == "EMS-1157"
    assert talk.bad("VerifyDcv", dcvDetails=who) == "EMS-1160"
    token = talk.good("GetDcv", dcvDetails=who)["dcvDetails"]["token"]
    talk.control("POST", "/publish", {"name": "_emudhra-challenge.www.example.com", "value": token})
    talk.good("VerifyDcv", dcvDetails=who)
    assert talk.bad("VerifyDcv", dcvDetails=who) == "EMS-1080"
    assert talk.bad("GetDcv", dcvDetails=who) == "EMS-1080"
    shown = talk.good("TrackOrder", orderDetails={"orderNumber": made["orderNumber"]})["orderDetails"][
        "domainVerification"
    ]
    assert set(shown) == {"status", "www.example.com"}
    assert (shown["www.example.com"]["dcvStatus"], shown["www.example.com"]["dcvMethod"]) == ("1", "DNS TXT Record")


def test_private_pki_is_ordered_by_a_method_of_its_own(talk):
    names = {"domainName": "a.local", "additionalDomains": ["10.0.0.1"], "dnsType": "1"}
    made = talk.good(
        "GenerateOrderPrivatePKI",
        orderDetails=v1_order(productCode="104", certificateInformation=names, agreementDetails={}),
    )
    assert made["orderDetails"]["orderNumber"]


def test_one_private_product_is_taken_as_a_draft_alone_and_no_reason_is_given(talk):
    names = {"domainName": "a.local", "additionalDomains": [], "dnsType": "1"}
    asked = v1_order(productCode="149", certificateInformation=names, agreementDetails={})
    assert talk.bad("GenerateOrderPrivatePKI", orderDetails=asked) == "EMS-939"
    draft = talk.good("GenerateOrderPrivatePKI", orderDetails={**asked, "saveAndHold": "1"})["orderDetails"]
    assert "orderNumber" not in draft


# Lists ----------------------------------------------------------------------------------------------------


def test_lists_of_the_account(talk, sim):
    assert talk.good("GetProductDetails", productDetails={"groupNumber": ""})["productDetails"] == []
    group = sim.credentials["group_number"]
    listed = talk.good("GetProductDetails", productDetails={"groupNumber": group})["productDetails"]
    assert {c["categoryID"] for c in listed} == {"3", "8"}
    assert talk.good("GetFieldDetails", productDetails={"productCode": "842"})["fieldDetails"] == []
    assert talk.bad("GetFieldDetails", productDetails={}) == "EMS-1162"
    assert len(talk.good("GetGroupDetailsV2")["groupDetails"]) == 2
    assert len(talk.good("GetOrganizationDetails")["organizationDetails"]) == 2
    assert talk.good("GetDomainDetails")["domainDetails"] == []


def test_reports_are_paged_in_strings_and_clamp(talk):
    for _ in range(5):
        place(talk, csr=csr_text())

    def page(n, **more):
        return talk.good("GetOrderReport", searchCriteria={"pageNumber": n, "pageSize": "2", **more})["orderDetails"]

    assert (page("1")["noOfPages"], page("1")["totalNoOfResults"]) == ("3", "5")
    assert page("99") == page("3")
    assert page("1", domainName="x")["ordersArray"] == []
    assert page("1", orderDateFrom="2026-11-24")["ordersArray"] == []
    assert talk.bad("GetOrderReport", searchCriteria={"pageNumber": "x"}) == "EMS-956"
    assert talk.bad("GetOrderReport", searchCriteria={"orderDateFrom": "x"}) == "EMS-956"


def test_an_order_of_v1_is_seen_by_v2(talk):
    made = place(talk)
    assert talk.get(f"/ssl-certificates/{made['orderNumber']}")["requestId"] == made["requestNumber"]
    assert talk.get("/reports/orders")["content"][0]["originator"] == "emSign-Hub API"


def test_the_demo_gets_a_connector_for_each_transport(sim):
    transports = [e.settings["transport"] for e in sim.examples]
    assert sorted(transports) == ["acme", "v1", "v2"]
    assert [e.base_url for e in sim.examples if e.base_url] == [f"{sim.url}/acme/directory"]
    sim.stop()
    sim.start()
    assert len(sim.examples) == 3
