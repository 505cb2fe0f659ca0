"""Connectors, their immutable versions, pools, and the calls that are made for them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from chancery.apps.shared.fields import FoldedField, NameField

_KNOWN = Q(deleted_at__isnull=True)
FILTERED = {"region_key": "region", "environment": "environment", "health": "health", "status": "status"}
"""Column → what a listing calls it: each has an index in order of names. The first are the more selective ones."""


class Status(models.TextChoices):
    """The administrator's switch."""

    ACTIVE = "active", "Active"
    INACTIVE = "inactive", "Inactive"


class Health(models.TextChoices):
    """What the engine measured; never the administrator's word."""

    UNKNOWN = "unknown", "Not measured yet"
    HEALTHY = "healthy", "Healthy"
    THROTTLED = "throttled", "Throttled"
    UNREACHABLE = "unreachable", "Unreachable"
    LOGIN_REFUSED = "login_refused", "Login refused"
    NO_RIGHTS = "no_rights", "Right missing"
    QUOTA_EXHAUSTED = "quota_exhausted", "Quota used up"
    ERROR = "error", "Answers nonsense"


class BreakerState(models.TextChoices):
    """Whether the engine lets acts through, as `core.breaker` explains."""

    CLOSED = "closed", "Closed: everything goes"
    OPEN = "open", "Open: everything waits"
    HALF_OPEN = "half_open", "Half-open: one at a time"
    STOPPED = "stopped", "Stopped: a person must act"


class Connector(models.Model):
    """An account at one CA.

    `epoch` grows with every change that the engine must notice before its next first byte.
    `breaker_until` is the end of the pause that the engine ordered; orders wait until then. `sick_since` is when the
    breaker last stopped being closed. `slowed` is the share of its rate from `slowed_at` on, after a CA asked for
    patience. `limit_…` are what the administrator allows; empty takes what the CA type declares.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    authority = models.CharField(max_length=60)
    name = NameField(max_length=120)
    name_key = FoldedField("name")
    status = models.CharField(max_length=10, choices=Status, default=Status.INACTIVE)
    base_url = models.CharField(max_length=500, blank=True)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT)
    owner = models.CharField(max_length=200, blank=True)
    contact = models.CharField(max_length=200, blank=True)
    region = models.CharField(max_length=60, blank=True)
    region_key = FoldedField("region")
    description = models.TextField(blank=True)
    tags = models.JSONField(default=list)
    revision = models.PositiveIntegerField(default=1)
    epoch = models.PositiveBigIntegerField(default=1)
    current = models.ForeignKey("ConnectorVersion", null=True, on_delete=models.PROTECT, related_name="+")
    health = models.CharField(max_length=20, choices=Health, default=Health.UNKNOWN)
    health_text = models.CharField(max_length=500, blank=True)
    health_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    refusals = models.PositiveIntegerField(default=0)
    breaker = models.CharField(max_length=10, choices=BreakerState, default=BreakerState.CLOSED)
    breaker_until = models.DateTimeField(null=True)
    sick_since = models.DateTimeField(null=True)
    slowed = models.FloatField(default=1.0)
    slowed_at = models.DateTimeField(null=True)
    limit_seats = models.PositiveIntegerField(null=True)
    limit_rate = models.FloatField(null=True)
    limit_burst = models.PositiveIntegerField(null=True)
    probe_at = models.DateTimeField(null=True)
    last_issue_at = models.DateTimeField(null=True)
    credential_expires_on = models.DateField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    updated_by = models.CharField(max_length=200, blank=True, default="")
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["authority", "name_key"],
                condition=Q(deleted_at__isnull=True),
                name="connector_name_per_type",
            ),
        ]
        indexes = [
            # Partial, since PostgreSQL does not see that a column which must be NULL leaves the order as it is.
            models.Index(fields=["authority", "name_key", "id"], condition=_KNOWN, name="connector_by_name"),
            *(
                models.Index(fields=["authority", f, "name_key", "id"], condition=_KNOWN, name=f"connector_by_{n}")
                for f, n in FILTERED.items()
            ),
            models.Index(fields=["name_key"], condition=_KNOWN, name="connector_named"),
            models.Index(fields=["authority", "created_at", "id"], condition=_KNOWN, name="connector_by_age"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def usable(self) -> bool:
        """Whether new work may go here: what `queries.usable_connectors` asks of many, asked of one row."""
        return self.status == Status.ACTIVE and self.deleted_at is None


class Pace(models.Model):
    """What all workers together have called of a connector: tokens as of `at`, and who has how many seats.

    `seats` maps worker id → [number, until when they are its own]: those of a worker that vanished are free again then.
    `turn` is the team that went first when several last had orders waiting: the next one begins the next time.
    Beside the connector, since administrators and the recorder change that row while acts are being claimed.
    """

    connector = models.OneToOneField(Connector, primary_key=True, on_delete=models.CASCADE, related_name="pace")
    tokens = models.FloatField(null=True)
    at = models.DateTimeField(null=True)
    seats = models.JSONField(default=dict)
    turn = models.IntegerField(default=0, db_default=0)


class ConnectorVersion(models.Model):
    """Settings as they stood at one moment. Never changed; every call names the one that it used.

    `secrets` maps field name → sealed value (see `sealing`) in the version in force alone: it is emptied when the next one
    takes its place, since orders on their way use the newest credential too. Versions with the same `account`
    lead to the same account for certain: address, destination settings and credentials are the same. `tested_at` is
    when these settings passed the test that they were saved after; `untested_reason` is why they were saved without.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connector = models.ForeignKey(Connector, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    schema = models.PositiveIntegerField(default=1)
    base_url = models.CharField(max_length=500, blank=True)
    proxy = models.CharField(max_length=500, blank=True)
    trust_pem = models.TextField(blank=True)
    allowed_networks = models.JSONField(default=list)
    account = models.UUIDField(default=uuid.uuid4, editable=False)
    settings = models.JSONField(default=dict)
    secrets = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    tested_at = models.DateTimeField(null=True)
    untested_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connector", "number"], name="connector_version_once")]


class SealingKey(models.Model):
    """A key of our own that seals secrets, wrapped by a key store; the newest one seals.

    `done_at` is when nothing was sealed with an older key any more, and those were erased (`wrapped` empty).
    """

    kid = models.CharField(max_length=32, primary_key=True)
    store = models.CharField(max_length=300)
    wrapped = models.TextField(blank=True)
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)


class Trust(models.TextChoices):
    """What the members of a pool must have in common, so that who trusts the one trusts the other."""

    SAME_ROOT = "same_root", "Their certificates chain to the same root"
    PUBLIC = "public", "All are public CAs"
    VOUCHED = "vouched", "Somebody vouches for it"


class Validation(models.TextChoices):
    """How closely a CA looks at whom it certifies (BR 7.1.6.1); '' where nobody has said."""

    NONE = "", "Not said"
    DV = "dv", "Domain (DV)"
    OV = "ov", "Organisation (OV)"
    EV = "ev", "Extended (EV)"


class Pool(models.Model):
    """A set of connectors that may stand in for one another.

    Each connector has one of its own, which is not `shared`; those that people make are. `patience_minutes` is how long
    a member may be sick before others stand in for it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = NameField(max_length=120)
    name_key = FoldedField("name")
    shared = models.BooleanField(default=False)
    description = models.TextField(blank=True, default="")
    team = models.ForeignKey("accounts.Team", null=True, on_delete=models.PROTECT)
    environment = models.ForeignKey("accounts.Environment", null=True, on_delete=models.PROTECT)
    trust = models.CharField(max_length=10, choices=Trust, default=Trust.SAME_ROOT)
    trust_reason = models.CharField(max_length=500, blank=True, default="")
    patience_minutes = models.PositiveIntegerField(default=5)
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name_key"], condition=Q(shared=True, deleted_at__isnull=True), name="pool_name"
            ),
        ]
        indexes = [
            models.Index(
                fields=["name_key", "id"], condition=Q(shared=True, deleted_at__isnull=True), name="pool_by_name"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PoolMember(models.Model):
    """A connector's place in a pool; lower preference comes first, and among equals each gets its share by `weight`.

    One that is `draining` gets no new orders and finishes those that it has.
    """

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="members")
    connector = models.ForeignKey(Connector, on_delete=models.PROTECT, related_name="memberships")
    preference = models.PositiveIntegerField(default=1)
    weight = models.PositiveIntegerField(default=1)
    draining = models.BooleanField(default=False)
    validation = models.CharField(max_length=2, choices=Validation, blank=True, default="")

    class Meta:
        ordering = ["preference"]
        constraints = [models.UniqueConstraint(fields=["pool", "connector"], name="pool_member_once")]


class CallKind(models.TextChoices):
    """Outgoing acts that are not an order's own."""

    PROBE = "probe", "Probe"
    DIAGNOSE = "diagnose", "Test connection"
    CHOICES = "choices", "Pick list"
    FRESHNESS = "freshness", "Dates of the CA's certificates and revocation lists"
    HINT = "hint", "When the CA wants a certificate renewed"
    EARLIER = "earlier", "What became of a call whose order was ordered again"


class CallState(models.TextChoices):
    """Where such an act stands."""

    DUE = "due", "Waiting for a worker"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class Call(models.Model):
    """A durable outgoing act of a connector: an action writes it, a worker runs it, the page follows.

    For unsaved settings `connector` is empty and `sealed` holds them, erased after the answer; `digest` stays, by which
    what is saved afterwards is known to be what was tested.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=12, choices=CallKind)
    state = models.CharField(max_length=10, choices=CallState, default=CallState.DUE)
    connector = models.ForeignKey(Connector, null=True, on_delete=models.PROTECT, related_name="calls")
    version = models.ForeignKey(ConnectorVersion, null=True, on_delete=models.PROTECT, related_name="+")
    authority = models.CharField(max_length=60)
    field = models.CharField(max_length=60, blank=True)
    sealed = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, blank=True)
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    fence = models.UUIDField(null=True)
    result = models.JSONField(default=dict)
    team = models.ForeignKey("accounts.Team", null=True, on_delete=models.PROTECT)
    asked_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=["due", "running"]), name="call_due"),
            models.Index(fields=["connector", "kind", "-created_at"], name="call_of_connector"),
            models.Index(fields=["digest", "-created_at"], condition=~Q(digest=""), name="call_of_settings"),
        ]


class CredentialChange(models.Model):
    """A rotation of a connector's credential: `sealed` holds the new one while it is staged, then the old one for a time.

    One is open (`ended_at` NULL) for each connector at most. `names` are the fields that change; `outcome` says how it
    ended: `revoked`, `switched_back`, `cancelled`, `replaced`, `edited` or `deleted`.
    """

    STAGED, SWITCHED = "staged", "switched"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connector = models.ForeignKey(Connector, on_delete=models.PROTECT, related_name="credential_changes")
    state = models.CharField(max_length=10, default=STAGED)
    names = models.JSONField(default=list)
    sealed = models.JSONField(default=dict)
    expires_on = models.DateField(null=True)
    call = models.ForeignKey(Call, null=True, on_delete=models.SET_NULL, related_name="+")
    version = models.ForeignKey(ConnectorVersion, null=True, on_delete=models.PROTECT, related_name="+")
    staged_at = models.DateTimeField()
    staged_by = models.CharField(max_length=200)
    switched_at = models.DateTimeField(null=True)
    switched_by = models.CharField(max_length=200, blank=True, default="")
    grace_until = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.CharField(max_length=20, blank=True, default="")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True, default="")
    outcome = models.CharField(max_length=20, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connector"], condition=Q(ended_at__isnull=True), name="connector_rotates_once"
            ),
        ]


class WorkerBeat(models.Model):
    """A node's sign of life: of a worker, or (`kind` *web*) of a process that serves pages.

    The console says *no worker is running* when no worker's is fresh. Columns that came later have their defaults in the
    database, so that workers of the release before go on writing theirs during an upgrade.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, db_default="worker")
    name = models.CharField(max_length=200, db_default="")
    version = models.CharField(max_length=40, db_default="")
    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
