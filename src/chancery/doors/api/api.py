"""The REST API, version 1. Each route names an action or a query and shows what it returns."""

from __future__ import annotations

import json
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from chancery import __version__
from chancery.apps.connectors.queries import worker_alive
from chancery.apps.shared.action import current_clock
from chancery.core.errors import ChanceryError, Invalid, Problem
from chancery.doors.api import certificates, connectors, orders, people, profiles
from chancery.doors.api.security import AUTH
from chancery.doors.problems import problem, status

MEDIA = "application/problem+json"

api = NinjaAPI(title="Chancery", version=__version__, auth=AUTH, docs_url=None, urls_namespace="api")
api.add_router("", connectors.router)
api.add_router("", profiles.router)
api.add_router("", orders.router)
api.add_router("", certificates.router)
api.add_router("", people.router)


@api.get("/health", auth=None, tags=["service"])
def health(request: HttpRequest) -> HttpResponse:
    """Say whether the database answers and a worker is alive."""
    del request
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    alive = worker_alive(current_clock().now())
    return _json({"database": "ok", "worker": "ok" if alive else "none", "version": __version__}, 200)


@api.exception_handler(ChanceryError)
def _refused(request: HttpRequest, error: Any) -> HttpResponse:
    del request
    return _json(problem(error), status(error)[0], MEDIA)


@api.exception_handler(AuthenticationError)
def _unknown(request: HttpRequest, error: Any) -> HttpResponse:
    del request, error
    document = {"type": "urn:chancery:problem:unauthenticated", "title": "Not logged in", "status": 401}
    detail = "No valid API token or session came with the request."
    response = _json(
        {**document, "code": "unauthenticated", "detail": detail, "remedy": "Send Authorization: Bearer chy_…"},
        401,
        MEDIA,
    )
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(ValidationError)
def _malformed(request: HttpRequest, error: Any) -> HttpResponse:
    problems = [Problem(str(e["loc"][-1]), f"{e['msg']}.", "Correct the field.", e["type"]) for e in error.errors]
    return _refused(request, Invalid(problems))


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: Any) -> HttpResponse:
    del request
    document = {"type": "urn:chancery:problem:request", "title": "Bad request", "status": error.status_code}
    return _json(
        {**document, "detail": str(error), "code": "request", "remedy": "See the API description."},
        error.status_code,
        MEDIA,
    )


def _json(document: dict[str, Any], code: int, media: str = "application/json") -> HttpResponse:
    return HttpResponse(json.dumps(document), status=code, content_type=media)
