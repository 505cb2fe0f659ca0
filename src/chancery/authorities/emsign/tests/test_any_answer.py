"""Any answer at all becomes an outcome or one of the engine's errors; no secret is told; at most one order is sent."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chancery.authorities.emsign.tests.stand import TOKEN, any_request, scripted
from chancery.core.order import RevocationReason
from chancery.sdk.authority import Target
from chancery.sdk.errors import AuthorityError
from chancery.sdk.outcome import Absence, Found, Issued, Pending, RevocationPending, Revoked
from tests.trying import examples

SECRET = "0123456789abcdef0123456789abcdef"
FIELDS = [
    "status",
    "orderId",
    "requestId",
    "domain",
    "additionalDomains",
    "verifications",
    "domains",
    "dcvStatus",
    "caaStatus",
    "csrSubmitted",
    "token",
    "certificatePem",
    "chainPem",
    "certificateState",
    "content",
    "page",
    "totalPages",
    "totalElements",
    "orderNumber",
    "requestNumber",
    "tags",
    "orderDate",
    "domainName",
    "subscription",
    "endDate",
    "productVariant",
    "revocation",
    "reason",
    "detail",
    "errors",
    "message",
    "error",
    "groups",
    "organizations",
    "products",
    "meta",
    "errorCode",
    "errorMessage",
    "orderDetails",
    "orderStatusId",
    "certificateStatusId",
    "csr",
    "subscriberAgreement",
    "domainVerification",
    "revocationDetails",
    "revokeRequestStatusId",
    "certificateDetails",
    "ordersArray",
    "noOfPages",
    "endEntityCertificate",
    "accountNumber",
]
WORDS = ["issued", "pending-dcv", "pending-csr", "pending-agreement", "revoked", "1", "0", "20", "24", "dv", "7R001",
         "www.example.com", "PENDING", "EMS-1165", "Inactive Account User.", f"Bearer {TOKEN}", f"is {SECRET} right?"]  # fmt: skip
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.text(max_size=9), st.sampled_from(WORDS)
)
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=14,
)
v1_documents = st.builds(
    lambda status, rest: {**rest, "meta": {"status": status}},
    st.sampled_from(["1", "1", "0", 1, None]),
    st.dictionaries(st.sampled_from(FIELDS), documents, max_size=4),
)
bodies = st.one_of(documents.map(lambda d: json.dumps(d).encode()), st.binary(max_size=20), st.just(b"<html>"))
statuses = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 403, 404, 409, 422, 429, 500, 501])
ANSWERS = (Issued, Pending, Found, Absence, Revoked, RevocationPending, type(None), list)


def verbs(ca, asked):
    target = Target(b"der", "1f", "7465857013/1")
    return [
        lambda: ca.poll({"v": 1, "order": "7"}, asked),
        lambda: ca.poll({"v": 1, "request": "8"}, asked),
        lambda: ca.find(asked, asked.intended_at),
        lambda: ca.adopt("7", asked),
        lambda: ca.cancel({"v": 1, "order": "7"}, asked),
        lambda: ca.revoke(target, RevocationReason.SUPERSEDED, "x"),
        lambda: ca.poll_revocation({"v": 1, "path": "ssl-certificates/7", "order": "7"}, target),
        lambda: list(ca.check()),
        lambda: ca.choices("product_code"),
        lambda: ca.choices("organization_number"),
    ]


def said(act):
    try:
        found = act()
    except AuthorityError as error:
        assert error.message
        return f"{error} {vars(error)}"
    assert isinstance(found, ANSWERS)
    return str(found)


@pytest.mark.parametrize("way", ["v2", "v1"])
@settings(max_examples=examples(120), deadline=None)
@given(data=st.data())
def test_whatever_the_ca_answers(way, data):
    kinds = bodies if way == "v2" else st.one_of(v1_documents.map(lambda d: json.dumps(d).encode()), bodies)
    drawn = [(data.draw(statuses), data.draw(kinds)) for _ in range(3)]
    calls = iter(range(10**6))
    ca, door = scripted(lambda *_: drawn[next(calls) % 3], transport=way)
    asked = any_request()
    heard = [said(act) for act in verbs(ca, asked)]
    before = len(door.asked)
    heard.append(said(lambda: ca.submit(asked)))
    ordered = [
        path
        for method, path, body in door.asked[before:]
        if "GenerateOrder" in path or path.endswith("ssl-certificates")
    ]
    assert len(ordered) == 1
    told = " ".join(heard)
    assert TOKEN not in told or way == "v1"
    assert SECRET not in told
