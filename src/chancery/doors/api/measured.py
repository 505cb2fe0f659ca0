"""What goes out about health, renewals and notices."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from chancery.doors.api.answers import Host, Id, Moment, Page


class Point(BaseModel):
    """Calls to a CA that ended within one step of time."""

    start: Moment
    calls: int = Field(examples=[120])
    answered: int = Field(examples=[118])
    issued: int = Field(description="Of those answered: a certificate came back.", examples=[40])
    errors: dict[str, int] = Field(description="Kind of error → number.", examples=[{"Unreachable": 2}])
    mean_seconds: float | None = Field(examples=[0.31])
    p95_seconds: float | None = Field(description="Nineteen of twenty took no longer.", examples=[1.0])


class Operation(BaseModel):
    """One kind of call, since the connector was made."""

    name: str = Field(examples=["submit"])
    succeeded_at: Moment | None
    failed_at: Moment | None
    error: str = Field(description="Kind of the last error.", examples=["Unreachable"])
    calls: int = Field(examples=[4711])
    failures: int = Field(examples=[12])


class Vital(BaseModel):
    """The newest measure of something that ages."""

    kind: str = Field(
        description="`clock_skew`, `server_certificate`, `ca_certificate` or `crl`.", examples=["ca_certificate"]
    )
    subject: str = Field(description="A CA's name, or a list's address.", examples=["CN=Issuing CA"])
    seconds: float | None = Field(description="Of a clock: how far the CA's is ahead of ours.", examples=[None])
    until: Moment | None = Field(description="Until when it holds.")
    text: str = Field(examples=["Issued by CN=Root."])
    error: str = Field(description="Why it could not be looked at.", examples=[""])
    at: Moment


class History(BaseModel):
    """A connector's health over time."""

    span: str = Field(examples=["day"])
    points: list[Point]
    operations: list[Operation]
    vitals: list[Vital]
    credential_since: Moment | None = Field(description="Since when its credential is the same.")


class Plan(BaseModel):
    """The renewal of one certificate."""

    certificate: Id
    common_name: Host
    not_after: Moment
    state: str = Field(
        description="`off`, `planned`, `retrying`, `waiting` (for a person), `ordered`, `replaced` or `ended`.",
        examples=["planned"],
    )
    due_at: Moment | None
    text: str = Field(description="Why it waits, or what it came to.", examples=[""])
    attempts: int = Field(description="In vain so far.", examples=[0])
    order: Id | None = Field(description="The latest order that replaces the certificate.")
    hint_start: Moment | None = Field(description="Begin of the window that the CA suggests (RFC 9773).")
    hint_end: Moment | None
    hint_explanation: str = Field(examples=[""])
    next_request_by: str = Field(description="Who left a request for it; empty where nobody did.", examples=[""])


class Plans(Page):
    """A page of renewals."""

    items: list[Plan]


class Load(BaseModel):
    """Renewals of one connector by week."""

    connector: Id
    name: str = Field(examples=["Berlin"])
    weeks: list[int] = Field(examples=[[12, 40, 3]])
    capacity: int = Field(description="Calls that its rate lets through in a week.", examples=[3024000])
    tight_weeks: list[int] = Field(description="Weeks (from 0) that take over 80 % of that.", examples=[[]])


class Forecast(BaseModel):
    """Renewals of the coming weeks."""

    starts: list[Moment] = Field(description="When each week begins; the first one has what is overdue.")
    weeks: list[int] = Field(description="Of all connectors.", examples=[[12, 40, 3]])
    overdue: int = Field(examples=[0])
    connectors: list[Load] = Field(description="Those with the most renewals, fifty at most.")
    more: bool = Field(description="Whether further connectors have some.", examples=[False])


class Day(BaseModel):
    """What one day (UTC) brought."""

    day: date
    issued: int = Field(examples=[120])


class Overview(BaseModel):
    """The installation at a glance, as far as the caller may see it."""

    connectors: dict[str, int] = Field(
        description="Measured health of the active ones, and inactive → number.",
        examples=[{"healthy": 4, "inactive": 1}],
    )
    orders: dict[str, str] = Field(
        description="State of those on their way → number; above ten thousand it is cut.",
        examples=[{"queued": "10 000+", "pending": "3"}],
    )
    ended: dict[str, int] = Field(
        description="State of those that have ended → number, of the newest ten thousand orders.",
        examples=[{"issued": 9412, "rejected": 3}],
    )
    days: list[Day] = Field(description="The last thirty.")
    starts: list[Moment] = Field(description="When each of the coming weeks begins.")
    expiring: list[int] = Field(description="Valid certificates that end in each week.", examples=[[3, 0, 12]])
    renewals: list[int] = Field(
        description="Renewals of each week; the first has what is overdue.", examples=[[12, 40, 3]]
    )


class Notice(BaseModel):
    """A condition that people are told of."""

    id: Id
    kind: str = Field(examples=["connector_sick"])
    title: str = Field(examples=["Berlin: unreachable"])
    text: str = Field(examples=["No connection could be made."])
    link: str = Field(description="Where in the console.", examples=["/integrations/ca-connectors/01890a5d"])
    team: str = Field(examples=["Operations"])
    environment: str = Field(examples=["Production"])
    opened_at: Moment
    told_at: Moment = Field(description="When people were told last.")
    resolved_at: Moment | None


class Notices(Page):
    """A page of notices."""

    items: list[Notice]


class Channel(BaseModel):
    """Where notices go; its address is never shown."""

    id: Id
    name: str = Field(examples=["Operations chat"])
    team: str = Field(examples=["Operations"])
    environment: str = Field(description="Empty for every one.", examples=[""])
    service: str = Field(description="The address's scheme.", examples=["slack"])
    kinds: list[str] = Field(description="Empty for every kind.", examples=[["connector_sick"]])
    allowed_networks: list[str] = Field(examples=[["10.1.0.0/16"]])
    is_active: bool
    revision: int = Field(examples=[1])
    last_sent_at: Moment | None
    failures: int = Field(description="In a row.", examples=[0])
    last_error: str = Field(examples=[""])


class Channels(Page):
    """A page of channels."""

    items: list[Channel]


class Delivery(BaseModel):
    """Something that is sent to a channel."""

    id: Id
    what: str = Field(description="`opened`, `again`, `resolved` or `test`.", examples=["test"])
    state: str = Field(description="`due`, `sent` or `failed`.", examples=["sent"])
    notice: Id | None
    attempts: int = Field(examples=[0])
    error: str = Field(examples=[""])
    created_at: Moment
    finished_at: Moment | None


class Webhook(BaseModel):
    """A program that is told what happens."""

    id: Id
    name: str = Field(examples=["Ticket system"])
    team: str = Field(examples=["Operations"])
    environment: str = Field(description="Empty for every one.", examples=[""])
    url: str = Field(examples=["https://tickets.example.com/hooks/chancery"])
    events: list[str] = Field(description="Empty for every one.", examples=[["order.*"]])
    allowed_networks: list[str] = Field(examples=[["10.1.0.0/16"]])
    is_active: bool
    revision: int = Field(examples=[1])
    former_secret_until: Moment | None = Field(description="Until then messages are signed by the secret before, too.")
    last_sent_at: Moment | None
    test_asked_at: Moment | None = Field(description="Since when a test waits to be sent; empty where none does.")
    tested_at: Moment | None = Field(description="When the last test was taken.")
    failures: int = Field(description="In a row.", examples=[0])
    last_error: str = Field(examples=[""])


class WebhookSecret(Webhook):
    """A webhook with its secret, which is shown this once."""

    secret: str = Field(examples=["whsec_…"])


class Webhooks(Page):
    """A page of webhooks."""

    items: list[Webhook]


class AboutConnector(BaseModel):
    """A connector by name."""

    id: Id
    authority: str = Field(examples=["digicert"])
    name: str = Field(examples=["Berlin"])


class PostureFinding(BaseModel):
    """Something weak about how CAs are used."""

    key: str = Field(
        description="The same as long as it is about the same things.",
        examples=["shared_credential-9f86d081884c7d659a2feaa0c55ad015"],
    )
    kind: str = Field(examples=["shared_credential"])
    level: str = Field(description="`serious`, `warning` or `advice`.", examples=["serious"])
    text: str = Field(examples=["Berlin, Tokyo share a credential across Production, Test."])
    remedy: str = Field(examples=["Have the CA make one for each, and rotate."])
    connectors: list[AboutConnector] = Field(description="At most twenty.")
    more: int = Field(description="How many more connectors it is about.", examples=[0])
    enforced: bool = Field(description="Whether it is refused from now on, and cannot wait.")
    owner: str = Field(examples=["Platform team"])
    until: date | None = Field(description="It may wait until then.")
    reason: str = Field(examples=[""])


class Posture(Page):
    """What is weak, and where CAs see us come from. The rows are not counted."""

    items: list[PostureFinding]
    egress_addresses: str = Field(examples=["192.0.2.10"])
