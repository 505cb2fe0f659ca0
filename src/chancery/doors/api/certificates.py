"""Certificates and the audit record over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Router, Status

from chancery.apps.audit import queries as audit
from chancery.apps.certificates import actions, queries
from chancery.core.errors import Invalid
from chancery.doors.api import show
from chancery.doors.api.body import actor, mapping, text

router = Router(tags=["certificates"])


@router.get("/certificates")
def listing(
    request: HttpRequest,
    status: str = "",
    connector: str = "",
    search: str = "",
    sort: str = "-id",
    cursor: str = "",
    size: int = 50,
) -> dict[str, Any]:
    """List certificates."""
    found = queries.listing(
        actor(request), status=status, connector=connector, search=search, sort=sort, cursor=cursor, size=size
    )
    return show.page(found, show.certificate)


@router.get("/certificates/{ident}")
def one(request: HttpRequest, ident: str) -> dict[str, Any]:
    """Show a certificate, with its PEM."""
    row = queries.get(actor(request), ident)
    return {**show.certificate(row), "pem": queries.pem(row), "chain_pem": queries.chain_pem(row)}


@router.get("/certificates/{ident}/download")
def download(request: HttpRequest, ident: str, format: str = "pem") -> HttpResponse:  # noqa: A002  the query's name
    """Download as pem, chain (PEM with chain), pkcs7 or der."""
    row = queries.get(actor(request), ident)
    return file(row, format)


def file(row: Any, kind: str) -> HttpResponse:
    """Return a certificate as a file."""
    kinds: dict[str, tuple[str, str]] = {
        "pem": ("pem", "application/x-pem-file"),
        "chain": ("chain.pem", "application/x-pem-file"),
        "pkcs7": ("p7b", "application/x-pkcs7-certificates"),
        "der": ("der", "application/pkix-cert"),
    }
    if kind not in kinds:
        raise Invalid.one("format", "There is no such format.", f"Formats are: {', '.join(kinds)}.")
    ending, media = kinds[kind]
    body = {"pem": queries.pem, "chain": queries.chain_pem, "pkcs7": queries.pkcs7, "der": _der}[kind](row)
    response = HttpResponse(body, content_type=media)
    response.headers["Content-Disposition"] = f'attachment; filename="{row.serial}.{ending}"'
    return response


def _der(row: Any) -> bytes:
    return bytes(row.der)


@router.post("/certificates/{ident}/revoke")
def revoke(request: HttpRequest, ident: str) -> dict[str, Any]:
    """Ask for a revocation with a reason."""
    values = mapping(request)
    row = actions.revoke(actor(request), ident, text(values, "reason"), text(values, "comment"))
    return show.certificate(row)


@router.post("/certificates/{ident}/renew", response={201: dict[str, Any]})
def renew(request: HttpRequest, ident: str) -> Status[dict[str, Any]]:
    """Place an order that replaces the certificate; nothing is revoked."""
    values = mapping(request)
    order = actions.renew(actor(request), ident, text(values, "csr") or None, text(values, "comment"))
    return Status(201, show.order(order))


@router.get("/audit", tags=["audit"])
def entries(
    request: HttpRequest, action: str = "", by: str = "", target: str = "", cursor: str = "", size: int = 50
) -> dict[str, Any]:
    """List audit entries, newest first."""
    found = audit.listing(actor(request), action=action, by=by, target=target, cursor=cursor, size=size)
    return show.page(found, audit.content)


@router.get("/audit/export", tags=["audit"])
def export(request: HttpRequest, action: str = "", by: str = "", target: str = "") -> StreamingHttpResponse:
    """Export the very bytes that were written, one entry per line, oldest first."""
    lines = audit.export(actor(request), action=action, by=by, target=target)
    return StreamingHttpResponse(lines, content_type="application/x-ndjson")
