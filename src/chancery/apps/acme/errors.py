"""What an ACME client is told when something is wrong (RFC 8555 section 6.7): a type, what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chancery.core.errors import Absent, ChanceryError, Conflict, Invalid, NotPermitted, Problem, Unavailable

URN = "urn:ietf:params:acme:error:"
STATUS = {
    "accountDoesNotExist": 400,
    "alreadyReplaced": 409,
    "alreadyRevoked": 400,
    "badCSR": 400,
    "badNonce": 400,
    "badPublicKey": 400,
    "badRevocationReason": 400,
    "badSignatureAlgorithm": 400,
    "caa": 403,
    "connection": 400,
    "dns": 400,
    "externalAccountRequired": 403,
    "incorrectResponse": 403,
    "invalidContact": 400,
    "invalidProfile": 400,
    "malformed": 400,
    "orderNotReady": 403,
    "rateLimited": 429,
    "rejectedIdentifier": 400,
    "serverInternal": 503,
    "tls": 400,
    "unauthorized": 403,
    "unsupportedContact": 400,
    "unsupportedIdentifier": 400,
}
"""Type → HTTP status. RFC 8555 section 6.7, RFC 9773 section 7.4, draft-aaron-acme-profiles section 6.4."""

_BY_CODE = {
    "name_suffix": "rejectedIdentifier",
    "name_kind": "rejectedIdentifier",
    "wildcard": "rejectedIdentifier",
    "internal_name": "rejectedIdentifier",
    "too_many_names": "rejectedIdentifier",
    "key_type": "badPublicKey",
    "unsupported_key": "badPublicKey",
}
"""Code of one of our problems → type, where it is not what the field says."""
_KEYS = ("rsa_", "roca")


class AcmeError(ChanceryError):
    """A refusal as a client reads it. `subproblems` are documents of one identifier each; `more` are further members."""

    def __init__(
        self,
        kind: str,
        detail: str,
        remedy: str = "",
        *,
        status: int = 0,
        subproblems: Sequence[dict[str, Any]] = (),
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail, remedy=remedy, code=kind)
        self.kind, self.status = kind, status or STATUS[kind]
        self.subproblems, self.headers, self.more = list(subproblems), headers or {}, more

    def document(self) -> dict[str, Any]:
        """Return the problem document (RFC 7807)."""
        told = f"{self.detail} {self.remedy}".strip()
        found = {"type": f"{URN}{self.kind}", "detail": told, "status": self.status, **self.more}
        return {**found, "subproblems": self.subproblems} if self.subproblems else found


def subproblem(kind: str, name: tuple[str, str], detail: str) -> dict[str, Any]:
    """Return the problem of one identifier (RFC 8555 section 6.7.1)."""
    return {"type": f"{URN}{kind}", "detail": detail, "identifier": {"type": name[0], "value": name[1]}}


def malformed(field: str, wrong: str, remedy: str = "", status: int = 400) -> AcmeError:
    """Return the refusal of what cannot be read; it names the field."""
    return AcmeError("malformed", f"{field}: {wrong}", remedy, status=status)


def translated(error: ChanceryError) -> AcmeError:
    """Return one of our own refusals as ACME says it."""
    if isinstance(error, AcmeError):
        return error
    if isinstance(error, Invalid):
        return _invalid(error.problems)
    if isinstance(error, NotPermitted):
        return AcmeError("unauthorized", error.detail, error.remedy)
    if isinstance(error, Absent):
        return AcmeError("malformed", error.detail, status=404)
    if isinstance(error, Conflict) and error.code == "renewal_open":
        return AcmeError("alreadyReplaced", error.detail, error.remedy)
    if isinstance(error, (Conflict, Unavailable)):
        return AcmeError("serverInternal", error.detail, error.remedy)
    return AcmeError("malformed", error.detail, error.remedy)


def _invalid(problems: Sequence[Problem]) -> AcmeError:
    kinds = [kind_of(p) for p in problems]
    kind = next((k for k in kinds if k != "malformed"), "malformed")
    text = " ".join(dict.fromkeys(f"{p.field}: {p.message} {p.remedy}".strip() for p in problems))
    return AcmeError(kind, text[:2000])


def kind_of(problem: Problem) -> str:
    """Return the ACME type of one of our problems."""
    if problem.code in _BY_CODE:
        return _BY_CODE[problem.code]
    if problem.code.startswith(_KEYS):
        return "badPublicKey"
    return {"csr": "badCSR", "names": "rejectedIdentifier"}.get(problem.field, "malformed")


def all_of(kind: str, found: Iterable[tuple[tuple[str, str], str]], remedy: str = "") -> AcmeError:
    """Return one refusal for several identifiers, each with what is wrong with it."""
    told = [(name, text) for name, text in found]
    parts = [subproblem(kind, name, text) for name, text in told]
    detail = told[0][1] if len(told) == 1 else f"{len(told)} names cannot be certified here: {told[0][1]}"
    return AcmeError(kind, detail, remedy, subproblems=parts)
