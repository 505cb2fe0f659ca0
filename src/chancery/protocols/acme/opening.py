"""newOrder (RFC 8555 section 7.4): what is asked for, and which refusals are worth asking once more without an extra."""

from __future__ import annotations

import logging
from typing import Any

from chancery.protocols.acme.account import harmless
from chancery.protocols.acme.client import AcmeClient, Directory
from chancery.protocols.acme.progress import split_reference
from chancery.protocols.acme.settings import OrderSettings
from chancery.sdk.answer import Answer
from chancery.sdk.authority import Request
from chancery.sdk.errors import (
    AuthorityError,
    Forbidden,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Throttled,
    Unreachable,
)

_VAGUE = {"malformed", "unauthorized"}
"""What CAs answer where the drafts and RFCs have a name of their own for the trouble."""
_PROFILES = "Choose one of the CA's profiles in the profile's settings."


def identifiers_of(request: Request) -> frozenset[tuple[str, str]]:
    """Return the names of a request as ACME has them: (dns or ip, value)."""
    return frozenset((name.kind, name.value.lower()) for name in request.names)


def post(client: AcmeClient, request: Request, wanted: OrderSettings, account: str, log: logging.Logger) -> Answer:
    """Open an order. Raises what the CA's refusal means; after a lost answer it may be opened again."""
    directory = client.directory()
    _check_profile(directory, wanted.profile)
    payload = _payload(request, wanted, directory)
    try:
        try:
            return _post(client, directory, payload, account)
        except AuthorityError as error:
            if "replaces" not in payload or not _is_about(error, "replac", {"alreadyReplaced", "conflict", "409"}):
                raise
            # Several CAs refuse what they do not like about the old certificate; a refusal has opened nothing.
            log.info("order %s: the CA takes no 'replaces' (%s); asked without it", request.reference, error.code)
            del payload["replaces"]
            return _post(client, directory, payload, account)
    except AuthorityError as error:
        if wanted.profile and _is_about(error, "profile", {"invalidProfile"}):
            raise RejectedByPolicy(
                f"The CA does not issue by the profile {wanted.profile!r} here.",
                code="invalidProfile",
                text=error.text,
                stage=error.stage,
                remedy=_PROFILES,
            ) from None
        raise


def address(answer: Answer) -> str:
    """Return where the new order is; raises `ProtocolViolation` where the CA does not say."""
    found = answer.headers.get("location", "")
    if not found:
        raise ProtocolViolation(
            "The CA opened an order and did not say where it is; it is opened again.",
            code="no_address",
            text=answer.text,
            stage="response",
            bytes_sent=False,
        )
    return found


def _post(client: AcmeClient, directory: Directory, payload: dict[str, Any], account: str) -> Answer:
    try:
        return client.post(directory.need("newOrder"), payload, kid=account, effect=True, ends=True)
    except (OutcomeUnknown, ProtocolViolation) as error:
        raise harmless(
            error, "From an order that is never finalized nothing is issued, so it is opened again."
        ) from None


def _payload(request: Request, wanted: OrderSettings, directory: Directory) -> dict[str, Any]:
    rows = [{"type": kind, "value": value} for kind, value in sorted(identifiers_of(request))]
    payload: dict[str, Any] = {"identifiers": rows}
    if wanted.profile:
        payload["profile"] = wanted.profile
    if wanted.not_after:
        payload["notAfter"] = f"{request.intended_at + request.validity:%Y-%m-%dT%H:%M:%SZ}"
    replaced = split_reference(request.previous)[1]
    if replaced and wanted.replaces and "renewalInfo" in directory.urls:
        payload["replaces"] = replaced
    return payload


def _check_profile(directory: Directory, profile: str) -> None:
    """Refuse a profile that is not on offer: by the draft, a client does not ask for it."""
    if profile and profile not in directory.profiles:
        offered = ", ".join(sorted(directory.profiles)) or "none"
        raise RejectedByPolicy(
            f"The CA has no profile {profile!r}; it offers: {offered}.",
            code="invalidProfile",
            bytes_sent=False,
            remedy=_PROFILES,
        )


def _is_about(error: AuthorityError, word: str, codes: set[str]) -> bool:
    if isinstance(error, OutcomeUnknown | Unreachable | Throttled):
        return False
    vague = error.code in _VAGUE or isinstance(error, Forbidden)
    return error.code in codes or (vague and word in error.text.lower())
