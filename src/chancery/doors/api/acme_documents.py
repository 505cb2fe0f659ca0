"""What goes in and out about the ACME server: offers, credentials, accounts and what they ordered."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from chancery.apps.acme import queries
from chancery.apps.acme.models import Account, AcmeOrder, Challenge, Credential, Offer, Standing
from chancery.apps.shared.action import current_clock
from chancery.doors.api.answers import Host, Id, Moment, Page
from chancery.doors.api.bodies import Body

_CHALLENGES: Any = Field(
    [],
    description="How clients prove their names; none: every name that the profile allows is authorised beforehand.",
    json_schema_extra={"items": {"type": "string", "enum": list(Challenge.values)}},
    examples=[["http-01", "dns-01"]],
)
_NETWORKS: Any = Field(
    [], description="Networks beside the public ones in which names may be validated.", examples=[["10.1.0.0/16"]]
)
_ANY_NAME: Any = Field(
    None,
    description="That no proof is meant, although the profile names no domains: a credential is good for any name. "
    "Left out, it stays as it was said before.",
)
_LISTED: Any = Field(False, description="Whether the directory shows the profile's name to anybody.")


class AcmeOfferIn(Body):
    """How a profile is offered to ACME clients."""

    challenges: list[str] = _CHALLENGES
    networks: list[str] = _NETWORKS
    listed: bool = _LISTED
    any_name: bool | None = _ANY_NAME


class AcmeOffer(BaseModel):
    """A profile that ACME clients may order with."""

    profile: Id
    profile_name: str = Field(examples=["Internal"])
    challenges: list[str] = Field(examples=[["http-01", "dns-01"]])
    networks: list[str] = Field(examples=[["10.1.0.0/16"]])
    listed: bool
    any_name: bool = Field(description="Whether no proof is meant, even where the profile names no domains.")
    updated_at: Moment


class AcmeOffers(Page):
    """A page of the profiles that are offered, the newest profiles first."""

    items: list[AcmeOffer]


class AcmeCredentialIn(Body):
    """A credential for an ACME client's first account."""

    name: str = Field(examples=["web-1"])
    profile: str = Field(description="Id or name of an offered profile.", examples=["Internal"])
    accounts: int = Field(1, description="For how many accounts it is good.", examples=[1])
    orders_per_hour: int = Field(300, description="Most orders of one account in an hour.", examples=[300])
    days: int = Field(0, description="For how many days accounts may be made with it; 0 for no end.", examples=[30])


class AcmeCredential(BaseModel):
    """A credential; its id is the key identifier that a client is given."""

    id: Id
    name: str = Field(examples=["web-1"])
    status: str = Field(json_schema_extra={"enum": ["usable", "used", "expired", "revoked"]})
    profile: Id
    profile_name: str = Field(examples=["Internal"])
    team: str = Field(examples=["Operations"])
    environment: str = Field(examples=["Production"])
    accounts_left: int = Field(description="For how many more accounts it is good.", examples=[1])
    orders_per_hour: int = Field(examples=[300])
    expires_at: Moment | None
    created_at: Moment
    created_by: str = Field(examples=["ada"])
    revoked_at: Moment | None


class NewAcmeCredential(AcmeCredential):
    """A credential with its MAC key, which is shown this once."""

    mac_key: str = Field(
        description="The HMAC key, base64url.", examples=["zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG4…"]
    )


class AcmeCredentials(Page):
    """A page of credentials."""

    items: list[AcmeCredential]


class AcmeAccount(BaseModel):
    """A client's account."""

    id: Id
    credential: Id
    credential_name: str = Field(examples=["web-1"])
    status: str = Field(json_schema_extra={"enum": list(Standing.values)})
    thumbprint: str = Field(
        description="Of its public key (RFC 7638).", examples=["NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"]
    )
    contact: list[str] = Field(examples=[["mailto:pki@example.com"]])
    address: str = Field(description="Where it was made from.", examples=["192.0.2.7"])
    created_at: Moment


class AcmeAccounts(Page):
    """A page of accounts."""

    items: list[AcmeAccount]


class AcmeOrderOut(BaseModel):
    """What an account ordered."""

    id: Id
    names: list[Host]
    order: Id | None = Field(description="The order that was placed when it was finalized.")
    state: str = Field(description="State of that order; empty before.", examples=["issued"])
    created_at: Moment


class AcmeOrders(Page):
    """A page of what an account ordered."""

    items: list[AcmeOrderOut]


def offer(row: Offer) -> dict[str, Any]:
    """Return an offer."""
    names = ("challenges", "networks", "listed", "any_name", "updated_at")
    return {"profile": str(row.pk), "profile_name": row.profile.name, **{n: getattr(row, n) for n in names}}


def credential(row: Credential) -> dict[str, Any]:
    """Return a credential without its MAC key."""
    names = ("name", "accounts_left", "orders_per_hour", "expires_at", "created_at", "created_by", "revoked_at")
    return {
        "id": str(row.pk),
        "status": queries.status(row, current_clock().now()),
        "profile": str(row.offer_id),
        "profile_name": row.offer.profile.name,
        "team": row.team.name,
        "environment": row.environment.name,
        **{n: getattr(row, n) for n in names},
    }


def account(row: Account) -> dict[str, Any]:
    """Return an account."""
    names = ("thumbprint", "contact", "address", "created_at")
    return {
        "id": str(row.pk),
        "credential": str(row.credential_id),
        "credential_name": row.credential.name,
        "status": row.state,
        **{n: getattr(row, n) for n in names},
    }


def order(row: AcmeOrder) -> dict[str, Any]:
    """Return what an account ordered."""
    placement = getattr(row, "placement", None)
    return {
        "id": str(row.pk),
        "names": [value for _, value in row.names],
        "order": str(placement.order_id) if placement else None,
        "state": placement.order.state if placement else "",
        "created_at": row.created_at,
    }
