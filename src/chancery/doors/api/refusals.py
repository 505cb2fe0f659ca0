"""Every refusal and fault as a problem document, whatever raised it."""

from __future__ import annotations

import json
import logging
import uuid
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from chancery.apps.changes.holding import Proposed
from chancery.apps.changes.models import Change
from chancery.core.errors import ChanceryError, Problem, Unavailable
from chancery.doors.api import show
from chancery.doors.api.reading import errors_of
from chancery.doors.away import AWAY, unavailable
from chancery.doors.problems import PROBLEM_JSON, Refusal, document, problem, status

_log = logging.getLogger("chancery.api")
_READS = frozenset({"GET", "HEAD"})
RETRY_AFTER = 5
"""Seconds after which a client may try again where the database or a key is not there: a restart takes about that."""


def register(api: NinjaAPI) -> None:
    """Let nothing that a route raises leave as anything else."""
    for kind, handler in (
        (Proposed, proposed),
        (ChanceryError, refused),
        (AuthenticationError, unauthenticated),
        (ValidationError, malformed),
        (HttpError, http_error),
        (RequestDataTooBig, lambda request, _: plain(request, 413)),
        (SuspiciousOperation, lambda request, _: plain(request, 400)),
        (UnreadablePostError, lambda request, _: plain(request, 400)),
        (Http404, lambda request, _: plain(request, 404)),
        *((kind, database_away) for kind in AWAY),
        (Exception, fault),
    ):
        api.add_exception_handler(kind, handler)


def refused(request: HttpRequest, error: Any, *, address: bool = False) -> HttpResponse:
    """Answer an error of our own family; `address` says that it is about the address and no body."""
    reading = address or request.method in _READS
    response = _answer(problem(error, reading=reading), status(error, reading=reading)[0])
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def proposed(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer what waits for others, or for its time (RFC 9110, section 15.3.3): with the change that was written down."""
    shown = show.change(Change.objects.select_related("team", "environment").get(pk=error.change))
    response = JsonResponse(shown, status=202)
    response.headers["Location"] = f"/api/v1/changes/{error.change}"
    return response


def unauthenticated(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer who did not say who they are (RFC 6750, section 3)."""
    del error
    sent = "Authorization" in request.headers
    detail = "This API token is unknown, expired or revoked." if sent else "No API token or session came with this."
    response = refused(
        request, Refusal(401, "unauthenticated", "Authorization", detail, "Send Authorization: Bearer chy_… .")
    )
    response.headers["WWW-Authenticate"] = (
        'Bearer realm="Chancery", error="invalid_token"' if sent else 'Bearer realm="Chancery"'
    )
    return response


def malformed(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer a body or address that does not fit its model; an id that is none leads to nothing."""
    sources = {e["loc"][0] for e in error.errors}
    return (
        plain(request, 404)
        if "path" in sources
        else refused(request, errors_of(error.errors), address="query" in sources)
    )


def http_error(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer a refusal of the framework; one of ours may be its cause."""
    if isinstance(error.__cause__, ChanceryError):
        return refused(request, error.__cause__)
    return plain(request, error.status_code)


def database_away(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer that the database does not answer, is too busy, or has no room."""
    _log.error("%s %s: the database: %s", request.method, request.path[:200], error)
    return refused(request, unavailable(error))


def fault(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer a fault of ours with a reference under which the log has the trace, and with nothing else."""
    reference = uuid.uuid4().hex[:12]
    _log.error("incident %s: %s %s", reference, request.method, request.path[:200], exc_info=error)
    made = document(
        500,
        "internal",
        "Internal Server Error",
        f"Something is wrong here; nothing of the request is to blame. Incident {reference}.",
        "Give the incident's number to an administrator; the server's log has it.",
    )
    return _answer({**made, "incident": reference}, 500)


def plain(request: HttpRequest, code: int, allowed: str = "") -> HttpResponse:
    """Answer a status that something outside our routes decided on."""
    field, detail, remedy = _PLAIN.get(code, ("request", HTTPStatus(code).phrase + ".", "See the API description."))
    if allowed:
        remedy = f"Use {allowed}."
    name = HTTPStatus(code).name.lower()
    made = document(code, name, HTTPStatus(code).phrase, detail, remedy, [Problem(field, detail, remedy, name)])
    return _answer(made, code)


def as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
    """Return what something outside our routes answered, as a problem with the same headers of meaning."""
    made = (
        fault(request, None)
        if response.status_code == 500
        else plain(request, response.status_code, response.headers.get("Allow", ""))
    )
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        if name in response.headers:
            made.headers[name] = response.headers[name]
    return made


_PLAIN: dict[int, tuple[str, str, str]] = {
    400: ("request", "The request cannot be read.", "See the API description; CHANCERY_ALLOWED_HOSTS lists the hosts."),
    403: ("request", "This may not be done from here.", "Send an API token, or the console's CSRF token."),
    404: ("path", "There is nothing at this address.", "GET /api/v1/openapi.json lists the addresses."),
    405: ("method", "This address does not have this method.", "See the Allow header."),
    413: ("body", "The body is larger than this server reads.", "Send less at once; batches may be split."),
}


def _answer(made: dict[str, Any], code: int) -> HttpResponse:
    return HttpResponse(json.dumps(made), status=code, content_type=PROBLEM_JSON)
