"""What comes in. The fields' own rules are the actions'; here stands which fields there are and of what type."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SkipValidation, model_validator

from chancery.apps.bots.models import Purpose
from chancery.core.errors import Invalid
from chancery.core.order import RevocationReason
from chancery.doors.api.parameters import UUID_EXAMPLE

MAX_BATCH = 1000
_CSR = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB…\n-----END CERTIFICATE REQUEST-----\n"


class Body(BaseModel):
    """Base of everything sent: unknown fields are refused by a list of those that there are."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        unknown = [str(n) for n in values if n not in cls.model_fields] if isinstance(values, dict) else []
        if unknown and cls.model_config.get("extra") == "forbid":
            names = ", ".join(cls.model_fields) or "none"
            raise Invalid.one(unknown[0][:60], "There is no such field.", f"Fields are: {names}.", "unknown")
        return values


Comment = Annotated[str, Field(description="For whoever reads the record.", examples=["for the new shop"])]
Csr = Annotated[str, Field(description="The request as PEM.", examples=[_CSR])]
Reason = Annotated[str, Field(description="Why, in a sentence.", examples=["ordered twice"])]


class OrderIn(Body):
    """A request for a certificate."""

    profile: str = Field(description="Id or name of the profile.", examples=["Internal"])
    csr: Csr
    validity_days: int | None = Field(None, description="Absent or null for the profile's.", examples=[90])
    comment: Comment = ""


class BatchOrder(OrderIn):
    """One order of a batch."""

    idempotency_key: str | None = Field(None, description="As the header, for this one.", examples=["batch-7-12"])


class BatchIn(Body):
    """Orders, each with its own result."""

    orders: list[SkipValidation[BatchOrder]] = Field(min_length=1, max_length=MAX_BATCH)


class ReasonIn(Body):
    """A reason."""

    reason: Reason


class ReferenceIn(Body):
    """A CA's order number."""

    reference: str = Field(description="The CA's order number.", examples=["74010224"])


class RevokeIn(Body):
    """How to revoke."""

    reason: str = Field(
        description="A reason of RFC 5280 that this CA knows (`revocation_reasons` of its CA type).",
        json_schema_extra={"enum": [str(r) for r in RevocationReason]},
    )
    comment: Comment = ""


class KeyRevocation(Body):
    """A certificate with the key, and what its CA is told."""

    certificate: str = Field(examples=["019a0000-0000-7000-8000-000000000001"])
    reason: str = Field(
        description="A reason that its CA knows; none is put in the place of another.",
        json_schema_extra={"enum": [str(r) for r in RevocationReason]},
    )


class ReportKeyIn(Body):
    """What happened to the key, and which certificates with it are to be revoked."""

    note: Comment = ""
    revoke: Annotated[
        list[KeyRevocation], Field(description="Each is asked for by itself; the report stands all the same.")
    ] = []


class RenewIn(Body):
    """How to renew."""

    csr: Annotated[str, Field(description="A fresh request; empty repeats the old one's key.", examples=[_CSR])] = ""
    comment: Comment = ""
    profile: Annotated[
        str, Field(description="Id or name, for one that was not ordered here and has none.", examples=["Internal"])
    ] = ""


class _Fields(Body):
    """Base of what has fields of its own for each CA type; the action refuses unknown ones by name."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, JsonValue]

    def given(self) -> dict[str, Any]:
        """Return the fields that were sent, and no defaults."""
        return self.model_dump(exclude_unset=True)


Texts = Annotated[list[str] | str, Field(description="A list, or one text with commas.", examples=[["web", "emea"]])]


Limit = float | int | str | None
"""A number, also as text; null or empty for what the CA type declares."""


class _ConnectorFields(_Fields):
    """Common fields of a connector; those of its CA type stand beside them (GET /authorities)."""

    base_url: str = Field("", description="Empty for the CA's usual one.", examples=["https://ca.example.com/api"])
    environment: str | int = Field("", description="Name or id.", examples=["Production"])
    team: str | int = Field("", description="Name or id.", examples=["Operations"])
    owner: str = Field("", examples=["Platform team"])
    contact: str = Field("", examples=["pki@example.com"])
    region: str = Field("", examples=["eu-central"])
    description: str = Field("", examples=["Public TLS"])
    tags: Texts = ""
    limit_seats: Limit = Field(None, description="Calls at once; null for what the CA type declares.", examples=[4])
    limit_rate: Limit = Field(None, description="Calls per second in the long run.", examples=[2.5])
    limit_burst: Limit = Field(None, description="Calls that may go at once after a rest.", examples=[10])
    proxy: str = Field("", examples=["http://proxy.example.com:3128"])
    trust_pem: str = Field("", description="CA certificates that are trusted besides the usual ones, as PEM.")
    allowed_networks: Texts = Field("", description="Private networks that it may reach.", examples=[["10.1.0.0/16"]])


class ConnectorIn(_ConnectorFields):
    """A connector: its CA type, the common fields, and the fields of the CA type."""

    authority: str = Field(description="CA type: a `slug` of GET /authorities.", examples=["local"])
    name: str = Field("", description="Unique for its CA type.", examples=["Berlin"])
    status: str = Field("active", json_schema_extra={"enum": ["active", "inactive"]})


class ConnectorEdit(_ConnectorFields):
    """What to change; secrets and fields that are not sent keep their values.

    The fields of its CA type stand beside these, as in `ConnectorIn_<CA type>`.
    """

    revision: int | None = Field(None, description="The one that was edited, where no If-Match is sent.", examples=[3])
    name: str = Field("", examples=["Berlin"])


class TestIn(ConnectorIn):
    """Settings that are not saved."""

    connector: str | None = Field(
        None, description="Id of the connector whose stored secrets stand in for blank ones.", examples=[UUID_EXAMPLE]
    )


class BulkIn(Body):
    """Which connectors to switch, and how."""

    ids: list[JsonValue] = Field(
        max_length=MAX_BATCH,
        description="Ids of connectors.",
        json_schema_extra={"items": {"type": "string"}},
        examples=[[UUID_EXAMPLE]],
    )
    status: str = Field(json_schema_extra={"enum": ["active", "inactive"]})


class NameIn(Body):
    """A name."""

    name: str = Field(examples=["Berlin 2"])


class EnvironmentIn(NameIn):
    """An environment."""

    is_production: bool = False


class EnvironmentEdit(Body):
    """What to change of an environment; null or absent leaves it."""

    name: str | None = Field(None, examples=["Production"])
    is_production: bool | None = Field(None, examples=[True])


class MemberIn(Body):
    """A connector's place in a pool."""

    connector: str = Field(description="Id or name.", examples=["Berlin"])
    preference: int = Field(1, description="The lower, the earlier it is asked.", examples=[1])
    weight: int = Field(1, description="Its share among members of one preference.", examples=[1])
    validation: str = Field(
        "", description="How closely its CA looks.", json_schema_extra={"enum": ["", "dv", "ov", "ev"]}
    )


class PoolIn(Body):
    """Connectors that may stand in for one another, all of one team and environment."""

    name: str = Field(examples=["Public TLS"])
    description: str = Field("", examples=["Two accounts of one CA"])
    team: str | int = Field(description="Name or id.", examples=["Operations"])
    environment: str | int = Field(description="Name or id.", examples=["Production"])
    trust: str = Field(
        "same_root",
        description="What lets one stand in: the same root, public CAs, or that somebody vouches.",
        json_schema_extra={"enum": ["same_root", "public", "vouched"]},
    )
    trust_reason: str = Field("", description="Why, where somebody vouches.", examples=["Both roots are rolled out."])
    patience_minutes: int = Field(5, description="How long a member may be sick before others stand in.", examples=[5])
    members: list[MemberIn] = Field([], max_length=50)

    def given(self) -> dict[str, Any]:
        """Return the values as the action takes them."""
        return self.model_dump(exclude={"revision"})


class PoolEdit(PoolIn):
    """A pool's values, all of them."""

    revision: int | None = Field(None, description="The one that was edited, where no If-Match is sent.", examples=[3])


class RepointIn(Body):
    """Where a connector's profiles and waiting orders go."""

    to: str = Field(description="Id or name of a pool or of another connector.", examples=["Public TLS"])
    previewed: str = Field(description="`digest` of the preview.", examples=["0f1e2d3c4b5a69788796a5b4c3d2e1f0"])
    vouch: str = Field("", description="Why trust is the same where that is not proven.", examples=[""])


class ProfileIn(_Fields):
    """What may be asked through one connector, or through a pool."""

    name: str = Field(examples=["Internal"])
    connector: str = Field("", description="Id or name of the connector.", examples=["Berlin"])
    pool: str = Field("", description="Id or name of a pool, instead of a connector.", examples=["Public TLS"])
    region: str = Field("", description="Members of the pool in this region come first.", examples=["eu-central"])
    description: str = Field("", examples=["Servers in our own networks"])
    key_types: list[str] = Field([], description="Empty for every kind.", examples=[["EC-P256"]])
    name_kinds: list[str] = Field(["dns"], examples=[["dns"]])
    name_suffixes: list[str] = Field([], examples=[["example.com"]])
    wildcard: bool = False
    max_names: int = Field(100, examples=[100])
    validity_days: int = Field(90, examples=[90])
    validity_days_max: int = Field(199, examples=[199])
    deadline_hours: int = Field(24, description="Hours in which an order is wanted.", examples=[24])
    needs_approval: bool = False
    approvals: int = Field(1, description="How many people approve an order, where any does.", examples=[1])
    renewal: str = Field(
        "notice",
        description="What is done when a certificate is due: `same_key` renews it with the same request.",
        json_schema_extra={"enum": ["off", "notice", "same_key"]},
    )
    renewal_share: int = Field(67, description="Percent of a lifetime that pass before.", examples=[67])
    product: dict[str, JsonValue] = Field({}, description="The CA type's own fields (`profile` of GET /authorities).")
    products: dict[str, dict[str, JsonValue]] = Field({}, description="For a pool: CA type → its own fields.")


class ProfileEdit(ProfileIn):
    """A profile's values, all of them."""

    revision: int | None = Field(None, description="The one that was edited, where no If-Match is sent.", examples=[3])
    confirm_environment: str = Field(
        "", description="Name of the environment, where the connector's is another than the profile's.", examples=["QA"]
    )


class NextRequestIn(Body):
    """A request for the next renewal."""

    csr: str = Field(
        description="PEM, for the certificate's names, with a new key; empty takes it back.",
        examples=["-----BEGIN CERTIFICATE REQUEST-----\n…"],
    )


class ChannelIn(_Fields):
    """Where notices about a team's things go."""

    name: str = Field(examples=["Operations chat"])
    team: str = Field(description="Name or id.", examples=["Operations"])
    environment: str = Field("", description="Name or id; empty for every one.", examples=["Production"])
    url: str = Field("", description="An apprise address; write-only.", examples=["json://ops.example.com/hook"])
    kinds: list[str] = Field([], description="Empty for every kind.", examples=[["connector_sick"]])
    allowed_networks: list[str] = Field(
        [], description="Private networks that it may lead into.", examples=[["10.1.0.0/16"]]
    )
    is_active: bool = True


class ChannelEdit(ChannelIn):
    """A channel's values, all of them but the address."""

    revision: int | None = Field(None, description="The one that was edited, where no If-Match is sent.", examples=[3])


class WebhookIn(_Fields):
    """A program that is told what happens to a team's things."""

    name: str = Field(examples=["Ticket system"])
    team: str = Field(description="Name or id.", examples=["Operations"])
    environment: str = Field("", description="Name or id; empty for every one.", examples=["Production"])
    url: str = Field(examples=["https://tickets.example.com/hooks/chancery"])
    events: list[str] = Field(
        [],
        description="As `order.issued`, or `order.*`; empty for every one.",
        examples=[["order.*", "certificate.revoked"]],
    )
    allowed_networks: list[str] = Field(
        [], description="Private networks that it may lead into.", examples=[["10.1.0.0/16"]]
    )
    is_active: bool = True


class WebhookEdit(WebhookIn):
    """A webhook's values, all of them."""

    revision: int | None = Field(None, description="The one that was edited, where no If-Match is sent.", examples=[3])


class DecisionIn(Body):
    """Who looks after a finding, and until when it may wait."""

    owner: str = Field("", examples=["Platform team"])
    until: str = Field("", description="A day, a year ahead at most; empty: it is open.", examples=["2027-01-31"])
    reason: str = Field("", description="Needed where it waits.", examples=["Limited at the CA on 2026-11-26."])


class GrantIn(Body):
    """A role, everywhere or in one team or environment."""

    role: str = Field(description="A role of GET /roles.", examples=["requester"])
    team: int | None = Field(None, description="Id; null for every team.", examples=[1])
    environment: int | None = Field(None, description="Id; null for every environment.", examples=[None])


class UserIn(Body):
    """A person."""

    username: str = Field(description="Login name.", examples=["grace"])
    password: str = Field(description="Works once: it must be changed at the first login.", examples=["one time only!"])
    full_name: str = Field("", examples=["Grace Hopper"])
    grants: list[GrantIn] = []


class GrantsIn(Body):
    """Every role that the person is to have."""

    grants: list[GrantIn]


class PasswordIn(Body):
    """A one-time password."""

    password: str = Field(description="Works once.", examples=["one time only!"])


class TokenIn(Body):
    """An API token."""

    name: str = Field(description="What will use it.", examples=["ci"])
    days: int | None = Field(90, description="How long it lives; null for ever.", examples=[90])
    permissions: list[str] | None = Field(
        None, description="No more than these; null for all that its person has.", examples=[["orders.place"]]
    )
    team: int | None = Field(None, description="Id; null for every team.", examples=[None])
    environment: int | None = Field(None, description="Id; null for every environment.", examples=[None])
    networks: list[str] = Field(
        [], description="From where it is answered; empty for everywhere.", examples=[["192.0.2.0/24"]]
    )


class RoleEdit(Body):
    """What a role of one's own gives."""

    permissions: list[str] = Field(examples=[["orders.view", "orders.place"]])
    description: str = Field("", examples=["Orders for servers of a team."])


class RoleIn(RoleEdit):
    """A role of one's own."""

    name: str = Field(description="Small letters, digits and _.", examples=["server_owner"])


class RuleIn(Body):
    """How many people have to approve a kind of change in an environment."""

    environment: int = Field(description="Id.", examples=[1])
    kind: str = Field(json_schema_extra={"enum": ["create", "edit", "activate", "deactivate", "delete"]})
    needed: int = Field(description="0 to 10; 0 for none.", examples=[1])


class ProviderIn(Body):
    """A log-in of others that is trusted: by OpenID Connect from `server_url` on, by SAML from `entity_id` on."""

    kind: str = Field("oidc", json_schema_extra={"enum": ["oidc", "saml"]})
    title: str = Field(examples=["Our Keycloak"])
    server_url: str = Field("", examples=["https://sso.example.com/realms/main"])
    client_id: str = Field("", examples=["chancery"])
    secret: str = Field("", description="The client's; empty leaves the one that is kept.", examples=["…"])
    scopes: list[str] = Field(["openid", "profile", "email"], examples=[["openid", "profile"]])
    allowed_networks: list[str] = Field([], description="Private networks it may be in.", examples=[["10.1.0.0/16"]])
    entity_id: str = Field("", examples=["http://adfs.example.com/adfs/services/trust"])
    sso_url: str = Field("", examples=["https://adfs.example.com/adfs/ls"])
    certificate: str = Field("", description="PEM; what it signs with.", examples=[""])
    name_claim: str = Field("preferred_username", description="Has the login name.", examples=["preferred_username"])
    groups_claim: str = Field("groups", description="Has the groups.", examples=["groups"])
    mapping: list[str] = Field(
        [], description="group=role, group=role@team or group=role@team/environment.", examples=[["pki=ca_operator"]]
    )
    makes_people: bool = Field(False, description="Whether whoever it knows is let in.")
    is_factor: bool = Field(False, description="Whether its log-in counts as two factors.")


class FactorRule(Body):
    """Whether a role is only for whoever logged in with a second factor."""

    needed: bool


class StageIn(Body):
    """A new credential."""

    secrets: dict[str, str] = Field(description="Field of the CA type → secret.", examples=[{"api_key": "…"}])
    expires_on: date | None = Field(None, description="The day on which the CA lets it end.", strict=False)


class CredentialSwitchIn(Body):
    """How to switch to what is staged."""

    grace_days: int = Field(7, description="Days that the old one is kept, 0 to 90.", examples=[7])
    untested: str = Field("", description="Why it is used though no test passed.", examples=[""])


class ExpiryIn(Body):
    """When a credential ends."""

    expires_on: date | None = Field(description="Null where it does not, or nobody knows.", strict=False)


class RollBackIn(Body):
    """How to go back to an earlier version."""

    revision: int | None = Field(
        None, description="The revision that was read; `If-Match` says the same.", examples=[3]
    )
    secrets: dict[str, str] = Field(
        default_factory=dict,
        description="Credentials, where that version sends them elsewhere.",
        examples=[{"api_key": "…"}],
    )
    untested: str = Field("", description="Why it is saved though its test found faults.", examples=[""])
    not_before: str = Field("", description="From when it is in force; empty for at once.", examples=[""])


class _BotFields(Body):
    """What may be changed of a bot."""

    name: str = Field(description="For example the host's.", examples=["web-1"])
    purpose: str = Field("both", json_schema_extra={"enum": list(Purpose.values)})
    tags: dict[str, str] = Field({}, examples=[{"rack": "7"}])
    poll_seconds: int = Field(30, description="How often it asks for work, 1 to 3600.", examples=[30])


class BotIn(_BotFields):
    """A bot."""

    team: str | int = Field(description="Name or id.", examples=["Operations"])
    environment: str | int = Field(description="Name or id.", examples=["Production"])
    days: int = Field(30, description="How long its one-time token works, 1 to 90.", examples=[30])
    host: str = Field("", description="The only host that may use the token; empty for any.", examples=["web-1"])


class BotEdit(_BotFields):
    """A bot's values, all of them."""


class BotTokenIn(Body):
    """A fresh one-time token."""

    days: int = Field(30, description="How long it works, 1 to 90.", examples=[30])
    host: str = Field("", description="The only host that may use it; empty for any.", examples=[""])


class TargetIn(Body):
    """A place on a bot's host that uses a certificate."""

    name: str = Field(examples=["www on 443"])
    kind: str = Field(description="`kind` of GET /target-kinds.", examples=["nginx"])
    profile: str = Field(description="Id or name; of the bot's own team and environment.", examples=["Internal"])
    names: list[str] = Field(examples=[["www.example.com"]])
    key_type: str = Field("EC-P256", examples=["EC-P256"])
    renew_days: int = Field(0, description="Days before its end; 0 for the usual share of its life.", examples=[0])
    window: str = Field("", description="As mon-fri 22:00-04:00, in UTC; empty for any time.", examples=[""])
    settings: dict[str, JsonValue] = Field(
        {},
        description="Of its kind (GET /target-kinds).",
        examples=[{"certificate": "/etc/nginx/www.pem", "key": "/etc/nginx/www.key"}],
    )


class TargetEdit(TargetIn):
    """A target's values, all of them."""

    revision: int | None = Field(None, description="The one that was edited, where no If-Match is sent.", examples=[3])
