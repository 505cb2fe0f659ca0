"""What *Test connection* says of the two web services, by reading alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chancery.core.certificate import spki_of
from chancery.protocols.bundle import climb
from chancery.protocols.wstep.policies import Login, Policies, Template
from chancery.sdk.errors import AuthorityError, Throttled, Unreachable
from chancery.sdk.finding import Finding, Level, failed

_LOOK = "Check the addresses of the web services."
_SHOWN = 12
_CLIENT_AUTH, _ANY, _AGENT, _SMART_CARD = (
    "1.3.6.1.5.5.7.3.2",
    "2.5.29.37.0",
    "1.3.6.1.4.1.311.20.2.1",
    "1.3.6.1.4.1.311.20.2.2",
)
_DANGEROUS = {
    _CLIENT_AUTH: "client authentication",
    _ANY: "any purpose",
    _AGENT: "enrolment agent",
    _SMART_CARD: "smart card logon",
}


def findings(
    policies: Callable[[], Policies] | None, touch: Callable[[], None], templates: Sequence[str]
) -> list[Finding]:
    """Return login (by the enrolment service), then rights, template and chain (by the policy service, if there is one).

    Raises `Unreachable` or `Throttled` where the enrolment service says so: neither is about the login.
    """
    found = [_login(touch)]
    if policies is None:
        said = "Without a policy service, templates and rights cannot be looked up beforehand."
        return [*found, Finding("rights", Level.SKIPPED, "no_policy_service", said)]
    try:
        told = policies()
    except AuthorityError as error:
        return [*found, failed("rights", error, _LOOK)]
    return [*found, *_rights(told), *_products(told, templates), _chain(told)]


def _login(touch: Callable[[], None]) -> Finding:
    try:
        touch()
    except (Unreachable, Throttled):
        raise
    except AuthorityError as error:
        return failed("login", error, _LOOK)
    return Finding("login", Level.OK, "ok", "The enrolment service answered this account.")


def _rights(told: Policies) -> list[Finding]:
    ours = [issuer for issuer in told.issuers if issuer.may_enroll]
    logins = sorted({_login_name(a.login) for i in told.issuers for a in i.addresses})
    offered = f"{len(told.issuers)} CAs; logins: {', '.join(logins) or 'none'}"
    if ours:
        return [Finding("rights", Level.OK, "ok", "The account may request certificates.", offered)]
    text = "No CA of this policy service lets this account request certificates."
    remedy = "At the CA, give the account the right Request Certificates; check that an enrolment address is published."
    return [Finding("rights", Level.FAILED, "no_enrolment", text, offered, remedy)]


def _login_name(number: int) -> str:
    names = {
        Login.ANONYMOUS: "anonymous",
        Login.KERBEROS: "Kerberos",
        Login.USER_NAME: "user name and password",
        Login.CERTIFICATE: "client certificate",
    }
    return next((name for kind, name in names.items() if kind == number), f"kind {number}")


def _products(told: Policies, names: Sequence[str]) -> list[Finding]:
    return [finding for name in names or [""] for finding in _product(told, name)]


def _product(told: Policies, name: str) -> list[Finding]:
    usable = sorted(t.name for t in told.templates if not t.obstacles)
    listed = ", ".join(usable[:_SHOWN]) + (f" and {len(usable) - _SHOWN} more" if len(usable) > _SHOWN else "")
    evidence = f"usable: {listed or 'none'}"
    if not name:
        return [Finding("product", Level.SKIPPED, "no_template", "No template is set to look for.", evidence)]
    found = told.template(name)
    if found is None:
        text = f"The policy service shows no template {name} to this account."
        remedy = "Use the template's short name, not its display name; publish it at the CA; give the account Read and Enroll."
        return [Finding("product", Level.FAILED, "unknown_template", text, evidence, remedy)]
    if found.obstacles:
        remedy = "Choose another template, or duplicate this one and have names supplied in the request."
        text = f"Certificates cannot be had by the template {name}. {' '.join(found.obstacles)}"
        return [Finding("product", Level.FAILED, "unusable_template", text, evidence, remedy)]
    return [Finding("product", Level.OK, "ok", _good(found), evidence), *_dangers(found)]


def _good(template: Template) -> str:
    waits = " Every request waits for a certificate manager." if template.pends else ""
    return f"The template {template.name} can be used; keys of {template.minimal_key} bits and more.{waits}"


def _dangers(template: Template) -> list[Finding]:
    """Warn of certificates that log people in, under names that their owner chose: whoever enrols can be anybody."""
    found = [words for oid, words in _DANGEROUS.items() if oid in template.usages]
    if not template.usages:
        found = ["every use, as it names none"]
    if not found:
        return []
    text = (
        f"Whoever may enrol by {template.name} chooses the names, and its certificates are good for {', '.join(found)}."
    )
    remedy = "Use a template of its own for servers, good for server authentication alone (ESC1, ESC2)."
    return [Finding("product", Level.WARNING, "dangerous_template", text, ", ".join(template.usages), remedy)]


def _chain(told: Policies) -> Finding:
    certificates = [issuer.certificate for issuer in told.issuers if spki_of(issuer.certificate)]
    text = f"{len(certificates)} of {len(told.issuers)} CAs"
    if not certificates:
        remedy = "Look at the CA's own certificate; it may be missing in the directory."
        return Finding("chain", Level.WARNING, "no_certificates", "No CA certificate can be read.", text, remedy)
    whole = any(climb(one, certificates)[1] for one in certificates)
    said = "The CA's certificate can be read." if whole else "The CA's certificate can be read; its root is not listed."
    return Finding("chain", Level.OK, "ok" if whole else "no_root", said, text)
