"""Any request at all gets an answer of the documented shape; nothing that a client sends breaks the simulator."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from chancery.authorities.digicert.simulator import build
from chancery.authorities.digicert.simulator.tests.talk import order
from chancery.core.clock import ManualClock
from chancery.sandbox.ca import SandboxCa
from chancery.sandbox.frame import Asked
from tests.trying import examples

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CA = SandboxCa(NOW)
GOOD, STUCK, HELD = order(), order("fresh.org"), order(skip_approval=False)


def account():
    """A simulated account with an order that is issued, one that waits for validation, one for an approver."""
    sim = build(ca=CA, clock=ManualClock(NOW), limits=((5.0, 10**9),))
    for body in (GOOD, STUCK, HELD):
        assert ask(sim, "POST", "/order/certificate/ssl_basic", json.dumps(body).encode()).status == 201
    return sim


def ask(sim, method, path, body=b"", query=()):
    headers = {"x-dc-devkey": sim.credentials["api_key"]}
    return sim.tick.__self__.answer(Asked(method, "/services/v2" + path, headers, list(query), body))


ROUTES = [(method, regex.pattern) for method, regex, _ in account().tick.__self__._router._routes]

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["approved", "rejected", "CANCELED", "superseded", "dns-txt-token", "email", "2026-12-24", "9999-12-31"]
    ),
)
fields = st.sampled_from(
    [
        "status",
        "processor_comment",
        "certificate",
        "common_name",
        "dns_names",
        "csr",
        "cert_validity",
        "days",
        "years",
        "custom_expiration_date",
        "order_validity",
        "organization",
        "id",
        "container",
        "custom_fields",
        "metadata_id",
        "value",
        "renewal_of_order_id",
        "skip_approval",
        "comments",
        "revocation_reason",
        "name",
        "dcv_method",
        "note",
    ]
)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=5), max_leaves=12
)
near = st.dictionaries(fields, documents, max_size=3).map(lambda change: {**GOOD, **change})
inside = st.dictionaries(fields, documents, max_size=3).map(
    lambda change: {**GOOD, "certificate": {**GOOD["certificate"], **change}}
)
bodies = st.one_of(
    st.builds(lambda d: json.dumps(d).encode(), st.one_of(documents, near, inside)), st.binary(max_size=30)
)
queries = st.lists(
    st.tuples(
        st.sampled_from(
            [
                f"filters[{n}]"
                for n in ("id", "status", "valid_till", "date_created", "metadata_id", "is_renewed", "x", "")
            ]
            + ["filters[status_last_updated]", "minutes", "seconds", "limit", "offset", "sort", "container_id"]
        ),
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(["1", "0", "<2026-01-01", ">9999-12-31", "1...2", "2026-11-23...0001-01-01", "-id"]),
        ),
    ),
    max_size=3,
)


idents = st.one_of(st.integers(1_000_001, 1_000_014), st.sampled_from(["none", "00", "²", 10**30]))


@settings(max_examples=examples(300), deadline=None)
@given(data=st.data())
def test_every_request_is_answered(data):
    method, pattern = data.draw(st.sampled_from(ROUTES))
    path = pattern.removeprefix("/services/v2").removesuffix(r"\Z")
    for name in ("id", "product", "format", "platform"):
        place = f"(?P<{name}>[^/]+)"
        known = {"product": ["ssl_basic", "ssl_plus", "x"], "format": ["pem_all", "p7b", "default", "x"]}.get(name)
        if place in path:
            path = path.replace(place, str(data.draw(st.sampled_from(known) if known else idents)))
    reply = ask(account(), method, path, data.draw(bodies) if method != "GET" else b"", data.draw(queries))
    assert reply.status in {200, 201, 204, 400, 404}
    if reply.status >= 400:
        assert set(json.loads(reply.body)["errors"][0]) == {"code", "message"}
    elif reply.content_type == "application/json" and reply.body:
        json.loads(reply.body)
