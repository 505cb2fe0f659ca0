"""Rotation of a connector's credential over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.connectors import credentials, queries, rotating
from chancery.apps.shared.action import current_clock
from chancery.doors.api import answers, bodies, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.routes import Routes, created

router = Routes(tags=["credentials"])
Answer = dict[str, Any]
_HERE = "/connectors/{ident}/credential"


@router.get(_HERE, response=answers.Credential)
def one(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Say how old the credential is, when it ends, and how far a rotation is."""
    return _shown(request, ident)


@router.put(f"{_HERE}/staged", response=answers.Credential, problems=(409,))
def stage(request: HttpRequest, ident: parameters.Ident, body: bodies.StageIn) -> Answer:
    """Keep a new credential beside the one in force; nothing uses it yet."""
    rotating.stage(actor(request), ident, dict(body.secrets), body.expires_on)
    return _shown(request, ident)


@router.delete(f"{_HERE}/staged", response={204: None}, problems=(409,))
def cancel(request: HttpRequest, ident: parameters.Ident) -> Status[None]:
    """Erase what is staged."""
    rotating.cancel(actor(request), ident)
    return Status(204, None)


@router.post(f"{_HERE}/staged/test", response={202: answers.Call}, headers=("Location", "Retry-After"), problems=(422,))
def test(request: HttpRequest, response: HttpResponse, ident: parameters.Ident) -> Status[Answer]:
    """Diagnose the connector with what is staged; the call tells the findings."""
    call = rotating.test_staged(actor(request), ident)
    created(response, "calls", call.pk)
    response.headers["Retry-After"] = "1"
    return Status(202, show.call(call))


@router.post(f"{_HERE}/switch", response=answers.Credential, problems=(409,))
def switch(request: HttpRequest, ident: parameters.Ident, body: bodies.CredentialSwitchIn) -> Answer:
    """Put what is staged in force, and keep the old one for some days."""
    rotating.switch(actor(request), ident, body.grace_days, body.untested)
    return _shown(request, ident)


@router.post(f"{_HERE}/switch-back", response=answers.Credential, problems=(409,))
def switch_back(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Put the old credential in force again, as long as it is kept."""
    rotating.switch_back(actor(request), ident)
    return _shown(request, ident)


@router.post(f"{_HERE}/revoked", response=answers.Credential, problems=(409,))
def revoked(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Say that the old credential was revoked at the CA; it is erased here."""
    rotating.revoked(actor(request), ident)
    return _shown(request, ident)


@router.put(f"{_HERE}/expiry", response=answers.Credential, problems=(409,))
def expiry(request: HttpRequest, ident: parameters.Ident, body: bodies.ExpiryIn) -> Answer:
    """Note the day on which the CA lets the credential in force end."""
    rotating.expires(actor(request), ident, body.expires_on)
    return _shown(request, ident)


def _shown(request: HttpRequest, ident: str) -> Answer:
    row = queries.get(actor(request), ident)
    return show.credential(credentials.credential(row), current_clock().now())
