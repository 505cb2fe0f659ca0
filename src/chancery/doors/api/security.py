"""Who is calling: a bearer token, or the console's session with its CSRF token."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.security import HttpBearer, SessionAuth
from ninja.utils import check_csrf

from chancery.apps.accounts.models import User
from chancery.apps.accounts.queries import actor_of, actor_of_token
from chancery.apps.accounts.sessions import is_strong
from chancery.apps.shared.actor import Actor
from chancery.doors.problems import Refusal


class Bearer(HttpBearer):
    """`Authorization: Bearer chy_…`."""

    def __call__(self, request: HttpRequest) -> Actor | None:
        """Return the actor whose token came with a request, None where none did."""
        # Past `request.headers`, which sorts all that came with a request, and the environment of the process with it.
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        return self.authenticate(request, token) if scheme.lower() == self.openapi_scheme else None

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        """Return the actor whose token this is."""
        actor = actor_of_token(token, request.META.get("REMOTE_ADDR", ""))
        if actor is not None and actor.needs_factor:
            detail = "A role of this token's person asks for a second factor, and the token was made without one."
            remedy = "Log in with a second factor and make a new token."
            raise Refusal(403, "second_factor", "Authorization", detail, remedy)
        return actor


class Session(SessionAuth):
    """The console's cookie; what changes anything needs the CSRF token as well."""

    def __call__(self, request: HttpRequest) -> Any:
        """Return the actor who is logged in; a request with a token of its own stands or falls by that."""
        found = None if "Authorization" in request.headers else self.authenticate(request, None)
        if found is not None and check_csrf(request) is not None:
            detail, remedy = "The console's CSRF token is missing or wrong.", "Send X-CSRFToken, or use an API token."
            raise Refusal(403, "csrf", "X-CSRFToken", detail, remedy)
        return found

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:
        """Return the actor who is logged in."""
        del key
        user = request.user
        if not isinstance(user, User) or not user.is_active or user.must_change_password:
            return None
        strong = is_strong(request)
        actor = actor_of(user, how="session", address=request.META.get("REMOTE_ADDR", ""), via="api", strong=strong)
        return None if actor.needs_factor and not strong else actor


AUTH = [Bearer(), Session()]
