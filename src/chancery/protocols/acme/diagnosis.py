"""*Test connection* from the stage login on: directory, account, terms, binding, rights, profiles, chain; reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chancery.protocols.acme.account import Account, Standing, bind
from chancery.protocols.acme.client import AcmeClient, Directory
from chancery.protocols.acme.settings import AcmeSettings, OrderSettings
from chancery.protocols.acme.solving.base import Solver
from chancery.sdk.errors import AuthFailed, AuthorityError
from chancery.sdk.finding import Finding, Level

_TERMS = "Read the terms, then tick in the connector's settings that you agree to them."
_EAB = "Enter the key id and the HMAC key that the CA's console shows for external account binding."


def findings(
    client: AcmeClient,
    account: Account,
    settings: AcmeSettings,
    solver: Solver | None,
    wanted: Sequence[OrderSettings],
) -> Iterator[Finding]:
    """Return the findings in the order of their stages. Errors of the way to the CA come out as they are."""
    directory = client.directory()
    yield _ok("login", "directory", "The base URL is an ACME directory.", _offer(directory))
    standing = account.look()
    if standing is None and settings.previous_key:
        yield _ok(
            "login", "new_key", "The CA does not know the account key yet; the next order moves the account to it."
        )
    elif standing is None:
        yield from _no_account(client, directory, settings)
    else:
        yield _standing(standing)
    yield _rights(directory)
    yield from _validation(solver)
    yield from _profiles(directory, wanted)
    yield Finding(
        "chain", Level.SKIPPED, "no_certificate", "Which chains the CA offers shows with the first certificate."
    )


def _offer(directory: Directory) -> str:
    parts = [f"terms: {directory.terms}"] if directory.terms else []
    parts += [f"profiles: {', '.join(sorted(directory.profiles))}"] if directory.profiles else []
    parts += [f"CAA: {', '.join(directory.caa)}"] if directory.caa else []
    parts += ["renewal information"] if "renewalInfo" in directory.urls else []
    parts += ["wants an external account binding"] if directory.eab_required else []
    return "; ".join(parts)[:500]


def _no_account(client: AcmeClient, directory: Directory, settings: AcmeSettings) -> Iterator[Finding]:
    """Say whether the first order will be able to make the account."""
    lacks = False
    if directory.terms and not settings.terms_agreed:
        lacks = True
        yield Finding(
            "login", Level.FAILED, "terms", "The CA's terms have not been agreed to.", directory.terms[:300], _TERMS
        )
    if settings.eab is not None:
        try:
            bind(settings.eab, client.key, directory)
        except AuthFailed as error:
            lacks = True
            yield Finding("login", Level.FAILED, "eab", error.message, "", error.remedy)
    elif directory.eab_required:
        lacks = True
        yield Finding("login", Level.FAILED, "eab", "This CA wants an external account binding.", "", _EAB)
    if not lacks:
        yield _ok("login", "no_account", "The CA has no account for this key yet; the first order makes it.")


def _standing(standing: Standing) -> Finding:
    about = ", ".join([standing.url, *standing.contacts])[:500]
    if standing.status in {"valid", ""}:
        return _ok("login", "account", "The CA knows the account, and it is active.", about)
    remedy = "Have it opened at the CA, or take another account key."
    return Finding("login", Level.FAILED, "account", f"The account is {standing.status}."[:200], about, remedy)


def _rights(directory: Directory) -> Finding:
    if "revokeCert" in directory.urls:
        return _ok("rights", "revokes", "The CA takes orders and revocations over ACME.")
    return Finding(
        "rights",
        Level.WARNING,
        "no_revocation",
        "The CA's directory has no address for revocations.",
        "",
        "Revoke at the CA's console.",
    )


def _validation(solver: Solver | None) -> Iterator[Finding]:
    if solver is None:
        yield _ok("rights", "no_challenge", "Names count as validated at the CA; no challenge is answered.")
        return
    try:
        trouble = solver.trouble()
    except AuthorityError as error:
        trouble = (f"{error.message} {error.text}".strip()[:500], error.remedy or "Correct the connector's settings.")
    if trouble:
        message, remedy = trouble
        yield Finding("rights", Level.FAILED, "challenge", message, solver.type, remedy)
    else:
        yield _ok("rights", "challenge", f"Names are validated by {solver.type}.")


def _profiles(directory: Directory, wanted: Sequence[OrderSettings]) -> Iterator[Finding]:
    for profile in sorted({one.profile for one in wanted if one.profile} - set(directory.profiles)):
        offered = ", ".join(sorted(directory.profiles)) or "none"
        yield Finding(
            "product",
            Level.FAILED,
            "profile",
            f"The CA does not offer the profile {profile!r}.",
            f"It offers: {offered}"[:500],
            "Choose one of the CA's profiles.",
        )


def _ok(stage: str, code: str, message: str, evidence: str = "") -> Finding:
    return Finding(stage, Level.OK, code, message, evidence)
