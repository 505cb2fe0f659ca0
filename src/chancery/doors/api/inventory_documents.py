"""What goes in and out about inventories: imports, pulls of a CA's list, findings and what is decided about them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from chancery.apps.inventory.models import Decision, PullState
from chancery.apps.inventory.planning import Fate
from chancery.apps.inventory.queries import KINDS
from chancery.apps.shared.look import MAX_SIZE
from chancery.core.order import RevocationReason
from chancery.doors.api.answers import Host, Id, Moment, Page
from chancery.doors.api.bodies import Body, Comment, Reason
from chancery.doors.api.parameters import UUID_EXAMPLE

_PEM = "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n"
_CSV = "serial,team,owner\n7a1f0c,Operations,Web team\n"
_PULL_STATES: list[JsonValue] = [*PullState.values]
_STATES: list[JsonValue] = [*Decision.values]
VERBS = ("adopt", "revoke", "ignore", "reopen")


class ImportIn(Body):
    """Certificates, a CSV of owners, and where they belong where no line of it says otherwise."""

    certificates: Annotated[
        str, Field(description="PEM, or PKCS#7 or DER as base64; empty where only owners change.", examples=[_PEM])
    ] = ""
    owners: Annotated[
        str,
        Field(
            description="CSV: sha256, serial or common_name; team, environment, profile, owner, contact.",
            examples=[_CSV],
        ),
    ] = ""
    connector: Annotated[str, Field(description="Id; empty to find it by the issuer.", examples=[UUID_EXAMPLE])] = ""
    profile: Annotated[str, Field(description="Id or name, by which they are renewed.", examples=["Internal"])] = ""
    team: Annotated[str, Field(description="Name or id.", examples=["Operations"])] = ""
    environment: Annotated[str, Field(description="Name or id.", examples=["Production"])] = ""
    expired: Annotated[bool, Field(description="Whether those that have expired are taken too.")] = False
    source: Annotated[str, Field(description="Where they are from, for the record.", examples=["old-ca.pem"])] = ""


class ImportNowIn(ImportIn):
    """The same as was previewed, and its digest."""

    previewed: str = Field(description="`digest` of the preview.", examples=["e3b0c44298fc1c149afbf4c8996fb924"])


class ImportItem(BaseModel):
    """What becomes of one certificate of an import."""

    fate: str = Field(description="What becomes of it.", json_schema_extra={"enum": [str(f) for f in Fate]})
    text: str = Field(description="Why.", examples=[""])
    common_name: Host
    serial: str = Field(examples=["7a1f0c"])
    issuer: str = Field(examples=["CN=Issuing CA"])
    not_after: Moment
    team: str = Field(examples=["Operations"])
    environment: str = Field(examples=["Production"])
    connector: Id | None
    profile: Id | None
    owner: str = Field(examples=["Web team"])
    contact: str = Field(examples=["web@example.com"])


class ImportPreview(BaseModel):
    """What an import would do; nothing was stored."""

    digest: str = Field(description="Send it as `previewed`.", examples=["e3b0c44298fc1c149afbf4c8996fb924"])
    counts: dict[str, int] = Field(description="Fate → how many; `unreadable` blocks.", examples=[{"new": 3}])
    possible: bool = Field(description="Whether it can be carried out: something is stored, and nothing is in the way.")
    items: list[ImportItem] = Field(description="What is in the way comes first; at most a thousand.")
    unused_lines: list[int] = Field(description="Lines of the CSV that no certificate was found by.", examples=[[7]])


class Imported(BaseModel):
    """What an import did."""

    stored: int = Field(examples=[3])
    owners_changed: int = Field(examples=[0])


class Pull(BaseModel):
    """One reading of a CA's list."""

    id: Id
    connector: Id
    connector_name: str = Field(examples=["DigiCert Berlin"])
    state: str = Field(json_schema_extra={"enum": _PULL_STATES})
    text: str = Field(description="What it waits for, or why it ended.", examples=[""])
    total: int | None = Field(description="How many the CA says there are, of whatever it counts.", examples=[10000])
    pages: int = Field(description="Parts of the list that were read.", examples=[12])
    entries: int = Field(description="Certificates in them.", examples=[300])
    matched: int = Field(description="Of which we have as many.", examples=[290])
    ended: int = Field(description="We do not have them, and they have expired or are revoked.", examples=[2])
    at_ca_only: int = Field(examples=[8])
    ours_only: int = Field(description="Known when it is done.", examples=[0])
    state_differs: int = Field(examples=[5])
    asked_by: str = Field(examples=["ada"])
    created_at: Moment
    finished_at: Moment | None
    next_look_at: Moment | None


class Pulls(Page):
    """A page of pulls."""

    items: list[Pull]


class Finding(BaseModel):
    """Something that a CA and we disagree about."""

    id: Id
    kind: str = Field(json_schema_extra={"enum": list(KINDS)})
    state: str = Field(json_schema_extra={"enum": _STATES})
    connector: Id
    connector_name: str = Field(examples=["DigiCert Berlin"])
    pull: Id | None = Field(description="The last pull that showed it; null where a search found it.")
    certificate: Id | None = Field(description="Ours, where it is about one or became one.")
    common_name: Host
    names: list[str] = Field(examples=[["www.example.com"]])
    serial: str = Field(examples=["7a1f0c"])
    issuer: str = Field(description="As the CA writes it.", examples=["Issuing CA"])
    reference: str = Field(description="The CA's own.", examples=["1000001/1000002"])
    not_after: Moment | None
    difference: str = Field(
        description="Who says that it is revoked, where the states differ.",
        json_schema_extra={"enum": ["", "revoked_there", "revoked_here"]},
    )
    text: str = Field(examples=[""])
    reason: str = Field(description="Why it is ignored.", examples=["A test of the CA's own."])
    decided_by: str = Field(examples=["ada"])
    decided_at: Moment | None
    first_at: Moment
    last_at: Moment


class Findings(Page):
    """A page of findings."""

    items: list[Finding]


Profile = Annotated[str, Field(description="Id or name: where an adopted certificate belongs.", examples=["Internal"])]


class AdoptIn(Body):
    """Where an adopted certificate belongs; its connector's team where nothing is said."""

    profile: Profile = ""


class IgnoreIn(Body):
    """Why it is left as it is."""

    reason: Reason


class RevokeFindingIn(Body):
    """How to revoke the certificate of a finding; that cannot be undone."""

    reason: str = Field(
        description="A reason of RFC 5280 that this CA knows (`revocation_reasons` of its CA type).",
        json_schema_extra={"enum": [str(r) for r in RevocationReason]},
    )
    comment: Comment = ""
    confirm: Annotated[bool, Field(description="Must be true.", examples=[True])] = False


class DecideIn(Body):
    """One decision about several findings."""

    verb: str = Field(description="What to do.", json_schema_extra={"enum": list(VERBS)})
    ids: list[str] = Field(min_length=1, max_length=MAX_SIZE, examples=[[UUID_EXAMPLE]])
    profile: Profile = ""
    reason: Annotated[str, Field(description="For ignoring and revoking.", examples=["superseded"])] = ""
    comment: Comment = ""
    confirm: Annotated[bool, Field(description="For revoking: must be true.")] = False


class Decided(BaseModel):
    """How it went with one finding."""

    id: str = Field(examples=[UUID_EXAMPLE])
    ok: bool
    detail: str = Field(examples=[""])


class AllDecided(BaseModel):
    """How it went with each finding."""

    results: list[Decided]
