"""Turns what a door sends into a connector's fields: common ones, settings and secrets, each checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cryptography import x509
from pydantic import ValidationError

from chancery import catalog
from chancery.apps.accounts import queries as people
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.connectors import references
from chancery.apps.shared.texts import clean, clean_folded, unfit
from chancery.core.errors import Invalid, Problem
from chancery.core.secret import Secret
from chancery.core.wrong import sentence
from chancery.net.addresses import AddressPolicy, openable
from chancery.net.redact import register
from chancery.net.url import Url, parse_url
from chancery.sdk.authority import Descriptor
from chancery.sdk.config import destination_names, extra, secret_names
from chancery.sdk.http import check_url

T = TypeVar("T")

TEXTS = {"name": 120, "owner": 200, "contact": 200, "region": 60, "description": 4000}
WHERE = ("base_url", "proxy", "trust_pem", "allowed_networks")
"""Common fields that decide where secrets are sent."""
_WANTED = {"name": "Name the account, for example by CA and site.", "region": ""}
"""Texts by which connectors are found → what to do where it must not be empty."""
_LINES = frozenset({"description", "trust_pem"})
_MAX_URL = 500
_URL_HELP = "Write it as https://host/path."
_MAX_TRUST = 200_000
_MAX_TAG, _MAX_TAGS = 60, 50
LIMITS: dict[str, tuple[float, float]] = {
    "limit_seats": (1, 100),
    "limit_rate": (0.001, 10_000),
    "limit_burst": (1, 10_000),
}
"""How fast the CA may be called → the least and the most; empty takes what the CA type declares."""
COMMON = (*TEXTS, *WHERE, *LIMITS, "environment", "team", "tags", "status")


@dataclass
class Configured:
    """A connector's values after checking. `secrets` holds only those that were given."""

    descriptor: Descriptor
    texts: dict[str, str]
    team: Team
    environment: Environment
    tags: list[str]
    where: dict[str, Any]
    settings: dict[str, Any]
    secrets: dict[str, Secret] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)

    def destination(self) -> dict[str, Any]:
        """Return every value that decides where secrets are sent."""
        names = destination_names(self.descriptor.config)
        return {**self.where, **{name: self.settings.get(name) for name in sorted(names)}}


def configure(descriptor: Descriptor, values: dict[str, Any], stored: frozenset[str] = frozenset()) -> Configured:
    """Check `values`; secrets named in `stored` may be left blank. Raises `Invalid` with every problem."""
    problems = unfit({name: _plain(value) for name, value in values.items()})
    if problems:
        raise Invalid(problems)
    own, common = _split(descriptor, values, problems)
    texts = {name: _text(common, name, limit, problems) for name, limit in TEXTS.items()}
    before = len(problems)
    secrets, settings = _own(descriptor, own, stored, problems)
    # What is wrong with the settings is told first: only whole ones say by which protocol is spoken.
    plain = len(problems) > before or catalog.get(descriptor.slug, settings).facts.plain_http
    where = _where(descriptor, common, problems, plain=plain)
    tags = _tags(common.get("tags"), problems)
    limits = {name: _limit(common.get(name), name, problems) for name in LIMITS}
    team = _collect(problems, people.team, common.get("team"))
    environment = _collect(problems, people.environment, common.get("environment"))
    if problems or team is None or environment is None:
        raise Invalid(problems)
    return Configured(descriptor, texts, team, environment, tags, where, settings, secrets, limits)


def _text(common: dict[str, Any], name: str, most: int, problems: list[Problem]) -> str:
    value = common.get(name)
    if name in _WANTED:
        text = "" if value is None else value
        return _collect(problems, clean_folded, name, text, most, wanted=_WANTED[name]) or ""
    return _collect(problems, clean, name, "" if value is None else value, most, lines=name in _LINES) or ""


def _limit(value: Any, name: str, problems: list[Problem]) -> float | int | None:
    """Return a limit as the column has it, None where nothing was said."""
    if value is None or value == "":
        return None
    least, most = LIMITS[name]
    try:
        number = None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    whole = name != "limit_rate"
    if number is None or not least <= number <= most or (whole and number != int(number)):
        kind = "whole number" if whole else "number"
        remedy = f"Write a {kind} from {least:g} to {most:g}, or nothing."
        problems.append(Problem(name, "This limit cannot be kept.", remedy, "limit"))
        return None
    return int(number) if whole else number


def _split(
    descriptor: Descriptor, values: dict[str, Any], problems: list[Problem]
) -> tuple[dict[str, Any], dict[str, Any]]:
    fields = descriptor.config.model_fields
    problems.extend(
        Problem(name[:60], "There is no such field for this CA type.", f"Fields are: {', '.join((*COMMON, *fields))}.")
        for name in values
        if name not in fields and name not in COMMON
    )
    own = {name: value for name, value in values.items() if name in fields}
    return own, {name: value for name, value in values.items() if name in COMMON}


def _own(
    descriptor: Descriptor, own: dict[str, Any], stored: frozenset[str], problems: list[Problem]
) -> tuple[dict[str, Secret], dict[str, Any]]:
    names = secret_names(descriptor.config)
    given = {n: _plain(own[n]) for n in names & own.keys()}
    odd = {n for n, v in given.items() if v is not None and not isinstance(v, str)}
    problems.extend(Problem(name, "This is not text.", "Send a text.") for name in sorted(odd))
    secrets = {n: Secret(v) for n, v in given.items() if isinstance(v, str) and v}
    register(secrets.values())
    referring = {n for n, secret in secrets.items() if references.kind(secret)}
    found = (references.problem(n, secrets[n], outside=descriptor.outside) for n in sorted(referring))
    problems.extend(p for p in found if p is not None)
    probe: dict[str, Any] = {n: v for n, v in own.items() if n not in names and v is not None and v != ""}
    probe |= {n: Secret("kept") for n in (names & stored) | odd if n not in secrets}
    try:
        # What a reference leads to is read by the worker alone.
        model = descriptor.config.model_validate({**probe, **secrets, **dict.fromkeys(referring, Secret("kept"))})
    except ValidationError as error:
        problems.extend(_problem(descriptor, e) for e in error.errors(include_input=False, include_url=False))
        return {}, {}
    return secrets, model.model_dump(mode="json", exclude=set(names))


def _plain(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else value


def _problem(descriptor: Descriptor, error: Any) -> Problem:
    name = str(error["loc"][0]) if error["loc"] else "settings"
    info = descriptor.config.model_fields.get(name)
    title = (info.title if info else None) or name
    message = f"{title} is required." if error["type"] == "missing" else f"{title}: {sentence(error)}"
    known = extra(info).get("choices") if info else None
    remedy = f"Known are: {', '.join(filter(None, known))}." if known else (info.description if info else None)
    return Problem(name, message, remedy or "Correct the field.", str(error["type"]))


def _where(descriptor: Descriptor, common: dict[str, Any], problems: list[Problem], *, plain: bool) -> dict[str, Any]:
    networks = _networks(common.get("allowed_networks"), problems)
    policy = AddressPolicy(tuple(networks))
    trust = _text(common, "trust_pem", _MAX_TRUST, problems)
    if trust:
        _check_trust(trust, problems)
    proxy = _text(common, "proxy", _MAX_URL, problems)
    if proxy:
        _check_url(problems, "proxy", proxy, parse_url, "Write it as http://host:port.")
    url = _text(common, "base_url", _MAX_URL, problems).rstrip("/") or descriptor.default_base_url
    if descriptor.outside:
        _check_url(problems, "base_url", url, lambda text: check_url(text, policy, plain=plain), _URL_HELP)
    return {
        "base_url": url if descriptor.outside else "",
        "proxy": proxy,
        "trust_pem": trust,
        "allowed_networks": networks,
    }


def _check_url(problems: list[Problem], field: str, url: str, check: Callable[[str], Url], remedy: str) -> None:
    """Check with the very parser that the engine connects with."""
    try:
        target = check(url).target
    except ValueError as error:
        problems.append(Problem(field, f"It cannot be used: {error}.", remedy))
        return
    if "?" in target:
        problems.append(Problem(field, "It holds a query, which would be lost.", "Leave out what follows the ?."))


def _networks(value: object, problems: list[Problem]) -> list[str]:
    parts = value if isinstance(value, list) else str(value or "").replace(",", " ").split()
    found = set()
    for part in map(str, parts):
        try:
            found.add(openable(part.strip()))
        except ValueError as error:
            problems.append(
                Problem("allowed_networks", f"{part[:60]!r}: {error}.", "Write it as 10.1.0.0/16 or fd00::/8.")
            )
    return sorted(found)


def _check_trust(text: str, problems: list[Problem]) -> None:
    if "PRIVATE KEY" in text:
        problems.append(
            Problem("trust_pem", "This holds a private key.", "Paste certificates only; treat that key as leaked.")
        )
        return
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        problems.append(
            Problem("trust_pem", "This is not a bundle of PEM certificates.", "Paste the CA certificates as PEM.")
        )


def _tags(value: object, problems: list[Problem]) -> list[str]:
    parts = value if isinstance(value, list) else str(value or "").split(",")
    found = {_collect(problems, clean, "tags", part, _MAX_TAG) or "" for part in parts} - {""}
    if len(found) > _MAX_TAGS:
        problems.append(Problem("tags", f"There are {len(found)} tags; {_MAX_TAGS} is the most.", "Leave some out."))
    return sorted(found)


def _collect(problems: list[Problem], look: Callable[..., T], *arguments: Any, **more: Any) -> T | None:
    try:
        return look(*arguments, **more)
    except Invalid as error:
        problems.extend(error.problems)
        return None
