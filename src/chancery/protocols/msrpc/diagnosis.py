"""What *Test connection* says of a CA over RPC, by reading alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from chancery.protocols.bundle import climb
from chancery.sdk.errors import AuthorityError, Unreachable
from chancery.sdk.finding import Finding, Level, failed

_LOOK = "Check the CA's machine, its name and the account."
_OFFICER = "Issue and Manage Certificates"
_SWITCH = "EDITF_ATTRIBUTESUBJECTALTNAME2"
_SHOWN = 12


def findings(
    touch: Callable[[], None],
    manager: Callable[[], list[Finding]],
    templates: Callable[[], Mapping[str, str]],
    certificates: Callable[[], Iterable[bytes]],
    names: Sequence[str],
) -> list[Finding]:
    """Return login, rights of the managing account and the CA's switches, template and chain.

    Raises `Unreachable` where nobody answers: that says nothing about the login.
    """
    login = _login(touch)
    return [login, *manager(), *_products(templates, names), _chain(certificates)]


def _login(touch: Callable[[], None]) -> Finding:
    try:
        touch()
    except Unreachable:
        raise
    except AuthorityError as error:
        return failed("login", error, _LOOK)
    return Finding("login", Level.OK, "ok", "The CA answered this account over RPC.")


def managing(rights: Callable[[], frozenset[str]] | None) -> Finding:
    """Return what the account that manages may do."""
    if rights is None:
        text = "No account that manages: lost answers are not searched for, and nothing is revoked or listed."
        return Finding("rights", Level.SKIPPED, "no_manager", text)
    try:
        found = rights()
    except AuthorityError as error:
        return failed("rights", error, _LOOK)
    listed = ", ".join(sorted(found)) or "none"
    if _OFFICER in found:
        return Finding("rights", Level.OK, "ok", "The managing account may revoke and deny.", listed)
    text = f"The managing account has no right {_OFFICER}: it can neither revoke nor deny."
    return Finding("rights", Level.WARNING, "no_officer", text, listed, f"Give it {_OFFICER} in the CA's properties.")


def switches(named: Callable[[], bool | None]) -> Finding:
    """Return whether anybody may put names beside the certificate request (ESC6), as far as the CA tells."""
    try:
        found = named()
    except AuthorityError as error:
        text = f"Whether the CA takes names out of request attributes (ESC6), it does not tell: {error.message}"
        return Finding("rights", Level.SKIPPED, "switches_unseen", text, error.text)
    if found is None:
        text = "The CA keeps no switches for the policy module of Windows: it may have another one."
        return Finding("rights", Level.SKIPPED, "switches_unseen", text)
    if not found:
        return Finding(
            "rights", Level.OK, "switches", "The CA takes names out of the certificate request alone.", _SWITCH
        )
    text = "The CA takes names out of request attributes: whoever may enrol gets a certificate for any name (ESC6)."
    remedy = f"At the CA: certutil -setreg policy\\EditFlags -{_SWITCH}, then restart its service."
    return Finding("rights", Level.WARNING, "esc6", text, _SWITCH, remedy)


def _products(templates: Callable[[], Mapping[str, str]], names: Sequence[str]) -> list[Finding]:
    try:
        found = templates()
    except AuthorityError as error:
        return [failed("product", error, _LOOK)]
    return [_product(found, name) for name in names or [""]]


def _product(found: Mapping[str, str], name: str) -> Finding:
    names = sorted(found)
    evidence = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    if not name:
        return Finding("product", Level.SKIPPED, "no_template", "No template is set to look for.", evidence)
    if name.casefold() in {n.casefold() for n in found} | set(found.values()):
        text = f"The CA publishes the template {name}. Whether this account may enrol from it, RPC does not tell."
        return Finding("product", Level.OK, "ok", text, evidence)
    text = f"The CA does not publish a template {name}."
    remedy = "Use the template's short name, not its display name, and publish it at the CA."
    return Finding("product", Level.FAILED, "unknown_template", text, evidence, remedy)


def _chain(certificates: Callable[[], Iterable[bytes]]) -> Finding:
    try:
        found = list(certificates())
    except AuthorityError as error:
        return failed("chain", error, _LOOK)
    if any(climb(one, found)[1] for one in found):
        return Finding("chain", Level.OK, "ok", "The CA gives its chain, up to a root.", f"{len(found)} certificates")
    text = "The CA gives a chain without a root."
    remedy = "Install the root's certificate on the CA's machine."
    return Finding("chain", Level.WARNING, "no_root", text, f"{len(found)} certificates", remedy)
