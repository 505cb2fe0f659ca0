"""Whatever is sent to whichever operation: never a 5xx, and always an answer that the description has."""

import copy
import json
import logging
from collections import Counter
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chancery.apps.accounts import actions as people
from chancery.apps.shared.action import current_clock
from tests.browser import routes
from tests.cast import PASSWORD, request_pem
from tests.hostile import oddities
from tests.journeys.api import Api, description, operations
from tests.trying import examples

pytestmark = pytest.mark.django_db(transaction=True)
EACH = 12
"""Requests to each operation; there are more than fifty."""

odd = st.sampled_from(
    [
        "",
        "\0",
        "a\0b",
        "\ud800",
        "x" * 5000,
        "٣",
        "1e400",
        "../..",
        "%00",
        "' OR 1=1 --",
        "<script>",
        "\r\nX: y",
        "🏛",
        "-1",
    ]
)
number = st.sampled_from([0, -1, 1, 2**31, 2**63, 2**70, 10**400, 1.5, -0.0, 1e308])
leaf = st.one_of(odd, number, st.none(), st.booleans(), st.text(max_size=20))
anything = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd, inner, max_size=3), max_leaves=6
)
raw = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"[" * 50_000, b'{"a":' * 50_000, b"\xff\xfe{", b'{"a": 1e99999}', b"9" * 5000, b"null", b'"\\ud800"']
    ),
)
kinds = st.sampled_from(
    ["application/json"] * 6 + ["text/plain", "", "application/json; charset=utf-16", "multipart/form-data"]
)


def known(cast, local):
    """Return texts that mean something here, so that requests get past the door."""
    from chancery.apps.audit import sequencer
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.orders.place import PlaceOrder, place
    from chancery.apps.profiles.models import Profile

    held = place(cast.rob, PlaceOrder("Careful", request_pem("held.example.com")))
    queued = place(cast.rob, PlaceOrder("Internal", request_pem("queued.example.com")))
    call = connectors.test_saved(cast.ada, local.pk)
    # As a worker leaves it: what is not sealed yet has no proof, which is a 503.
    sequencer.sequence()
    sequencer.checkpoint(current_clock().now())
    ids = [local.pk, held.pk, queued.pk, call.pk, *Profile.objects.values_list("pk", flat=True)]
    names = ["Internal", "Local", "local", "Operations", "active", "requester", "superseded", PASSWORD]
    return [*map(str, ids), *names, request_pem("known.example.com"), str(cast.users["rob"].pk)]


def mutated(body, texts):
    """Return a strategy of bodies: the described example with some of its fields something else."""
    value = st.one_of(st.sampled_from(texts), anything)
    change = (
        st.dictionaries(st.sampled_from([*body, "unknown"]), value, max_size=3) if isinstance(body, dict) else anything
    )
    kept = st.sets(st.sampled_from(sorted(body))) if body else st.just(set())
    return st.builds(lambda new, gone: {k: v for k, v in {**body, **new}.items() if k not in gone}, change, kept)


def requests(operation, path, texts):
    """Return a strategy of (address, body, content type, headers) for one operation."""
    parameters = operation["parameters"]
    value = st.one_of(st.sampled_from(texts), odd, st.text(max_size=10), st.integers().map(str))
    query = [p["name"] for p in parameters if p["in"] == "query"] + ["unknown"]
    headers = [p["name"] for p in parameters if p["in"] == "header"]
    header = st.sampled_from(["*", '"1"', "wait=0", "wait=-1", "k", "", "x" * 300, "\x7f", 'W/"1"', "a\x00b", "é"])
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = mutated(content["example"], texts).map(lambda b: json.dumps(b).encode()) if content else st.just(b"")
    return st.tuples(
        st.fixed_dictionaries({p["name"]: value for p in parameters if p["in"] == "path"}).map(
            lambda v: filled(path, v)
        ),
        st.dictionaries(st.sampled_from(query), value, max_size=2),
        st.one_of(body, body, body, raw),
        kinds,
        st.dictionaries(st.sampled_from(headers), header, max_size=3) if headers else st.just({}),
    )


def filled(path, values):
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", quote(value.encode("utf-8", "surrogatepass"), safe="") or "%20")
    return path.removeprefix("/api/v1")


def drive(api, method, path, operation, texts):
    seen = set()

    @settings(max_examples=examples(EACH), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(requests(operation, path, texts))
    def run(asked):
        address, query, body, kind, headers = asked
        parts = [f"{n}={quote(v.encode('utf-8', 'surrogatepass'))}" for n, v in query.items()]
        answer = api(method, f"{address}?{'&'.join(parts)}" if parts else address, body, content_type=kind, **headers)
        assert answer.status_code < 500, (method, address, body[:200], answer.content[:300])
        seen.add(answer.status_code)

    run()
    return seen


@pytest.fixture(autouse=True)
def quiet(caplog):
    # A few hundred refusals; only what should not be is worth a line.
    caplog.set_level(logging.ERROR, logger="django.request")
    caplog.set_level(logging.ERROR, logger="chancery")


@pytest.mark.hypothesis  # each operation draws its own
def test_any_request_is_answered_as_described(cast, local, monkeypatch):
    from chancery.apps.connectors import trial
    from chancery.apps.orders import grouping

    # No worker is here to make a test.
    monkeypatch.setattr(trial, "PATIENCE", 0.0)

    api, texts = Api(people.create_token(cast.ada, "test")[1]), known(cast, local)
    seen = {}
    # What ends tokens comes last: it might end the one that asks.
    for method, path, operation in sorted(operations(), key=lambda o: "tokens" in o[1]):
        seen[f"{method} {path}"] = drive(api, method, path, operation, texts)
    grouping.close()
    assert len(seen) == sum(len(methods) for methods in description()["paths"].values())
    met = set().union(*seen.values())
    assert {200, 201, 202, 400, 404, 415, 422} <= met, met


# A fixed set of oddities, in each place -----------------------------------------------------------------

LAST = ("tokens", "users", "roles", "sessions", "places", "teams", "environments")
"""What might end the one that asks, or what it may, comes last."""


def last_where_it_ends(found):
    method, path, _ = found
    order = ("GET", "POST", "PUT", "PATCH", "DELETE").index(method)
    return next((n for n, word in enumerate(LAST[::-1], 1) if f"/{word}" in path), 0), order


class Walk:
    """Fills the holes of an address with what listings show now."""

    def __init__(self, api):
        self._api = api

    def __call__(self, template, **given):
        path = ""
        for part in template.removeprefix("/api/v1").strip("/").split("/"):
            hole = part[1:-1] if part.startswith("{") else ""
            path += f"/{given.get(hole) or self._first(path, hole) if hole else part}"
        return path

    def _first(self, path, hole):
        answer = self._api.client.get(f"/api/v1{path}", headers=self._api.headers)
        rows = answer.json().get("items") if answer.status_code == 200 else None
        row = rows[0] if rows else {}
        found = next((row[key] for key in (hole, "id", "slug", "key", "number", "name") if key in row), routes.NOWHERE)
        return quote(str(found), safe="")


def spots(operation):
    """Yield (where, name) of everything that an operation takes; a name in a body is the way to it."""
    for one in operation["parameters"]:
        yield one["in"], one["name"]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content:
        yield from (("body", way) for way in ways(content["example"], content["schema"]))


def ways(example, schema, before=()):
    names = dict.fromkeys(example) if isinstance(example, dict) else range(min(1, len(example)))
    parts = description()["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
    for name in [*names, *(n for n in parts.get("properties", {}) if n not in names)]:
        yield (*before, name)
        inner = example[name] if name in names else None
        if isinstance(inner, (dict, list)):
            yield from ways(inner, {}, (*before, name))


def put(body, way, value):
    changed = copy.deepcopy(body)
    at = changed
    for name in way[:-1]:
        at = at[name]
    at[way[-1]] = value
    return changed


def odd_request(walk, method, template, operation, spot, value):
    """Return (address, body, headers) of a request that is as described but for one value."""
    where, name = spot
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = content["example"] if content else None
    spoken = quote(value.encode("utf-8", "surrogatepass"), safe="") if where in {"path", "query"} else ""
    path = walk(template, **({name: spoken} if where == "path" else {}))
    headers = {name: value} if where == "header" and value.isprintable() and value.isascii() else {}
    body = put(body, name, value) if where == "body" else body
    return f"/api/v1{path}{f'?{name}={spoken}' if where == 'query' else ''}", body, headers


def test_no_oddity_in_any_place_is_a_fault_of_ours(cast, local, monkeypatch, request):
    from chancery.apps.connectors import trial
    from chancery.apps.orders import grouping

    monkeypatch.setattr(trial, "PATIENCE", 0.0)
    oddities.furnish(cast, local)
    api = Api(people.create_token(cast.ada, "test")[1])
    walk, wrong, met = Walk(api), [], Counter()
    number = oddities.each(request.config, 1)
    texts, values = oddities.Turn(oddities.TEXTS, number), oddities.Turn(oddities.VALUES, number)
    for method, template, operation in sorted(operations(), key=last_where_it_ends):
        for spot in spots(operation):
            for value in values.next() if spot[0] == "body" else texts.next():
                address, body, headers = odd_request(walk, method, template, operation, spot, value)
                raw = b"" if body is None else json.dumps(body).encode()
                kind = "application/json" if raw else ""
                answer = api.client.generic(method, address, raw, kind, headers=api.headers | headers)
                met[answer.status_code] += 1
                if answer.status_code >= 500:
                    wrong.append((method, template, spot, str(value)[:40], answer.content[:200]))
    grouping.close()
    assert wrong == []
    assert met[200] > 0 < met[422]
    assert met[401] == 0
