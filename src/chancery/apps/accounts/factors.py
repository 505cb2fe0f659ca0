"""Second factors: codes that an app computes (TOTP), passkeys (WebAuthn), and recovery codes for when both are lost.

What the standards ask for (RFC 6238, WebAuthn level 2) is computed by django-allauth and python-fido2; whether a code has
been used is kept here, in the row, since servers share no memory.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from typing import Any

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.mfa.webauthn.internal import auth as webauthn
from django.core.exceptions import ValidationError
from django.db import transaction

from chancery.apps.accounts.models import User
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import sealing
from chancery.apps.connectors.sealed import FACTOR_FIELD, FACTOR_TABLE
from chancery.apps.shared.action import Act, action, current_clock
from chancery.apps.shared.texts import clean
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted

Kind = Authenticator.Type
_PERIOD, _TOLERANCE = 30, 1
"""Seconds of a code (RFC 6238 section 4.1), and codes before and after that are taken, for clocks that differ."""
_CODES, _LENGTH, _GROUP, _ALPHABET = 10, 24, 4, "abcdefghjkmnpqrstuvwxyz23456789"
"""118 bits in each code: from 112 on a plain digest keeps it (ASVS 5.0, 6.5.2); a shorter one would want a slow and salted hash."""
_MOST_PASSKEYS = 20
_UNREADABLE = (
    ValidationError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
    struct.error,
)
"""What the libraries raise where a passkey's answer, which anybody may make up, is none: they unpack bytes as they come."""


@action("factors.add_totp", Permission.FACTOR_OWN)
def add_totp(act: Act, secret: str, code: str) -> list[str]:
    """Add an app that computes codes, once it has shown the right one; returns the recovery codes if they are new."""
    user = _person(act)
    if Authenticator.objects.filter(user_id=user.pk, type=Kind.TOTP).exists():
        raise Conflict("There is an app already.", remedy="Remove it first; then add the new one.", code="exists")
    counter = _counter(secret, code, act)
    if counter is None:
        raise Invalid.one("code", "This is not the code of this moment.", "Is the time of the device right?", "wrong")
    row = Authenticator(user_id=user.pk, type=Kind.TOTP, data={}, created_at=act.at)
    row.save()
    sealed = sealing.seal(secret, table=FACTOR_TABLE, record=str(row.pk), field=FACTOR_FIELD)
    row.data = {FACTOR_FIELD: sealed, "counter": counter}
    row.save()
    act.note("user", user.pk, user.username, changed=("factors",), detail={"added": str(Kind.TOTP)})
    return _first_codes(act, user)


@action("factors.add_passkey", Permission.FACTOR_OWN)
def add_passkey(act: Act, name: str, credential: dict[str, Any]) -> list[str]:
    """Add a passkey that answered the challenge of this session; returns the recovery codes if they are new."""
    user = _person(act)
    label = clean("name", name, 100, wanted="Name the key, for example by the device that holds it.")
    if Authenticator.objects.filter(user_id=user.pk, type=Kind.WEBAUTHN).count() >= _MOST_PASSKEYS:
        raise Conflict(f"There are {_MOST_PASSKEYS} passkeys.", remedy="Remove one first.", code="too_many")
    try:
        webauthn.parse_registration_response(credential)
        webauthn.complete_registration(credential)
    except _UNREADABLE:
        text = "The passkey's answer does not fit what was asked."
        raise Invalid.one("credential", text, "Try it again, in the same window.", "wrong") from None
    Authenticator(
        user_id=user.pk, type=Kind.WEBAUTHN, data={"name": label, "credential": credential}, created_at=act.at
    ).save()
    detail = {"added": str(Kind.WEBAUTHN), "name": label}
    act.note("user", user.pk, user.username, changed=("factors",), detail=detail)
    return _first_codes(act, user)


@action("factors.remove", Permission.FACTOR_OWN)
def remove(act: Act, ident: int) -> None:
    """Remove one of the actor's own factors; with the last one the recovery codes end too."""
    user = _person(act)
    row = Authenticator.objects.filter(user_id=user.pk, pk=ident).exclude(type=Kind.RECOVERY_CODES).first()
    if row is None:
        raise Absent("factor", ident)
    act.note("user", user.pk, user.username, changed=("factors",), detail={"removed": str(row.type)})
    row.delete()
    if not has_any(user):
        Authenticator.objects.filter(user_id=user.pk).delete()


@action("factors.new_codes", Permission.FACTOR_OWN)
def new_codes(act: Act) -> list[str]:
    """Make fresh recovery codes; the old ones end."""
    user = _person(act)
    if not has_any(user):
        raise Conflict("There is no second factor.", remedy="Add an app or a passkey first.", code="no_factor")
    act.note("user", user.pk, user.username, changed=("factors",), detail={"added": str(Kind.RECOVERY_CODES)})
    return _codes(act, user)


@action("people.remove_factors", Permission.PEOPLE_MANAGE)
def remove_all(act: Act, user_id: int) -> User:
    """Remove every factor of somebody who has lost them; their password alone lets them in again."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Absent("user", user_id)
    if user.pk == act.actor.user:
        text = "Nobody takes their own factors away here."
        raise NotPermitted(Permission.PEOPLE_MANAGE, text, "Do it under My account, or ask somebody else.")
    number = Authenticator.objects.filter(user_id=user.pk).delete()[0]
    act.note("user", user.pk, user.username, changed=("factors",) if number else ())
    return user


def of(user: User) -> list[Authenticator]:
    """Return a person's factors, the oldest first, without the recovery codes."""
    return list(Authenticator.objects.filter(user_id=user.pk).exclude(type=Kind.RECOVERY_CODES).order_by("pk"))


def has_any(user: User) -> bool:
    """Say whether a person has a second factor."""
    return bool(Authenticator.objects.filter(user_id=user.pk).exclude(type=Kind.RECOVERY_CODES).exists())


def has_passkey(user: User) -> bool:
    """Say whether a person has a passkey."""
    return bool(Authenticator.objects.filter(user_id=user.pk, type=Kind.WEBAUTHN).exists())


def codes_left(user: User) -> int:
    """Return how many recovery codes have not been used."""
    row = Authenticator.objects.filter(user_id=user.pk, type=Kind.RECOVERY_CODES).first()
    return len(row.data["digests"]) if row else 0


def prove(user: User, code: str) -> str:
    """Use up a code, and return the kind of factor that it is of; empty where it is of none, or was used before."""
    typed = "".join(code.lower().split()).replace("-", "")
    now = current_clock().now()
    rows = Authenticator.objects.filter(user_id=user.pk).exclude(type=Kind.WEBAUTHN)
    with transaction.atomic():
        # Recovery codes first: they open also where the secret of the app cannot be opened any more.
        for row in rows.select_for_update().order_by("type"):
            if _used_up(row, typed):
                row.last_used_at = now
                row.save()
                return str(row.type)
    return ""


def challenge(user: User | None) -> dict[str, Any]:
    """Return what a browser asks a passkey; None asks for a passkey that itself says whose it is."""
    return dict(webauthn.begin_authentication(user))


def enrolment(user: User) -> dict[str, Any]:
    """Return what a browser asks a passkey that is to be added: one that can be used without a name and password."""
    return dict(webauthn.begin_registration(user, passwordless=True))


def answered(credential: dict[str, Any], user: User | None) -> User | None:
    """Return whose passkey answered the challenge of this session, None where none did."""
    try:
        webauthn.parse_authentication_response(credential)
        owner = user or webauthn.extract_user_from_response(credential)
        row = webauthn.complete_authentication(owner, credential)
    except _UNREADABLE:
        return None
    Authenticator.objects.filter(pk=row.pk).update(last_used_at=current_clock().now())
    return User.objects.filter(pk=row.user_id, is_active=True).first()


def _person(act: Act) -> User:
    """Return the actor, who must be logged in: what a token could add, its thief could."""
    if act.actor.how.startswith("token:"):
        text = "An API token changes nothing about how its person logs in."
        raise NotPermitted(Permission.FACTOR_OWN, text, "Log in to the console.")
    user = User.objects.select_for_update().filter(pk=act.actor.user or 0).first()
    if user is None:
        raise Absent("user", act.actor.user)
    return user


def _counter(secret: str, code: str, act: Act | None = None, after: int = -1) -> int | None:
    now = int((act.at if act else current_clock().now()).timestamp()) // _PERIOD
    for counter in range(now - _TOLERANCE, now + _TOLERANCE + 1):
        if counter > after and compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, counter))):
            return counter
    return None


def _used_up(row: Authenticator, code: str) -> bool:
    if row.type == Kind.TOTP:
        sealed = row.data[FACTOR_FIELD]
        secret = sealing.unseal(sealed, table=FACTOR_TABLE, record=str(row.pk), field=FACTOR_FIELD)
        counter = _counter(secret.reveal(), code, after=row.data["counter"])
        if counter is not None:
            row.data["counter"] = counter
        return counter is not None
    digest = _digest(code)
    if digest not in row.data["digests"]:
        return False
    row.data["digests"].remove(digest)
    return True


def _first_codes(act: Act, user: User) -> list[str]:
    had = Authenticator.objects.filter(user_id=user.pk, type=Kind.RECOVERY_CODES).exists()
    return [] if had else _codes(act, user)


def _codes(act: Act, user: User) -> list[str]:
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)) for _ in range(_CODES)]
    Authenticator.objects.filter(user_id=user.pk, type=Kind.RECOVERY_CODES).delete()
    data = {"digests": [_digest(code) for code in codes]}
    Authenticator(user_id=user.pk, type=Kind.RECOVERY_CODES, data=data, created_at=act.at).save()
    return ["-".join(code[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP)) for code in codes]


def _digest(code: str) -> str:
    # What we drew is not to be guessed from its digest, as a password would be.
    return hashlib.sha256(code.encode()).hexdigest()
