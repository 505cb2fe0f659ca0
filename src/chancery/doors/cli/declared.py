"""Connectors as a file declares them, compared with those of the server: what would have to be done.

A file names what is to be; a field that it does not name is left as it is, and so is a connector that it does not name. Secrets
stand in it by reference only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import yaml

VERSION = 1
_COMMON = {
    "base_url", "team", "environment", "owner", "contact", "region", "description", "tags", "proxy", "trust_pem",
    "allowed_networks", "limit_seats", "limit_rate", "limit_burst",
}  # fmt: skip
_WHERE = {"base_url", "proxy", "trust_pem", "allowed_networks"}
"""Where one of them changes, the server wants the secrets again: they were meant for the old place."""
_KEPT_THERE = ("@vault:", "@file:")
"""How texts begin that the server keeps as they are: where a secret is read from. Everything else is a secret."""
_STATUSES = ("active", "inactive")
_REFERENCE = re.compile(r"@(vault|file|env):.+")
_REMEDY = "Write @vault:PATH#FIELD or @file:NAME as the server knows them, or @env:NAME of this machine."


class Wrong(Exception):
    """A file that cannot be used; `problems` are (where, what is wrong, what to do)."""

    def __init__(self, problems: list[tuple[str, str, str]]) -> None:
        super().__init__("; ".join(f"{where}: {text}" for where, text, _ in problems))
        self.problems = problems


class _Loader(yaml.SafeLoader):
    """Reads nothing but texts, numbers, switches and lists; a key that stands twice is an error, not the last one's win."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in some if tag != "tag:yaml.org,2002:timestamp"]
        for first, some in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping, or refuse one with a key that stands twice."""
        keys = [key.value for key, _ in node.value]
        if len({*map(str, keys)}) < len(keys):
            raise yaml.MarkedYAMLError(problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Change:
    """One field that differs. A secret's values are never shown: `after` says what becomes of it."""

    field: str
    before: str
    after: str


@dataclass
class Step:
    """What has to be done to one connector: `create`, `edit`, or `none`; `status` is what it is switched to, '' for nothing.

    `unseen` are secrets of the file that are left as they are, since what the server has there cannot be told.
    """

    what: str
    authority: str
    name: str
    body: dict[str, Any] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    status: str = ""
    unseen: list[str] = field(default_factory=list)
    row: Mapping[str, Any] = field(default_factory=dict)


def read(text: str, kinds: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the connectors that a file declares, each checked against its CA type; raises `Wrong` with all that is wrong."""
    try:
        whole = yaml.load(text, _Loader)  # noqa: S506  the loader is the safe one, made stricter
    except yaml.YAMLError as error:
        raise Wrong([("the file", f"This is no YAML: {_first_line(error)}", "Mend it there.")]) from None
    if not isinstance(whole, dict) or whole.get("version") != VERSION or not isinstance(whole.get("connectors"), list):
        raise Wrong([("the file", "It is none of ours.", "It begins with `version: 1` and has a list `connectors`.")])
    problems = [
        ("the file", f"It has no part {name!r}.", "Take it out.") for name in {*whole} - {"version", "connectors"}
    ]
    problems += [problem for n, entry in enumerate(whole["connectors"], 1) for problem in _problems(n, entry, kinds)]
    problems = problems or list(_twice(whole["connectors"]))
    if problems:
        raise Wrong(problems)
    return list(whole["connectors"])


def _first_line(error: yaml.YAMLError) -> str:
    # The parser quotes the line at which it gave up, which may hold a secret: only the place is said.
    mark = getattr(error, "problem_mark", None)
    return f"see line {mark.line + 1}, column {mark.column + 1}." if mark else "it cannot be read."


def _problems(number: int, entry: Any, kinds: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    where = f"connector {number}"
    if not isinstance(entry, dict) or not all(
        isinstance(entry.get(n), str) and entry[n] for n in ("authority", "name")
    ):
        yield where, "It does not say which it is.", "Give it `authority` and `name`."
        return
    where = f"{entry['authority']} {entry['name']!r}"
    kind = kinds.get(entry["authority"])
    if kind is None:
        yield where, "There is no such CA type.", f"Write one of: {', '.join(sorted(kinds))}."
        return
    known = {*_COMMON, *kind["config"].get("properties", {}), "authority", "name", "status"}
    for name in sorted(map(str, {*entry} - known)):
        yield (
            where,
            f"Its CA type has no field {name!r}.",
            f"`chancery authorities fields {entry['authority']}` shows them.",
        )
    if entry.get("status", "active") not in _STATUSES:
        yield where, "There is no such status.", "Write active or inactive."
    for name in kind["secrets"]:
        yield from ((where, *problem) for problem in _secret_problems(name, entry.get(name)))


def _secret_problems(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        yield f"{name} is no reference; secrets do not stand in this file.", _REMEDY
    elif value.startswith("@env:") and not os.environ.get(value.removeprefix("@env:")):
        yield f"{name}: there is no {value.removeprefix('@env:')} in the environment.", "Set it, and run this again."


def _twice(entries: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    seen = set()
    for entry in entries:
        key = (entry["authority"], entry["name"].casefold())
        if key in seen:
            yield f"{entry['authority']} {entry['name']!r}", "It is declared twice.", "Take one out."
        seen.add(key)


def plan(
    entries: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    kinds: Mapping[str, Mapping[str, Any]],
    *,
    secrets: bool = False,
    references: Mapping[str, Mapping[str, str] | None] | None = None,
) -> list[Step]:
    """Return what has to be done for each declared connector; with `secrets` those that are set are sent again, too.

    `references` are, by connector's id, those that the server has in place of secrets; None where it does not tell.
    """
    known = references or {}
    there = {(row["authority"], row["name"].casefold()): row for row in rows}
    steps = []
    for entry in entries:
        row, kind = there.get((entry["authority"], entry["name"].casefold())), kinds[entry["authority"]]
        steps.append(_new(entry, kind) if row is None else _step(entry, row, kind, secrets, known.get(row["id"])))
    return steps


def asked(
    entries: list[dict[str, Any]], rows: list[dict[str, Any]], kinds: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return the ids of the connectors whose references have to be known: secrets of theirs are declared, and set."""
    declared = {
        (entry["authority"], entry["name"].casefold()): {
            n for n in kinds[entry["authority"]]["secrets"] if entry.get(n)
        }
        for entry in entries
    }
    nothing: set[str] = set()
    return [
        r["id"] for r in rows if declared.get((r["authority"], r["name"].casefold()), nothing) & {*r["secrets_set"]}
    ]


def _split(entry: dict[str, Any], kind: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what the file gives of a connector, and its secrets apart."""
    given = {n: v for n, v in entry.items() if n not in {"authority", "status", *kind["secrets"]}}
    return given, {n: entry[n] for n in kind["secrets"] if entry.get(n) is not None}


def _new(entry: dict[str, Any], kind: Mapping[str, Any]) -> Step:
    given, sent = _split(entry, kind)
    step = Step("create", entry["authority"], entry["name"])
    common = {"authority": entry["authority"], "status": entry.get("status", "active")}
    step.body = {**common, **given, **_secrets(sent)}
    step.changes = [Change(n, "", shown(v)) for n, v in given.items() if n != "name"]
    step.changes += [Change(n, "", sent[n]) for n in sent]
    return step


def _step(
    entry: dict[str, Any],
    row: dict[str, Any],
    kind: Mapping[str, Any],
    secrets: bool,
    known: Mapping[str, str] | None,
) -> Step:
    given, sent = _split(entry, kind)
    step = Step("none", entry["authority"], entry["name"], row=row)
    present = {**_defaults(kind), **row["settings"], **{n: row[n] for n in (*_COMMON, "name")}}
    usual = {**_defaults(kind), "base_url": kind["default_base_url"]}
    meant = {n: usual.get(n) if v is None or v == "" else v for n, v in given.items()}
    step.changes = [
        Change(n, shown(present.get(n)), shown(v)) for n, v in given.items() if not _same(n, present.get(n), meant[n])
    ]
    if not secrets:
        kept = {*row["secrets_set"]} - _forgotten({c.field for c in step.changes}, kind)
        same = {n: _as_there(n, text, known) for n, text in _secrets(sent).items() if n in kept}
        step.unseen = [n for n, answer in same.items() if answer is None]
        sent = {n: ref for n, ref in sent.items() if same.get(n, False) is False}
    there = {**dict.fromkeys(row["secrets_set"], "set"), **(known or {})}
    step.changes += [Change(n, there.get(n, ""), sent[n]) for n in sent]
    step.body = {**{c.field: given[c.field] for c in step.changes if c.field in given}, **_secrets(sent)}
    step.what = "edit" if step.changes else "none"
    wanted = entry.get("status", row["status"])
    if wanted != row["status"]:
        step.status = wanted
        step.changes.append(Change("status", row["status"], wanted))
    return step


def _as_there(name: str, text: str, known: Mapping[str, str] | None) -> bool | None:
    """Say whether the server has a secret as it would be sent, None where that cannot be told: it shows references alone."""
    if known is None:
        return None
    if text.startswith(_KEPT_THERE):
        return known.get(name) == text
    return False if name in known else None


def _forgotten(changed: set[str], kind: Mapping[str, Any]) -> set[str]:
    """Return the secrets that the server wants again after these changes: all that are sent, where they would go elsewhere."""
    fields = kind["config"].get("properties", {})
    if not changed & {*_WHERE, *(n for n, info in fields.items() if info.get("destination"))}:
        return set()
    return {n for n in kind["secrets"] if not fields.get(n, {}).get("stays")}


def _secrets(sent: Mapping[str, str]) -> dict[str, str]:
    """Return secrets as they are sent: the server's references as they are, this machine's environment read."""
    own = "@env:"
    return {n: os.environ[ref.removeprefix(own)] if ref.startswith(own) else ref for n, ref in sent.items()}


def _defaults(kind: Mapping[str, Any]) -> dict[str, Any]:
    return {n: info.get("default") for n, info in kind["config"].get("properties", {}).items()}


def shown(value: Any) -> str:
    """Return a value as it is shown."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(sorted(map(str, value)))
    return "" if value is None else str(value).strip()


def _same(name: str, present: Any, given: Any) -> bool:
    """Say whether the server has a value already, however else the file writes it: what stays for good is no drift."""
    if isinstance(present, list) or isinstance(given, list):
        return _parts(name, present) == _parts(name, given)
    if isinstance(present, (int, float)) and not isinstance(present, bool):
        try:
            return float(present) == float(given)
        except (TypeError, ValueError):
            return False
    one, other = shown(present), shown(given)
    return one.rstrip("/") == other.rstrip("/") if name == "base_url" else one == other


def _parts(name: str, value: Any) -> set[str]:
    if not isinstance(value, list):
        text = shown(value)
        value = text.replace(",", " ").split() if name == "allowed_networks" else text.split(",")
    found = {str(part).strip() for part in value} - {""}
    return {_network(part) for part in found} if name == "allowed_networks" else found


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:  # the server says what is wrong with it
        return text
