"""The API description (OpenAPI 3.1): what the framework derives from the routes, plus all that it cannot know.

Routes leave notes (`x-problems`, `x-headers`, `x-takes`, `x-files`); here they become answers, headers and parameters.
Examples are made from the examples of the fields, so that they cannot say anything else than the schemas do.
"""

from __future__ import annotations

import copy
import json
from http import HTTPStatus
from typing import Any

from ninja import NinjaAPI
from pydantic import TypeAdapter

from chancery.doors.api.answers import Problem
from chancery.doors.api.types import describe_types
from chancery.doors.problems import PROBLEM_JSON

Json = dict[str, Any]
_REFS = "#/components/schemas/{model}"

PROBLEMS = {
    400: "The address, its parameters or the body cannot be read; `errors` names each.",
    401: "No valid API token or session came with the request.",
    403: "This person may not do this.",
    404: "There is no such thing, or none that this person may see.",
    409: "The request contradicts the present state; `blockers` lists what stands in the way.",
    412: "The thing was changed meanwhile: `If-Match` names an older revision.",
    413: "The body is larger than the server reads (1 MiB; 20 MiB for batches of orders and imports).",
    415: "The body is not JSON in UTF-8.",
    422: "The body cannot be used; `errors` names each field and its remedy.",
    428: "Neither `If-Match` nor `revision` says which revision was edited.",
    500: "A fault of the server; `incident` is its number in the log.",
    503: "Not available now; `Retry-After` says in how many seconds to try again.",
}
HEADERS: dict[str, Json] = {
    "ETag": {"description": "The revision, for `If-Match`.", "schema": {"type": "string"}, "example": '"3"'},
    "Link": {
        "description": "The pages beside this one: `next`, `prev`, `first` (RFC 8288).",
        "schema": {"type": "string"},
        "example": '</api/v1/orders?cursor=abc>; rel="next"',
    },
    "Location": {"description": "Where the thing is.", "schema": {"type": "string"}, "example": "/api/v1/orders/…"},
    "Preference-Applied": {
        "description": "That `Prefer` was followed (RFC 7240).",
        "schema": {"type": "string"},
        "example": "wait=10",
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}, "example": "1"},
    "WWW-Authenticate": {"description": "How to say who you are.", "schema": {"type": "string"}, "example": "Bearer"},
}
TAKES: dict[str, Json] = {
    "If-Match": {"description": "The ETag that was read; 412 if it is no longer the present one.", "example": '"3"'},
    "Idempotency-Key": {
        "description": (
            "1 to 200 characters, best a UUID. A repeat with the same key and body returns the same order (200); with"
            " another body it is a 422. Quotes around it are not part of it. Keys never expire."
        ),
        "example": '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
    },
    "Prefer": {"description": "`wait=N`: answer when the order has ended, or in N seconds (at most 60); `Preference-Applied` says how long it waits here.",
               "example": "wait=10"},
}  # fmt: skip
ABOUT = """\
Everything that the console does. Send `Authorization: Bearer chy_…` with an API token of your own.

Every error is a problem document (RFC 9457, `application/problem+json`) whose `errors` name the fields and remedies.
Listings have pages: follow the `Link` header. Times are UTC. Nothing ever answers with a secret.

Idempotency follows draft-ietf-httpapi-idempotency-key-header-07: `Idempotency-Key` may be sent with POST /orders and,
as a field, with each order of a batch. It is not required. The same key with the same order returns that order; with
another order it is refused with 422; a 409 with the code `retry` means that the first request is still being stored.
Keys belong to the person and never expire.
"""


class Described(NinjaAPI):
    """The framework's API, with a description that leaves nothing open."""

    def get_openapi_schema(self, **more: Any) -> Json:  # type: ignore[override]  # the framework has a dict subclass
        """Return the OpenAPI document."""
        # By way of JSON: the framework shares parts between operations.
        made: Json = json.loads(json.dumps(copy.deepcopy(dict(super().get_openapi_schema(**more)))))
        made["info"]["description"] = ABOUT
        made["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
        made["servers"] = [{"url": "/"}]
        schemas = made["components"]["schemas"]
        schema = TypeAdapter(Problem).json_schema(ref_template=_REFS, mode="serialization")
        schemas.update(schema.pop("$defs", {}))
        schemas["Problem"] = schema
        describe_types(schemas)
        made["components"]["responses"] = {f"Problem{code}": _problem(code, schemas) for code in PROBLEMS}
        for operations in made["paths"].values():
            for operation in operations.values():
                _complete(operation, schemas)
        return made


def _problem(code: int, schemas: Json) -> Json:
    shown = {**example(schemas["Problem"], schemas), "status": code, "title": HTTPStatus(code).phrase}
    for name in {"incident": 500, "blockers": 409}.items() - {("incident", code), ("blockers", code)}:
        shown.pop(name[0])
    found: Json = {
        "description": PROBLEMS[code],
        "content": {PROBLEM_JSON: {"schema": _ref("Problem"), "example": shown}},
    }
    names = {401: "WWW-Authenticate", 503: "Retry-After"}
    if code in names:
        found["headers"] = {names[code]: HEADERS[names[code]]}
    return found


def _complete(operation: Json, schemas: Json) -> None:
    """Fill in what the notes of a route say, and take the notes away."""
    first = operation.get("description", "").partition("\n")[0]
    operation["summary"] = first.rstrip(".")
    answers = operation["responses"]
    for code, answer in answers.items():
        answer["description"] = HTTPStatus(int(code)).phrase
        if names := operation["x-headers"]:
            answer["headers"] = {name: HEADERS[name] for name in names}
        if files := operation["x-files"]:
            answer["content"] = {media: _file(about) for media, about in files.items()}
    for code in operation["x-problems"]:
        answers[str(code)] = {"$ref": f"#/components/responses/Problem{code}"}
    for name in operation["x-takes"]:
        taken = {"in": "header", "name": name, "required": False, "schema": {"type": "string"}, **TAKES[name]}
        operation["parameters"].append(taken)
    _exemplify(operation, schemas)
    for note in ("x-problems", "x-headers", "x-takes", "x-files"):
        del operation[note]


def _file(about: str) -> Json:
    return {"schema": {"type": "string", "description": about}}


def _exemplify(operation: Json, schemas: Json) -> None:
    for parameter in operation["parameters"]:
        parameter.pop("examples", None)
        if "example" not in parameter:
            parameter["example"] = example(parameter["schema"], schemas)
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        for content in part.get("content", {}).values():
            content.setdefault("example", example(content["schema"], schemas))


def example(schema: Json, schemas: Json) -> Any:
    """Return an example of a schema: its own, its default, or one put together from its parts."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "const" in schema:
        return schema["const"]
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema and schema["default"] is not None:
        return schema["default"]
    if "enum" in schema:
        return next(v for v in schema["enum"] if v != "")
    if "anyOf" in schema or "oneOf" in schema:
        return example((schema.get("anyOf") or schema["oneOf"])[0], schemas)
    if "properties" in schema:
        return {name: example(part, schemas) for name, part in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example(schema["items"], schemas)] if schema.get("items") else []
    return {"object": {}, "boolean": False, "integer": 1, "number": 1, "string": "text"}.get(schema.get("type", ""))


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
