"""API tokens: made once, shown once, limited, and ended at once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta
from ipaddress import ip_address, ip_network

from chancery.apps.accounts.models import ApiToken, Environment, Team
from chancery.apps.accounts.permissions import Permission
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.texts import clean
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted

TOKEN_PREFIX = "chy_"  # noqa: S105  the recognisable start, not a credential
_MAX_TOKEN_DAYS = 730
_MOST_NETWORKS = 50


@action("tokens.create", Permission.TOKEN_CREATE)
def create_token(
    act: Act,
    name: str,
    days: int | None = 90,
    *,
    permissions: Sequence[str] | None = None,
    team: int | None = None,
    environment: int | None = None,
    networks: Sequence[str] = (),
) -> tuple[ApiToken, str]:
    """Make an API token for the actor; the text is returned once and kept nowhere.

    It gives no more than `permissions` (None: all that the person has), in one team and environment (None: in all), and
    answers only to addresses of `networks` (empty: to all). A token that is limited itself makes no other, and one that is
    bound to networks none that answers elsewhere: whoever steals it would be rid of that.
    """
    if act.actor.user is None:
        raise Invalid.one("user", "A token belongs to a person.", "Log in as the person who needs it.")
    if act.actor.limited:
        detail, remedy = "A limited token makes no tokens.", "Log in, or use a token without limits."
        raise NotPermitted(Permission.TOKEN_CREATE, detail, remedy)
    label = clean("name", name, 100, wanted="Name what will use it.")
    if days is not None and not 1 <= days <= _MAX_TOKEN_DAYS:
        raise Invalid.one("days", f"A token lives 1 to {_MAX_TOKEN_DAYS} days.", "Choose fewer days.")
    text = TOKEN_PREFIX + secrets.token_urlsafe(30)
    token = ApiToken.objects.create(
        user_id=act.actor.user,
        name=label,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        hint=text[-4:],
        created_at=act.at,
        expires_at=act.at + timedelta(days=days) if days else None,
        permissions=None if permissions is None else known(permissions),
        team_id=_known(Team, team, "team"),
        environment_id=_known(Environment, environment, "environment"),
        networks=_inside(_networks(networks), act.actor.bound),
        strong=act.actor.strong,
    )
    limits = {n: v for n in ("permissions", "team_id", "environment_id", "networks") if (v := getattr(token, n))}
    act.note("token", token.pk, token.name, detail=limits)
    return token, text


@action("tokens.revoke", Permission.TOKEN_REVOKE)
def revoke_token(act: Act, token_id: int) -> ApiToken:
    """End one of the actor's own tokens, at once."""
    return _end(act, ApiToken.objects.filter(pk=token_id, user_id=act.actor.user or 0).first(), token_id)


@action("tokens.end", Permission.PEOPLE_MANAGE)
def end_token(act: Act, token_id: int) -> ApiToken:
    """End a token of anybody, at once."""
    return _end(act, ApiToken.objects.filter(pk=token_id).first(), token_id)


def known(permissions: Sequence[str]) -> list[str]:
    """Return permissions sorted; raises `Invalid` on field *permissions* for none at all, or one that there is not."""
    unknown = sorted(set(permissions) - set(Permission))
    if unknown:
        problem = f"There is no permission {unknown[0][:60]!r}."
        raise Invalid.one("permissions", problem, "Choose from those that the roles list.")
    if not permissions:
        raise Invalid.one("permissions", "Without any permission it could do nothing.", "Choose one at least.")
    return sorted(set(permissions))


def open_to(networks: Iterable[str], address: str) -> bool:
    """Say whether a token that is bound to these networks answers to this address."""
    try:
        caller = ip_address(address)
    except ValueError:
        return False
    caller = getattr(caller, "ipv4_mapped", None) or caller
    return any(caller in ip_network(network) for network in networks)


def _networks(given: Sequence[str]) -> list[str]:
    found = set()
    for text in given:
        try:
            found.add(str(ip_network(text.strip())))
        except ValueError:
            problem = f"{text[:60]!r} is no network, or has bits beside its mask."
            raise Invalid.one("networks", problem, "Write it as 192.0.2.0/24, 192.0.2.7 or 2001:db8::/48.") from None
    if len(found) > _MOST_NETWORKS:
        raise Invalid.one("networks", f"There are {len(found)}; {_MOST_NETWORKS} is the most.", "Join some.")
    return sorted(found)


def _inside(wanted: list[str], bound: tuple[str, ...]) -> list[str]:
    """Return networks that are all inside of those that the token is bound to which makes another; its own for none."""
    if not bound:
        return wanted
    around = [ip_network(text) for text in bound]
    for text in wanted:
        one = ip_network(text)
        if not any(one.network_address in n and one.broadcast_address in n for n in around):
            problem = f"{text} is not inside of {', '.join(bound)}, to which the token is bound that asks."
            raise Invalid.one("networks", problem, "Choose a network inside of them, or log in.")
    return wanted or list(bound)


def _known(model: type[Team | Environment], ident: int | None, field: str) -> int | None:
    if ident is not None and not model._default_manager.filter(pk=ident).exists():
        raise Invalid.one(field, f"There is no {field} with the id {ident}.", "Choose one from the list.")
    return ident


def _end(act: Act, token: ApiToken | None, ident: int) -> ApiToken:
    if token is None:
        raise Absent("token", ident)
    if token.revoked_at is not None:
        raise Conflict("This token has been ended already.", remedy="There is nothing left to do.", code="ended")
    token.revoked_at = act.at
    token.save()
    act.note("token", token.pk, token.name, changed=("revoked_at",))
    return token
