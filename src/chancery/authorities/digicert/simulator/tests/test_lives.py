"""What becomes of orders: validation, reissue, duplicate, revocation, cancelling, and how all of it is read."""

import io
import itertools
import json
import zipfile
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509

from chancery.authorities.digicert.simulator import build
from chancery.authorities.digicert.simulator.tests.talk import Talk, csr_pem, names_in, order
from chancery.core.clock import ManualClock

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def sim(clock):
    with build(clock=clock) as made:
        yield made


@pytest.fixture
def talk(sim):
    return Talk(sim)


def path(made, rest=""):
    return f"/order/certificate/{made['id']}{rest}"


def again(*names, days=30, **more):
    body = order(*names, days=days)
    return {"certificate": body["certificate"], "skip_approval": True, **more}


# Validation ----------------------------------------------------------------------------------------


def test_an_unknown_domain_is_validated_by_its_token_first(sim, talk):
    made = talk.place(order("www.fresh.org", "fresh.org"))
    assert made["requests"][0]["status"] == "approved"
    assert [d["dns_name"] for d in made["domains"]] == ["www.fresh.org", "fresh.org"]
    token = made["domains"][0]["dcv_token"]
    assert token["expiration_date"].startswith("2026-12-23")
    assert talk.status(made) == "pending"
    stuck = talk.get(path(made, "/validation"))
    assert [(n["dns_names"], n["status"]) for n in stuck["dns_name_validations"]] == [
        (["www.fresh.org"], "pending"),
        (["fresh.org"], "pending"),
    ]
    answer, found = talk.put(path(made, "/check-dcv"))
    assert (answer, found["order_status"], found["dcv_status"]) == (200, "pending", "pending")
    talk.control("POST", "/publish", {"name": "fresh.org", "value": token["token"]})
    assert talk.status(made) == "issued"
    assert "certificate_id" in talk.place(order("more.fresh.org"))


def test_dv_has_a_random_value_that_stays_while_it_is_valid(sim, talk, clock):
    made = talk.place(order("fresh.org"), "ssl_dv_geotrust_flex")
    value = made["dcv_random_value"]
    assert "domains" not in made
    assert talk.put(path(made, "/dcv-random-value"))[1]["dcv_random_value"] == value
    clock.advance(timedelta(days=31))
    talk.control("POST", "/publish", {"name": "fresh.org", "value": value})
    assert talk.status(made) == "pending"
    fresh = talk.put(path(made, "/dcv-random-value"))[1]["dcv_random_value"]
    assert fresh != value
    talk.control("POST", "/publish", {"name": "fresh.org", "value": fresh})
    assert talk.status(made) == "issued"


def test_a_cname_has_the_value_as_its_label(talk):
    made = talk.place(order("fresh.org", dcv_method="dns-cname-token"), "ssl_dv_geotrust_flex")
    value = made["dcv_random_value"]
    talk.control("POST", "/publish", {"name": "fresh.org", "value": value})
    assert talk.status(made) == "pending"
    talk.control("POST", "/publish", {"name": f"{value}.fresh.org", "value": "dcv.digicert.com"})
    assert talk.status(made) == "issued"


def test_a_file_that_is_not_there_yet_is_a_400_and_e_mail_is_not_checked(talk):
    made = talk.place(order("fresh.org", dcv_method="http-token"))
    assert talk.refused("PUT", path(made, "/check-dcv")) == (400, "file_random_value_not_found")
    assert talk.put(path(made, "/dcv-method"), {"dcv_method": "email"})[0] == 204
    assert talk.refused("PUT", path(made, "/check-dcv")) == (400, "invalid_dns_method")
    assert talk.put(path(made, "/resend-emails"))[0] == 204
    changed = talk.put(path(made, "/dcv-method"), {"dcv_method": "dns-txt-token"})[1]
    assert set(changed) == {"dcv_random_value", "expiration_date"}
    assert talk.refused("PUT", path(made, "/resend-emails"))[0] == 400


def test_valid_domain_and_expired_organisation_stay_pending(sim, talk):
    sim.dials.set(organization_expired=True)
    made = talk.place()
    assert talk.put(path(made, "/check-dcv"))[1] == {
        "order_status": "pending",
        "dcv_status": "valid",
        "dns_name_validations": [{"dns_name": "www.example.com", "status": "valid"}],
    }
    assert talk.get(path(made, "/validation"))["organization_validations"][0]["status"] == "expired"
    sim.dials.set(organization_expired=False)
    assert talk.status(made) == "issued"


def test_caa_stands_in_the_way(sim, talk):
    sim.dials.set(caa_fails=True)
    made = talk.place()
    assert talk.refused("PUT", path(made, "/check-dcv")) == (400, "caa_check_failed|www.example.com")
    sim.dials.set(caa_fails=False)
    assert talk.status(made) == "issued"


def test_domains_are_validated_ahead(talk, clock):
    made = talk.json("POST", "/domain", {"name": "Ahead.org", "dcv_method": "dns-cname-token"})[1]
    where, token = f"/domain/{made['id']}", made["dcv_token"]
    assert token["verification_value"] == "dcv.digicert.com"
    assert talk.refused("PUT", f"{where}/dcv/validate-token") == (400, "invalid_dns_txt")
    assert talk.get(where, include_dcv="true")["dcv_token"] == token
    changed = talk.put(f"{where}/dcv/method", {"dcv_method": "dns-txt-token"})[1]["dcv_token"]
    assert "verification_value" not in changed
    fresh = talk.put(f"{where}/dcv/token")[1]["dcv_token"]["token"]
    assert fresh
    talk.control("POST", "/publish", {"name": "ahead.org", "value": fresh})
    assert talk.put(f"{where}/dcv/validate-token")[0] == 204
    shown = talk.get(where, include_validation="true")
    assert shown["validations"][0]["status"] == "active"
    assert "certificate_id" in talk.place(order("www.ahead.org"))
    clock.advance(timedelta(days=201))
    assert "domains" in talk.place(order("www.ahead.org", days=90))
    assert talk.refused("POST", "/domain", {"name": "ahead.org"})[0] == 400
    assert talk.refused("POST", "/domain", {"name": 7})[0] == 400
    assert talk.refused("GET", "/domain/1")[0] == 404


@pytest.mark.parametrize(("dial", "issued"), [("none", False), ("all", True), ("reserved", True)])
def test_which_names_count_as_validated(sim, talk, dial, issued):
    sim.dials.set(dcv=dial)
    assert ("certificate_id" in talk.place(order("a.example.com", "b.test"))) == issued
    assert ("certificate_id" in talk.place(order("a.fresh.org"))) == (dial == "all")


def test_validation_may_succeed_by_itself(sim, talk, clock):
    sim.dials.set(dcv_delay=60)
    made = talk.place(order("fresh.org"))
    assert talk.status(made) == "pending"
    talk.control("POST", "/tick", {"seconds": 61})
    assert talk.control("GET", "/state")["orders"][0]["status"] == "issued"


def test_private_names_need_no_validation(talk):
    assert "certificate_id" in talk.place(order("intranet"), "private_ssl_plus")


# Reissue, duplicate, renewal -----------------------------------------------------------------------


def test_a_reissue_replaces_the_primary_and_keeps_the_old_certificate(talk, clock):
    made = talk.place()
    old = talk.get(path(made))["certificate"]
    status, answer = talk.json("POST", path(made, "/reissue"), again("www.example.com", "new.example.com"))
    assert (status, set(answer), set(answer["requests"][0])) == (201, {"id", "requests"}, {"id"})
    assert answer["id"] == made["id"]
    shown = talk.get(path(made))
    assert shown["certificate"]["id"] != old["id"]
    assert shown["certificate"]["dns_names"] == ["www.example.com", "new.example.com"]
    clock.advance(timedelta(hours=73))
    listed = talk.get(path(made, "/reissue"))["certificates"]
    assert [(c["id"], c["status"]) for c in listed] == [(old["id"], "issued"), (shown["certificate"]["id"], "issued")]


def test_a_reissue_that_drops_a_name_dooms_all_older_certificates(sim, talk, clock):
    made = talk.place(order("www.example.com", "old.example.com"))
    talk.json("POST", path(made, "/duplicate"), again("www.example.com", "old.example.com"))
    talk.json("POST", path(made, "/reissue"), again("www.example.com"))
    clock.advance(timedelta(hours=71))
    assert talk.status(made) == "issued"
    assert sim.ledger.lines("revoke") == []
    clock.advance(timedelta(hours=2))
    assert [c["status"] for c in talk.get(path(made, "/reissue"))["certificates"]] == ["revoked", "issued"]
    assert [c["status"] for c in talk.get(path(made, "/duplicate"))["certificates"]] == ["revoked"]
    assert len(sim.ledger.lines("revoke")) == 2


def test_a_pending_reissue_forbids_revocation_until_it_is_canceled(sim, talk):
    made = talk.place()
    talk.json("POST", path(made, "/reissue"), again("www.example.com", skip_approval=False))
    assert talk.status(made) == "reissue_pending"
    revoke = f"/certificate/{made['certificate_id']}/revoke"
    assert talk.refused("PUT", revoke, {"skip_approval": True})[0] == 400
    assert talk.refused("POST", path(made, "/reissue"), again())[0] == 400
    request = talk.get("/request?" + quote("filters[status]") + "=pending")["requests"][0]
    assert (request["type"], request["order"]["id"]) == ("reissue", made["id"])
    assert talk.put(path(made, "/status"), {"status": "CANCELED", "note": "not now"})[0] == 204
    assert talk.status(made) == "issued"
    assert talk.get(f"/request/{request['id']}")["status"] == "rejected"
    assert talk.put(revoke, {"skip_approval": True})[0] == 204


def test_a_duplicate_is_listed_apart_and_leaves_the_primary(sim, talk):
    made = talk.place()
    before = talk.get(path(made))["certificate"]["id"]
    talk.json("POST", path(made, "/duplicate"), again("www.example.com"))
    assert talk.get(path(made))["certificate"]["id"] == before
    assert len(talk.get(path(made, "/duplicate"))["certificates"]) == 1
    assert talk.get("/order/certificate")["orders"][0]["has_duplicates"] is True
    assert [line.kind for line in sim.ledger.lines()] == ["order", "duplicate"]


def test_a_duplicate_without_common_name_takes_that_of_the_order(talk):
    made, body = talk.place(), again("www.example.com")
    del body["certificate"]["common_name"]
    assert talk.json("POST", path(made, "/duplicate"), body)[0] == 201
    assert talk.get(path(made, "/duplicate"))["certificates"][0]["common_name"] == "www.example.com"


def test_a_reissue_lives_no_longer_than_the_order(talk, clock):
    made = talk.place(order(days=90, order_validity={"days": 100}))
    assert talk.refused("POST", path(made, "/reissue"), again(days=101))[1] == "cert_validity_exceeds_order_validity"
    body = again()
    del body["certificate"]["cert_validity"]
    talk.json("POST", path(made, "/reissue"), body)
    assert talk.get(path(made))["certificate"]["valid_till"] == talk.get(path(made))["order_valid_till"]
    clock.advance(timedelta(days=101))
    assert talk.status(made) == "expired"
    assert talk.refused("POST", path(made, "/reissue"), body)[0] == 400


def test_a_renewal_marks_the_old_order(sim, talk):
    made = talk.place()
    fresh = talk.place(order(renewal_of_order_id=made["id"]))
    old = talk.get(path(made))
    assert (old["is_renewed"], old["renewed_order_id"]) == (True, fresh["id"])
    assert talk.get(path(fresh))["is_renewal"] is True
    assert talk.listed(is_renewed=1) == [made["id"]]
    where = "/order/certificate/ssl_basic"
    assert talk.refused("POST", where, order(renewal_of_order_id=1)) == (404, "not_found|order")
    sim.dials.set(refuse_renewals=True)
    assert talk.refused("POST", where, order(renewal_of_order_id=made["id"])) == (400, "order_not_renewable")


# Approvals, cancel, revoke -------------------------------------------------------------------------


def test_days_count_from_the_issue_when_the_approver_takes_long(talk, clock):
    made = talk.place(order(skip_approval=False, days=30))
    clock.advance(timedelta(days=10))
    where = f"/request/{made['requests'][0]['id']}"
    assert talk.put(f"{where}/status", {"status": "submitted"})[0] == 204
    assert talk.put(f"{where}/status", {"status": "approved", "processor_comment": "fine"})[0] == 204
    assert talk.get(path(made))["certificate"]["days_remaining"] == 29
    decided = talk.get(where)
    assert (decided["status"], decided["processor"]["id"], decided["processor_comment"]) == ("approved", 7, "fine")
    assert talk.refused("PUT", f"{where}/status", {"status": "rejected"})[0] == 400
    assert talk.refused("PUT", f"{where}/status", {"status": "perhaps"})[0] == 400


def test_a_rejected_order_is_rejected(talk):
    made = talk.place(order(skip_approval=False))
    talk.put(f"/request/{made['requests'][0]['id']}/status", {"status": "rejected"})
    assert talk.status(made) == "rejected"
    assert talk.listed(status="rejected") == [made["id"]]


def test_cancelling_may_be_as_strict_as_the_documents(sim, talk):
    sim.dials.set(strict_cancel=True)
    held = talk.place(order(skip_approval=False))
    stuck = talk.place(order("fresh.org"))
    assert talk.refused("PUT", path(held, "/status"), {"status": "CANCELED"})[0] == 400
    assert talk.refused("PUT", path(stuck, "/status"), {"status": "canceled"})[0] == 400
    assert talk.put(path(stuck, "/status"), {"status": "CANCELED"})[0] == 204
    assert talk.status(stuck) == "canceled"


def test_revoking_an_order_takes_all_its_certificates_once(sim, talk):
    made = talk.place()
    talk.json("POST", path(made, "/duplicate"), again("www.example.com"))
    talk.put(f"/certificate/{made['certificate_id']}/revoke", {"skip_approval": True})
    assert talk.status(made) == "issued"
    assert talk.put(path(made, "/revoke"), {"skip_approval": True, "revocation_reason": "superseded"})[0] == 204
    assert talk.status(made) == "revoked"
    assert len(sim.ledger.lines("revoke")) == 2
    assert talk.refused("PUT", path(made, "/revoke"), {"skip_approval": True}) == (400, "already_revoked")
    assert len(sim.ledger.lines("revoke")) == 2


def test_a_revocation_request_waits_for_its_approver(sim, talk):
    made = talk.place()
    serial = talk.get(path(made))["certificate"]["serial_number"]
    status, request = talk.put(f"/certificate/{serial.lower()}/revoke", {"comment": "lost"})
    assert (status, request["type"], request["status"], request["comments"]) == (201, "revoke", "pending", "lost")
    talk.put(f"/request/{request['id']}/status", {"status": "approved"})
    assert [line.detail for line in sim.ledger.lines("revoke")] == ["unspecified"]
    status, whole = talk.json("PUT", path(talk.place(), "/revoke"), {})
    assert (status, whole["status"]) == (201, "pending")


def test_the_account_may_end_an_order_with_its_last_certificate(sim, talk):
    sim.dials.set(revoke_last_ends_order=True, revoked_code="order_is_revoked")
    made = talk.place()
    where = f"/certificate/{made['certificate_id']}/revoke"
    talk.put(where, {"skip_approval": True})
    assert talk.status(made) == "revoked"
    assert talk.refused("PUT", where, {})[1] == "order_is_revoked"


# Reading -------------------------------------------------------------------------------------------


def test_an_order_is_read_by_serial_and_thumbprint_of_its_primary_certificate(talk):
    made = talk.place()
    certificate = talk.get(path(made))["certificate"]
    for ident in (certificate["serial_number"], certificate["thumbprint"].lower()):
        assert talk.get(f"/order/certificate/{ident}")["id"] == made["id"]


def test_filters(talk, clock):
    first = talk.place(order("a.example.com", "b.example.com"))
    clock.advance(timedelta(days=2))
    second = talk.place(order("fresh.org", days=30))
    one, two = [first["id"]], [second["id"]]
    assert talk.listed(domain_name="b.example.com") == one
    assert talk.listed(search="FRESH") == two
    assert talk.listed(status="pending") == two
    assert talk.listed(status="issued") == one
    assert talk.listed(id=f"{first['id']}...{second['id']}") == one + two
    assert talk.listed(certificate_id=first["certificate_id"]) == one
    assert talk.listed(date_created="2026-11-23...2026-11-24") == one
    assert talk.listed(date_created="<2026-11-25") == one
    assert talk.listed(date_created=">2026-11-24") == two
    assert talk.listed(valid_till=">2027-01-01") == one
    assert talk.listed(organization_id=112233, user_id=7, origin="certcentral") == one + two
    assert talk.listed(disable_renewal_notifications=1) == []
    serial = talk.get(path(first))["certificate"]["serial_number"]
    assert talk.listed(serial_number=serial) == one
    both = "&".join(f"{quote('filters[common_name]')}={n}" for n in ("a.example.com", "fresh.org"))
    assert len(talk.get(f"/order/certificate?{both}")["orders"]) == 2


def test_after_a_day_may_or_may_not_include_it(sim, talk):
    made = talk.place()
    assert talk.listed(date_created=">2026-11-23") == [made["id"]]
    sim.dials.set(strict_after=True)
    assert talk.listed(date_created=">2026-11-23") == []


@pytest.mark.parametrize(
    "query",
    [
        "filters[colour]=red",
        "filters[id]=x",
        "filters[metadata_id]=",
        "filters[date_created]=yesterday",
        "filters[is_renewed]=yes",
        "filters[status",
        "limit=ten",
        "limit=-1",
        "offset=1.5",
        "offset=%C2%B2",
        "sort=colour",
    ],
)
def test_what_lists_refuse(talk, query):
    status, code = talk.refused("GET", f"/order/certificate?{quote(query, safe='=%')}")
    assert (status, code.split(":")[0]) == (400, "invalid_value")


def test_pages_and_sorting(talk):
    made = [talk.place(order(f"{n}.example.com"))["id"] for n in "cab"]
    query = "sort=common_name&limit=2&offset=1"
    found = talk.get(f"/order/certificate?{query}")
    assert [r["id"] for r in found["orders"]] == [made[2], made[0]]
    assert found["page"] == {"total": 3, "limit": 2, "offset": 1}
    assert [r["id"] for r in talk.get("/order/certificate?sort=-date_created")["orders"]] == made[::-1]
    assert len(talk.get("/order/certificate?limit=0")["orders"]) == 3
    assert talk.get("/order/certificate?limit=5000")["page"]["limit"] == 1000
    assert "csr" not in found["orders"][0]["certificate"]


def test_lists_as_csv(talk):
    made = talk.place()
    _, text, headers = talk.send("GET", "/order/certificate", headers={"Accept": "text/csv"})
    assert headers["Content-Type"] == "text/csv"
    assert text.decode().splitlines()[1].startswith(f"{made['id']},issued,www.example.com")


def changed(talk, **query):
    return {
        o["order_id"]: o["status"] for o in talk.get("/order/certificate/status-changes", **query).get("orders", [])
    }


def test_status_changes_of_the_last_minutes(talk, clock):
    assert talk.get("/order/certificate/status-changes", minutes=5) == {}
    held = talk.place(order(skip_approval=False))
    assert changed(talk, seconds=30) == {held["id"]: "needs_approval"}
    clock.advance(timedelta(minutes=10))
    assert changed(talk, minutes=9) == {}
    talk.put(f"/request/{held['requests'][0]['id']}/status", {"status": "approved"})
    assert changed(talk, minutes=1) == {held["id"]: "issued"}
    assert changed(talk, minutes=10080) == {held["id"]: "issued"}


def test_status_changes_between_dates_are_mountain_time_and_leave_out_what_changed_again(talk, clock):
    clock.jump(datetime(2026, 11, 24, 3, tzinfo=UTC))
    held = talk.place(order(skip_approval=False))
    between = "filters[status_last_updated]"
    assert changed(talk, **{between: "2026-11-23...2026-11-23"}) == {held["id"]: "needs_approval"}
    assert changed(talk, **{between: "2026-11-24...2026-11-24"}) == {}
    assert changed(talk, **{between: "2026-11-23T19:59:00...2026-11-23T20:01:00"}) == {held["id"]: "needs_approval"}
    clock.jump(datetime(2026, 11, 25, 12, tzinfo=UTC))
    talk.put(f"/request/{held['requests'][0]['id']}/status", {"status": "rejected"})
    assert changed(talk, **{between: "2026-11-23...2026-11-23"}) == {}
    assert changed(talk, **{between: "2026-11-23...2026-11-25"}) == {held["id"]: "rejected"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "invalid_value:status_last_updated"),
        ("minutes=10081", "time_frame_too_long"),
        ("minutes=x", "invalid_value:minutes"),
        ("filters[status_last_updated]=2026-11-01...2026-11-09", "time_frame_too_long"),
        ("filters[status_last_updated]=never", "invalid_value:status_last_updated"),
        ("filters[status]=issued&minutes=1", "invalid_value:filters"),
    ],
)
def test_what_status_changes_refuse(talk, query, code):
    where = f"/order/certificate/status-changes?{quote(query, safe='=&')}"
    assert talk.refused("GET", where) == (400, code)


# Downloads -----------------------------------------------------------------------------------------


def test_downloads_by_order_platform_and_format(sim, talk):
    made = talk.place()
    by_order = talk.send("GET", f"/certificate/download/order/{made['id']}/format/pem_noroot")[1]
    assert [b"BEGIN CERTIFICATE" in by_order, by_order.count(b"BEGIN")] == [True, 2]
    for rest in ("download/format/default", "download/platform", "download/platform/45", "download/format/apache"):
        status, packed, headers = talk.send("GET", f"/certificate/{made['certificate_id']}/{rest}")
        assert (status, headers["Content-Type"]) == (200, "application/zip")
        files = zipfile.ZipFile(io.BytesIO(packed))
        assert len(files.namelist()) == 3
        assert names_in(files.read(files.namelist()[0]).decode()) == ["www.example.com"]
    bundle = talk.send("GET", f"/certificate/{made['certificate_id']}/download/format/p7b")
    assert bundle[2]["Content-Type"] == "application/x-pkcs7-certificates"
    assert len(talk.get(f"/certificate/{made['certificate_id']}/chain")["intermediates"]) == 2
    assert talk.refused("GET", f"/certificate/{made['certificate_id']}/download/format/docx")[0] == 400
    assert talk.refused("GET", "/certificate/1/download/format/pem_all") == (404, "not_found")
    held = talk.place(order(skip_approval=False))
    assert talk.refused("GET", f"/certificate/download/order/{held['id']}/format/pem_all")[0] == 404


def test_a_download_may_hold_another_certificate(sim, talk):
    first, second = talk.place(order("a.example.com")), talk.place(order("b.example.com"))
    sim.dials.set(wrong_downloads=1)
    where = f"/certificate/{second['certificate_id']}/download/format/pem_nointermediate"
    assert names_in(talk.send("GET", where)[1].decode()) == ["a.example.com"]
    assert names_in(talk.send("GET", where)[1].decode()) == ["b.example.com"]
    assert first["certificate_id"] != second["certificate_id"]


def test_a_long_chain_leads_to_an_older_root(sim, talk):
    sim.dials.set(chain="long")
    chain = [x509.load_pem_x509_certificate(c["pem"].encode()) for c in talk.place()["certificate_chain"]]
    assert len(chain) == 4
    for below, above in itertools.pairwise(chain):
        below.verify_directly_issued_by(above)


# The control door ----------------------------------------------------------------------------------


def test_state_tells_what_is_there_and_no_key(sim, talk):
    made = talk.place(order(comments="for the approver"))
    state = talk.control("GET", "/state")
    assert state["orders"][0]["id"] == made["id"]
    assert state["requests"][0]["comments"] == "for the approver"
    assert sim.credentials["api_key"] not in json.dumps(state)


def test_a_push_of_time_issues_what_is_due(sim, talk):
    sim.dials.set(issue_delay=30)
    made = talk.place()
    assert talk.status(made) == "processing"
    talk.control("POST", "/tick", {"seconds": 31})
    assert talk.status(made) == "issued"


def test_only_texts_are_published(talk):
    assert talk.send("POST", "/publish", {"name": 1}, base=talk.sim.control)[0] == 400


def test_the_order_answer_may_be_200(sim, talk):
    sim.dials.set(order_status_200=True)
    assert talk.json("POST", "/order/certificate/ssl_basic", order())[0] == 200


def test_the_request_is_kept_apart_from_names(talk):
    body = order("www.example.com")
    body["certificate"]["csr"] = csr_pem("inside.example.org")
    assert names_in(talk.place(body)["certificate_chain"][0]["pem"]) == ["www.example.com"]
