"""What goes out: every document that the API answers with. Secrets are never among the fields."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, JsonValue

from chancery.apps.bots.models import Purpose, Stage, Standing
from chancery.apps.changes.models import Kind
from chancery.apps.changes.models import State as ChangeState
from chancery.apps.orders import causing
from chancery.core.order import State
from chancery.doors.api.parameters import UUID_EXAMPLE

Id = Annotated[str, Field(json_schema_extra={"format": "uuid"}, examples=[UUID_EXAMPLE])]
Day = Annotated[date, Field(examples=["2027-01-31"])]
Moment = Annotated[datetime, Field(examples=["2026-11-23T21:44:18.989Z"])]
Host = Annotated[str, Field(examples=["www.example.com"])]


class Page(BaseModel):
    """What every page of a listing says besides its rows."""

    next: str = Field(description="`cursor` of the next page; empty at the end.", examples=["WyI-IiwiMDE4Il0"])
    previous: str = Field(description="`cursor` of the page before; empty at the beginning.", examples=[""])
    count: str = Field(description="Number of rows, on the first page; '10 000+' above that.", examples=["42"])


class Health(BaseModel):
    """Whether the service can work."""

    database: str = Field(examples=["ok"])
    worker: str = Field(description="`ok`, or `none` where no worker gave a sign of life.", examples=["ok"])
    version: str = Field(examples=["0.1.0"])


class Authority(BaseModel):
    """What may be known of a CA type."""

    slug: str = Field(examples=["local"])
    title: str = Field(examples=["Private CA"])
    maker: str = Field(examples=["Chancery"])
    proof: str = Field(description="How this connector was proven.", examples=["simulated"])
    powers: list[str] = Field(examples=[["revokes"]])
    needs_base_url: bool
    default_base_url: str = Field(examples=["https://ca.example.com/api"])
    secrets: list[str] = Field(description="Which of its fields are secret.", examples=[["api_key"]])
    made: list[str] = Field(
        description="What Chancery fills in by itself when a connector is made.", examples=[["issuing_key"]]
    )
    config: dict[str, Any] = Field(description="JSON Schema of its connectors' own fields.")
    profile: dict[str, Any] = Field(description="JSON Schema of a profile's `product`.")
    publishes_revocations: bool = Field(description="Whether whoever checks a certificate can see that it is revoked.")
    revocation_reasons: list[str] = Field(examples=[["superseded"]])


class Broken(BaseModel):
    """A CA type that could not be loaded."""

    slug: str = Field(examples=["acme-ca"])
    reason: str = Field(examples=["ModuleNotFoundError: no module named 'acme_ca'"])


class Authorities(BaseModel):
    """The CA types, and those that could not be loaded."""

    items: list[Authority]
    broken: list[Broken]


class Pace(BaseModel):
    """How fast a connector is called, by all workers together."""

    seats: int = Field(description="Calls at once.", examples=[4])
    calls_per_second: float = Field(description="In the long run.", examples=[5.0])
    burst: int = Field(description="Calls that may go at once after a rest.", examples=[10])
    share: float = Field(description="Of that rate, at which it is called now; less after a CA asked for patience.")


class Connector(BaseModel):
    """An account at a CA; of its secrets only which ones are set."""

    id: Id
    authority: str = Field(examples=["digicert"])
    name: str = Field(examples=["Berlin"])
    status: str = Field(json_schema_extra={"enum": ["active", "inactive"]})
    health: str = Field(description="What the engine measured.", examples=["healthy"])
    health_text: str = Field(examples=[""])
    broken: str = Field(description="Why its CA type cannot be used; empty where it can.", examples=[""])
    health_at: Moment | None
    paused_until: Moment | None = Field(description="Orders wait until then, after faults of the CA.")
    breaker: str = Field(
        description="Whether acts go through; `stopped` waits for a person, `half_open` lets one at a time through.",
        json_schema_extra={"enum": ["closed", "open", "half_open", "stopped"]},
    )
    sick_since: Moment | None = Field(description="When the breaker last stopped being closed.")
    pace: Pace
    limit_seats: int | None = Field(description="As the administrator set it.", examples=[None])
    limit_rate: float | None = Field(examples=[None])
    limit_burst: int | None = Field(examples=[None])
    queue: str = Field(description="Orders that are not finished; `10 000+` above ten thousand.", examples=["3"])
    base_url: str = Field(examples=["https://ca.example.com/api"])
    environment: str = Field(examples=["Production"])
    team: str = Field(examples=["Operations"])
    owner: str = Field(examples=["Platform team"])
    contact: str = Field(examples=["pki@example.com"])
    region: str = Field(examples=["eu-central"])
    description: str = Field(examples=["Public TLS"])
    tags: list[str] = Field(examples=[["web"]])
    revision: int = Field(description="Grows with every edit; the ETag.", examples=[1])
    version: int | None = Field(description="Of its settings.", examples=[1])
    tested_at: Moment | None = Field(description="When these settings passed a test before they were saved.")
    untested_reason: str = Field(description="Why they were saved without.", examples=[""])
    proxy: str = Field(examples=[""])
    trust_pem: str = Field(examples=[""])
    allowed_networks: list[str] = Field(examples=[["10.1.0.0/16"]])
    settings: dict[str, Any] = Field(description="The CA type's own fields, without secrets.")
    secrets_set: list[str] = Field(examples=[["api_key"]])
    last_issue_at: Moment | None
    created_at: Moment
    updated_at: Moment


class SecretReferences(BaseModel):
    """Where a connector's secrets stay, for those that are not stored here."""

    references: dict[str, str] = Field(
        description="Secret field → the reference in its place. Fields with a secret of their own are not among them.",
        examples=[{"api_key": "@vault:ca/digicert#api_key"}],
    )


class Connectors(Page):
    """A page of connectors."""

    items: list[Connector]


class Deactivated(Connector):
    """A connector that was just switched off."""

    submissions_in_flight: int = Field(description="Orders already on their way to the CA.", examples=[0])


class SwitchResult(BaseModel):
    """How it went with one connector."""

    id: str = Field(examples=[UUID_EXAMPLE])
    ok: bool
    detail: str = Field(examples=[""])


class SwitchResults(BaseModel):
    """How it went with each connector."""

    results: list[SwitchResult]


class Blocker(BaseModel):
    """Something that stands in the way."""

    kind: str = Field(examples=["profile"])
    name: str = Field(examples=["Internal"])
    id: str = Field(examples=[UUID_EXAMPLE])
    reason: str = Field(examples=["orders through it"])


class Stranded(BaseModel):
    """A certificate that could no longer be revoked."""

    id: Id
    common_name: str = Field(examples=["www.example.com"])
    serial: str = Field(examples=["1a2b3c"])
    not_after: Moment


class DeletePreview(BaseModel):
    """What stands in the way of deleting, and what would be lost."""

    blockers: list[Blocker]
    certificates_no_longer_revocable: int = Field(examples=[1])
    certificates: list[Stranded] = Field(description="The first of them: those that expire last.")
    erased: list[str] = Field(description="Secrets that exist nowhere else.", examples=[["Issuing CA key"]])


class Call(BaseModel):
    """Something that a worker was asked to do at a CA, and what came of it."""

    id: Id
    kind: str = Field(examples=["diagnose"])
    state: str = Field(description="`due`, `running`, `done` or `failed`.", examples=["done"])
    authority: str = Field(examples=["digicert"])
    created_at: Moment
    finished_at: Moment | None
    result: dict[str, Any]


class Profile(BaseModel):
    """What may be asked."""

    id: Id
    name: str = Field(examples=["Internal"])
    description: str = Field(examples=["Servers in our own networks"])
    team: str = Field(examples=["Operations"])
    environment: str = Field(examples=["Production"])
    pool: str = Field(examples=["Berlin"])
    pool_id: Id | None = Field(description="Of a pool that people made; null for a connector alone.")
    region: str = Field(description="Members of the pool in this region come first.", examples=[""])
    connector: Id | None = Field(description="Where new orders go.")
    connector_name: str = Field(examples=["Berlin"])
    key_types: list[str] = Field(examples=[["EC-P256"]])
    name_kinds: list[str] = Field(examples=[["dns"]])
    name_suffixes: list[str] = Field(examples=[["example.com"]])
    wildcard: bool
    max_names: int = Field(examples=[100])
    validity_days: int = Field(examples=[90])
    validity_days_max: int = Field(examples=[199])
    deadline_hours: int = Field(description="Hours in which an order is wanted.", examples=[24])
    needs_approval: bool
    approvals: int = Field(description="How many people approve an order, where any does.", examples=[1])
    renewal: str = Field(description="`off`, `notice` or `same_key`.", examples=["notice"])
    renewal_share: int = Field(description="Percent of a lifetime that pass before a renewal.", examples=[67])
    products: dict[str, Any] = Field(description="CA type → its own fields.")
    revision: int = Field(description="Grows with every edit; the ETag.", examples=[1])


class Profiles(Page):
    """A page of profiles."""

    items: list[Profile]


class Member(BaseModel):
    """A connector's place in a pool."""

    connector: Id
    name: str = Field(examples=["Berlin"])
    authority: str = Field(examples=["digicert"])
    region: str = Field(examples=["eu-central"])
    status: str = Field(json_schema_extra={"enum": ["active", "inactive"]})
    breaker: str = Field(json_schema_extra={"enum": ["closed", "open", "half_open", "stopped"]})
    preference: int = Field(examples=[1])
    weight: int = Field(examples=[1])
    validation: str = Field(json_schema_extra={"enum": ["", "dv", "ov", "ev"]})
    draining: bool = Field(description="It takes no new orders and finishes those that it has.")


class Pool(BaseModel):
    """Connectors that may stand in for one another."""

    id: Id
    name: str = Field(examples=["Public TLS"])
    description: str = Field(examples=["Two accounts of one CA"])
    team: str = Field(examples=["Operations"])
    environment: str = Field(examples=["Production"])
    trust: str = Field(json_schema_extra={"enum": ["same_root", "public", "vouched"]})
    trust_reason: str = Field(examples=[""])
    patience_minutes: int = Field(examples=[5])
    members: list[Member]
    profiles: int = Field(description="How many order through it.", examples=[3])
    revision: int = Field(description="Grows with every edit; the ETag.", examples=[1])


class Pools(Page):
    """A page of pools."""

    items: list[Pool]


class Thing(BaseModel):
    """Something by id and name."""

    id: Id
    name: str = Field(examples=["www.example.com"])


class Number(BaseModel):
    """How many there are; above ten thousand `10 000+`. And the first of them that you may see."""

    number: str = Field(examples=["12"])
    first: list[Thing]


class DependentProfile(Thing):
    """A profile that orders through a connector."""

    pool: str = Field(description="The pool through which; empty for the connector alone.", examples=[""])
    stand_ins: str = Field(description="Who else takes orders in the pool; empty where they would wait.", examples=[""])


class Impact(BaseModel):
    """What depends on a connector."""

    held: Number = Field(description="Orders that wait here and that no CA has seen.")
    on_their_way: Number = Field(description="Orders that the CA has or may have; they are followed to their end.")
    profiles: list[DependentProfile] = Field(description="The first of them by name, twenty at most.")
    more_profiles: bool = Field(description="Whether there are further ones.", examples=[False])
    pools: list[Thing]
    renewals: Number = Field(description="Due within 30 days.")
    first_renewal: Moment | None
    certificates: Number = Field(description="Valid ones issued through it.")
    bots: Number = Field(description="Targets that order through it.")


class Staying(Thing):
    """What does not move, and why."""

    why: str = Field(examples=["Berlin has issued nothing yet, so its root is not known."])


class Repointing(BaseModel):
    """What moves to another connector or pool, and what does not."""

    to: str = Field(examples=["Public TLS"])
    profiles: list[Thing]
    refused: list[Staying] = Field(description="Profiles that stay.")
    orders: int = Field(description="Waiting orders that move.", examples=[12])
    staying: list[Staying] = Field(description="Waiting orders that stay; the first of them.")
    orders_staying: int = Field(examples=[0])
    bound: int = Field(description="Waiting orders that the CA has or may have: they end where they are.", examples=[0])
    more: bool = Field(description="Whether waiting orders are left for another time.")
    digest: str = Field(description="Send it as `previewed`.", examples=["0f1e2d3c4b5a69788796a5b4c3d2e1f0"])
    moved: int = Field(description="Orders that were moved; 0 in a preview.", examples=[0])


class Cause(BaseModel):
    """A person who brought an order about that a machine placed; they do not decide about it."""

    user: int = Field(description="Id of a person.", examples=[2])
    how: causing.How


class Order(BaseModel):
    """An order, without its request's bytes."""

    id: Id
    state: State
    common_name: Host
    names: list[str] = Field(examples=[["www.example.com"]])
    key_type: str = Field(examples=["EC-P256"])
    validity_days: int = Field(examples=[90])
    profile: Id
    connector: Id
    requested_by: int | None = Field(
        description="Id of a person; null for a machine, and for the host's operator.", examples=[2]
    )
    caused_by: list[Cause] = Field(description="The people behind a machine that placed it.")
    comment: str = Field(examples=["for the new shop"])
    placed_at: Moment
    deadline_at: Moment = Field(description="When it is too late; the most urgent goes first.")
    finished_at: Moment | None
    next_look_at: Moment | None = Field(description="When the engine turns to it next.")
    pending_kind: str = Field(examples=[""])
    ca_reference: str = Field(examples=["74010224"])
    reason: str = Field(description="Why it stands where it stands.", examples=[""])
    reason_code: str = Field(examples=[""])
    idempotency_key: str | None = Field(examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"])


class Orders(Page):
    """A page of orders."""

    items: list[Order]


class Event(BaseModel):
    """One line of an order's timeline."""

    at: Moment
    kind: str = Field(examples=["order.placed"])
    actor: str = Field(examples=["ada"])
    text: str = Field(examples=[""])
    detail: JsonValue


class WholeOrder(Order):
    """An order with its timeline and certificate."""

    certificate: Id | None
    timeline: list[Event]


class FieldError(BaseModel):
    """What is wrong with one field, header or parameter, and what to do."""

    field: str = Field(examples=["csr"])
    detail: str = Field(examples=["The request's signature does not verify."])
    remedy: str = Field(examples=["Make the request anew."])
    code: str = Field(examples=["invalid"])


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="A URN; `code` is its last part.", examples=["urn:chancery:problem:invalid"])
    title: str = Field(examples=["The request cannot be used"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["csr: The request's signature does not verify."])
    code: str = Field(description="For programs; texts may change.", examples=["invalid"])
    remedy: str = Field(examples=["Make the request anew."])
    errors: list[FieldError] = Field(description="Each part of the request that is at fault.")
    blockers: list[Blocker] | None = Field(None, description="What stands in the way, of a 409.")
    incident: str | None = Field(
        None, description="Of a 500: what the server's log has it under.", examples=["5f0c1c2b9d3e"]
    )


class BatchResult(BaseModel):
    """What came of one order of a batch: an order or a problem."""

    status: int = Field(description="As if it had been sent alone.", examples=[201])
    id: Id | None = None
    state: State | None = None
    problem: Problem | None = None


class BatchResults(BaseModel):
    """What came of each order, in the order in which they were sent."""

    results: list[BatchResult]


class Certificate(BaseModel):
    """A certificate, without its bytes."""

    id: Id
    status: str = Field(description="`valid`, `expiring`, `expired`, `revoking` or `revoked`.", examples=["valid"])
    names: list[str] = Field(examples=[["www.example.com"]])
    order: Id | None = Field(description="Null for one that was not ordered here.")
    connector: Id | None = Field(description="Null where none is known to lead to its CA.")
    profile: Id | None = Field(description="Null for one that was not ordered here, and has none.")
    origin: str = Field(json_schema_extra={"enum": ["ordered", "imported", "adopted"]}, examples=["ordered"])
    origin_text: str = Field(description="From which file or list it came, and by whom.", examples=[""])
    owner: str = Field(examples=["Web team"])
    contact: str = Field(examples=["web@example.com"])
    serial: str = Field(description="Hex.", examples=["7a1f0c"])
    issuer: str = Field(examples=["CN=Issuing CA"])
    common_name: Host
    key_type: str = Field(examples=["EC-P256"])
    sha256: str = Field(description="Of the DER, in hex.", examples=["e3b0c44298fc1c149afbf4c8996fb924"])
    not_before: Moment
    not_after: Moment
    ca_reference: str = Field(examples=["74010224"])
    warnings: list[str] = Field(
        description="What is not well with it although it is as it was ordered, such as a root that was removed.",
        examples=[["It chains to a root that browsers no longer trust."]],
    )
    revocation: str = Field(description="Empty, or how far its revocation is.", examples=[""])
    revocation_reason: str = Field(examples=[""])
    revocation_text: str = Field(examples=[""])
    revocation_published: bool | None = Field(
        description="Whether whoever checks it can see that it is revoked; null where it is not."
    )
    revoked_at: Moment | None


class Version(BaseModel):
    """Settings of a connector as they stood; secrets are in none of them."""

    number: int = Field(examples=[3])
    in_force: bool
    created_at: Moment
    created_by: str = Field(examples=["ada"])
    tested_at: Moment | None
    untested_reason: str = Field(examples=[""])
    base_url: str = Field(examples=["https://ca.example.com/api"])
    proxy: str = Field(examples=[""])
    allowed_networks: list[str] = Field(examples=[["10.1.0.0/16"]])
    settings: dict[str, Any] = Field(description="The CA type's own fields.")


class Versions(BaseModel):
    """The newest versions of a connector, the newest first."""

    items: list[Version]


class Difference(BaseModel):
    """A field in which two versions differ."""

    field: str = Field(examples=["base_url"])
    title: str = Field(examples=["Base URL"])
    before: Any = Field(examples=["https://old.example.com"])
    after: Any = Field(examples=["https://new.example.com"])


class Differences(BaseModel):
    """What two versions differ in; of credentials only that they are others."""

    old: int = Field(examples=[2])
    new: int = Field(examples=[3])
    items: list[Difference]


class CredentialChange(BaseModel):
    """A rotation that is under way."""

    state: str = Field(description="`staged`, or `switched` to the new one.", examples=["staged"])
    names: list[str] = Field(description="The fields that change.", examples=[["api_key"]])
    expires_on: Day | None
    staged_at: Moment
    staged_by: str = Field(examples=["ada"])
    test: Id | None = Field(description="The call that tested what is staged.")
    switched_at: Moment | None
    grace_until: Moment | None = Field(description="Until when the old one is kept for going back to it.")
    kept: bool = Field(description="Whether a secret is kept: the new one while staged, the old one afterwards.")
    confirmed_at: Moment | None = Field(description="When the CA first accepted the new one.")
    confirmed_by: str = Field(description="`probe`, `diagnose` or `order`; empty before.", examples=["probe"])


class Credential(BaseModel):
    """How a connector's credential stands."""

    since: Moment = Field(description="When it was given.")
    age_days: int = Field(examples=[212])
    expires_on: Day | None
    days_left: int | None = Field(examples=[30])
    change: CredentialChange | None


class Certificates(Page):
    """A page of certificates."""

    items: list[Certificate]


class ServedAt(BaseModel):
    """Where a bot deployed a certificate, so that it is served there."""

    bot: Id
    bot_name: str = Field(examples=["web-1"])
    hostname: str = Field(examples=["web-1"])
    target: Id
    target_name: str = Field(examples=["www on 443"])
    since: Moment | None = Field(description="When its deployment ended.")


class WholeCertificate(Certificate):
    """A certificate with its bytes."""

    spki_sha256: str = Field(description="Of its public key, in hex.", examples=["9f86d081884c7d659a2feaa0c55ad015"])
    key_reported_at: Moment | None = Field(
        description="When its key was reported as compromised, so that nothing is certified with it; null where no such "
        "report stands."
    )
    key_warned_at: Moment | None = Field(
        description="When another team reported its key, which nobody has confirmed: nothing is stopped by it. Null where "
        "no such report stands."
    )
    served_at: list[ServedAt] = Field(description="By which bots, as far as you may see them.")
    pem: str = Field(examples=["-----BEGIN CERTIFICATE-----\n…"])
    chain_pem: str = Field(description="With its chain, leaf first.", examples=["-----BEGIN CERTIFICATE-----\n…"])


class KeyRevoked(BaseModel):
    """How it went with one revocation that came with the report."""

    id: Id
    ok: bool = Field(description="Whether its CA is asked.")
    detail: str = Field(description="Why not.", examples=[""])


class StillValid(BaseModel):
    """A certificate with the key that is valid, and that nobody has asked to revoke."""

    id: Id
    common_name: Host
    not_after: Moment
    reasons: list[str] = Field(
        description="For which its CA revokes; none where it cannot be asked from here.", examples=[["keyCompromise"]]
    )


class KeyReport(BaseModel):
    """That somebody reported a key as compromised, and what became of that; withdrawn, it stays to be read."""

    id: Id
    spki_sha256: str = Field(description="Of the public key, in hex.", examples=["9f86d081884c7d659a2feaa0c55ad015"])
    team: str = Field(description="The team that reported it.", examples=["Operations"])
    certificate: str = Field(
        description="By which certificate: its name and serial number; empty where that was not written down.",
        examples=["www.example.com 04ab12"],
    )
    reported_at: Moment
    reported_by: str = Field(examples=["ada"])
    note: str = Field(examples=["The host was broken into."])
    for_everybody: bool = Field(
        description="Whether it stops everybody's orders, as long as it stands; else those of its own team alone."
    )
    confirmed_at: Moment | None = Field(description="When an Administrator made it everybody's.")
    confirmed_by: str = Field(examples=["ada"])
    withdrawn_at: Moment | None
    withdrawn_by: str = Field(examples=["ada"])
    withdrawn_why: str = Field(examples=["The key of the test host was meant."])


class KeyReports(Page):
    """A page of reports of keys."""

    items: list[KeyReport]


class KeyReported(KeyReport):
    """A report of a key as it stands, and what is still valid with the key, as far as the asker may see."""

    revocations: list[KeyRevoked]
    still_valid: list[StillValid]


class AuditActor(BaseModel):
    """Who did it."""

    name: str = Field(description="Login name; empty where it was erased.", examples=["ada"])
    id: int | None = Field(examples=[1])
    how: str = Field(
        description="`session`, `password` (a log-in), `token:<name>`, `host` or `process`.", examples=["token:ci"]
    )
    address: str = Field(description="Where the request came from.", examples=["192.0.2.7"])


class AuditTarget(BaseModel):
    """What it was done to."""

    kind: str = Field(examples=["connector"])
    id: str = Field(examples=[UUID_EXAMPLE])
    name: str = Field(examples=["Berlin"])


class AuditEntry(BaseModel):
    """One line of the record."""

    id: Id
    v: int = Field(description="Version of this format.", examples=[3])
    at: str = Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-23T21:44:18.989000+00:00"])
    actor: AuditActor
    via: str = Field(examples=["api"])
    action: str = Field(examples=["connectors.create"])
    target: AuditTarget
    changed: list[str] = Field(description="Names of fields, never values.", examples=[["base_url"]])
    outcome: str = Field(description="`done` or `refused`.", examples=["done"])
    reason: str = Field(description="Code of a refusal.", examples=[""])
    detail: dict[str, Any] = Field(description="Such as the `state` that an order reached.")


class Audit(Page):
    """A page of the record."""

    items: list[AuditEntry]


_HASH = "0Nc6Us4+1IFdtzBSG0wUKkmi3nUmXhC0qrZS4RTnIuI="


class Anchor(BaseModel):
    """A place outside that checkpoints are brought to."""

    place: str = Field(examples=["file:///var/log/chancery/checkpoints"])
    size: int = Field(description="Entries under the last checkpoint that it has.", examples=[1204])
    at: Moment | None = Field(description="When it got that one.")
    failures: int = Field(description="Tries since then that failed.", examples=[0])
    error: str = Field(examples=[""])


class RecordState(BaseModel):
    """How the record is proven: an RFC 9162 tree over the entries' bytes, and signed checkpoints of it."""

    origin: str = Field(description="What checkpoints call this record.", examples=["chancery/audit/5f0c1e9a7b42"])
    entries: int = Field(description="Entries in the tree.", examples=[1204])
    waiting: int = Field(description="Entries that have no place in the tree yet.", examples=[0])
    key: str = Field(description="The public key in force; empty before the first checkpoint.")
    keys: list[str] = Field(description="The public keys that every later one follows from: note them elsewhere.")
    signed_at: Moment | None = Field(description="When the newest checkpoint was signed.")
    checkpoint: str = Field(description="The newest checkpoint (C2SP tlog-checkpoint); empty before the first.")
    anchors: list[Anchor]


class EntryProof(BaseModel):
    """That one entry is in the record."""

    entry: Id
    index: int = Field(description="Its place, counted from 0.", examples=[17])
    size: int = Field(description="Entries under the checkpoint.", examples=[1204])
    body: str = Field(description="The entry's very bytes (JSON in UTF-8).", examples=['{"action":"orders.place"}'])
    hashes: list[str] = Field(
        description="From the entry's hash to the root (RFC 9162 section 2.1.3).", examples=[[_HASH]]
    )
    checkpoint: str
    file: str = Field(description="The same as a file (C2SP tlog-proof).")


class GrowthProof(BaseModel):
    """That a smaller tree is the beginning of a larger one."""

    old: int = Field(examples=[512])
    new: int = Field(examples=[1204])
    hashes: list[str] = Field(description="RFC 9162 section 2.1.4.", examples=[[_HASH]])


class Grant(BaseModel):
    """A role, everywhere (null) or in one team or environment."""

    role: str = Field(examples=["requester"])
    team: int | None = Field(examples=[1])
    environment: int | None = Field(examples=[None])


class User(BaseModel):
    """A person."""

    id: int = Field(examples=[1])
    username: str = Field(examples=["grace"])
    full_name: str = Field(examples=["Grace Hopper"])
    is_active: bool
    must_change_password: bool
    grants: list[Grant]


class Users(Page):
    """A page of people."""

    items: list[User]


class Me(BaseModel):
    """Who is asking, and what they may do somewhere."""

    name: str = Field(examples=["ada"])
    id: int | None = Field(examples=[1])
    how: str = Field(examples=["token:ci"])
    address: str = Field(examples=["192.0.2.7"])
    grants: list[Grant]
    permissions: list[str] = Field(examples=[["orders.place"]])


class Team(BaseModel):
    """A team."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["Operations"])


class Teams(BaseModel):
    """Every team."""

    items: list[Team]


class Environment(Team):
    """An environment."""

    name: str = Field(examples=["Production"])
    is_production: bool


class Environments(BaseModel):
    """Every environment."""

    items: list[Environment]


class HeldRole(BaseModel):
    """Who has a role."""

    people: int = Field(description="Who have it.", examples=[12])
    everywhere: bool = Field(description="Whether somebody has it for everything.")
    teams: int = Field(description="In so many teams others have it.", examples=[3])
    environments: int = Field(description="In so many environments, of every team, others have it.", examples=[0])


class Role(BaseModel):
    """A role and its permissions."""

    name: str = Field(examples=["approver"])
    permissions: list[str] = Field(examples=[["orders.approve"]])
    description: str = Field(examples=[""])
    builtin: bool = Field(description="Whether it comes with Chancery, and cannot be changed.")
    needs_factor: bool = Field(description="Whether it is only for whoever logged in with a second factor.")
    held: HeldRole | None = Field(description="Null for those who may not see people.")


class Roles(BaseModel):
    """Every role."""

    items: list[Role]


class Token(BaseModel):
    """An API token without its text."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["ci"])
    hint: str = Field(description="The last characters of its text.", examples=["IKlE"])
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    permissions: list[str] | None = Field(description="Null: all that its person has.", examples=[["orders.place"]])
    team: int | None = Field(examples=[None])
    environment: int | None = Field(examples=[None])
    networks: list[str] = Field(examples=[["192.0.2.0/24"]])


class NewToken(Token):
    """An API token with its text, which is shown this once."""

    token: str = Field(examples=["chy_…"])


class Tokens(Page):
    """A page of a person's API tokens."""

    items: list[Token]


class ChangedField(BaseModel):
    """A field that a change changes; of a credential only that it is another."""

    field: str = Field(examples=["base_url"])
    before: Any = Field(examples=["https://ca.example.com"])
    after: Any = Field(examples=["https://ca2.example.com"])


class Vote(BaseModel):
    """Somebody who approved."""

    name: str = Field(examples=["amy"])
    at: Moment


class Change(BaseModel):
    """A change that waits for approval or for its time, or did."""

    id: Id
    kind: str = Field(json_schema_extra={"enum": list(Kind.values)})
    state: str = Field(json_schema_extra={"enum": list(ChangeState.values)})
    connector: str | None = Field(examples=[None])
    name: str = Field(examples=["Berlin"])
    team: str | None = Field(examples=["Operations"])
    environment: str = Field(examples=["Production"])
    revision: int | None = Field(description="The connector's, for which it was proposed.", examples=[3])
    needed: int = Field(examples=[1])
    votes: list[Vote]
    proposer: str = Field(examples=["ada"])
    proposed_at: Moment
    expires_at: Moment
    not_before: Moment | None
    text: str = Field(description="Why it was denied or could not be applied.", examples=[""])
    diff: list[ChangedField]


class Changes(Page):
    """A page of changes."""

    items: list[Change]


class Needed(BaseModel):
    """How many people approve each kind of change in an environment."""

    environment: int = Field(examples=[1])
    name: str = Field(examples=["Production"])
    needed: dict[str, int] = Field(examples=[{"edit": 1}])


class Rules(BaseModel):
    """How many people approve, environment by environment."""

    items: list[Needed]


class Provider(BaseModel):
    """A log-in of others that is trusted, without its secret."""

    slug: str = Field(examples=["keycloak"])
    kind: str = Field(json_schema_extra={"enum": ["oidc", "saml"]})
    title: str = Field(examples=["Our Keycloak"])
    settings: dict[str, Any] = Field(examples=[{"server_url": "https://sso.example.com/realms/main"}])
    mapping: list[str] = Field(examples=[["pki=ca_operator"]])
    makes_people: bool
    is_factor: bool
    has_secret: bool


class Providers(BaseModel):
    """Every provider."""

    items: list[Provider]


class Session(BaseModel):
    """A session of the console."""

    id: Id
    started_at: Moment | None
    address: str = Field(examples=["192.0.2.7"])
    agent: str = Field(description="What the browser calls itself.", examples=["Mozilla/5.0"])
    how: str = Field(description="What it was begun with.", examples=["password+totp"])


class Sessions(BaseModel):
    """Open sessions, the newest first, two hundred at most."""

    items: list[Session]


class Bot(BaseModel):
    """An agent on a host."""

    id: Id
    name: str = Field(examples=["web-1"])
    status: str = Field(json_schema_extra={"enum": list(Standing.values)})
    reason: str = Field(description="What it waits for, or what is wrong.", examples=[""])
    team: str = Field(examples=["Operations"])
    environment: str = Field(examples=["Production"])
    purpose: str = Field(json_schema_extra={"enum": list(Purpose.values)})
    tags: dict[str, str] = Field(examples=[{"rack": "7"}])
    poll_seconds: int = Field(description="How often it asks for work.", examples=[30])
    hostname: str = Field(examples=["web-1"])
    address: str = Field(examples=["192.0.2.7"])
    os: str = Field(examples=["Debian GNU/Linux 12"])
    version: str = Field(examples=["0.1.0"])
    token_expires_at: Moment | None = Field(description="Until when its one-time token works; null once it is used.")
    enrolled_at: Moment | None
    seen_at: Moment | None
    created_at: Moment


class Bots(Page):
    """A page of bots."""

    items: list[Bot]


class NewBot(Bot):
    """A bot with its one-time token, which is shown this once."""

    token: str = Field(examples=["cbt_…"])


class FoundService(BaseModel):
    """A service that the bot found on its host: what the settings of a target for it would be."""

    kind: str = Field(examples=["nginx"])
    title: str = Field(examples=["nginx, www.example.com"])
    settings: dict[str, Any]
    names: list[str] = Field(examples=[["www.example.com"]])


class WholeBot(Bot):
    """A bot with what it found on its host."""

    found: list[FoundService]


class Target(BaseModel):
    """A place on a bot's host that uses a certificate."""

    id: Id
    bot: Id
    name: str = Field(examples=["www on 443"])
    kind: str = Field(examples=["nginx"])
    profile: Id
    profile_name: str = Field(examples=["Internal"])
    names: list[str] = Field(examples=[["www.example.com"]])
    key_type: str = Field(examples=["EC-P256"])
    renew_days: int = Field(description="Days before its end; 0 for the usual share of its life.", examples=[0])
    window: str = Field(description="When it may be deployed, in UTC; empty for any time.", examples=[""])
    settings: dict[str, Any]
    revision: int = Field(examples=[1])
    certificate: Id | None = Field(description="What it serves.")
    due_at: Moment | None = Field(
        description="When the next one is ordered, or one that could not be deployed is deployed again; null where neither is."
    )
    problem: str = Field(description="What is wrong, until it is served.", examples=[""])


class Targets(BaseModel):
    """Every target of a bot."""

    items: list[Target]


class Deployment(BaseModel):
    """One certificate to one target."""

    id: Id
    target: Id
    target_name: str = Field(examples=["www on 443"])
    kind: str = Field(json_schema_extra={"enum": ["issue", "again", "rollback"]})
    state: str = Field(json_schema_extra={"enum": list(Stage.values)})
    order: Id | None
    certificate: Id | None
    asked_by: str = Field(examples=["ada"])
    served: str = Field(description="SHA-256 of what the bot saw served; empty where nobody could look.", examples=[""])
    text: str = Field(examples=["The new certificate is served."])
    created_at: Moment
    finished_at: Moment | None


class Deployments(Page):
    """A page of deployments."""

    items: list[Deployment]


class Line(BaseModel):
    """One line of a timeline."""

    at: Moment
    kind: str = Field(examples=["switch"])
    actor: str = Field(examples=["bot:web-1"])
    level: str = Field(examples=["info"])
    text: str = Field(examples=["The new version is in force on the disk."])


class WholeDeployment(Deployment):
    """A deployment with everything from the wish over the order to what is served."""

    timeline: list[Line]


class LogLine(BaseModel):
    """A line of a bot's log."""

    at: Moment
    level: str = Field(examples=["info"])
    text: str = Field(examples=["The bot 0.1.0 is running."])


class Log(Page):
    """A page of a bot's log."""

    items: list[LogLine]


class TargetKind(BaseModel):
    """A kind of targets."""

    kind: str = Field(examples=["nginx"])
    title: str = Field(examples=["nginx"])
    settings: dict[str, Any] = Field(description="JSON Schema of its settings.")


class TargetKinds(BaseModel):
    """Every kind of targets."""

    items: list[TargetKind]
