"""Certificates over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.bots import queries as bots
from chancery.apps.certificates import actions, keys, queries, reporting
from chancery.apps.certificates.models import Certificate
from chancery.core.errors import Invalid
from chancery.doors.api import answers, bodies, parameters, show, show_bots
from chancery.doors.api.reading import actor, idempotency_key
from chancery.doors.api.routes import Routes, created, linked

router = Routes(tags=["certificates"])
Answer = dict[str, Any]
_PEM = "application/x-pem-file"
_P7B = "application/x-pkcs7-certificates"
_DER = "application/pkix-cert"


@router.get("/certificates", response=answers.Certificates, headers=("Link",))
def listing(
    request: HttpRequest,
    response: HttpResponse,
    status: parameters.CertificateStatus = "",
    connector: parameters.OfConnector = "",
    search: parameters.CertificateSearch = "",
    sort: parameters.CertificateSort = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List certificates; a status sorts by the date that it is about, a search by name."""
    found = queries.listing(
        actor(request), status=status, connector=connector, search=search, sort=sort, cursor=cursor, size=size
    )
    return linked(request, response, show.page(found, show.certificate))


@router.get("/certificates/{ident}", response=answers.WholeCertificate)
def one(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show a certificate, with its PEM."""
    row = queries.get(actor(request), ident)
    served = [show_bots.served_at(target) for target in bots.serving(actor(request), row.pk)]
    more = {"spki_sha256": row.spki_sha256, **_reported(row), "served_at": served}
    return {**show.certificate(row), **more, "pem": queries.pem(row), "chain_pem": queries.chain_pem(row)}


def _reported(row: Certificate) -> Answer:
    """Return since when the certificate's key is stopped, and else since when somebody only says that it should be."""
    standing = [report for report in keys.about(row) if report.stands]
    stopping = keys.stopping(row, standing)
    warned = standing[0].reported_at if standing and stopping is None else None
    return {"key_reported_at": stopping.reported_at if stopping else None, "key_warned_at": warned}


@router.get(
    "/certificates/{ident}/download",
    files={_PEM: "The certificate, or it and its chain.", _P7B: "The certificate and its chain.", _DER: "DER."},
)
def download(request: HttpRequest, ident: parameters.Ident, format: parameters.Format = "pem") -> HttpResponse:  # noqa: A002  the query's name
    """Download as pem, chain (PEM with chain), pkcs7 or der."""
    return file(queries.get(actor(request), ident), format)


def file(row: Any, kind: str) -> HttpResponse:
    """Return a certificate as a file."""
    kinds: dict[str, tuple[str, str, Callable[[Any], str | bytes]]] = {
        "pem": ("pem", _PEM, queries.pem),
        "chain": ("chain.pem", _PEM, queries.chain_pem),
        "pkcs7": ("p7b", _P7B, queries.pkcs7),
        "der": ("der", _DER, lambda found: bytes(found.der)),
    }
    if kind not in kinds:
        raise Invalid.one("format", "There is no such format.", f"Formats are: {', '.join(kinds)}.")
    ending, media, body = kinds[kind]
    response = HttpResponse(body(row), content_type=media)
    response.headers["Content-Disposition"] = f'attachment; filename="{row.serial}.{ending}"'
    return response


@router.post("/certificates/{ident}/revoke", response=answers.Certificate, problems=(409,))
def revoke(request: HttpRequest, ident: parameters.Ident, body: bodies.RevokeIn) -> Answer:
    """Ask for a revocation with a reason."""
    return show.certificate(actions.revoke(actor(request), ident, body.reason, body.comment))


@router.post("/certificates/{ident}/report-key", response=answers.KeyReported, problems=(409,))
def report_key(request: HttpRequest, ident: parameters.Ident, body: bodies.ReportKeyIn) -> Answer:
    """Report a certificate's key as compromised: nothing is certified for it any more, and open orders are withdrawn.

    Other teams' orders go on where the certificate's team has none for the key (`for_everybody` is false), until an
    Administrator confirms it. `revoke` names certificates with the key that are to be revoked too, each with its reason;
    what is still valid is in the answer.
    """
    asked = [(one.certificate, one.reason) for one in body.revoke]
    return show.key_reported(reporting.report_and_revoke(actor(request), ident, body.note, asked))


@router.get("/key-reports", response=answers.KeyReports, headers=("Link",))
def key_reports(
    request: HttpRequest,
    response: HttpResponse,
    key: parameters.OfKey = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List reports of keys, withdrawn ones too, newest first."""
    found = queries.key_reports(actor(request), key=key, cursor=cursor, size=size)
    return linked(request, response, show.page(found, show.key_report))


@router.post("/key-reports/{ident}/confirm", response=answers.KeyReport, problems=(409,))
def confirm_key_report(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Have a report that stops its own team's orders alone stop everybody's."""
    return show.key_report(reporting.confirm(actor(request), ident))


@router.post("/key-reports/{ident}/withdraw", response=answers.KeyReport, problems=(409,))
def withdraw_key_report(request: HttpRequest, ident: parameters.Ident, body: bodies.ReasonIn) -> Answer:
    """Withdraw a report: where no other stands, the key is certified again. Orders that were ended stay ended."""
    return show.key_report(reporting.withdraw(actor(request), ident, body.reason))


@router.post(
    "/certificates/{ident}/renew",
    response={200: answers.Order, 201: answers.Order},
    headers=("Location",),
    takes=("Idempotency-Key",),
    problems=(409,),
)
def renew(
    request: HttpRequest,
    response: HttpResponse,
    ident: parameters.Ident,
    body: bodies.RenewIn | None = None,
) -> Status[Answer]:
    """Place an order that replaces the certificate; nothing is revoked. `Idempotency-Key` is as for orders.

    201 is a new order, 200 the one that was placed with this key before.
    """
    wanted = body or bodies.RenewIn()
    key = idempotency_key(request)
    order = actions.renew(actor(request), ident, wanted.csr or None, wanted.comment, key, wanted.profile)
    created(response, "orders", order.pk)
    return Status(200 if getattr(order, "repeated", False) else 201, show.order(order))
