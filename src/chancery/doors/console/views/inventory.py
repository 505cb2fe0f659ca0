"""Inventory: imports, pulls of CAs' lists, and what the two sides disagree about."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from chancery import catalog
from chancery.apps.accounts.models import Environment
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.inventory import actions, planning, queries
from chancery.apps.inventory.models import PULL_OPEN, Decision
from chancery.apps.inventory.planning import Import, Plan
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Absent, Conflict, Invalid, Problem
from chancery.core.order import RevocationReason
from chancery.doors.console import picking
from chancery.doors.console.views.base import attempt, page, require, show
from chancery.doors.problems import status

_FILTERS = ("kind", "state", "connector", "search")
_WHERE = ("connector", "profile", "team", "environment")
_SHOWN = 200
_MOST = 12 * 1024 * 1024
"""Bytes of a file here: base64 makes a third more of it, and a form may have 20 MiB."""


# Findings -----------------------------------------------------------------------------------------------


@page
def listing(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List findings; the open ones, unless something else is asked for."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in (*_FILTERS, "cursor")}
    # An empty choice means all of them; only where nobody has chosen, what is open is shown.
    asked["state"] = request.GET.get("state", str(Decision.OPEN))
    found = queries.listing(actor, **{**asked, "state": "" if asked["state"] == "all" else asked["state"]})
    context = {
        "page": found,
        "asked": asked,
        "filtered": any(asked[k] for k in ("kind", "connector", "search")) or asked["state"] != Decision.OPEN,
        "kinds": queries.KINDS,
        "states": Decision.choices,
        "connectors": connectors.names(actor, asked["connector"]),
        "pick": picking.pick("seen-profiles", actor, ""),
        "reasons": [str(r) for r in RevocationReason],
        "waiting": queries.waiting(actor),
        "pulls": queries.pulls(actor, size=1).items,
    }
    return show(request, actor, "inventory", context)


@page
def finding(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show a finding and what can be decided about it."""
    row = queries.get(actor, ident)
    installed = catalog.find(row.connector.authority) is not None
    facts = descriptor_of(row.connector.authority, row.connector.current_id).facts if installed else None
    context = {
        "finding": row,
        "pick": picking.pick("seen-profiles", actor, ""),
        "reasons": [str(r) for r in facts.revocation_reasons] if facts else [],
        "live": row.state == Decision.FETCHING,
    }
    return show(request, actor, "finding", context)


@require_POST
@page
def decide(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Decide about the ticked findings; each has its own result, and those that are refused are named."""
    verb, ticked = request.POST.get("verb", ""), request.POST.getlist("id")
    if not ticked:
        messages.error(request, _("Nothing was selected. Tick the findings first."))
        return _back(request)
    results = actions.in_bulk(actor, verb, ticked, **_given(request, verb))
    done = sum(error is None for _ident, error in results)
    if done:
        counted = ngettext("%(n)s finding:", "%(n)s findings:", done) % {"n": done}
        messages.success(request, f"{counted} {_done(verb)}")
    # A page of findings may be refused for one and the same reason: that is said once.
    for text in dict.fromkeys(f"{error} {error.remedy}".strip() for _ident, error in results if error is not None):
        messages.error(request, text)
    return _back(request)


def _done(verb: str) -> str:
    told = {
        "adopt": _("Adopted, or fetched from the CA to be adopted."),
        "revoke": _("The CA is asked to revoke."),
        "ignore": _("Ignored."),
    }
    return told.get(verb, _("Open again."))


def _back(request: HttpRequest) -> HttpResponse:
    """Return to the list as it was filtered; only to there."""
    kept = {k: request.POST.get(f"at_{k}", "") for k in (*_FILTERS, "cursor")}
    response = redirect("inventory")
    query = request.GET.copy()
    query.clear()
    query.update({k: v for k, v in kept.items() if v})
    response["Location"] += f"?{query.urlencode()}" if query else ""
    return response


def _given(request: HttpRequest, verb: str) -> dict[str, Any]:
    sent = request.POST
    given: dict[str, dict[str, Any]] = {
        "adopt": {"profile": sent.get("profile", "")},
        "ignore": {"reason": sent.get("why", "")},
        "revoke": {
            "reason": sent.get("reason", ""),
            "comment": sent.get("comment", ""),
            "confirmed": sent.get("confirm") == "on",
        },
    }
    return given.get(verb, {})


@require_POST
@page
def act(request: HttpRequest, actor: Actor, ident: str, what: str) -> HttpResponse:
    """Decide about one finding."""
    verbs: dict[str, Callable[..., Any]] = {
        "adopt": actions.adopt,
        "revoke": actions.revoke,
        "ignore": actions.ignore,
        "reopen": actions.reopen,
    }
    if what not in verbs:
        raise Absent("page", what)
    attempt(request, lambda: verbs[what](actor, ident, **_given(request, what)), _done(what))
    return redirect("finding", ident)


# Pulls --------------------------------------------------------------------------------------------------


@page
def pulls(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List pulls, and offer a new one."""
    asked: dict[str, Any] = {k: request.GET.get(k, "") for k in ("connector", "cursor")}
    context = {
        "page": queries.pulls(actor, **asked),
        "asked": asked,
        "connectors": queries.can_list(actor) if actor.may(Permission.CONNECTOR_PULL) else [],
    }
    return show(request, actor, "pulls", context)


@page
def pull(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """Show how far a pull is; the same page in part for the live update."""
    row = queries.get_pull(actor, ident)
    live = row.state in PULL_OPEN
    alive = not live or connectors.worker_alive(current_clock().now())
    share = min(row.entries, row.total) if row.total else None
    context = {"pull": row, "live": live, "no_worker": not alive, "share": share}
    return show(request, actor, "pull_live" if request.headers.get("HX-Request") else "pull", context)


@require_POST
@page
def pull_begin(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Begin to read a CA's list."""
    try:
        made = actions.pull(actor, request.POST.get("connector", ""))
    except (Absent, Conflict) as error:
        messages.error(request, f"{error} {error.remedy}".strip())
        return redirect("pulls")
    return redirect("pull", str(made.pk))


@require_POST
@page
def pull_stop(request: HttpRequest, actor: Actor, ident: str) -> HttpResponse:
    """End a pull that is under way."""
    attempt(request, lambda: actions.stop(actor, ident), _("It is stopped; what it found so far stays."))
    return redirect("pull", ident)


# Import -------------------------------------------------------------------------------------------------


@page
def import_(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Take certificates and owners, show what would be stored, and store it when that is confirmed."""
    require(actor, Permission.INVENTORY_IMPORT)
    if request.method != "POST":
        return _form(request, actor, [], 200)
    try:
        asked = _asked(request)
        previewed = request.POST.get("previewed", "")
        if not previewed:
            return _preview(request, actor, asked, planning.preview(actor, asked))
        done = actions.import_certificates(actor, asked, previewed)
    except Invalid as error:
        return _form(request, actor, error.problems, 422)
    except Conflict as error:
        return _form(request, actor, [Problem("", str(error), error.remedy, error.code)], status(error)[0])
    text = _("Stored: %(stored)s. Owners changed: %(owners)s.")
    messages.success(request, text % {"stored": done.stored, "owners": done.owners})
    return redirect("certificates")


def _asked(request: HttpRequest) -> Import:
    """Return what the form brings: a file or pasted text; or, after the preview, the same as it was sent along."""
    sent = request.POST
    where: dict[str, Any] = {name: sent.get(name, "") for name in _WHERE}
    where["expired"] = sent.get("expired") == "on"
    if sent.get("previewed"):
        certificates, owners = (_sent_along(sent.get(name, "")) for name in ("certificates", "owners"))
        return Import(certificates, owners, **where, source=sent.get("source", ""))
    file = request.FILES.get("file")
    pasted = sent.get("certificates", "").encode()
    return Import(
        _file(request, "file") if file is not None else pasted,
        _file(request, "owners"),
        **where,
        source=(file.name or "")[:120] if file is not None else "",
    )


def _file(request: HttpRequest, name: str) -> bytes:
    """Return an uploaded file, b'' where there is none; after the preview it comes back once more, as text."""
    file = request.FILES.get(name)
    raw = file.read(_MOST + 1) if file is not None else b""
    if len(raw) > _MOST:
        raise Invalid.one(name, f"It has more than {_MOST // 2**20} MiB.", "Split it, or use the command line.")
    return raw


def _sent_along(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid.one("file", "The preview did not come back whole.", "Preview the file once more.") from None


def _preview(request: HttpRequest, actor: Actor, asked: Import, plan: Plan) -> HttpResponse:
    items = sorted(plan.items, key=lambda item: item.fate not in planning.HINDERS)[:_SHOWN]
    names = planning.place_names(items)
    context = {
        "plan": plan,
        "asked": asked,
        "certificates": base64.b64encode(asked.certificates).decode(),
        "owners": base64.b64encode(asked.owners).decode(),
        "items": [(item, names[item.place] if item.place is not None else ("", "")) for item in items],
        "counts": {fate: number for fate, number in plan.counts.items() if number},
        "more": len(plan.items) - len(items),
        "settings": {name: getattr(asked, name) for name in _WHERE},
    }
    return show(request, actor, "import_preview", context)


def _told(rows: list[Profile]) -> list[tuple[str, str, str]]:
    return [(str(p.pk), p.name, f"{p.name} ({p.team}, {p.environment})") for p in rows]


def _form(request: HttpRequest, actor: Actor, problems: list[Problem], code: int) -> HttpResponse:
    # What holds a private key is not shown again, and after the preview the text is not what was typed.
    secret = any(p.code == "private_key" for p in problems)
    typed = "" if secret or request.POST.get("previewed") else request.POST.get("certificates", "")
    context = {
        "problems": problems,
        "posted": request.POST,
        "certificates": typed,
        "connectors": connectors.names(actor),
        "pick": picking.pick("seen-profiles", actor, request.POST.get("profile", ""), told=_told),
        "teams": picking.pick("teams", actor, request.POST.get("team", ""), by_name=True),
        "environments": Environment.objects.order_by("name"),
    }
    return show(request, actor, "import", context, code)
