"""Accounts of ACME clients (RFC 8555 section 7.3): made with a credential, updated, given another key, deactivated.

Who a client is, the door has proven: each message is signed by the account's key.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from chancery.apps.accounts.permissions import ACME, Permission
from chancery.apps.acme import ending
from chancery.apps.acme.errors import AcmeError, malformed
from chancery.apps.acme.jose import Key, Message, decode, is_mac, parse_object
from chancery.apps.acme.models import Account, Credential, Offer, Standing
from chancery.apps.audit.record import Note, write
from chancery.apps.connectors import sealing
from chancery.apps.connectors.sealed import ACME_FIELD, ACME_TABLE
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import Act, current_clock
from chancery.apps.shared.actor import Actor, Grant
from chancery.apps.shared.returning import instances, joined, one_of
from chancery.apps.shared.texts import unfit
from chancery.core.ids import new_id

_MOST_CONTACTS, _LONGEST_CONTACT = 10, 300
_MAIL = re.compile(r"mailto:[^@\s,?]+@[^@\s,?]+\Z")
_CREDENTIAL = ("id", "name", "team_id", "environment_id", "offer_id", "orders_per_hour", "created_by_user_id")
_WANTED = ((Account, ()), (Credential, _CREDENTIAL), (Offer, ()), (Profile, ("id", "name")))
_FROM = """
FROM acme_account JOIN acme_credential ON acme_credential.id = acme_account.credential_id
JOIN acme_offer ON acme_offer.profile_id = acme_credential.offer_id
JOIN profiles_profile ON profiles_profile.id = acme_offer.profile_id WHERE acme_account.id"""
_NO_SUCH = "No account of this server has this key."


def actor_of(account: Account, address: str = "") -> Actor:
    """Return the actor that an account is: it may do what ACME clients may, in its own team and environment."""
    row = account.credential
    grants = (Grant(ACME, row.team_id, row.environment_id),)
    return Actor(f"acme:{row.name}"[:200], None, "acme account key", address, "acme", grants, machine=True)


def by_id(ident: UUID) -> Account:
    """Return an account, however it stands; raises *accountDoesNotExist*."""
    found = several([ident]).get(ident)
    if found is None:
        raise AcmeError("accountDoesNotExist", "kid: There is no such account.", "Register, with newAccount.")
    return found


def several(idents: Collection[UUID]) -> dict[UUID, Account]:
    """Return accounts, however they stand, by their ids, each with its credential, what that is for, and the profile."""
    some, values = one_of(sorted(set(idents)))
    found: dict[UUID, Account] = {}
    for account, credential, offer, profile in joined(_WANTED, f"{_FROM} {some}", values):
        account.credential, credential.offer, offer.profile = credential, offer, profile
        found[account.pk] = account
    return found


def by_key(key: Key) -> Account | None:
    """Return the account that has a key, however it stands."""
    rows = instances(Account, "FROM acme_account WHERE thumbprint = %s", [key.thumbprint])
    return next(iter(rows), None)


def standing(account: Account) -> Account:
    """Return an account that is valid, or raise *unauthorized*, with 401 (RFC 8555 section 7.3.6)."""
    if (refusal := _ended(account)) is not None:
        raise refusal
    return account


def _ended(account: Account) -> AcmeError | None:
    if account.state == Standing.VALID:
        return None
    text = f"This account is {account.get_state_display().lower()}."
    return AcmeError("unauthorized", text, "Register another, with a credential that counts.", status=401)


def hold(idents: Collection[UUID]) -> dict[UUID, AcmeError]:
    """Keep accounts from ending until the commit, and return why those of them that have ended count no longer.

    Whoever ends an account waits for its row, and then finds what was placed meanwhile (`ending`).
    """
    if not idents:
        return {}
    some, values = one_of(sorted(set(idents)))
    # FOR SHARE would let two nodes in that both go on to change one account's orders. On SQLite the transaction is exclusive.
    lock = " FOR NO KEY UPDATE" if connection.vendor == "postgresql" else ""
    rows = joined([(Account, ("id", "state"))], f"FROM acme_account WHERE id {some} ORDER BY id{lock}", values)
    return {row.pk: refusal for (row,) in rows if (refusal := _ended(row)) is not None}


def register(asked: dict[str, Any], key: Key, address: str, bound: Message | None) -> tuple[Account, bool]:
    """Return the account of a key, and whether it was made now. `bound` is the external account binding, decoded."""
    known = by_key(key)
    if known is not None:
        return standing(known), False
    if asked.get("onlyReturnExisting") is True:
        raise AcmeError("accountDoesNotExist", _NO_SUCH, "Register without onlyReturnExisting.")
    contact = contacts(asked.get("contact", []))
    if bound is None:
        raise AcmeError(
            "externalAccountRequired",
            "externalAccountBinding: It is missing.",
            "Ask an administrator of this server for a key identifier and a MAC key.",
        )
    with transaction.atomic():
        credential = _credential(bound)
        try:
            with transaction.atomic():
                return _made(credential, key, contact, address), True
        except IntegrityError:
            # The same client registered twice at one moment; the second is told of the first.
            return standing(_certain(by_key(key))), False


def _certain(found: Account | None) -> Account:
    if found is None:
        raise AcmeError("serverInternal", "The account could not be stored.", "Try again.")
    return found


def _made(credential: Credential, key: Key, contact: list[str], address: str) -> Account:
    now = current_clock().now()
    account = Account(id=new_id(now), credential=credential, team_id=credential.team_id, hour_from=now, created_at=now)
    account.environment_id, account.contact, account.address = credential.environment_id, contact, address[:64]
    account.jwk, account.thumbprint, account.spki_sha256 = key.members, key.thumbprint, key.spki_sha256
    account.save(force_insert=True)
    credential.accounts_left -= 1
    credential.save(update_fields=["accounts_left"])
    _note(account, address, "acme_accounts.create", now)
    return account


def _credential(bound: Message) -> Credential:
    """Return the credential that a binding names and was made with; its row is held until the commit."""
    try:
        ident = UUID(bound.kid)
    except ValueError:
        ident = None
    rows = Credential.objects.select_for_update(of=("self",)).select_related("offer__profile")
    found = rows.filter(pk=ident).first() if ident is not None else None
    now = current_clock().now()
    if found is None or found.revoked_at is not None or not _authentic(found, bound):
        raise _unbound("There is no such credential, it was revoked, or the MAC was made with another key.")
    if found.expires_at is not None and found.expires_at <= now:
        raise _unbound(f"The credential {found.name} has expired.")
    if found.accounts_left == 0:
        raise _unbound(f"The credential {found.name} has been used for as many accounts as it was made for.")
    return found


def _authentic(found: Credential, bound: Message) -> bool:
    sealed = sealing.unseal(found.sealed, table=ACME_TABLE, record=str(found.pk), field=ACME_FIELD)
    return is_mac(bound, decode(sealed.reveal(), "mac"))


def _unbound(wrong: str) -> AcmeError:
    return AcmeError(
        "unauthorized", f"externalAccountBinding: {wrong}", "Ask an administrator of this server for a fresh one."
    )


def check_binding(bound: Message, outer: Key, url: str) -> None:
    """Raise unless a binding is for this very key and request (RFC 8555 section 7.3.4)."""
    field = "externalAccountBinding"
    if "nonce" in bound.header or bound.header.get("url") != url or bound.jwk is not None:
        raise malformed(field, "It must name kid and the url of newAccount, and no nonce.", "Use a current client.")
    inner = parse_object(bound.payload, f"{field}.payload")
    if {k: inner.get(k) for k in outer.members} != outer.members:
        raise malformed(field, "It is for another key than the message.", "Sign both with one account key.")


def update(account: Account, asked: dict[str, Any], address: str) -> Account:
    """Change the contacts of an account, or deactivate it (RFC 8555 sections 7.3.2 and 7.3.6), which ends its work too."""
    now, changed = current_clock().now(), []
    if "contact" in asked:
        account.contact = contacts(asked["contact"])
        changed.append("contact")
    if asked.get("status") == Standing.DEACTIVATED:
        account.state = Standing.DEACTIVATED
        changed.append("state")
    elif asked.get("status", Standing.VALID) != Standing.VALID:
        raise malformed("status", "An account can only be deactivated.", "Send deactivated, or leave it out.")
    if changed:
        with transaction.atomic():
            account.save(update_fields=changed)
            _note(account, address, "acme_accounts.update", now, changed)
            if "state" in changed:
                _stop(account, address, now)
    return account


def _stop(account: Account, address: str, now: datetime) -> None:
    act = Act("acme_accounts.update", Permission.ORDER_PLACE, actor_of(account, address), current_clock(), now)
    ending.stop(act, [account.pk], "Its ACME account was deactivated by its client.")
    write(act.actor, act.name, act.at, act.notes)


def roll_over(account: Account, old: Any, key: Key, address: str) -> Account:
    """Give an account another key (RFC 8555 section 7.3.5), whose holder says that `old` is the present one."""
    if not isinstance(old, dict) or {k: old.get(k) for k in account.jwk} != account.jwk:
        raise malformed(
            "payload.oldKey", "It is not the account's present key.", "Sign with the present key, and name it."
        )
    if key.thumbprint == account.thumbprint:
        raise taken(key)
    now = current_clock().now()
    try:
        with transaction.atomic():
            rows = Account.objects.filter(pk=account.pk, thumbprint=account.thumbprint, state=Standing.VALID)
            values = {"jwk": key.members, "thumbprint": key.thumbprint, "spki_sha256": key.spki_sha256}
            if not rows.update(**values):
                raise AcmeError("unauthorized", "The account has another key by now.", "Use that.")
            _note(account, address, "acme_accounts.roll_over", now, ("jwk",))
    except IntegrityError:
        raise taken(key) from None
    for name, value in values.items():
        setattr(account, name, value)
    return account


def taken(key: Key) -> AcmeError:
    """Return the refusal of a key that an account has already; `account` leads to that one."""
    found = by_key(key)
    refusal = AcmeError("malformed", "payload: An account has this key already.", "Make a fresh key.", status=409)
    refusal.headers = {"account": str(found.pk)} if found is not None else {}
    return refusal


def contacts(given: Any) -> list[str]:
    """Return contact addresses, which are kept for people to read; only mailto is taken (RFC 8555 section 7.3)."""
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(c, str) for c in given) or len(given) > _MOST_CONTACTS:
        raise AcmeError("invalidContact", "contact: It is no list of a few texts.", "Send up to ten mailto addresses.")
    for text in given:
        if not text.startswith("mailto:"):
            raise AcmeError("unsupportedContact", f"contact: {text[:60]!r} is no mailto address.", "Send mailto:…")
        if not _MAIL.match(text) or len(text) > _LONGEST_CONTACT or unfit({"contact": text}):
            raise AcmeError("invalidContact", f"contact: {text[:60]!r} is no e-mail address.", "Correct it.")
    return list(given)


def _note(account: Account, address: str, act: str, now: datetime, changed: Sequence[str] = ()) -> None:
    note = Note("acme_account", str(account.pk), str(account), tuple(changed), team=account.team_id)
    write(actor_of(account, address), act, now, [note])
