"""What each CA type's connectors and profiles have of their own, from its models: in the API description and as a page.

Nothing here knows a CA type by name; one that is installed is described as those of this tree are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chancery import catalog
from chancery.sdk.authority import Descriptor
from chancery.sdk.config import Config, ProfileSettings, extra, is_secret, only_where

Json = dict[str, Any]
_BODIES = ("ConnectorIn", "TestIn")
_PRODUCTS = ("ProfileIn", "ProfileEdit")
_OURS = ("group", "choices", "dynamic", "advanced", "multiline", "destination", "irreplaceable", "only", "needed")
"""Keys of a field that are for forms, not for JSON Schema."""


def describe_types(schemas: Json) -> None:
    """Make the bodies that depend on a CA type say so: one schema for each, told apart by `authority`."""
    found = catalog.descriptors()
    for body in _BODIES:
        base = schemas[body]
        names = {d.slug: f"{body}_{d.slug}" for d in found}
        for descriptor in found:
            schemas[names[descriptor.slug]] = _connector(base, descriptor, schemas)
        schemas[body] = {
            "description": base["description"],
            "oneOf": [_ref(name) for name in names.values()],
            "discriminator": {
                "propertyName": "authority",
                "mapping": {slug: _ref(name)["$ref"] for slug, name in names.items()},
            },
        }
    for descriptor in found:
        schemas[f"Product_{descriptor.slug}"] = _product(descriptor, schemas)
    for body in _PRODUCTS:
        product = schemas[body]["properties"]["product"]
        schemas[body]["properties"]["product"] = {
            "anyOf": [_ref(f"Product_{d.slug}") for d in found],
            "default": product["default"],
            "description": "What the connector's CA type has of its own.",
        }


def _connector(base: Json, descriptor: Descriptor, schemas: Json) -> Json:
    own = _fields(descriptor.config, f"Config_{descriptor.slug}", schemas)
    authority = {"const": descriptor.slug, "type": "string", "description": "CA type."}
    # What an authority makes by itself for a new connector may be left out.
    needed = [name for name in own.get("required", []) if name not in catalog.made(descriptor.slug)]
    return {
        "type": "object",
        "description": f"{base['description'].partition(':')[0].rstrip('.')}, of the CA type {descriptor.title}.",
        "properties": {**base["properties"], "authority": authority, **own["properties"]},
        "required": [*base["required"], *needed],
        "additionalProperties": False,
    }


def _product(descriptor: Descriptor, schemas: Json) -> Json:
    own = _fields(descriptor.profile, f"Product_{descriptor.slug}", schemas)
    return {**own, "description": f"What a profile has of its own for the CA type {descriptor.title}."}


def _fields(model: type[Config | ProfileSettings], prefix: str, schemas: Json) -> Json:
    """Return a model as a schema of the document; the parts that it refers to become documents beside it."""
    schema = model.model_json_schema(ref_template=f"#/components/schemas/{prefix}_{{model}}")
    schemas.update({f"{prefix}_{name}": part for name, part in schema.pop("$defs", {}).items()})
    schema.setdefault("properties", {})
    schema["properties"] = {name: _plain(part, only_where(model, name)) for name, part in schema["properties"].items()}
    return schema


def _plain(part: Json, where: str) -> Json:
    choices = list(part.get("choices") or {})
    kept = {key: value for key, value in part.items() if key not in _OURS}
    title = f"{kept.pop('title', '')}.".lstrip(".")
    kept["description"] = " ".join(t for t in (title, where, kept.get("description")) if t)
    return {**kept, **({"enum": choices} if choices else {})}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_HEAD = """\
This page is written by `make docs` from the code. A connector has these fields beside the common ones (`ConnectorIn` in
the [REST API](../rest.md)); the same declaration is the console's form, the API's schema `ConnectorIn_{slug}` and the
command line's flags (`chancery connectors create {slug} --help-fields`).
"""


def page(descriptor: Descriptor) -> str:
    """Return docs/reference/authorities/<slug>.md: what a CA type is, and a table of its fields."""
    facts = descriptor.facts
    certificates = facts.certificates
    about = [
        f"* Made by {descriptor.maker}; proven: {descriptor.proof}.",
        f"* Kinds of keys: {', '.join(dict.fromkeys(certificates.key_types))}.",
        f"* Kinds of names: {', '.join(certificates.name_kinds)}; at most {certificates.max_names} in a certificate.",
        f"* Beside issuing it can: {', '.join(sorted(descriptor.powers)) or 'nothing'}.",
    ]
    if "revokes" in descriptor.powers:
        seen = "published" if facts.publishes_revocations else "recorded in Chancery and published nowhere"
        reasons = ", ".join(str(r) for r in facts.revocation_reasons)
        about.append(f"* Revocations are {seen}. Reasons: {reasons}.")
    if descriptor.outside:
        urls = [f"`{url}` ({title})" for url, title in descriptor.base_urls]
        about.append(f"* Base URL: {', '.join(urls) or 'no usual one'}.")
    parts = [f"# {descriptor.title}", "", _HEAD.format(slug=descriptor.slug), *about, "", "## Connector", ""]
    made = catalog.made(descriptor.slug)
    parts += [*_table(descriptor.config, made), "", "## Profile", "", *_table(descriptor.profile), ""]
    return "\n".join(parts)


def _table(model: type[Config | ProfileSettings], made: frozenset[str] = frozenset()) -> Iterator[str]:
    if not model.model_fields:
        yield "It has no fields of its own."
        return
    yield "| Field | Title | Type | Default | Secret | Group | What it is |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    schema = model.model_json_schema()
    for name, info in model.model_fields.items():
        more, needed = extra(info), "made where it is left out" if name in made else "required"
        cells = (
            f"`{name}`",
            info.title or name,
            _type(schema["properties"][name], more),
            needed if info.is_required() else _default(info.default),
            "yes" if is_secret(info) else "",
            str(more.get("group", "")),
            _about(f"{only_where(model, name)} {info.description or ''}", more),
        )
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type(part: Json, more: dict[str, Any]) -> str:
    choices = [f"`{value}`" for value in more.get("choices") or {} if value]
    if choices:
        return f"one of {', '.join(choices)}"
    kinds = [p.get("type", "anything") for p in part.get("anyOf", [part]) if p.get("type") != "null"]
    bounds = [f"{word} {part[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in part]
    return " ".join([" or ".join(dict.fromkeys(kinds)), *bounds])


def _default(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None or value == "" else f"`{value}`"


def _about(text: str, more: dict[str, Any]) -> str:
    said = [text]
    if more.get("dynamic"):
        said.append("The CA is asked for what there is.")
    if more.get("destination"):
        said.append("Changing it drops the stored secrets.")
    if more.get("irreplaceable"):
        said.append("It exists nowhere else: deleting the connector erases it.")
    return " ".join(" ".join(said).split())
