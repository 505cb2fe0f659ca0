"""What people do about the ACME server: offer profiles, make and revoke credentials, end accounts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta

from chancery.apps.accounts.permissions import Permission
from chancery.apps.acme import ending, queries
from chancery.apps.acme.jose import encode
from chancery.apps.acme.models import Account, Challenge, Credential, Offer, Standing
from chancery.apps.connectors import sealing
from chancery.apps.connectors.sealed import ACME_FIELD, ACME_TABLE
from chancery.apps.profiles import queries as profiles
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.given import networks as networks_of
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.texts import clean_folded
from chancery.apps.shared.unique import name_taken
from chancery.core.errors import Absent, Blocker, Conflict, Invalid, Problem
from chancery.core.ids import new_id

MOST_ACCOUNTS, MOST_ORDERS, MOST_DAYS = 10_000, 1_000_000, 3650
USUAL_ORDERS = 300
_MAC_BYTES = 32
_MOST_NETWORKS = 50


@action("acme_offers.set", Permission.ACME_MANAGE)
def offer(
    act: Act,
    ident: object,
    *,
    challenges: Sequence[str] = (),
    networks: Sequence[str] = (),
    listed: bool = False,
    any_name: bool | None = None,
) -> Offer:
    """Let ACME clients order with a profile, or change how their names are validated.

    Without challenges every name that the profile allows counts as authorised beforehand; where the profile allows any,
    that has to be said (`any_name`; None leaves it at what was said before).
    """
    profile = profiles.pick(profiles.visible_to(act.actor).select_for_update(of=("self",)), ident)
    act.require(profile)
    row = Offer.objects.filter(pk=profile.pk).first() or Offer(profile=profile)
    row.team_id, row.environment_id = profile.team_id, profile.environment_id
    row.challenges, row.networks, row.listed = _challenges(challenges), _networks(networks), listed
    row.any_name = row.any_name if any_name is None else any_name
    if not (row.challenges or profile.name_suffixes or row.any_name):
        raise Invalid.one(
            "any_name",
            f"Nobody would prove a name, and {profile.name} allows any: each credential would be good for all names.",
            "Choose a challenge, let the profile name its domains (name_suffixes), or say that this is meant (any_name).",
        )
    row.updated_at = act.at
    row.save()
    detail = {"challenges": row.challenges, "networks": row.networks, "any_name": row.any_name}
    changed = ("challenges", "networks", "any_name")
    act.note("acme_offer", row.pk, profile.name, team=row.team_id, detail=detail, changed=changed)
    return row


@action("acme_offers.withdraw", Permission.ACME_MANAGE)
def withdraw(act: Act, ident: object) -> None:
    """Offer a profile no longer; refused while credentials for it count, or orders by it are kept."""
    row = queries.visible_offers(act.actor).select_for_update(of=("self",)).filter(pk=queries.key_of(ident)).first()
    if row is None:
        raise Absent("ACME offer", ident)
    act.require(row)
    found = row.credentials.order_by("id")[:20]
    if found:
        blockers = [Blocker("credential", c.name, str(c.pk), "is for this profile") for c in found]
        raise Conflict(
            "Credentials were made for it, whose accounts and orders are kept.",
            remedy="Revoke those credentials: nobody orders with the profile then.",
            blockers=blockers,
            code="in_use",
        )
    act.note("acme_offer", row.pk, row.profile.name, team=row.team_id)
    row.delete()


@action("acme_credentials.create", Permission.ACME_MANAGE)
def create_credential(
    act: Act,
    name: str,
    *,
    profile: object,
    accounts: int = 1,
    orders_per_hour: int = USUAL_ORDERS,
    days: int = 0,
) -> tuple[Credential, str]:
    """Make an external account binding for a profile; its MAC key (base64url) is returned once.

    It is good for so many accounts, within so many days (0 for no end). Whoever makes it must be allowed to order with the
    profile: its clients will, for them.
    """
    row = _offered(act, profile)
    act.require(row, Permission.ORDER_PLACE)
    problems = [
        *_within("accounts", accounts, 1, MOST_ACCOUNTS),
        *_within("orders_per_hour", orders_per_hour, 1, MOST_ORDERS),
        *_within("days", days, 0, MOST_DAYS),
    ]
    if problems:
        raise Invalid(problems)
    made = Credential(id=new_id(act.at), offer=row, team_id=row.team_id, environment_id=row.environment_id)
    made.name = clean_folded("name", name, 120, wanted="Say whose it is, for example the host's name.")
    made.accounts_left, made.orders_per_hour = accounts, orders_per_hour
    made.created_at, made.created_by, made.created_by_user_id = act.at, act.actor.name, act.actor.user
    made.expires_at = act.at + timedelta(days=days) if days else None
    secret = _mac_key()
    made.sealed = sealing.seal(secret, table=ACME_TABLE, record=str(made.pk), field=ACME_FIELD)
    with name_taken(f"There is already a credential {made.name!r}, or one that differs in capitals only."):
        made.save(force_insert=True)
    act.note("acme_credential", made.pk, made.name, team=made.team_id, detail={"profile": str(row.pk)})
    return made, secret


def _mac_key() -> str:
    """Return a new MAC key, base64url. One that begins with a dash would be taken for an option by the clients' command lines."""
    while (key := encode(secrets.token_bytes(_MAC_BYTES))).startswith("-"):
        pass
    return key


@action("acme_credentials.revoke", Permission.ACME_MANAGE)
def revoke_credential(act: Act, ident: object) -> Credential:
    """Revoke a credential and with it its accounts: they order nothing more, and what no CA was asked for ends.

    Certificates stay as they are.
    """
    row = by_id(queries.visible_to(act.actor).select_for_update(of=("self",)), ident)
    if row is None:
        raise Absent("ACME credential", ident)
    act.require(row)
    if row.revoked_at is not None:
        raise Conflict("It is revoked already.", remedy="There is nothing to do.", code="wrong_state")
    row.revoked_at, row.sealed = act.at, {}
    row.save()
    valid = row.accounts.filter(state=Standing.VALID).order_by("pk")
    # Held first: an account that is made at this moment waits for the credential's row, and is refused by it.
    accounts = list(valid.select_for_update().values_list("pk", flat=True))
    row.accounts.filter(pk__in=accounts).update(state=Standing.REVOKED)
    ending.stop(act, accounts, f"The ACME credential {row.name} was revoked.")
    detail = {"accounts": len(accounts)}
    act.note("acme_credential", row.pk, row.name, team=row.team_id, changed=("revoked_at",), detail=detail)
    return row


@action("acme_accounts.revoke", Permission.ACME_MANAGE)
def revoke_account(act: Act, ident: object) -> Account:
    """End one account: its key counts no longer, and what no CA was asked for ends. Certificates stay as they are."""
    row = by_id(queries.accounts_visible_to(act.actor).select_for_update(of=("self",)), ident)
    if row is None:
        raise Absent("ACME account", ident)
    act.require(row)
    if row.state != Standing.VALID:
        raise Conflict(
            f"It is {row.get_state_display().lower()}.", remedy="There is nothing to do.", code="wrong_state"
        )
    row.state = Standing.REVOKED
    row.save(update_fields=["state"])
    ending.stop(act, [row.pk], "Its ACME account was revoked.")
    act.note("acme_account", row.pk, str(row), team=row.team_id, changed=("state",))
    return row


def _offered(act: Act, ident: object) -> Offer:
    profile = profiles.get(act.actor, ident)
    row = Offer.objects.filter(pk=profile.pk).first()
    if row is None:
        text = f"{profile.name} is not offered by ACME."
        raise Invalid.one("profile", text, "Offer the profile first.", "not_offered")
    act.require(row)
    return row


def _challenges(given: Sequence[str]) -> list[str]:
    wrong = [text for text in given if text not in Challenge.values]
    if wrong:
        known = ", ".join(Challenge.values)
        raise Invalid.one("challenges", f"There is no challenge {str(wrong[0])[:40]!r}.", f"Choose from: {known}.")
    return [kind for kind in Challenge.values if kind in given]


def _networks(given: Sequence[str]) -> list[str]:
    found = networks_of(given, "networks")
    if len(found) > _MOST_NETWORKS:
        raise Invalid.one("networks", f"{_MOST_NETWORKS} networks are the most.", "Join them.")
    return found


def _within(field: str, value: int, least: int, most: int) -> list[Problem]:
    if isinstance(value, int) and least <= value <= most:
        return []
    return [Problem(field, f"{value} is not between {least} and {most}.", "Correct the number.")]
