"""Turns what a door sends into a connector's fields: common ones, settings and secrets, each checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from pydantic import ValidationError

from chancery import catalog
from chancery.apps.accounts import queries as people
from chancery.apps.accounts.models import Environment, Team
from chancery.core.errors import Invalid, Problem
from chancery.core.secret import Secret
from chancery.sdk.authority import Descriptor
from chancery.sdk.config import destination_names, secret_names

TEXTS = {"name": 120, "owner": 200, "contact": 200, "region": 60, "description": 4000}
WHERE = ("base_url", "proxy", "trust_pem", "allowed_networks")
"""Common fields that decide where secrets are sent."""
COMMON = (*TEXTS, *WHERE, "environment", "team", "tags", "status")


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

    def destination(self) -> dict[str, Any]:
        """Return every value that decides where secrets are sent."""
        names = destination_names(self.descriptor.config)
        return {**self.where, **{name: self.settings.get(name) for name in sorted(names)}}


def configure(descriptor: Descriptor, values: dict[str, Any], stored: frozenset[str] = frozenset()) -> Configured:
    """Check `values`; secrets named in `stored` may be left blank. Raises `Invalid` with every problem."""
    problems: list[Problem] = []
    own, common = _split(descriptor, values, problems)
    texts = {name: str(common.get(name) or "").strip() for name in TEXTS}
    for name, limit in TEXTS.items():
        if len(texts[name]) > limit or "\x00" in texts[name]:
            problems.append(Problem(name, f"Longer than {limit} characters or not text.", "Shorten it."))
    if not texts["name"]:
        problems.append(Problem("name", "A connector needs a name.", "Name the account, for example by CA and site."))
    where = _where(descriptor, common, problems)
    secrets, settings = _own(descriptor, own, stored, problems)
    team = _collect(problems, people.team, common.get("team"))
    environment = _collect(problems, people.environment, common.get("environment"))
    if problems or team is None or environment is None:
        raise Invalid(problems)
    return Configured(descriptor, texts, team, environment, _tags(common.get("tags")), where, settings, secrets)


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
    secrets = {n: Secret(_reveal(own[n])) for n in names if own.get(n) not in {None, ""}}
    probe: dict[str, Any] = {n: v for n, v in own.items() if n not in names and v is not None and v != ""}
    probe |= {n: Secret("kept") for n in names & stored if n not in secrets}
    try:
        model = descriptor.config.model_validate({**probe, **secrets})
    except ValidationError as error:
        problems.extend(_problem(descriptor, e) for e in error.errors(include_input=False, include_url=False))
        return {}, {}
    return secrets, model.model_dump(mode="json", exclude=set(names))


def _reveal(value: object) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)


def _problem(descriptor: Descriptor, error: Any) -> Problem:
    name = str(error["loc"][0]) if error["loc"] else "settings"
    info = descriptor.config.model_fields.get(name)
    title = (info.title if info else None) or name
    message = f"{title} is required." if error["type"] == "missing" else f"{title}: {error['msg']}."
    return Problem(name, message, (info.description if info else None) or "Correct the field.", str(error["type"]))


def _where(descriptor: Descriptor, common: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    networks = _networks(common.get("allowed_networks"), problems)
    trust = str(common.get("trust_pem") or "").strip()
    if trust:
        _check_trust(trust, problems)
    proxy = str(common.get("proxy") or "").strip()
    if proxy:
        _check_url("proxy", proxy, networks, problems, schemes=("http", "https"))
    url = str(common.get("base_url") or "").strip().rstrip("/")
    if descriptor.outside:
        url = url or descriptor.default_base_url
        _check_url("base_url", url, networks, problems, schemes=("https",))
    else:
        url = ""
    return {"base_url": url, "proxy": proxy, "trust_pem": trust, "allowed_networks": networks}


def _check_url(field: str, url: str, networks: list[str], problems: list[Problem], *, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        problems.append(Problem(field, "This is no URL.", "Write it as https://host/path."))
        return
    plain_loopback = parts.scheme == "http" and _is_allowed_loopback(host, networks)
    if parts.scheme not in schemes and not plain_loopback:
        problems.append(Problem(field, "Only https is spoken with a CA.", "Write the URL with https://."))
    elif not host or len(url) > 500:
        problems.append(Problem(field, "The URL names no host, or is too long.", "Write it as https://host/path."))
    elif parts.username or parts.password or parts.fragment or parts.query:
        problems.append(
            Problem(
                field, "A URL here holds no user, password, query or fragment.", "Put credentials in their own fields."
            )
        )


def _is_allowed_loopback(host: str, networks: list[str]) -> bool:
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return False
    return address.is_loopback and any(
        address in ip_network(n) for n in networks if ip_network(n).version == address.version
    )


def _networks(value: object, problems: list[Problem]) -> list[str]:
    parts = value if isinstance(value, list) else str(value or "").replace(",", " ").split()
    found = []
    for part in parts:
        try:
            found.append(str(ip_network(str(part).strip())))
        except ValueError:
            problems.append(
                Problem(
                    "allowed_networks", f"{str(part)[:60]!r} is no network.", "Write it as 10.1.0.0/16 or fd00::/8."
                )
            )
    return sorted(set(found))


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


def _tags(value: object) -> list[str]:
    parts = value if isinstance(value, list) else str(value or "").split(",")
    return sorted({str(p).strip()[:60] for p in parts if str(p).strip()})[:50]


def _collect(problems: list[Problem], look: Any, value: object) -> Any:
    try:
        return look(value)
    except Invalid as error:
        problems.extend(error.problems)
        return None


def descriptor_of(slug: str) -> Descriptor:
    """Return an authority's descriptor; raises `Absent` for an unknown or broken one."""
    return catalog.get(slug)
