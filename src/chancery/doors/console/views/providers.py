"""Log-ins of others that are trusted here."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chancery.apps.accounts import providers
from chancery.apps.accounts.models import Provider
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Invalid, Problem
from chancery.doors.console.views.base import attempt, page, show

_TEXTS = (
    "kind", "title", "server_url", "client_id", "entity_id", "sso_url", "certificate", "name_claim", "groups_claim",
)  # fmt: skip
_LISTS = ("mapping", "allowed_networks", "scopes")
_SWITCHES = ("makes_people", "is_factor")


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the providers, add one or change one; *edit* names the one whose settings fill the form."""
    rows = providers.listing(actor)
    problems: list[Problem] = []
    chosen = next((row for row in rows if row.slug == request.GET.get("edit")), None)
    values = (
        _stored(chosen) if chosen else {"kind": "oidc", "name_claim": "preferred_username", "groups_claim": "groups"}
    )
    if request.method == "POST":
        sent = request.POST
        values = {n: sent.get(n, "") for n in (*_TEXTS, *_LISTS)} | {n: n in sent for n in _SWITCHES}
        given: dict[str, Any] = {n: values[n] for n in (*_TEXTS, *_SWITCHES) if values[n] or n == "title"}
        given |= {n: _lines(str(values[n])) for n in _LISTS if values[n]}
        try:
            row = providers.save(actor, sent.get("slug", ""), given, sent.get("secret", ""))
        except Invalid as refusal:
            problems = refusal.problems
            values["slug"] = sent.get("slug", "")
        else:
            messages.success(request, _("%(name)s is trusted; the log-in page offers it.") % {"name": row.title})
            return redirect("providers")
    context = {"rows": rows, "values": values, "problems": problems, "kinds": (providers.OIDC, providers.SAML)}
    return show(request, actor, "providers", context, 422 if problems else 200)


@require_POST
@page
def delete(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Trust one no longer."""
    attempt(request, lambda: providers.delete(actor, slug), _("It is trusted no longer."))
    return redirect("providers")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _stored(row: Provider) -> dict[str, Any]:
    known = {**row.settings, "mapping": providers.lines(row)}
    lists = {n: "\n".join(known.get(n, [])) for n in _LISTS}
    more = {n: getattr(row, n) for n in ("slug", "kind", "title", *_SWITCHES)}
    return {**known, **lists, **more, "has_secret": bool(row.sealed)}
