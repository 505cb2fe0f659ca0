"""CMP over HTTP (RFC 9811): one POST, one answer. A status of HTTP alone says nothing about the request."""

from __future__ import annotations

from typing import Any

from chancery.sdk.errors import AuthFailed, AuthorityError, Forbidden, OutcomeUnknown, ProtocolViolation, Throttled
from chancery.sdk.errors import Unreachable as Away
from chancery.sdk.http import Answer, HttpDoor

_TYPE = "application/pkixcmp"
_PATH = "Check the base URL and the path of CMP at the CA."
_PROXY = "Check the base URL, the path, and whether a proxy or a maintenance page answers in the CA's place."


def carry(door: HttpDoor, path: str, message: bytes, *, effect: bool, ca: str) -> Answer:
    """Send a message and return the answer that holds one; raises an error for anything else."""
    headers = {"Content-Type": _TYPE, "Accept": _TYPE}
    answer = door.post(path, content=message, headers=headers, effect=effect)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _TYPE and answer.status not in {401, 403, 429}:
        return answer
    raise _error(answer, ca)


def _error(answer: Answer, ca: str) -> AuthorityError:
    status = answer.status
    more: dict[str, Any] = {"code": str(status), "text": answer.text, "stage": "response", "bytes_sent": answer.effect}
    if status == 401:
        remedy = "CMP itself needs no login over HTTP: check the path, and what stands in front of the CA."
        return AuthFailed(f"{ca} wants a login over HTTP.", remedy=remedy, **more)
    if status == 403:
        remedy = "Have this host's address allowed at the CA (or at the proxy before it), and check the path."
        return Forbidden(f"{ca} does not let us in.", remedy=remedy, **more)
    if status == 429:
        return Throttled(f"{ca} asks for patience.", until=answer.retry_after, **more)
    if status in {404, 405, 410} or 300 <= status < 400:
        return Away(f"{ca} has nothing at this path: the answer is {status}.", remedy=_PATH, **more)
    if status >= 500 or status == 408:
        kind: type[AuthorityError] = OutcomeUnknown if answer.effect else Away
        return kind(f"{ca} answered {status}, which does not say whether it acted.", remedy=_PROXY, **more)
    return ProtocolViolation(f"{ca} answered {status} with something that is no CMP message.", remedy=_PROXY, **more)
