"""What addresses are made of: each path and query parameter with its meaning, bounds and example."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from chancery.apps.audit.queries import OUTCOMES
from chancery.apps.bots.models import Standing
from chancery.apps.certificates.queries import SORTS as CERTIFICATE_SORTS
from chancery.apps.certificates.queries import STATUSES
from chancery.apps.changes.queries import SHOWN as CHANGES
from chancery.apps.connectors.models import Health, Status
from chancery.apps.connectors.queries import SORTS as CONNECTOR_SORTS
from chancery.apps.health.queries import SPANS
from chancery.apps.inventory.queries import KINDS as FINDING_KINDS
from chancery.apps.inventory.queries import SORTS as FINDING_SORTS
from chancery.apps.inventory.queries import STATES as FINDING_STATES
from chancery.apps.notices.queries import KINDS
from chancery.apps.notices.queries import STATES as NOTICE_STATES
from chancery.apps.orders.queries import SORTS as ORDER_SORTS
from chancery.apps.posture.queries import STATES as POSTURE_STATES
from chancery.apps.renewals.queries import STATES as PLAN_STATES
from chancery.apps.shared.look import MAX_SIZE
from chancery.core.order import State
from chancery.core.posture import Kind as PostureKinds
from chancery.core.posture import Level as PostureLevels

UUID_EXAMPLE = "01890a5d-f250-7000-b0cf-47af1842228b"
FORMATS = ("pem", "chain", "pkcs7", "der")


def _said(about: str, *, example: object = None, among: tuple[str, ...] = (), **bounds: Any) -> Any:
    """Return a parameter's field. The framework keeps only the schema of it, so that is where its meaning goes.

    `among` are the choices; the query itself refuses others, by naming these.
    """
    extra: dict[str, Any] = {"description": about}
    extra |= {"enum": list(among)} if among else {}
    extra |= {"examples": [example]} if example is not None else {}
    return Field(json_schema_extra=extra, **bounds)


Ident = Annotated[str, _said("Id (a UUID).", example=UUID_EXAMPLE)]
Number = Annotated[int, _said("Id (a number).", example=7, ge=1, lt=2**63)]
ProfileIdent = Annotated[str, _said("Id or name of a profile.", example="Internal")]
PoolIdent = Annotated[str, _said("Id or name of a pool.", example="Public TLS")]
To = Annotated[str, _said("Id or name of a pool or of another connector.", example="Public TLS")]
Vouch = Annotated[str, _said("Why who trusts the one trusts the other, where that is not proven.")]
SlugIdent = Annotated[str, _said("CA type: a `slug` of GET /authorities.", example="digicert")]
FieldName = Annotated[str, _said("Name of a field that has a pick list.", example="organization_id")]
OfKey = Annotated[
    str, _said("Only of this key: SHA-256 of its SPKI, in hex.", example="9f86d081884c7d659a2feaa0c55ad015")
]
Size = Annotated[int, _said("Rows of a page.", ge=1, le=MAX_SIZE)]
Cursor = Annotated[str, _said("`next` or `previous` of another page; the Link header has whole addresses.")]
Search = Annotated[str, _said("Beginning of a name.", example="www.")]
Slug = Annotated[str, _said("CA type: a `slug` of GET /authorities.", example="digicert")]
Name = Annotated[str, _said("The whole name, exactly.", example="DigiCert Berlin")]
ConnectorStatus = Annotated[str, _said("Only these.", among=("", *Status.values))]
ConnectorHealth = Annotated[str, _said("Only those that the engine measured so.", among=("", *Health.values))]
InEnvironment = Annotated[str, _said("Only in this environment (its name or id).", example="Production")]
InRegion = Annotated[str, _said("Only of this region, whatever its capitals.", example="eu-central")]
Confirm = Annotated[str, _said("The connector's name, where deleting it erases a key for good.", example="Local CA")]
Test = Annotated[bool, _said("Have a worker test the settings first (at most 30 seconds); what fails is not saved.")]
Untested = Annotated[str, _said("Why it is saved though no test passed; needed after one that found faults.")]
NotBefore = Annotated[str, _said("From when it is in force, as 2030-01-31T22:00:00Z; empty for at once.", example="")]
ChangeState = Annotated[str, _said("Only changes in this state; empty for those that wait.", among=("", *CHANGES))]
ConnectorSort = Annotated[str, _said("Order of rows.", among=("", *CONNECTOR_SORTS))]
BotStatus = Annotated[str, _said("Only these.", among=("", *Standing.values))]
OrderState = Annotated[str, _said("Only orders in this state.", among=("", *State))]
OrderSort = Annotated[str, _said("Order of rows.", among=("", *ORDER_SORTS))]
OfConnector = Annotated[str, _said("Only of this connector (its id).", example=UUID_EXAMPLE)]
OfProfile = Annotated[str, _said("Only of this profile (its id).", example=UUID_EXAMPLE)]
CertificateStatus = Annotated[str, _said("Only these.", among=("", *STATUSES))]
CertificateSort = Annotated[str, _said("Order of rows.", among=("", *CERTIFICATE_SORTS))]
CertificateSearch = Annotated[str, _said("Beginning of a common name, or a whole serial in hex.")]
FindingKind = Annotated[str, _said("Only findings of this kind.", among=("", *FINDING_KINDS))]
FindingState = Annotated[str, _said("Only findings that stand so.", among=("", *FINDING_STATES))]
FindingSort = Annotated[str, _said("Order of rows.", among=("", *FINDING_SORTS))]
FindingSearch = Annotated[str, _said("Beginning of a name, or a whole serial in hex.")]
Span = Annotated[str, _said("How far back.", among=tuple(SPANS))]
PlanState = Annotated[str, _said("Only renewals in this state.", among=("", *PLAN_STATES))]
NoticeState = Annotated[str, _said("Those that are so, those that are over, or all.", among=NOTICE_STATES)]
NoticeKind = Annotated[str, _said("Only of this kind.", among=("", *KINDS))]
ChannelIdent = Annotated[str, _said("Id or name of a channel.", example="Operations chat")]
Format = Annotated[str, _said("What the file holds.", among=FORMATS)]
_WHEN = "A day (2026-11-23) or a moment; in the server's time zone where it names none."
ByAction = Annotated[str, _said("Only entries of this action, or of all beginning with a word.", example="orders")]
ByActor = Annotated[str, _said("Only entries of this person (login name).", example="ada")]
ByAddress = Annotated[str, _said("Only entries of requests that came from this address.", example="192.0.2.7")]
ByTarget = Annotated[str, _said("Only entries about the thing with this id.", example=UUID_EXAMPLE)]
ByOutcome = Annotated[str, _said("Only what was done, or what was refused.", among=("", *OUTCOMES))]
Since = Annotated[str, _said(f"Only entries since then. {_WHEN}", example="2026-11-01")]
Until = Annotated[str, _said(f"Only entries until then, the day included. {_WHEN}", example="2026-11-30")]
OldSize = Annotated[int, _said("Entries of the smaller tree.", example=512, ge=1, lt=2**63)]
NewSize = Annotated[int, _said("Entries of the larger tree.", example=1204, ge=1, lt=2**63)]
VersionNumber = Annotated[int, _said("Number of a version.", example=2, ge=1, lt=2**31)]
PostureState = Annotated[str, _said("Open, put off, or all.", among=POSTURE_STATES)]
PostureKind = Annotated[str, _said("Only findings of this kind.", among=("", *PostureKinds))]
PostureLevel = Annotated[str, _said("Only findings of this weight.", among=("", *PostureLevels))]
PostureKey = Annotated[str, _said("A finding's key.", example="shared_credential-9f86d081884c7d659a2feaa0c55ad015")]
