"""The page docs/reference/rest.md, written from the API description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chancery.doors.api.describe import ABOUT, PROBLEMS

Json = dict[str, Any]
_HEAD = """\
# REST API

This page is written by `make docs` from the code. The same as OpenAPI 3.1: [openapi.json](openapi.json), and
`GET /api/v1/openapi.json` of every server.
"""


def reference(description: Json) -> str:
    """Return the page for an OpenAPI document."""
    parts = [_HEAD, ABOUT, *_problems(), *_operations(description), *_documents(description)]
    return "\n".join(parts)


def _problems() -> Iterator[str]:
    yield "## Problems\n\n| Status | When |\n|---|---|"
    yield from (f"| {code} | {about} |" for code, about in PROBLEMS.items())
    yield ""


def _operations(description: Json) -> Iterator[str]:
    tags: dict[str, list[str]] = {}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append("\n".join(_operation(method, path, operation)))
    for tag, texts in tags.items():
        yield f"## {tag.capitalize()}\n"
        yield from texts


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    yield f"### {method.upper()} {path}\n\n{operation['description']}\n"
    if operation["parameters"]:
        yield "| Parameter | In | What it is |\n|---|---|---|"
        yield from (_parameter(p) for p in operation["parameters"])
        yield ""
    body = operation.get("requestBody")
    if body:
        optional = "" if body["required"] else " It may be left out."
        yield f"Body: {_kind(body['content']['application/json']['schema'])}.{optional}\n"
    done = {c: a for c, a in operation["responses"].items() if c.startswith("2")}
    yield "Answers: " + "; ".join(_answer(code, answer) for code, answer in done.items()) + "."
    refusals = ", ".join(code for code in operation["responses"] if code not in done)
    yield f"Problems: {refusals}.\n"


def _parameter(parameter: Json) -> str:
    about = _cell(parameter["description"])
    choices = [f"`{v}`" for v in parameter["schema"].get("enum", []) if v]
    told = f"{about} One of {', '.join(choices)}." if choices else about
    return f"| `{parameter['name']}` | {parameter['in']} | {told} |"


def _answer(code: str, answer: Json) -> str:
    kinds = [
        _kind(content["schema"]) if media == "application/json" else f"`{media}`"
        for media, content in answer.get("content", {}).items()
    ]
    headers = ", ".join(f"`{name}`" for name in answer.get("headers", {}))
    told = f"{code} {' or '.join(kinds)}".rstrip()
    return f"{told} with {headers}" if headers else told


def _documents(description: Json) -> Iterator[str]:
    yield "## Documents\n"
    for name, schema in sorted(description["components"]["schemas"].items()):
        yield f'### <a id="{name.lower()}"></a>{name}\n\n{schema.get("description", "")}\n'
        if "enum" in schema:
            yield f"One of {', '.join(f'`{v}`' for v in schema['enum'])}.\n"
            continue
        if "oneOf" in schema:
            yield f"One of, by `{schema['discriminator']['propertyName']}`: {_kind(schema)}.\n"
            continue
        if "properties" not in schema:
            yield "Any JSON.\n"
            continue
        required = set(schema.get("required", []))
        yield "| Field | Type | What it is |\n|---|---|---|"
        for field, part in schema["properties"].items():
            mark = "" if field in required else " (optional)"
            yield f"| `{field}` | {_kind(part)} | {_cell(part.get('description', ''))}{mark} |"
        yield ""


def _kind(schema: Json) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(dict.fromkeys(_kind(part) for part in schema.get("anyOf") or schema["oneOf"]))
    if "enum" in schema:
        return " or ".join(f"`{v}`" for v in schema["enum"] if v != "")
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return schema.get("format") or schema.get("type") or "anything"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
