"""From a declared configuration to the inputs of a form."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from django.utils import timezone
from django.utils.translation import gettext as _

from chancery import catalog
from chancery.apps.accounts.models import Environment, Team
from chancery.core.errors import Invalid, Problem
from chancery.sdk.authority import Descriptor
from chancery.sdk.config import extra, is_needed, is_secret, matters

FEW = 100
"""Teams and environments that a list holds; of more, the name is typed."""
_SHOWN = 200
"""Characters of a setting on a page that only shows it; its form shows it whole."""


@dataclass
class Input:
    """One input: `kind` is text, secret, switch, choice, number, area, or keyfile: a secret of several lines."""

    name: str
    title: str
    help: str = ""
    kind: str = "text"
    value: Any = ""
    choices: list[tuple[str, str]] = field(default_factory=list)
    required: bool = False
    is_set: bool = False
    dynamic: bool = False
    choose: bool = False
    only: str = ""
    """JSON, names of other inputs → the values beside which this one means anything; '' where it always does."""
    where: str = ""
    off: bool = False
    needed: str = ""
    """JSON, names of other inputs → the values beside which this one must be given; '' where that depends on nothing."""
    spared: bool = False
    """Whether the values that stand there now do not ask for it."""
    advanced: bool = False
    """Whether it is rarely needed: a form folds it away, unless something is set there or wrong."""
    changed: bool = False
    suggest: str = ""
    """What is suggested while a name is typed, of which `choices` are the first; '' for nothing."""
    file: bool = False
    """Whether a script may fill it from a file: PEM as it is, anything else as Base64."""
    problems: list[Problem] = field(default_factory=list)


@dataclass
class Group:
    """Inputs under one heading."""

    title: str
    inputs: list[Input]

    @property
    def off(self) -> bool:
        """Say whether none of its inputs means anything beside the present values."""
        return all(one.off for one in self.inputs)

    @property
    def usual(self) -> list[Input]:
        """Return what everybody is asked for."""
        return [one for one in self.inputs if not one.advanced]

    @property
    def more(self) -> Group:
        """Return what is rarely needed."""
        return Group(self.title, [one for one in self.inputs if one.advanced])

    @property
    def telling(self) -> bool:
        """Say whether something here differs from what it is by itself, or is wrong: then it is not folded away."""
        return any(one.problems or (one.changed and not one.off) for one in self.inputs)


def connector_form(
    descriptor: Descriptor, values: dict[str, Any], secrets_set: frozenset[str], problems: list[Problem]
) -> list[Group]:
    """Return the form of a connector of one CA type."""
    groups = [Group("General", _general(descriptor, values))]
    own = model_inputs(descriptor.config, values, secrets_set)
    made = catalog.made(descriptor.slug)
    for _group, one in own:
        one.required = one.required and one.name not in made
        one.advanced = one.advanced and not one.required
    groups += [Group(title, [i for g, i in own if g == title]) for title in dict.fromkeys(g for g, _ in own)]
    if descriptor.outside:
        groups.append(Group("Network", _network(values)))
        groups.append(Group("Pace", _pace(descriptor, values)))
    groups.append(Group("Ownership", _ownership(values)))
    _attach(groups, problems)
    return groups


def model_inputs(
    model: Any, values: dict[str, Any], secrets_set: frozenset[str] = frozenset()
) -> list[tuple[str, Input]]:
    """Return (group, input) of every field of a Pydantic model."""
    found = []
    for name, info in model.model_fields.items():
        more = extra(info)
        given = values.get(name, "" if info.is_required() else info.default)
        one = Input(name, info.title or name, info.description or "", value=given, required=info.is_required())
        one.kind, one.choices = _kind(info, more)
        one.dynamic = bool(more.get("dynamic"))
        one.advanced = bool(more.get("advanced"))
        one.changed = as_typed(given) != as_typed("" if info.is_required() else info.default)
        one.only = json.dumps(more["only"]) if more.get("only") else ""
        one.where, one.off = _where(model, more), not matters(model, name, values)
        one.needed = json.dumps(more["needed"]) if more.get("needed") else ""
        one.spared = not is_needed(model, name, values)
        if is_secret(info):
            one.kind = "keyfile" if more.get("multiline") else "secret"
            one.value, one.is_set = "", name in secrets_set
            one.changed = one.is_set
        one.file = bool(more.get("multiline"))
        found.append((str(more.get("group", "Settings")), one))
    return found


def readable(model: Any, values: dict[str, Any], secrets_set: frozenset[str]) -> list[tuple[str, str]]:
    """Return (title, what is set) of every field that matters; of a secret, whether there is one."""
    return [(one.title, _readable(one)) for _group, one in model_inputs(model, values, secrets_set) if not one.off]


def _where(model: Any, more: dict[str, Any]) -> str:
    """Return beside which values a field means anything, by the titles and labels of the form; '' where it always does."""
    parts = []
    for name, values in (more.get("only") or {}).items():
        info = model.model_fields[name]
        labels = extra(info).get("choices") or {}
        some = _(" or ").join(str(labels.get(value, value)).partition(":")[0] for value in values)
        parts.append(f"{info.title}: {some}")
    return _("Only for %(where)s.") % {"where": "; ".join(parts)} if parts else ""


def _readable(one: Input) -> str:
    if one.kind in {"secret", "keyfile"}:
        return _("set") if one.is_set else _("not set")
    if one.kind == "switch":
        return _("yes") if one.value else _("no")
    text = str(dict(one.choices).get(one.value, one.value if one.value is not None else ""))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _kind(info: Any, more: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    choices = dict(more.get("choices") or {})
    if choices:
        return "choice", list(choices.items())
    if info.annotation is bool:
        return "switch", []
    if info.annotation is int or int in get_args(info.annotation):
        return "number", []
    return ("area" if more.get("multiline") else "text"), []


def _general(descriptor: Descriptor, values: dict[str, Any]) -> list[Input]:
    inputs = [
        Input(
            "name", "Name", "Unique among the connectors of this CA type.", value=values.get("name", ""), required=True
        )
    ]
    if descriptor.outside:
        known = "; ".join(f"{title}: {url}" for url, title in descriptor.base_urls)
        url = values.get("base_url", descriptor.default_base_url)
        inputs.append(
            Input(
                "base_url",
                "Base URL",
                known or "Where the CA is reached, as https://pki.example.com.",
                value=url,
                required=True,
            )
        )
    return inputs


def _network(values: dict[str, Any]) -> list[Input]:
    networks = values.get("allowed_networks", "")
    shown = ", ".join(networks) if isinstance(networks, list) else networks
    return [
        Input("allowed_networks", "Allowed private networks", "Public addresses are always allowed; name others, as 10.1.0.0/16.", value=shown),
        Input("proxy", "Proxy", "http://host:port, if the CA is reached through one.", value=values.get("proxy", "")),
        Input("trust_pem", "Trust bundle", "Root certificates (PEM) for this CA's own TLS; empty for the public ones.", "area", values.get("trust_pem", ""), file=True),
    ]  # fmt: skip


def _pace(descriptor: Descriptor, values: dict[str, Any]) -> list[Input]:
    facts = descriptor.facts
    declared = _("All workers together. Empty: %(number)s, as the CA type declares.")
    fields = (
        ("limit_seats", "Calls at once", facts.concurrency),
        ("limit_rate", "Calls per second", facts.calls_per_second),
        ("limit_burst", "Calls at once after a rest", facts.burst),
    )
    return [
        Input(
            name,
            title,
            declared % {"number": f"{usual:g}"},
            "text",
            values.get(name, ""),
            advanced=True,
            changed=bool(values.get(name)),
        )
        for name, title, usual in fields
    ]


def _ownership(values: dict[str, Any]) -> list[Input]:
    tags = values.get("tags", "")
    teams = [(name, name) for name in Team.objects.order_by("name").values_list("name", flat=True)[: FEW + 1]]
    environments = [(n, n) for n in Environment.objects.order_by("name").values_list("name", flat=True)[: FEW + 1]]
    team = _chosen("team", "Team", "Who owns it.", values, teams)
    environment = _chosen("environment", "Environment", "Where its certificates are used.", values, environments)
    return [
        team,
        environment,
        Input("owner", "Owner", "Person or group that answers for it.", value=values.get("owner", "")),
        Input("contact", "Contact", "Whom to call when it fails.", value=values.get("contact", "")),
        Input("region", "Region", "Where it is used, in your own words.", value=values.get("region", "")),
        Input("tags", "Tags", "Separated by commas.", value=", ".join(tags) if isinstance(tags, list) else tags),
        Input("description", "Description", "", "area", values.get("description", "")),
    ]


def _chosen(name: str, title: str, text: str, values: dict[str, Any], choices: list[tuple[str, str]]) -> Input:
    """Return a list in which somebody has to choose; the only one there is needs no choosing."""
    value = values.get(name) or (choices[0][0] if len(choices) == 1 else "")
    if len(choices) > FEW:
        return Input(name, title, text, value=value, choices=choices[:FEW], required=True, suggest=f"{name}s")
    return Input(name, title, text, "choice", value, choices, required=True, choose=not value)


def _attach(groups: list[Group], problems: list[Problem]) -> None:
    inputs = {i.name: i for g in groups for i in g.inputs}
    for problem in problems:
        if problem.field in inputs:
            inputs[problem.field].problems.append(problem)
            # What is wrong is seen, wherever it belongs.
            inputs[problem.field].only, inputs[problem.field].off = "", False


def posted(model: Any, data: Any) -> dict[str, Any]:
    """Return the fields of a model from a posted form; an unticked switch is False."""
    found: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if info.annotation is bool:
            found[name] = data.get(name) == "on"
        elif data.get(name) not in {None, ""}:
            found[name] = data[name]
    return found


def as_typed(value: Any) -> str:
    """Return a value as a form has it, to tell what differs."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return text.replace("\r\n", "\n").strip()


def moment_of(text: str, field: str) -> datetime | None:
    """Return a moment as a form has it, in the zone that the page shows, None for nothing; raises `Invalid` on `field`."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        # In UTC it may lie before the first year or after the last one.
        return (found if found.tzinfo else timezone.make_aware(found)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid.one(field, f"{text[:40]!r} is no moment.", "Choose a day and a time.") from None
