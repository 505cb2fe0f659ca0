"""Any request at all gets an answer of the documented shape; nothing that a client sends breaks the simulator."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from chancery.authorities.emsign.simulator import build
from chancery.authorities.emsign.simulator.tests.conftest import CA, NOW
from chancery.authorities.emsign.simulator.tests.talk import Talk, order, v1_order
from chancery.core.clock import ManualClock
from chancery.sandbox.frame import Asked
from tests.trying import examples

SIM = build(clock=ManualClock(NOW), ca=CA, burst=(10.0, 10**9))
SERVICE = SIM.tick.__self__
TOKEN = json.loads(
    SERVICE.answer(
        Asked(
            "POST",
            "/oauth/token",
            {},
            [],
            b"grant_type=client_credentials&client_id=1234567890&client_secret="
            + SIM.credentials["client_secret"].encode(),
        )
    ).body
)["access_token"]
TALK = Talk(SIM)


def ask(method, path, body=b"", query=()):
    return SERVICE.answer(Asked(method, path, {"authorization": f"Bearer {TOKEN}"}, list(query), body))


FIRST = json.loads(ask("POST", "/api/certinext/v2/ssl-certificates", json.dumps(order()).encode()).body)["orderId"]
ROUTES = [(method, regex.pattern) for method, regex, _ in SERVICE.v2.router._routes]
leaves = st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=12),
                   st.sampled_from(["superseded", "rekey", "dns-txt", "dv", "842", "1", "issued", "www.example.com"]))  # fmt: skip
names = [
    "productVariant",
    "variant",
    "requestor",
    "name",
    "email",
    "certificate",
    "domain",
    "additionalDomains",
    "autoSecureWww",
    "subscription",
    "validityYears",
    "autoRenew",
    "agreement",
    "accepted",
    "signerName",
    "signerPlace",
    "csr",
    "tags",
    "requestId",
    "saveAsDraft",
    "groupNumber",
    "organization",
    "organizationNumber",
    "hostname",
    "additionalHosts",
    "reason",
    "note",
    "mode",
    "revokePrevious",
    "revokeReason",
    "method",
    "domainName",
    "organizationId",
    "dcvMethod",
    "orderDetails",
    "orderNumber",
    "requestorEmail",
    "certificateInformation",
    "agreementDetails",
    "additionalInformation",
    "remarks",
    "subscriptionDetails",
    "validity",
    "searchCriteria",
    "pageNumber",
    "pageSize",
    "dcvDetails",
    "revocationDetails",
    "revokeReasonId",
    "revokeRemarks",
    "rejectRemarks",
    "requestNumber",
    "productDetails",
]
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=5),
    max_leaves=12,
)
near = st.dictionaries(st.sampled_from(names), documents, max_size=3).map(lambda change: {**order(), **change})
bodies = st.one_of(st.one_of(documents, near).map(lambda d: json.dumps(d).encode()), st.binary(max_size=30))
queries = st.lists(
    st.tuples(
        st.sampled_from(["page", "size", "status", "from", "domain", "method", "offset", "sortBy"]), st.text(max_size=8)
    ),
    max_size=3,
)


@settings(max_examples=examples(150), deadline=None)
@given(route=st.sampled_from(ROUTES), ident=st.sampled_from([FIRST, "1", "x"]), body=bodies, query=queries)
def test_v2_answers_every_request(route, ident, body, query):
    method, pattern = route
    path = pattern.replace(r"\Z", "")
    for part in ("id", "number", "code", "request"):
        path = path.replace(f"(?P<{part}>[^/]+)", ident)
    reply = ask(method, path, body, query)
    assert reply.status in {200, 201, 204, 400, 401, 404, 406, 409, 422, 501}
    if reply.status >= 400:
        problem = json.loads(reply.body)
        assert problem["status"] == reply.status
        assert problem["title"]


texts = st.recursive(
    st.one_of(st.text(max_size=9), st.sampled_from(["1", "842", FIRST, "www.example.com", "jane@example.com"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=5),
    max_leaves=12,
)
near_v1 = st.dictionaries(st.sampled_from([*v1_order(), "orderNumber"]), texts, max_size=3).map(
    lambda change: {"orderDetails": {**v1_order(), **change}}
)
parts = ("orderDetails", "dcvDetails", "revocationDetails", "agreementDetails", "searchCriteria", "productDetails")


@settings(max_examples=examples(150), deadline=None)
@given(
    name=st.sampled_from(sorted(SERVICE.v1.methods)),
    body=st.one_of(near_v1, st.dictionaries(st.sampled_from(parts), texts, max_size=3)),
)
def test_v1_answers_every_request(name, body):
    whole = {**body, "meta": TALK.meta()}
    reply = SERVICE.answer(Asked("POST", f"/emSignHub-API/{name}", {}, [], json.dumps(whole).encode()))
    meta = json.loads(reply.body)["meta"]
    assert reply.status == 200
    assert meta["status"] in {"0", "1"}
    assert meta["status"] == "1" or (meta["errorCode"] and meta["errorMessage"])
