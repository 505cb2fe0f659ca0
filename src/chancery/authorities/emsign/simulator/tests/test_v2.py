"""V2 as its documents have it, and as it was seen live where they differ."""

import base64
import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from chancery.authorities.emsign.simulator.tests.talk import AGREEMENT, csr_text, order, private, small_key


def certificate(talk, made, **more):
    return talk.json("GET", f"/ssl-certificates/{made['orderId']}/certificate", **more)


# Tokens ------------------------------------------------------------------------------------------------


def test_tokens_come_by_form_by_basic_and_by_refresh_once(talk, sim):
    status, first = talk.login()
    assert (status, first["token_type"], first["expires_in"]) == (200, "Bearer", 3600)
    told = sim.credentials
    code = base64.b64encode(f"{told['account_number']}:{told['client_secret']}".encode()).decode()
    assert talk.login({"Authorization": f"Basic {code}"}, client_id="", client_secret="")[0] == 200
    assert talk.login({"Authorization": "Basic !!"})[0] == 400
    refreshed = talk.login(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert refreshed[0] == 200
    again = talk.login(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (again[0], again[1]["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_secret": ""}, 400, "invalid_request"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": "fedcba9876543210fedcba9876543210"}, 403, "unauthorized_client"),
    ],
)
def test_a_login_is_refused_as_rfc_6749_says(talk, form, status, error):
    found = talk.login(**form)
    assert (found[0], found[1]["error"]) == (status, error)


def test_tokens_end_and_die_early(talk, sim, clock):
    assert talk.get("/auth/me")["authType"] == "oauth2"
    sim.dials.set(revoke_tokens=1)
    assert talk.refused("GET", "/auth/me") == (401, "ACCESS_TOKEN_REVOKED")
    assert talk.refused("GET", "/auth/me") == (401, "INVALID_TOKEN")
    talk.token = ""
    assert talk.get("/auth/me")
    clock.advance(timedelta(hours=2))
    assert talk.refused("GET", "/auth/me") == (401, "ACCESS_TOKEN_EXPIRED")


# Orders ------------------------------------------------------------------------------------------------


def test_the_answer_to_an_order_and_its_detail(talk, clock, sim):
    made = talk.place()
    assert (made["status"], made["productVariant"], made["domain"], made["resolvedProductCode"]) == (
        "issued",
        "dv",
        "www.example.com",
        "842",
    )
    found = talk.get(f"/ssl-certificates/{made['orderId']}")
    assert (found["orderState"], found["certificateState"]) == ("Order Fulfilled", "Certificate Generated")
    assert found["subscriberAgreement"]["signed"] is True
    # The sum stays behind what its parts say.
    assert found["verifications"]["domain"]["status"] == "PENDING"
    assert found["verifications"]["domain"]["domains"][0]["dcvStatus"] == "VERIFIED"
    clock.advance(timedelta(seconds=2))
    certificate(talk, made)
    assert talk.get(f"/ssl-certificates/{made['orderId']}")["certificateState"] == "Certificate Downloaded"
    clock.advance(timedelta(days=300))
    assert talk.login()[0] == 200
    talk.token = ""
    assert talk.get(f"/ssl-certificates/{made['orderId']}")["status"] == "expired"


def test_what_is_not_said_is_decided_by_the_ca(talk, sim):
    body = order(certificate={"domain": "example.com"})
    body.pop("subscription")
    talk.place(body)
    kept = sim.tick.__self__.book.orders[0]
    assert (kept.auto_renew, kept.names) == (True, ["example.com", "www.example.com"])
    talk.place(order(certificate={"domain": "www.example.org"}))
    assert sim.tick.__self__.book.orders[1].names == ["www.example.org", "example.org"]


def test_a_product_for_one_name_drops_the_others_without_a_word(talk):
    made = talk.place(
        order(certificate={"domain": "a.example.com", "additionalDomains": ["b.example.com"], "autoSecureWww": False})
    )
    assert "additionalDomains" not in made


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"productVariant": ""}, 400, "Validation"),
        ({"productVariant": "gold"}, 422, "EMS-915"),
        ({"requestor": {"name": "x"}}, 400, "Validation"),
        ({"requestor": "nobody"}, 400, "Validation"),
        ({"certificate": {}}, 400, "Validation"),
        ({"certificate": {"domain": "nodots"}}, 422, "EMS-917"),
        ({"certificate": {"domain": "*.example.com"}}, 422, "EMS-917"),
        ({"certificate": {"domain": "192.0.2.7"}}, 422, "EMS-917"),
        ({"subscription": {"validityYears": 9}}, 422, "EMS-919"),
        ({"subscription": {"validityYears": True}}, 422, "EMS-919"),
        ({"groupNumber": "1"}, 422, "EMS-1269"),
        ({"productVariant": "ov"}, 422, "EMS-1180"),
        ({"productVariant": "ov", "organization": {"organizationNumber": "2969772001"}}, 422, "EMS-1180"),
        ({"agreement": {**AGREEMENT, "accepted": False}}, 422, "EMS-920"),
        ({"csr": "nonsense"}, 422, "EMS-921"),
        ({"csr": csr_text(key=small_key())}, 422, "EMS-921"),
        ({"requestId": "1"}, 422, "EMS-1165"),
        (
            {
                "productVariant": "dv-ucc",
                "certificate": {
                    "domain": "a.example.com",
                    "additionalDomains": [f"n{i}.example.com" for i in range(250)],
                },
            },
            422,
            "EMS-1063",
        ),
    ],
)
def test_what_is_wrong_with_an_order_is_said_by_its_code(talk, sim, change, status, code):
    found = talk.refused("POST", "/ssl-certificates", order(**change))
    assert found[0] == status
    assert code in found[1]
    assert sim.ledger.lines() == []


def test_bodies_that_are_none_and_paths_that_are_none(talk):
    assert talk.json("POST", "/ssl-certificates", "nonsense")[0] == 400
    assert talk.json("GET", "/nothing")[1]["path"] == "/api/certinext/v2/nothing"
    assert talk.json("GET", "/nothing")[0] == 404
    assert talk.json("POST", "/ssl-certificates", order(), X_Product_Code="843")[0] == 422


def test_a_rate_limit_says_how_long(talk, sim):
    talk.get("/auth/me")
    sim.dials.set(throttle=True, retry_after="7")
    status, _, headers = talk.send("GET", "/api/certinext/v2/auth/me", None, {"Authorization": f"Bearer {talk.token}"})
    assert (status, headers["Retry-After"], headers["X-API-Version"]) == (429, "7", "2.0.0")
    sim.dials.set(retry_after="")
    assert talk.json("GET", "/auth/me")[0] == 429


def test_the_same_idempotency_key_is_read_and_not_enforced(talk, sim):
    for _ in range(2):
        talk.place(Idempotency_Key="same")
    assert len(sim.ledger.lines("order")) == 2


def test_a_draft_becomes_an_order_or_is_dropped(talk, sim):
    made = talk.place(order(saveAsDraft=True))
    assert "orderId" not in made
    promoted = talk.place({"requestId": made["requestId"]})
    assert promoted["orderId"]
    assert talk.refused("POST", "/ssl-certificates", {"requestId": made["requestId"]})[0] == 422
    other = talk.place(order(saveAsDraft=True))
    path = f"/ssl-certificates/requests/{other['requestId']}/cancel"
    assert "EMS-964" in talk.refused("POST", path, {})[1]
    assert talk.json("POST", path, {"reason": "x"})[0] == 204
    assert talk.refused("POST", path.replace(other["requestId"], "1"), {"reason": "x"})[0] == 404


def test_csr_and_agreement_are_taken_once_and_in_their_place(talk):
    body = order()
    body.pop("csr")
    body.pop("agreement")
    made = talk.place(body)
    here = f"/ssl-certificates/{made['orderId']}"
    assert made["status"] == "pending-csr"
    assert talk.refused("POST", f"{here}/agreement", {"agreement": AGREEMENT})[0] == 422
    assert "EMS-921" in talk.refused("PUT", f"{here}/csr", {"csr": "x"})[1]
    assert talk.json("PUT", f"{here}/csr", {"csr": csr_text(), "attested": False})[0] == 204
    assert "EMS-1165" in talk.refused("PUT", f"{here}/csr", {"csr": csr_text()})[1]
    assert talk.get(here)["status"] == "pending-agreement"
    assert "agreementDetails" in talk.refused("POST", f"{here}/agreement", {"agreement": {"accepted": True}})[1]
    assert talk.json("POST", f"{here}/agreement", {"agreement": AGREEMENT})[0] == 204
    assert "EMS-1082" in talk.refused("POST", f"{here}/agreement", {"agreement": AGREEMENT})[1]
    assert talk.get(here)["status"] == "issued"


# Domain control ------------------------------------------------------------------------------------------


def test_a_challenge_is_given_and_looked_for(talk, sim):
    sim.dials.set(dcv="none")
    made = talk.place()
    here = f"/ssl-certificates/{made['orderId']}"
    live = talk.get(f"{here}/dcv")
    assert set(live) == {"token", "tokenExpiryDate"}
    assert talk.get(f"{here}/dcv", domain="www.example.com", method="dns-txt") == live
    assert "EMS-1158" in talk.refused("GET", f"{here}/dcv?method=carrier-pigeon")[1]
    assert "EMS-1157" in talk.refused("GET", f"{here}/dcv?domain=other.example.com")[1]
    assert "EMS-1157" in talk.refused("POST", f"{here}/dcv/verify", {})[1]
    status, found = talk.json("POST", f"{here}/dcv/verify", {"domain": "www.example.com", "method": "dns-txt"})
    assert (status, found["diagnostics"]["failureClass"]) == (422, "RECORD_MISSING")
    published = {"name": "_emudhra-challenge.www.example.com", "value": live["token"]}
    assert talk.control("POST", "/publish", published)[0] == 200
    status, found = talk.json("POST", f"{here}/dcv/verify", {"domain": "www.example.com", "method": "dns-txt"})
    assert (status, found["overallStatus"]) == (200, "VERIFIED")
    assert (
        "EMS-1080" in talk.refused("POST", f"{here}/dcv/verify", {"domain": "www.example.com", "method": "dns-txt"})[1]
    )
    assert "EMS-1080" in talk.refused("GET", f"{here}/dcv")[1]
    assert talk.control("POST", "/publish", {"name": 1})[0] == 400
    assert talk.control("POST", "/publish", [])[0] == 400


def test_control_of_everything_can_be_turned_on_and_off(talk, sim):
    sim.dials.set(caa_fails=True)
    made = talk.place()
    assert made["status"] == "pending-dcv"
    sim.dials.set(caa_fails=False, dcv="none")
    waiting = talk.place(order(certificate={"domain": "fresh.example.net"}))
    assert waiting["status"] == "pending-dcv"
    sim.dials.set(dcv="all")
    assert talk.get(f"/ssl-certificates/{waiting['orderId']}")["status"] == "issued"
    assert talk.place(order(certificate={"domain": "more.example.net"}))["status"] == "issued"


# The certificate -----------------------------------------------------------------------------------------


def test_a_download_is_not_ready_at_once_and_comes_in_three_forms(talk, sim, clock):
    made = talk.place()
    assert certificate(talk, made)[0] == 422
    sim.dials.set(not_ready=409)
    status, found = certificate(talk, made)
    assert (status, found["type"]) == (409, "order-not-issued")
    clock.advance(timedelta(seconds=2))
    _, found = certificate(talk, made)
    leaf = x509.load_pem_x509_certificate(found["certificatePem"].encode())
    assert found["serialNumber"] == str(leaf.serial_number)
    assert found["subject"] == "www.example.com"
    assert "notBefore" not in found
    assert len(found["chainPem"]) == 2
    assert certificate(talk, made, Accept="application/x-pem-file")[1].count(b"BEGIN CERTIFICATE") == 3
    der = certificate(talk, made, Accept="application/pkix-cert")[1]
    assert x509.load_der_x509_certificate(der) == leaf
    assert certificate(talk, made, Accept="application/x-pkcs7-certificates")[0] == 406
    bundle = talk.json("GET", f"/ssl-certificates/{made['orderId']}/certificate?format=pkcs7")[1]
    assert leaf in pkcs7.load_der_pkcs7_certificates(bundle)


@pytest.mark.parametrize(
    "reason", ["key-compromise", "affiliation-changed", "superseded", "cessation-of-operation", "privilege-withdrawn"]
)
def test_five_reasons_revoke_and_the_body_is_gone_afterwards(talk, clock, reason):
    made = talk.place()
    here = f"/ssl-certificates/{made['orderId']}"
    clock.advance(timedelta(seconds=2))
    assert talk.json("POST", f"{here}/revoke", {"reason": reason, "note": "x"})[0] == 204
    found = talk.get(here)
    assert (found["status"], found["revocation"]["reason"], found["revocation"]["status"]) == (
        "revoked",
        reason,
        "Certificate Revoked",
    )
    assert talk.json("GET", f"{here}/certificate")[0] == 404
    assert "EMS-1165" in talk.refused("POST", f"{here}/revoke", {"reason": reason})[1]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"reason": "keyCompromise"}, 400),
        ({"reason": "unspecified"}, 422),
        ({"reason": "ca-compromise"}, 422),
        ({"reason": "certificate-hold"}, 422),
        ({"reason": "aa-compromise"}, 422),
        ({"reason": "superseded", "note": "a;b"}, 422),
    ],
)
def test_other_reasons_and_semicolons_are_refused(talk, sim, body, status):
    made = talk.place()
    assert talk.refused("POST", f"/ssl-certificates/{made['orderId']}/revoke", body)[0] == status
    assert sim.ledger.lines("revoke") == []


def test_what_is_not_issued_is_cancelled_and_not_revoked(talk, sim):
    sim.dials.set(needs_approval=True)
    made = talk.place()
    here = f"/ssl-certificates/{made['orderId']}"
    assert talk.refused("POST", f"{here}/revoke", {"reason": "superseded"})[0] == 422
    assert "EMS-984" in talk.refused("POST", f"{here}/cancel", {})[1]
    assert talk.json("POST", f"{here}/cancel", {"reason": "gone"})[0] == 204
    assert talk.refused("POST", f"{here}/cancel", {"reason": "gone"})[0] == 422
    assert talk.refused("GET", "/ssl-certificates/1")[0] == 404


def test_people_at_the_ca_decide(talk, sim):
    sim.dials.set(needs_approval=True)
    made = [talk.place() for _ in range(2)]
    assert talk.control("POST", "/approve", {"word": "rejected"})[1] == {"decided": 2}
    assert {talk.get(f"/ssl-certificates/{m['orderId']}")["status"] for m in made} == {"rejected"}
    assert talk.control("GET", "/state")[1]["orders"][0]["status"] == "rejected"
    assert talk.control("POST", "/approve", [])[1] == {"decided": 0}


# Reissue ---------------------------------------------------------------------------------------------------


def test_a_reissue_is_a_new_order_with_a_number_of_its_own(talk, sim):
    made = talk.place()
    here = f"/ssl-certificates/{made['orderId']}/reissue"
    body = {"mode": "rekey", "csr": csr_text(), "reason": "renewal", "revokePrevious": False}
    status, first = talk.json("POST", here, body)
    assert (status, first["orderId"]) == (201, f"{made['orderId']}R001")
    assert talk.json("POST", here.replace(made["orderId"], first["orderId"]), body)[1]["orderId"].endswith("R002")
    assert sim.ledger.lines("revoke") == []
    status, added = talk.json(
        "POST", here, {"mode": "update-sans", "reason": "more", "additionalDomains": ["b.example.com"]}
    )
    assert talk.get(f"/ssl-certificates/{added['orderId']}")["additionalDomains"] == ["b.example.com"]


def test_a_reissue_revokes_only_what_it_is_told_to(talk, sim):
    made = talk.place()
    here = f"/ssl-certificates/{made['orderId']}/reissue"
    body = {"mode": "rekey", "csr": csr_text(), "reason": "renewal", "revokePrevious": True}
    assert "EMS-969" in talk.refused("POST", here, body)[1]
    assert talk.json("POST", here, {**body, "revokeReason": "superseded"})[0] == 201
    assert [line.detail for line in sim.ledger.lines("revoke")] == ["superseded"]
    assert talk.refused("POST", here, body)[0] == 422


def test_a_reissue_says_what_it_lacks(talk):
    here = f"/ssl-certificates/{talk.place()['orderId']}/reissue"
    assert "EMS-941" in talk.refused("POST", here, {"mode": "rekey"})[1]
    assert "EMS-940" in talk.refused("POST", here, {"mode": "rekey", "reason": "x"})[1]
    assert "EMS-941" in talk.refused("POST", here, {"mode": "gold", "reason": "x"})[1]


def test_by_the_specification_a_reissue_keeps_its_number(talk, sim):
    sim.dials.set(keeps_id=True)
    made = talk.place()
    body = {"mode": "rekey", "csr": csr_text(), "reason": "renewal"}
    assert talk.json("POST", f"/ssl-certificates/{made['orderId']}/reissue", body)[1]["orderId"] == made["orderId"]
    assert talk.get("/reports/orders")["totalElements"] == 1


# Lists -----------------------------------------------------------------------------------------------------


def test_a_page_past_the_end_is_the_last_page_once_more(talk):
    for _ in range(5):
        talk.place()
    first = talk.get("/reports/orders", page=1, size=2)
    assert (len(first["content"]), first["totalElements"], first["totalPages"]) == (2, 5, 3)
    last, past = talk.get("/reports/orders", page=3, size=2), talk.get("/reports/orders", page=99, size=2)
    assert past == last
    assert len(last["content"]) == 1
    assert talk.get("/reports/orders", size=5000)["size"] == 100
    assert talk.refused("GET", "/reports/orders?page=x")[0] == 400


def test_reports_are_filtered_and_show_tags_and_decimal_serials(talk, sim, clock):
    talk.place()
    row = talk.get("/reports/orders", status="issued")["content"][0]
    assert row["tags"] == ["clm:1"]
    assert row["certificateSerialNumber"].isdecimal()
    assert row["originator"] == "CERTInext API"
    assert talk.get("/reports/orders", status="revoked")["content"] == []
    assert talk.get("/reports/orders", groupNumber="1")["content"] == []
    assert talk.get("/reports/orders", to="2026-11-22")["content"] == []
    assert talk.refused("GET", "/reports/orders?status=pending-dcv")[0] == 422
    assert talk.refused("GET", "/reports/orders?from=yesterday")[0] == 400
    sim.dials.set(slow_index=60)
    assert talk.get("/reports/orders")["content"] == []
    assert talk.get("/reports/ledger")["content"][0]["totalAmount"] == "100.0"


def test_catalogue_and_account(talk, sim):
    products = talk.get("/catalog/products")["products"]
    assert {p["productCode"] for c in products for p in c["products"]} >= {"842", "104"}
    assert talk.get("/catalog/products", groupNumber="1") == {"products": []}
    assert talk.get("/catalog/products/842/custom-fields") == {"customFields": []}
    assert talk.refused("GET", "/catalog/products/1/custom-fields")[0] == 404
    assert talk.get("/organizations/2368754851")["validationStatusId"] == "1"
    assert talk.get("/organizations/2969772001")["validationStatusId"] == "4"
    assert talk.refused("GET", "/organizations/1")[0] == 404
    sim.dials.set(stale_shapes=True)
    assert talk.get("/groups")["groups"][0]["status"] == "ACTIVE"


def test_private_pki_takes_hosts_and_addresses_and_waits_for_its_product(talk, sim):
    made = talk.place(private(), "/private-pki-certificates", X_Product_Code="104")
    assert (made["variant"], made["hostname"], made["status"]) == ("intranet-ssl", "intranet.acme.local", "issued")
    found = talk.get(f"/private-pki-certificates/{made['orderId']}")
    assert found["additionalHosts"] == ["portal.acme.local", "10.0.0.50"]
    assert "subscriberAgreement" not in found
    assert talk.refused("GET", f"/ssl-certificates/{made['orderId']}")[0] == 404
    sim.dials.set(auto_approve=False)
    waiting = talk.place(private(), "/private-pki-certificates")
    assert waiting["status"] == "pending-approval"
    assert talk.json("POST", f"/private-pki-certificates/{waiting['orderId']}/cancel")[0] == 204
    assert talk.refused("POST", f"/private-pki-certificates/{waiting['orderId']}/cancel", [1])[0] == 422
    for reason in ("unspecified", "aa-compromise"):
        one = talk.place(private(), "/private-pki-certificates")
        sim.dials.set(auto_approve=True, private_body=True)
        talk.control("POST", "/approve")
        status, told = talk.json("POST", f"/private-pki-certificates/{one['orderId']}/revoke", {"reason": reason})
        assert (status, told["status"], told["reason"]) == (200, "revoked", reason)


# Domains ---------------------------------------------------------------------------------------------------


def domain(name="acme.com", **more):
    return {"domainName": name, "organizationId": "2368754851", "dcvMethod": "dns-txt", **more}


def test_a_domain_that_is_validated_ahead_covers_orders_of_its_organisation(talk, sim, clock):
    sim.dials.set(dcv="none")
    status, made = talk.json("POST", "/domains", domain())
    assert (status, made["status"], made["dcvStatus"]) == (201, "ACTIVE", "PENDING")
    here = f"/domains/{made['domainId']}"
    assert talk.refused("GET", f"{here}/dcv/attempts/last")[0] == 404
    token = talk.get(f"{here}/dcv")["token"]
    assert talk.refused("POST", f"{here}/dcv/verify", {})[0] == 422
    talk.control("POST", "/publish", {"name": "_emudhra-challenge.acme.com", "value": token})
    assert talk.json("POST", f"{here}/dcv/verify", {})[0] == 200
    assert talk.get(f"{here}/dcv/attempts/last")["overallStatus"] == "VERIFIED"
    assert len(talk.get(f"{here}/dcv/attempts")["attempts"]) == 2
    body = order(productVariant="ov", certificate={"domain": "a.acme.com", "autoSecureWww": False},
                 organization={"organizationNumber": "2368754851", "preVetted": True})  # fmt: skip
    assert talk.place(body)["status"] == "issued"
    assert talk.place(order(certificate={"domain": "a.acme.com", "autoSecureWww": False}))["status"] == "pending-dcv"
    clock.advance(timedelta(days=300))
    talk.token = ""
    assert talk.get(here)["status"] == "EXPIRED"
    assert talk.json("PATCH", f"{here}/dcv/method", {"method": "http-url"})[0] == 200
    assert talk.refused("PATCH", f"{here}/dcv/method", {"method": "x"})[0] == 422
    assert talk.json("POST", f"{here}/deactivate", {})[1]["status"] == "INACTIVE"
    assert talk.refused("GET", "/domains/dom_x")[0] == 404


def test_domains_belong_to_one_organisation_and_are_renewed_on_purpose(talk, sim):
    made = talk.json("POST", "/domains", domain())[1]
    assert "EMS-DOMAIN-002" in talk.refused("POST", "/domains", domain())[1]
    sim.tick.__self__.book.domains[0].organization = "2969772001"
    status, found = talk.json("POST", "/domains", domain())
    assert (status, found["existingDomainId"]) == (409, made["domainId"])
    assert talk.json("POST", "/domains", domain(mode="renew"))[0] == 201
    assert "EMS-DOMAIN-003" in talk.refused("POST", "/domains", domain("nodots"))[1]
    assert talk.refused("POST", "/domains", domain("b.com", organizationId="1"))[0] == 400
    sim.dials.set(caa_fails=True)
    assert "EMS-DOMAIN-001" in talk.refused("POST", "/domains", domain("c.com"))[1]


def test_lists_of_domains_have_no_order_but_the_one_that_is_asked_for(talk, clock):
    for name in ("b.com", "a.com", "c.com"):
        talk.json("POST", "/domains", domain(name))
    unordered = set()
    for _ in range(4):
        clock.advance(timedelta(seconds=1))
        unordered.add(json.dumps([d["domainName"] for d in talk.get("/domains")["domains"]]))
    assert len(unordered) > 1
    asked = talk.get("/domains", sortBy="domainName", sortDir="desc", limit=500)
    assert [d["domainName"] for d in asked["domains"]] == ["c.com", "b.com", "a.com"]
    assert asked["limit"] == 200
    assert [d["domainName"] for d in talk.get("/domains", search="a.com")["domains"]] == ["a.com"]
    assert talk.get("/domains", search="a.co")["domains"] == []
    assert talk.get("/domains", domainStatus="ACTIVE", offset=1)["total"] == 3
    assert talk.get("/domains", dcvStatus="VERIFIED")["total"] == 0
    assert talk.refused("GET", "/domains?domainStatus=ACTIVE&dcvStatus=PENDING")[0] == 400
    assert talk.refused("GET", "/domains?domainStatus=GOLD")[0] == 400
    assert talk.refused("GET", "/domains?offset=x")[0] == 400


def test_domains_of_a_cancelled_order_are_rejected_while_their_sum_stays_behind(talk, sim):
    sim.dials.set(dcv="none")
    made = talk.place()
    here = f"/ssl-certificates/{made['orderId']}"
    assert talk.json("POST", f"{here}/cancel", {"reason": "gone"})[0] == 204
    shown = talk.get(here)["verifications"]["domain"]
    assert (shown["status"], shown["domains"][0]["dcvStatus"]) == ("PENDING", "REJECTED")


def test_a_revocation_may_come_before_the_next_look_at_the_book(talk, sim):
    talk.place()
    service = sim.tick.__self__
    fresh = service.book.orders[0]
    assert fresh in service.book.open
    service.lifecycle.revoke(fresh, "superseded", "x")
    assert fresh.revoked
    assert service.book.open.count(fresh) == 1
