"""What *Test connection* says of an EST service, by reading alone: nothing is enrolled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chancery.protocols.bundle import climb
from chancery.protocols.est.attributes import Wanted
from chancery.sdk.errors import AuthFailed, AuthorityError, Forbidden
from chancery.sdk.finding import Finding, Level, failed

_LOOK = "Check the base URL, the path and the label of the EST service."


def findings(
    csrattrs: Callable[[], Wanted | None], cacerts: Callable[[], Sequence[bytes]], *, has_user: bool
) -> list[Finding]:
    """Return login and product (by /csrattrs) and chain (by /cacerts)."""
    return [*_login_and_product(csrattrs, has_user=has_user), _chain(cacerts)]


def _login_and_product(csrattrs: Callable[[], Wanted | None], *, has_user: bool) -> list[Finding]:
    try:
        wanted = csrattrs()
    except (AuthFailed, Forbidden) as error:
        return [failed("login" if isinstance(error, AuthFailed) else "rights", error, _LOOK)]
    except AuthorityError as error:
        return [failed("product", error, _LOOK)]
    # RFC 7030 leaves it to the server whether /csrattrs asks for a login, so this proves less than an enrolment.
    said = "The login was not refused; a server may ask for it at enrolment only." if has_user else "No login is sent."
    login = Finding("login", Level.OK if has_user else Level.SKIPPED, "not_refused" if has_user else "no_login", said)
    return [login, _product(wanted)]


def _product(wanted: Wanted | None) -> Finding:
    if wanted is None:
        return Finding("product", Level.SKIPPED, "no_csrattrs", "The CA says nothing about what requests must hold.")
    if wanted.binds_to_connection:
        return Finding(
            "product",
            Level.WARNING,
            "binds_to_connection",
            "The CA wants requests to be bound to the TLS connection (RFC 7030 section 3.5).",
            str(wanted),
            "Only whoever holds a request's key could do that. Have it switched off for this label at the CA.",
        )
    return Finding("product", Level.OK, "csrattrs", "The CA says what it wants to find in requests.", str(wanted))


def _chain(cacerts: Callable[[], Sequence[bytes]]) -> Finding:
    try:
        found = cacerts()
    except AuthorityError as error:
        return failed("chain", error, _LOOK)
    text = f"{len(found)} certificates"
    if any(climb(one, found)[1] for one in found):
        return Finding("chain", Level.OK, "ok", "The CA gives its certificates, up to a root.", text)
    return Finding(
        "chain",
        Level.WARNING,
        "no_root",
        "The CA gives certificates, but no root among them.",
        text,
        "Chains will end below the root. Have the whole chain put into the CA's answer to /cacerts.",
    )
