"""Keys, roles, divisions, custom fields, validity by date: what the account allows (B1, B2, B3, B9)."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from chancery.authorities.digicert.simulator import build
from chancery.authorities.digicert.simulator.tests.talk import Talk, csr_pem, order
from chancery.core.clock import ManualClock

PATH = "/order/certificate/ssl_basic"


def sim_at(*day):
    return build(clock=ManualClock(datetime(*day, 12, tzinfo=UTC)))


@pytest.fixture
def sim():
    with sim_at(2026, 11, 23) as made:
        yield made


@pytest.fixture
def talk(sim):
    return Talk(sim)


@pytest.mark.parametrize(
    ("key", "method", "path", "refused"),
    [
        ("view_only", "GET", "/order/certificate", False),
        ("view_only", "POST", PATH, True),
        ("orders", "POST", PATH, False),
        ("orders", "POST", "/domain", True),
        ("orders_domains", "POST", "/domain", False),
        ("users_only", "GET", "/order/certificate", True),
        ("users_only", "GET", "/user/me", False),
    ],
)
def test_a_key_does_what_its_restriction_allows(sim, key, method, path, refused):
    body = order() if "order" in path else {"name": "fresh.org"}
    status, _ = Talk(sim, key).json(method, path, body if method == "POST" else None)
    assert (status == 403) == refused
    if refused:
        assert Talk(sim, key).refused(method, path, body) == (403, "access_denied|missing_permission")


@pytest.mark.parametrize(("key", "honoured"), [("main", True), ("manager", True), ("standard", False)])
def test_skipping_the_approval_needs_an_administrator_or_manager(sim, key, honoured):
    talk = Talk(sim, key)
    assert (talk.status(talk.place()) == "issued") == honoured


def test_skipping_without_the_right_may_be_refused(sim):
    sim.dials.set(skip_refused=True)
    assert Talk(sim, "standard").refused("POST", PATH, order())[0] == 403
    assert sim.ledger.lines() == []


def test_without_skipping_an_approver_is_needed_unless_the_account_has_none(sim, talk):
    made = talk.place(order(skip_approval=False))
    assert made == {"id": made["id"], "requests": [{"id": made["requests"][0]["id"], "status": "pending"}]}
    assert talk.status(made) == "needs_approval"
    sim.dials.set(auto_approve=True)
    assert talk.status(talk.place(order(skip_approval=False))) == "issued"


def test_limited_users_decide_nothing(sim, talk):
    made = talk.place(order(skip_approval=False))
    path, body = f"/request/{made['requests'][0]['id']}/status", {"status": "approved"}
    assert Talk(sim, "limited").refused("PUT", path, body) == (403, "access_denied|invalid_approver")
    assert talk.status(made) == "needs_approval"


def test_a_division_sees_itself_and_what_is_below(sim, talk):
    branch, root = Talk(sim, "branch"), talk.place()
    below = branch.place(order(container={"id": 15}))
    assert branch.refused("GET", f"/order/certificate/{root['id']}") == (404, "not_found|order")
    assert branch.listed() == [below["id"]]
    assert talk.listed() == [root["id"], below["id"]]
    assert talk.listed(container_id=15) == [below["id"]]
    assert branch.refused("POST", PATH, order(container={"id": 14}))[0] == 400
    assert [c["id"] for c in branch.get("/container")["containers"]] == [15]


def test_roles_are_told(sim):
    assert Talk(sim, "limited").get("/user/me")["access_roles"] == [{"id": 2, "name": "Limited User"}]


@pytest.mark.parametrize(
    "fields", [[{"metadata_id": 11, "value": "x"}], [{"metadata_id": 99, "value": "x"}], [{"metadata_id": 12}], "x"]
)
def test_unknown_inactive_and_empty_custom_fields_are_refused(talk, fields):
    assert talk.refused("POST", PATH, order(custom_fields=fields)) == (400, "invalid_custom_field_value")


def test_required_custom_fields(sim, talk):
    sim.dials.set(required_field=True)
    assert talk.refused("POST", PATH, order()) == (400, "invalid_custom_field_value")
    both = [{"metadata_id": 13, "value": "4711"}, {"metadata_id": 12, "value": "clm:9"}]
    talk.place(order(custom_fields=both))
    assert [f["is_required"] for f in talk.get("/account/metadata")["metadata"]] == [False, True, False]
    assert sim.ledger.orders_by_reference() == {"clm:9": 1}


def test_the_ledger_takes_the_configured_field_only(sim, talk):
    talk.place(order(custom_fields=[{"metadata_id": 13, "value": "cost"}], comments="clm:1"))
    assert [line.reference for line in sim.ledger.lines()] == [""]
    assert list(sim.ledger.orders_by_csr().values()) == [1]


@pytest.mark.parametrize(
    ("day", "cap"),
    [((2026, 2, 23), 397), ((2026, 2, 24), 199), ((2027, 3, 14), 199), ((2027, 3, 15), 99), ((2029, 3, 15), 46)],
)
def test_public_certificates_live_as_long_as_the_day_allows(day, cap):
    with sim_at(*day) as sim:
        talk, years = Talk(sim), {"order_validity": {"years": 2}}
        assert talk.refused("POST", PATH, order(days=cap + 1, **years)) == (400, "invalid_value:days")
        made = talk.place(order(days=cap, **years))
        leaf = x509.load_pem_x509_certificate(made["certificate_chain"][0]["pem"].encode())
        assert leaf.not_valid_after_utc == sim.clock.now() + timedelta(days=cap, minutes=-1)


def test_private_certificates_are_not_capped(talk):
    assert "certificate_id" in talk.place(order(days=500, order_validity={"years": 2}), "private_ssl_plus")


def without_days(**more):
    body = order(**more)
    del body["certificate"]["cert_validity"]
    return body


@pytest.mark.parametrize("how", [{"order_validity": {"years": 1}}, {"order_validity": None, "validity_years": 1}])
def test_a_year_is_paid_and_the_certificate_lives_as_long_as_it_may(talk, how):
    made = talk.place(without_days(**how))
    shown = talk.get(f"/order/certificate/{made['id']}")
    assert shown["order_valid_till"] == "2027-11-23"
    assert shown["certificate"]["days_remaining"] == 198


def validity(unit, value, holder="certificate"):
    body = order(order_validity={"years": 1})
    if holder == "certificate":
        body["certificate"]["cert_validity"] = {unit: value}
    else:
        body["order_validity"] = {unit: value}
    return body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (validity("days", "many"), "invalid_value:days"),
        (validity("days", -1), "invalid_value:days"),
        (validity("days", 0), "invalid_value:days"),
        (validity("days", 1.5), "invalid_value:days"),
        (validity("days", True), "invalid_value:days"),
        (validity("days", 10**30), "invalid_value:days"),
        (validity("days", []), "invalid_value:days"),
        (validity("years", 1), "invalid_value:years"),
        (validity("years", "x"), "invalid_value:years"),
        (validity("custom_expiration_date", "soon"), "invalid_value:custom_expiration_date"),
        (validity("custom_expiration_date", "2020-01-01"), "invalid_value:custom_expiration_date"),
        (validity("years", 4, "order"), "invalid_value:years"),
        (validity("days", 30, "order"), "cert_validity_exceeds_order_validity"),
        (without_days(order_validity=None), "invalid_value:days"),
        (order(order_validity="x"), "invalid_value:order_validity"),
    ],
)
def test_validities_that_cannot_be(sim, talk, body, code):
    assert talk.refused("POST", PATH, body) == (400, code)
    assert sim.ledger.lines() == []


def test_a_date_without_zone_is_meant_in_mountain_time_and_counts_before_days(talk):
    body = validity("custom_expiration_date", "2026-12-24")
    body["certificate"]["cert_validity"]["days"] = 5
    made = talk.place(body)
    leaf = x509.load_pem_x509_certificate(made["certificate_chain"][0]["pem"].encode())
    assert leaf.not_valid_after_utc == datetime(2026, 12, 25, 6, 58, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"common_name": " "}, "invalid_value:common_name"),
        ({"common_name": "münchen.example.com"}, "invalid_value:common_name"),
        ({"dns_names": ["a b"]}, "invalid_value:dns_names"),
        ({"dns_names": "www.example.com"}, "invalid_value:dns_names"),
        ({"signature_hash": "md5"}, "invalid_value:signature_hash"),
        ({"signature_hash": None}, "invalid_value:signature_hash"),
        ({"csr": None}, "csr_invalid_cannot_parse"),
    ],
)
def test_certificates_that_cannot_be(talk, change, code):
    body = order()
    body["certificate"] |= change
    assert talk.refused("POST", PATH, body) == (400, code)


def test_a_request_may_come_without_line_ends_and_in_bare_base64(talk):
    body = order()
    lines = body["certificate"]["csr"].splitlines()
    body["certificate"]["csr"] = "".join(lines[1:-1])
    talk.place(body)
    body["certificate"]["csr"] = "".join(lines)
    talk.place(body)
    body["certificate"]["csr"] = "bm8gcmVxdWVzdA=="
    assert talk.refused("POST", PATH, body) == (400, "csr_invalid_cannot_parse")


def test_empty_lists_may_be_left_out(sim, talk):
    assert talk.get("/order/certificate")["orders"] == []
    sim.dials.set(omit_empty_lists=True)
    assert talk.get("/order/certificate?limit=1") == {"page": {"total": 0, "limit": 1, "offset": 0}}


def test_empty_fields_as_programs_send_them(sim, talk):
    empty = {"custom_expiration_date": None, "container": {"id": 0}, "renewal_of_order_id": 0, "dcv_method": None}
    body = order(custom_fields=None, comments=None, organization={"id": "112233"}, **empty)
    made = talk.place(body)
    assert talk.get(f"/order/certificate/{made['id']}")["container"] == {"id": 14}


@pytest.mark.parametrize(
    "change",
    [
        {"renewal_of_order_id": [1]},
        {"renewal_of_order_id": {"id": 1}},
        {"dcv_method": []},
        {"dcv_method": {}},
        {"organization": [1]},
        {"container": {"id": {}}},
        {"custom_fields": [{"metadata_id": {}, "value": []}]},
        {"custom_fields": {"metadata_id": 12}},
        {"order_validity": [1]},
        {"comments": {}, "certificate": []},
    ],
)
def test_a_field_of_another_type_is_a_400_and_orders_nothing(sim, talk, change):
    assert talk.refused("POST", PATH, order(**change))[0] == 400
    assert sim.ledger.lines() == []


def test_weak_keys_are_refused_and_used_ones_where_the_dial_says(sim, talk):
    from cryptography.hazmat.primitives.asymmetric import rsa

    body = order()
    body["certificate"]["csr"] = csr_pem(key=rsa.generate_private_key(65537, 1024))
    assert talk.refused("POST", PATH, body)[1].startswith("csr_invalid_")
    body = order()
    talk.place(body)
    talk.place(body)
    sim.dials.set(refuse_key_reuse=True)
    assert talk.refused("POST", PATH, body)[1].startswith("csr_invalid_")


@pytest.mark.parametrize("body", ["text", [], {"certificate": "x"}, {}])
def test_bodies_of_another_shape(talk, body):
    assert talk.refused("POST", PATH, body) == (400, "bad_request_format")


def test_products_organisations_and_what_they_refuse(talk):
    assert talk.refused("POST", PATH, order(organization={"id": 112234}))[1] == "invalid_value:organization"
    assert talk.refused("POST", PATH, order(dcv_method="pigeon"))[1] == "invalid_value:dcv_method"
    assert talk.refused("GET", "/product/none") == (404, "not_found|product")
    assert talk.get("/product/ssl_basic")["allowed_order_validity_years"] == [1, 2, 3]
    assert talk.get("/organization/112233")["validations"][0]["status"] == "active"
    assert talk.refused("GET", "/organization/1")[0] == 404


def test_a_single_name_product_gives_base_and_www_together(talk):
    from chancery.authorities.digicert.simulator.tests.talk import names_in

    made = talk.place(order("www.example.com"), "ssl_plus")
    assert names_in(made["certificate_chain"][0]["pem"]) == ["www.example.com", "example.com"]
    assert talk.refused("POST", "/order/certificate/ssl_plus", order("a.example.com", "b.example.com"))[0] == 400


def test_limits_are_per_key_and_say_when_where_the_dial_does():
    with build(clock=ManualClock(datetime(2026, 11, 23, tzinfo=UTC)), limits=((5.0, 1),)) as sim:
        assert Talk(sim).json("GET", "/user/me")[0] == 200
        assert Talk(sim).refused("GET", "/user/me") == (429, "request_limit_exceeded")
        assert Talk(sim, "second").json("GET", "/user/me")[0] == 200
        assert "Retry-After" not in Talk(sim).send("GET", "/user/me")[2]
        sim.dials.set(retry_after="17")
        assert Talk(sim).send("GET", "/user/me")[2]["Retry-After"] == "17"


def test_oddities_of_shape(sim, talk):
    sim.dials.set(numbers_as_strings=True)
    made = talk.place()
    assert made["id"].isdigit()
    assert made["certificate_id"].isdigit()
    sim.dials.set(numbers_as_strings=False, errors_as_object=True)
    assert talk.json("GET", "/order/certificate/1")[1]["errors"]["code"] == "not_found|order"
    sim.dials.set(errors_as_object=False, duplicate_keys=True, unknown_status="being_thought_about")
    text = talk.send("GET", f"/order/certificate/{made['id']}")[1]
    assert text.count(b'"id": ') > 1
    assert text.startswith(b'{"id": 0, "id"')
    assert talk.status(made) == "being_thought_about"
    sim.dials.set(blank_names=True)
    assert talk.get(f"/order/certificate/{made['id']}")["certificate"]["dns_names"] == [" "]


def test_the_account_is_stocked_with_other_peoples_orders(sim, talk):
    stocked = talk.control("POST", "/stock", {"number": 3, "name": "old"})["stocked"]
    lost = talk.control("POST", "/stock", {"number": 2, "kept": False})["stocked"]
    shown = sim.state()["orders"]
    assert [o["names"] for o in shown] == [[f"old-{n}.example.com"] for n in range(3)]
    assert [o["certificates"][0]["id"] for o in shown] == [row["certificate"] for row in stocked]
    assert all("BEGIN CERTIFICATE" in row["pem"] for row in [*stocked, *lost])
    assert talk.get(f"/order/certificate/{stocked[0]['order']}/reissue")["certificates"][0]["status"] == "issued"
    for wrong in ({}, {"number": 0}, {"number": True}, []):
        assert talk.send("POST", "/stock", wrong, base=sim.control)[0] == 400
