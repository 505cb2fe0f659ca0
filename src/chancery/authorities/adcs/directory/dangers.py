"""Templates, and rights on them, by which somebody becomes somebody else (reference, section A6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chancery.authorities.adcs.directory.descriptor import ENROLL
from chancery.authorities.adcs.directory.listing import Forest, Listed
from chancery.protocols.wstep.policies import SUPPLIES_ALTERNATIVE, SUPPLIES_SUBJECT
from chancery.sdk.finding import Finding, Level

_ANY, _CLIENT, _AGENT = "2.5.29.37.0", "1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.20.2.1"
_LOGS_IN = frozenset({_ANY, _CLIENT, "1.3.6.1.4.1.311.20.2.2", "1.3.6.1.5.2.3.4"})
"""Any purpose, client authentication, smart card logon, Kerberos (PKINIT)."""
_NO_SID = 0x8_0000
_SHOWN = 10
_BROAD = "nearly everybody in the domain"


@dataclass(frozen=True, slots=True)
class Danger:
    """One weakness: its number, when a template has it, what it means, what to do."""

    code: str
    applies: Callable[[Listed], bool]
    meaning: str
    remedy: str


def _names_freely(one: Listed) -> bool:
    return bool(one.template.subject_flags & (SUPPLIES_SUBJECT | SUPPLIES_ALTERNATIVE))


def _open(one: Listed) -> bool:
    """Say whether nearly everybody gets a certificate by it with nobody looking."""
    template = one.template
    broad = one.security is not None and bool(one.security.broad(ENROLL))
    return broad and not template.pends and not template.signatures


def _logs_in(one: Listed) -> bool:
    return not one.template.usages or bool(_LOGS_IN & set(one.template.usages))


def _any_purpose(one: Listed) -> bool:
    return not one.template.usages or _ANY in one.template.usages


DANGERS = (
    Danger(
        "esc1",
        lambda one: _open(one) and _names_freely(one) and _logs_in(one),
        f"lets {_BROAD} choose the names of a certificate that logs in",
        "Take Enroll from the broad groups, or client authentication from the template; give Chancery a template of its own.",
    ),
    Danger(
        "esc2",
        lambda one: _open(one) and _any_purpose(one),
        f"gives {_BROAD} certificates for any purpose",
        "Name the template's purposes, or take Enroll from the broad groups.",
    ),
    Danger(
        "esc3",
        lambda one: _open(one) and _AGENT in one.template.usages,
        f"makes {_BROAD} an enrolment agent, who asks for certificates in the names of others",
        "Take Enroll from the broad groups, and restrict enrolment agents in the CA's properties.",
    ),
    Danger(
        "esc4",
        lambda one: one.security is not None and bool(one.security.broadly_changed()),
        f"can be changed by {_BROAD}, and so be made into any of the others",
        "Take Write, Full control and ownership of the template from the broad groups.",
    ),
    Danger(
        "esc9",
        lambda one: bool(one.template.enrollment_flags & _NO_SID) and _logs_in(one),
        "leaves out the extension that ties a certificate to one account (CT_FLAG_NO_SECURITY_EXTENSION)",
        "Remove that flag from the template's msPKI-Enrollment-Flag.",
    ),
    Danger(
        "esc13",
        lambda one: one.groups,
        "has an issuance policy that makes whoever has the certificate a member of a group",
        "Use another template for servers, and see who may enrol from this one.",
    ),
    Danger(
        "esc15",
        lambda one: one.template.schema == 1 and _names_freely(one) and _open(one),
        f"is of version 1 and open to {_BROAD}, who may add purposes to their requests (CVE-2024-49019)",
        "Install Microsoft's update of November 2024, and take Enroll from the broad groups.",
    ),
)


def of_template(one: Listed) -> tuple[str, ...]:
    """Return the numbers of the weaknesses that a template has."""
    return tuple(danger.code.upper() for danger in DANGERS if danger.applies(one))


def findings(forest: Forest) -> list[Finding]:
    """Return a warning for each weakness among what the CA publishes, with the templates that have it."""
    found = [_finding(danger, [one for one in forest.published if danger.applies(one)]) for danger in DANGERS]
    told = [finding for finding in found if finding is not None]
    if forest.security is not None and (who := forest.security.broadly_changed()):
        text = f"The CA's object in the directory can be changed by {_BROAD}."
        remedy = "Take Write, Full control and ownership of it from the broad groups (CN=Enrollment Services)."
        told.append(Finding("product", Level.WARNING, "esc5", f"ESC5: {text}", ", ".join(who), remedy))
    unseen = [one.template.name for one in forest.published if one.hidden_rights]
    if unseen:
        text = "The account may not read who has rights on some templates; nothing is said about these."
        told.append(Finding("product", Level.SKIPPED, "rights_unseen", text, _listed(unseen)))
    elif not told:
        text = "None of the CA's templates has a weakness that the directory shows."
        told.append(Finding("product", Level.OK, "no_dangers", text, f"{len(forest.published)} templates looked at"))
    return told


def _finding(danger: Danger, having: list[Listed]) -> Finding | None:
    if not having:
        return None
    names = [one.template.name for one in having]
    start = f"The template {names[0]}" if len(names) == 1 else f"Each of {len(names)} templates"
    message = f"{danger.code.upper()}: {start} {danger.meaning}."
    return Finding("product", Level.WARNING, danger.code, message, _listed(names), danger.remedy)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
