"""What is shown where no page of ours answered: pages for people, problem details (RFC 9457) for programs."""

from __future__ import annotations

import logging
import sys
import uuid

from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from chancery.doors.api.refusals import database_away, fault, plain
from chancery.doors.away import AWAY, unavailable
from chancery.doors.lengths import TooLong

log = logging.getLogger("chancery.doors")
_API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what the framework could not even read, or whose session could not be kept."""
    if isinstance(exception, TooLong):
        return too_long(request, exception.most)
    if isinstance(exception, SessionInterrupted):
        text = "The session could not be kept: it ended meanwhile, or the database could not store it."
        return _answer(request, 400, "Not logged in", text, "Log in again; if it lasts, tell whoever runs this server.")
    return _answer(request, 400, "Bad request", "It could not be read.", "Send it anew.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what nobody may do."""
    del exception
    return _answer(request, 403, "Not permitted", "You may not do this.", "Ask an administrator.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address at which there is nothing."""
    del exception
    return _answer(
        request,
        404,
        "Not found",
        "There is nothing at this address.",
        "Check it, or start from the home page.",
    )


def too_long(request: HttpRequest, most: int) -> HttpResponse:
    """Answer a body that was left unread for its length (`most` bytes are read there)."""
    if request.path.startswith(_API):
        return plain(request, 413)
    text = f"What was sent is too long: this page reads {most // 1024} KiB. Nothing of it was stored."
    return _answer(
        request, 413, "Too long", text, "Go back and send less at once; a certificate request has a few KiB."
    )


def broken(request: HttpRequest) -> HttpResponse:
    """Answer a fault of ours, or a database that is away; the log has the same reference."""
    error = sys.exc_info()[1]
    if request.path.startswith(_API):
        return database_away(request, error) if isinstance(error, AWAY) else fault(request, error)
    if isinstance(error, AWAY):
        log.error("%s: the database: %s", request.path[:200], error)
        said = unavailable(error)
        return _answer(request, 503, "Not available now", said.detail, said.remedy)
    reference = uuid.uuid4().hex[:12]
    log.error("a request failed; reference %s", reference)
    text = f"Something went wrong here, not with you. Its reference in the log is {reference}."
    return _answer(request, 500, "Internal error", text, "Tell whoever runs this server.")


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that was not made in this session."""
    del reason
    text = "This form was made for another session, or was open for too long. Nothing was changed."
    return _answer(request, 403, "The form is too old", text, "Go back, load the page again, and send it anew.")


def _answer(request: HttpRequest, code: int, title: str, text: str, remedy: str) -> HttpResponse:
    if request.path.startswith(_API):
        return plain(request, code)
    # Without the request's context, which may be what failed.
    context = {"title": title, "error": {"detail": text, "remedy": remedy}}
    return HttpResponse(render_to_string("console/refused.html", context), status=code)
