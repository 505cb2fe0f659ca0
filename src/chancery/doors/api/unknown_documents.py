"""What goes out about orders whose outcome is unknown, and about why an order stands where it stands."""

from __future__ import annotations

from pydantic import BaseModel, Field

from chancery.apps.orders.models import Later
from chancery.core.order import State
from chancery.core.standing import Topic
from chancery.doors.api.answers import Host, Id, Moment

_HASH = "7b4f8c1e0d9a6b5c3e2f1a0d9c8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d1c0b"


class Statement(BaseModel):
    """One statement of an explanation."""

    topic: Topic = Field(description="What it is about; texts may change, this does not.")
    text: str = Field(examples=["DigiCert Berlin is inactive."])


class Explanation(BaseModel):
    """Why an order stands where it stands."""

    state: State
    summary: str = Field(examples=["It is in the queue and has yet to be sent."])
    decided: list[Statement] = Field(description="Profile, rules, approvals, pool, settings and errors, up to now.")
    waits_for: list[Statement] = Field(description="What keeps it where it is.")
    goes_on: list[Statement] = Field(description="What makes it go on.")


class Sent(BaseModel):
    """What went to the CA."""

    csr_sha256: str = Field(description="Of the request as DER, in hex.", examples=[_HASH])
    spki_sha256: str = Field(description="Of the public key, in hex.", examples=[_HASH])
    reference: str = Field(description="What the call is known by at the CA, where it takes one.", examples=[_HASH[:8]])
    intended_at: Moment | None = Field(description="When the intent was written down, before anything left.")
    submitted_at: Moment | None = Field(description="When it was sent last.")
    settings_version: int | None = Field(description="The connector's settings that it was sent by.", examples=[3])
    ca_reference: str = Field(description="The CA's own number, where one is known.", examples=[""])


class Arrived(BaseModel):
    """What came back of the answer."""

    at: Moment
    text: str = Field(examples=["OutcomeUnknown: The answer broke off. The request had left."])
    error: str = Field(description="Kind of error; empty where the worker vanished.", examples=["OutcomeUnknown"])
    bytes_sent: bool | None = Field(
        description="Whether the request had left; null where nobody can say, or where it only looked."
    )
    said: str = Field(description="The CA's own code and text.", examples=["503 Service Unavailable"])


class Search(BaseModel):
    """A search at the CA, or several in a row that failed alike."""

    at: Moment
    text: str = Field(examples=["The search by name and day found 2 orders, none of them ours."])
    times: int = Field(examples=[1])
    last_at: Moment


class Settling(BaseModel):
    """How an unknown outcome settles by itself."""

    way: str = Field(examples=["It is searched for what was lost, never sooner than 1 minute after the request."])
    finds: bool = Field(description="Whether the CA can be searched.")
    search_lag_seconds: float = Field(description="How far behind the CA's search may be.", examples=[60.0])
    searches: int = Field(description="Searches that found nothing.", examples=[2])
    search_tries: int = Field(description="After so many it counts as never ordered.", examples=[3])
    next_look_at: Moment | None = Field(description="When the engine looks next; null where it does not.")


class AgainRequest(BaseModel):
    """Somebody wants an order with an unknown outcome ordered again; a second person has to confirm or refuse it."""

    order: Id
    common_name: Host
    asked_by: str = Field(examples=["ada"])
    asked_at: Moment
    reason: str = Field(examples=["DigiCert's support says that nothing came in."])
    expires_at: Moment


class AgainRequests(BaseModel):
    """The open requests, the oldest first; two hundred at most."""

    items: list[AgainRequest]


class EarlierCall(BaseModel):
    """A call that was left behind when its order was ordered again."""

    reference: str = Field(examples=[_HASH[:8]])
    submitted_at: Moment | None
    ca_reference: str = Field(examples=[""])
    reason: str = Field(description="What was known of it then.", examples=["The answer broke off."])
    decided_at: Moment = Field(description="When the order was ordered again.")
    state: str = Field(description="What is known of it since.", json_schema_extra={"enum": list(Later.values)})
    looks: int = Field(description="Searches that were answered.", examples=[1])
    looked_at: Moment | None
    next_look_at: Moment | None
    text: str = Field(description="What the last search said.", examples=["None of them ours."])
    finding: Id | None = Field(description="The inventory's finding, where it turned up.")


class Evidence(BaseModel):
    """What is known of an order's present call, and of those that it left behind."""

    sent: Sent
    arrived: Arrived | None
    searches: list[Search]
    settling: Settling
    risk: list[str] = Field(description="What may exist twice if it is ordered again, and who cleans it up.")
    request: AgainRequest | None = Field(description="To order it again, where one waits for its second person.")
    earlier: list[EarlierCall]
