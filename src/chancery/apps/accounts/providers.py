"""Log-ins of others that are trusted here: which, whose people they make, and which of their groups give which roles.

How OpenID Connect and SAML are spoken is django-allauth's; here stands what a person who proved themselves there is here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from allauth.socialaccount.models import SocialAccount
from cryptography import x509
from pydantic import BaseModel, ConfigDict, ValidationError

from chancery.apps.accounts.actions import _guard_last_administrator, _login_name, _replace_grants
from chancery.apps.accounts.models import Provider, User
from chancery.apps.accounts.permissions import Permission
from chancery.apps.accounts.queries import environment, team
from chancery.apps.connectors import sealing
from chancery.apps.connectors.sealed import PROVIDER_FIELD, PROVIDER_TABLE
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.texts import clean
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted, Problem
from chancery.core.wrong import sentence
from chancery.net.addresses import openable

OIDC, SAML = "oidc", "saml"
_SLUG = re.compile(r"[a-z][a-z0-9-]{1,39}")
_TO = ("server_url", "sso_url", "allowed_networks")
"""Settings that say where a secret is sent: whoever changes them gives it anew."""


class Settings(BaseModel):
    """What a provider is told by: `server_url` to `scopes` for OpenID Connect, `entity_id` to `certificate` for SAML.

    `name_claim` is the claim or attribute with the login name, `groups_claim` that with the groups.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["oidc", "saml"] = "oidc"
    title: str
    server_url: str = ""
    client_id: str = ""
    scopes: list[str] = ["openid", "profile", "email"]
    allowed_networks: list[str] = []
    entity_id: str = ""
    sso_url: str = ""
    certificate: str = ""
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    mapping: list[str] = []
    makes_people: bool = False
    is_factor: bool = False


@action("providers.save", Permission.PEOPLE_MANAGE)
def save(act: Act, slug: str, values: Mapping[str, Any], secret: str = "") -> Provider:
    """Add a provider, or change one. The client's secret stays where none is given, unless it would go elsewhere.

    `mapping` has lines *group=role*, *group=role@team* or *group=role@team/environment*.
    """
    if not _SLUG.fullmatch(slug):
        raise Invalid.one("slug", "It is small letters, digits and -.", "It is part of an address, as in keycloak.")
    given = _parse(values)
    row = Provider.objects.select_for_update().filter(slug=slug).first() or Provider(slug=slug)
    before = (row.title, row.settings, row.mapping, row.makes_people, row.is_factor)
    kept = given.model_dump(exclude={"kind", "title", "mapping", "makes_people", "is_factor"})
    if row.sealed and not secret and any(row.settings.get(name) != kept[name] for name in _TO):
        text = "The client's secret would be sent elsewhere."
        raise Invalid.one("secret", text, "Give it again, or leave the addresses as they are.", "secret_needed")
    row.kind, row.settings, row.title = given.kind, kept, clean("title", given.title, 100, wanted="Name it.")
    row.mapping = [_mapped(line) for line in given.mapping]
    row.makes_people, row.is_factor = given.makes_people, given.is_factor
    row.save()
    if secret:
        row.sealed = sealing.seal(secret, table=PROVIDER_TABLE, record=str(row.pk), field=PROVIDER_FIELD)
        row.save()
    after = (row.title, row.settings, row.mapping, row.makes_people, row.is_factor)
    names = ("title", "settings", "mapping", "makes_people", "is_factor")
    changed = [n for n, a, b in zip(names, before, after, strict=True) if a != b] + ([PROVIDER_FIELD] if secret else [])
    act.note("provider", row.pk, row.title, changed=tuple(changed))
    return row


@action("providers.delete", Permission.PEOPLE_MANAGE)
def delete(act: Act, slug: str) -> None:
    """Trust a provider no longer. Its people stay; whoever has a password logs in with that."""
    row = Provider.objects.select_for_update().filter(slug=slug).first()
    if row is None:
        raise Absent("provider", slug)
    SocialAccount.objects.filter(provider=slug).delete()
    act.note("provider", row.pk, row.title)
    row.delete()


@action("people.sign_on", Permission.PEOPLE_MANAGE)
def _sign_on(act: Act, provider: Provider, uid: str, claims: Mapping[str, Any]) -> User:
    """Return who somebody is here that a provider says they are, made or given roles as it is set up."""
    link = SocialAccount.objects.filter(provider=provider.slug, uid=uid).select_related("user").first()
    user: User = link.user if link else _made(act, provider, uid, claims)
    if not user.is_active:
        raise NotPermitted(Permission.PEOPLE_MANAGE, "This person is kept out.", "Ask an administrator.")
    changed = () if link else ("login",)
    if provider.mapping:
        wanted = _grants(provider, claims)
        had = sorted(user.grants.values_list("role", "team_id", "environment_id"), key=str)
        if sorted(wanted, key=str) != had:
            _guard_last_administrator(user, keeps=("administrator", None, None) in wanted)
            _replace_grants(user, wanted)
            changed = (*changed, "grants")
    act.note("user", user.pk, user.username, changed=changed, detail={"provider": provider.slug})
    return user


def sign_on(provider: Provider, uid: str, claims: Mapping[str, Any], address: str) -> User:
    """Return who somebody is here that a provider says they are; raises `ChanceryError` where they are nobody."""
    # It acts by what an administrator has set up, so it is no person and asks for nobody's permission.
    return _sign_on(Actor(f"provider:{provider.slug}", None, provider.kind, address), provider, uid, claims)


def rows() -> list[Provider]:
    """Return the providers by title: whoever may log in sees them."""
    return list(Provider.objects.order_by("title", "pk"))


def listing(actor: Actor) -> list[Provider]:
    """Return the providers with their settings, for those who may see people."""
    if not actor.may(Permission.PEOPLE_VIEW):
        raise NotPermitted(Permission.PEOPLE_VIEW)
    return rows()


def get(slug: str) -> Provider:
    """Return a provider, or raise `Absent`."""
    row = Provider.objects.filter(slug=slug).first()
    if row is None:
        raise Absent("provider", slug)
    return row


def secret_of(row: Provider) -> str:
    """Return the client's secret for whoever is to speak with the provider, empty where there is none."""
    bound = {"table": PROVIDER_TABLE, "record": str(row.pk), "field": PROVIDER_FIELD}
    return sealing.unseal(row.sealed, **bound).reveal() if row.sealed else ""


def lines(row: Provider) -> list[str]:
    """Return a mapping as it is written."""
    return [
        f"{m['group']}={m['role']}"
        + (f"@{m['team']}/{m['environment']}".rstrip("/") if m["team"] or m["environment"] else "")
        for m in row.mapping
    ]


def _parse(values: Mapping[str, Any]) -> Settings:
    try:
        given = Settings.model_validate(dict(values))
    except ValidationError as error:
        problems = [Problem(str(e["loc"][0]), sentence(e), "Correct the field.") for e in error.errors()]
        raise Invalid(problems) from None
    needed = ("server_url", "client_id") if given.kind == OIDC else ("entity_id", "sso_url", "certificate")
    problems = [
        Problem(n, "This is missing.", "The provider's own page says it.") for n in needed if not getattr(given, n)
    ]
    for name in ("server_url", "sso_url"):
        url = getattr(given, name)
        if url and not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            problems.append(Problem(name, "It is no https address.", "Write it as https://host/path."))
    for network in given.allowed_networks:
        try:
            openable(network)
        except ValueError as error:
            problems.append(Problem("allowed_networks", f"{network[:60]!r}: {error}.", "Write it as 10.1.0.0/16."))
    if given.certificate:
        try:
            x509.load_pem_x509_certificate(given.certificate.encode())
        except ValueError:
            problems.append(Problem("certificate", "This is no PEM certificate.", "Paste the provider's, that signs."))
    if problems:
        raise Invalid(problems)
    return given


def _mapped(line: str) -> dict[str, str]:
    group, sign, role = line.strip().rpartition("=")
    role, _, place = role.partition("@")
    where, _, inside = place.partition("/")
    if not (group and sign and role):
        raise Invalid.one("mapping", f"{line[:60]!r} is no line.", "Write group=role, group=role@team/environment.")
    for text, look in ((where, team), (inside, environment)):
        if text:
            look(text)
    _replace_check(role)
    return {"group": group, "role": role, "team": where, "environment": inside}


def _replace_check(role: str) -> None:
    from chancery.apps.accounts.queries import roles

    known = [r.name for r in roles()]
    if role not in known:
        raise Invalid.one("mapping", f"There is no role {role[:40]!r}.", f"Roles are: {', '.join(known)}.")


def _grants(provider: Provider, claims: Mapping[str, Any]) -> Sequence[tuple[str, int | None, int | None]]:
    found = claims.get(provider.settings["groups_claim"], [])
    groups = {str(g) for g in found} if isinstance(found, list) else {str(found)}
    mine = [m for m in provider.mapping if m["group"] in groups]
    return list(
        dict.fromkeys(
            (
                m["role"],
                team(m["team"]).pk if m["team"] else None,
                environment(m["environment"]).pk if m["environment"] else None,
            )
            for m in mine
        )
    )


def _made(act: Act, provider: Provider, uid: str, claims: Mapping[str, Any]) -> User:
    said = claims.get(provider.settings["name_claim"])
    name = str((said[0] if said else "") if isinstance(said, list) else said or uid)
    if not provider.makes_people:
        text = f"Nobody here is {name[:60]!r} of {provider.title}."
        raise NotPermitted(Permission.PEOPLE_MANAGE, text, "Ask an administrator: it is set to make no people.")
    user = User(
        username=_login_name(name), full_name=clean("name", str(claims.get("name", ""))[:200], 200), created_at=act.at
    )
    if User.objects.filter(username=user.username).exists():
        # Not taken for the same: whoever chooses their name there could be anybody here.
        text, remedy = f"The login name {user.username!r} is somebody else's here.", "Ask an administrator."
        raise Conflict(text, remedy=remedy, code="taken")
    user.set_unusable_password()
    user.save()
    SocialAccount.objects.create(user=user, provider=provider.slug, uid=uid)
    return user
