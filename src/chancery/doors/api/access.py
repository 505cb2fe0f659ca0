"""Roles, API tokens and sessions over REST, and what an administrator ends of somebody's."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.accounts import actions, ending, factors, providers, queries
from chancery.apps.accounts import roles as kept
from chancery.apps.accounts.models import Provider, Role
from chancery.doors.api import answers, bodies, parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.routes import Routes, linked

router = Routes(tags=["people"])
Answer = dict[str, Any]


@router.get("/roles", response=answers.Roles)
def roles(request: HttpRequest) -> Answer:
    """List the roles and what each gives."""
    held = queries.held(actor(request))
    return {"items": [_told(role, held) for role in queries.roles()]}


@router.post("/roles", response={201: answers.Role})
def create_role(request: HttpRequest, body: bodies.RoleIn) -> Status[Answer]:
    """Add a role of one's own."""
    return Status(
        201, _role(request, kept.create(actor(request), body.name, body.permissions, description=body.description))
    )


@router.put("/roles/{name}", response=answers.Role)
def edit_role(request: HttpRequest, name: parameters.SlugIdent, body: bodies.RoleEdit) -> Answer:
    """Change what a role of one's own gives; that counts from its people's next request."""
    return _role(request, kept.edit(actor(request), name, body.permissions, description=body.description))


@router.delete("/roles/{name}", response={204: None}, problems=(409,))
def delete_role(request: HttpRequest, name: parameters.SlugIdent) -> Status[None]:
    """Remove a role of one's own that nobody has."""
    kept.delete(actor(request), name)
    return Status(204, None)


@router.put("/roles/{name}/second-factor", response=answers.Role)
def require_factor(request: HttpRequest, name: parameters.SlugIdent, body: bodies.FactorRule) -> Answer:
    """Say whether a role, built-in or not, is only for whoever logged in with a second factor."""
    return _role(request, kept.require_factor(actor(request), name, needed=body.needed))


def _told(role: queries.RoleShown, held: dict[str, queries.Held] | None) -> Answer:
    return {**asdict(role), "held": None if held is None else asdict(held.get(role.name, queries.Held()))}


def _role(request: HttpRequest, row: Role) -> Answer:
    held = queries.held(actor(request))
    return next(_told(role, held) for role in queries.roles() if role.name == row.name)


@router.get("/tokens", response=answers.Tokens, headers=("Link",))
def tokens(
    request: HttpRequest, response: HttpResponse, cursor: parameters.Cursor = "", size: parameters.Size = 50
) -> Any:
    """List one's own API tokens."""
    found = queries.tokens(actor(request), cursor=cursor, size=size)
    return linked(request, response, show.page(found, show.token))


@router.post("/tokens", response={201: answers.NewToken})
def create_token(request: HttpRequest, body: bodies.TokenIn) -> Status[Answer]:
    """Make an API token; its text is in this answer and nowhere else."""
    limits = body.model_dump(include={"permissions", "team", "environment", "networks"})
    token, secret = actions.create_token(actor(request), body.name, body.days, **limits)
    return Status(201, {**show.token(token), "token": secret})


@router.delete("/tokens/{ident}", response={204: None}, problems=(409,))
def revoke_token(request: HttpRequest, ident: parameters.Number) -> Status[None]:
    """End one of one's own API tokens."""
    actions.revoke_token(actor(request), ident)
    return Status(204, None)


@router.get("/sessions", response=answers.Sessions)
def sessions(request: HttpRequest) -> Answer:
    """List one's own open sessions of the console."""
    return {"items": [show.session(s) for s in queries.sessions(actor(request))]}


@router.delete("/sessions/{ident}", response={204: None})
def end_session(request: HttpRequest, ident: parameters.Ident) -> Status[None]:
    """End a session: one's own, or as an administrator anybody's."""
    ending.end(actor(request), ident)
    return Status(204, None)


@router.get("/users/{ident}/sessions", response=answers.Sessions)
def sessions_of(request: HttpRequest, ident: parameters.Number) -> Answer:
    """List the open sessions of a person."""
    return {"items": [show.session(s) for s in queries.sessions(actor(request), ident)]}


@router.delete("/users/{ident}/sessions", response={204: None})
def end_sessions(request: HttpRequest, ident: parameters.Number) -> Status[None]:
    """End every session of a person."""
    ending.end_all(actor(request), ident)
    return Status(204, None)


@router.get("/users/{ident}/tokens", response=answers.Tokens, headers=("Link",))
def tokens_of(
    request: HttpRequest,
    response: HttpResponse,
    ident: parameters.Number,
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List the API tokens of a person."""
    found = queries.tokens_of(actor(request), ident, cursor=cursor, size=size)
    return linked(request, response, show.page(found, show.token))


@router.delete("/users/{ident}/tokens/{token}", response={204: None}, problems=(409,))
def end_token(request: HttpRequest, ident: parameters.Number, token: parameters.Number) -> Status[None]:
    """End an API token of a person."""
    who = actor(request)
    actions.end_token(who, queries.token_of(who, ident, token).pk)
    return Status(204, None)


@router.delete("/users/{ident}/factors", response={204: None})
def remove_factors(request: HttpRequest, ident: parameters.Number) -> Status[None]:
    """Remove every second factor of somebody who has lost them."""
    factors.remove_all(actor(request), ident)
    return Status(204, None)


@router.post("/users/{ident}/unlock", response=answers.User)
def unlock(request: HttpRequest, ident: parameters.Number) -> Answer:
    """Forget the wrong tries at a person's log-in."""
    return show.user(actions.unlock(actor(request), ident))


@router.get("/providers", response=answers.Providers)
def list_providers(request: HttpRequest) -> Answer:
    """List the log-ins of others that are trusted."""
    return {"items": [_provider(row) for row in providers.listing(actor(request))]}


@router.put("/providers/{slug}", response=answers.Provider)
def save_provider(request: HttpRequest, slug: parameters.SlugIdent, body: bodies.ProviderIn) -> Answer:
    """Trust a log-in of others, by OpenID Connect or SAML, or change how."""
    values = body.model_dump(exclude={"secret"})
    return _provider(providers.save(actor(request), slug, values, body.secret))


@router.delete("/providers/{slug}", response={204: None})
def delete_provider(request: HttpRequest, slug: parameters.SlugIdent) -> Status[None]:
    """Trust it no longer."""
    providers.delete(actor(request), slug)
    return Status(204, None)


def _provider(row: Provider) -> Answer:
    names = ("slug", "kind", "title", "settings", "makes_people", "is_factor")
    return {**{n: getattr(row, n) for n in names}, "mapping": providers.lines(row), "has_secret": bool(row.sealed)}
