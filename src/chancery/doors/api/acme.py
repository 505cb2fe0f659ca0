"""The ACME server over REST: offers, credentials, accounts and what they ordered."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Status

from chancery.apps.acme import actions, queries
from chancery.doors.api import acme_documents as documents
from chancery.doors.api import parameters, show
from chancery.doors.api.reading import actor
from chancery.doors.api.routes import Routes, created, linked

router = Routes(tags=["acme"])
Answer = dict[str, Any]


@router.get("/acme/offers", response=documents.AcmeOffers, headers=("Link",))
def offers(
    request: HttpRequest, response: HttpResponse, cursor: parameters.Cursor = "", size: parameters.Size = 50
) -> Any:
    """List the profiles that ACME clients may order with."""
    found = queries.offer_listing(actor(request), cursor=cursor, size=size)
    return linked(request, response, show.page(found, documents.offer))


@router.put("/acme/offers/{ident}", response=documents.AcmeOffer)
def offer(request: HttpRequest, ident: parameters.ProfileIdent, body: documents.AcmeOfferIn) -> Answer:
    """Offer a profile to ACME clients, or change how its names are validated."""
    row = actions.offer(actor(request), ident, **dict(body))
    return documents.offer(queries.offer(actor(request), row.pk))


@router.delete("/acme/offers/{ident}", response={204: None}, problems=(409,))
def withdraw(request: HttpRequest, ident: parameters.Ident) -> Status[None]:
    """Offer a profile no longer; refused where credentials were made for it."""
    actions.withdraw(actor(request), ident)
    return Status(204, None)


@router.get("/acme/credentials", response=documents.AcmeCredentials, headers=("Link",))
def credentials(
    request: HttpRequest,
    response: HttpResponse,
    search: parameters.Search = "",
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List credentials by name, revoked ones too."""
    found = queries.listing(actor(request), search=search, cursor=cursor, size=size)
    return linked(request, response, show.page(found, documents.credential))


@router.post("/acme/credentials", response={201: documents.NewAcmeCredential}, headers=("Location",), problems=(404,))
def create(request: HttpRequest, response: HttpResponse, body: documents.AcmeCredentialIn) -> Status[Answer]:
    """Make a credential; its MAC key is in this answer and nowhere else."""
    row, secret = actions.create_credential(actor(request), **dict(body))
    created(response, "acme/credentials", row.pk)
    return Status(201, {**_credential(request, row.pk), "mac_key": secret})


@router.get("/acme/credentials/{ident}", response=documents.AcmeCredential)
def credential(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show a credential."""
    return _credential(request, ident)


@router.post("/acme/credentials/{ident}/revoke", response=documents.AcmeCredential, problems=(409,))
def revoke(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Revoke a credential and its accounts; their orders that no CA was asked for end, certificates stay as they are."""
    actions.revoke_credential(actor(request), ident)
    return _credential(request, ident)


@router.get("/acme/credentials/{ident}/accounts", response=documents.AcmeAccounts, headers=("Link",))
def accounts(
    request: HttpRequest,
    response: HttpResponse,
    ident: parameters.Ident,
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List the accounts that were made with a credential, newest first."""
    found = queries.accounts(actor(request), ident, cursor=cursor, size=size)
    return linked(request, response, show.page(found, documents.account))


@router.get("/acme/accounts/{ident}", response=documents.AcmeAccount)
def account(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """Show an account."""
    return documents.account(queries.account(actor(request), ident))


@router.post("/acme/accounts/{ident}/revoke", response=documents.AcmeAccount, problems=(409,))
def revoke_account(request: HttpRequest, ident: parameters.Ident) -> Answer:
    """End an account: its key counts no longer, its orders that no CA was asked for end; certificates stay as they are."""
    actions.revoke_account(actor(request), ident)
    return documents.account(queries.account(actor(request), ident))


@router.get("/acme/accounts/{ident}/orders", response=documents.AcmeOrders, headers=("Link",))
def orders(
    request: HttpRequest,
    response: HttpResponse,
    ident: parameters.Ident,
    cursor: parameters.Cursor = "",
    size: parameters.Size = 50,
) -> Any:
    """List what an account ordered, newest first."""
    found = queries.orders(actor(request), ident, cursor=cursor, size=size)
    return linked(request, response, show.page(found, documents.order))


def _credential(request: HttpRequest, ident: object) -> Answer:
    return documents.credential(queries.get(actor(request), ident))
