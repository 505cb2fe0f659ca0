"""A client that believes nothing: every answer is held against the API description."""

import json
import re
from functools import cache

from django.test import Client
from jsonschema import Draft202012Validator, FormatChecker


@cache
def description():
    from chancery.doors.api.api import api

    return api.get_openapi_schema()


def operations():
    """Yield (method, path template, operation) of everything that is described."""
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


@cache
def _templates():
    # What has fewer parameters is matched first: /orders/batch is no order.
    found = [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", p)), p) for p in sorted(description()["paths"], key=_holes)]
    return [(pattern, path) for pattern, path in found]


def _holes(path):
    return path.count("{")


def errors_in(value, schema):
    """Return what is wrong with a value by a schema of the description."""
    whole = {**schema, "components": description()["components"]}
    validator = Draft202012Validator(whole, format_checker=FormatChecker(["uuid", "date-time"]))
    return [f"{list(e.absolute_path)}: {e.message[:300]}" for e in validator.iter_errors(value)]


def resolved(part):
    if "$ref" in part:
        return description()["components"]["responses"][part["$ref"].rpartition("/")[2]]
    return part


def check(method, path, answer):
    """Fail unless the description says that this operation answers so."""
    template = next((p for pattern, p in _templates() if pattern.fullmatch(path.partition("?")[0])), None)
    operation = description()["paths"].get(template, {}).get(method.lower())
    where = f"{method} {path[:200]} → {answer.status_code}"
    if operation is None:
        assert answer.status_code in {404, 405}, where
        assert_problem(answer, where)
        return
    documented = operation["responses"].get(str(answer.status_code))
    assert documented is not None, f"{where} is not described: {answer.content[:300]!r}"
    documented = resolved(documented)
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if "content" not in documented:
        assert (kind, answer.content) in {("application/json", b""), ("", b"")}, where
        return
    assert kind in documented["content"], f"{where}: {kind} is not described"
    if kind.endswith("json") and not answer.streaming:
        wrong = errors_in(answer.json(), documented["content"][kind]["schema"])
        assert not wrong, f"{where}: {wrong}"
    for name in documented.get("headers", {}):
        assert name in answer.headers or name == "Preference-Applied", f"{where}: no {name}"


def assert_problem(answer, where=""):
    assert answer.headers["Content-Type"] == "application/problem+json", (where, answer.content[:300])
    wrong = errors_in(answer.json(), {"$ref": "#/components/schemas/Problem"})
    assert not wrong, (where, wrong)
    assert answer.json()["status"] == answer.status_code, where


class Api:
    """Speaks /api/v1 as one person."""

    def __init__(self, token, **headers):
        self.client = Client(raise_request_exception=False)
        self.headers = ({"Authorization": f"Bearer {token}"} if token else {}) | headers

    def __call__(self, method, path, body=None, *, content_type="application/json", **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        given = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        address = f"/api/v1{path}"
        answer = self.client.generic(method, address, raw, content_type if raw else "", headers=given)
        check(method, address, answer)
        return answer
