"""Bots, their targets, what was deployed by them, and what they told."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from chancery.apps.shared.fields import FoldedField, NameField

_KNOWN = Q(deleted_at__isnull=True)


class Purpose(models.TextChoices):
    """What a bot is for."""

    BOTH = "both", "Discovery and provisioning"
    PROVISIONING = "provisioning", "Provisioning"
    DISCOVERY = "discovery", "Discovery"


class Standing(models.TextChoices):
    """What a bot's row of a listing says; read off its columns, never stored."""

    ACTIVE = "active", "Active"
    INACTIVE = "inactive", "Inactive"
    STOPPED = "stopped", "Stopped"
    PENDING = "configuration_pending", "Configuration pending"
    FAILED = "failed", "Failed"


class Bot(models.Model):
    """An agent on a host.

    Of its one-time token only the SHA-256 is kept, and nothing once it is enrolled: from then on `public_key` counts, on
    the `machine` that it was enrolled from. `recorded` is the number of the last record that it told. `configured` says
    that it has a target, `problem` what is wrong with one, both kept here for the listing. `clone` is how another machine
    called itself that came with this bot's key.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = NameField(max_length=120)
    name_key = FoldedField("name")
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT)
    purpose = models.CharField(max_length=12, choices=Purpose, default=Purpose.BOTH)
    tags = models.JSONField(default=dict)
    poll_seconds = models.PositiveIntegerField(default=30)
    token_digest = models.CharField(max_length=64, blank=True, db_index=True)
    token_expires_at = models.DateTimeField(null=True)
    token_host = models.CharField(max_length=200, blank=True)
    public_key = models.CharField(max_length=64, blank=True)
    machine = models.CharField(max_length=64, blank=True)
    hostname = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=64, blank=True)
    os = models.CharField(max_length=200, blank=True)
    version = models.CharField(max_length=200, blank=True)
    kinds = models.JSONField(default=list)
    found = models.JSONField(default=list)
    recorded = models.PositiveBigIntegerField(default=0)
    enrolled_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    silent_at = models.DateTimeField(null=True)
    """From when on it counts as inactive, unless it gives another sign of life."""
    stopped_at = models.DateTimeField(null=True)
    configured = models.BooleanField(default=False)
    problem = models.CharField(max_length=500, blank=True)
    clone = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    created_by_user = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    token_by_user = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    enrolled_by_user = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name_key"], condition=_KNOWN, name="bot_name")]
        indexes = [models.Index(fields=["name_key", "id"], condition=_KNOWN, name="bot_by_name")]

    def __str__(self) -> str:
        return self.name


class Trouble(models.TextChoices):
    """What is wrong with a target for which a certificate is ordered all the same."""

    REVOKED = "revoked", "What it serves was revoked"
    EDITED = "edited", "It was edited since it failed"


class Target(models.Model):
    """One place on a bot's host that uses a certificate: where it goes, what for, and by which profile it is ordered.

    `window` is when it may be deployed, in UTC ("mon-fri 22:00-04:00", '' for any time). `certificate` is what it
    serves by the bot's own proof, `due_at` when the next one is ordered: `renew_days` before its end, 0 for the usual share
    of its life. Where one that is here could not be deployed, it is when that one is deployed again. `problem` is what is
    wrong, and `trouble` says where that is no reason not to order another: after an ordinary failure it is '', and one.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="targets")
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT)
    name = NameField(max_length=120)
    kind = models.CharField(max_length=30)
    settings = models.JSONField(default=dict)
    profile = models.ForeignKey("profiles.Profile", on_delete=models.PROTECT, related_name="targets")
    names = models.JSONField(default=list)
    key_type = models.CharField(max_length=20, default="EC-P256")
    renew_days = models.PositiveIntegerField(default=0)
    window = models.CharField(max_length=60, blank=True)
    revision = models.PositiveIntegerField(default=1)
    certificate = models.ForeignKey(
        "certificates.Certificate", null=True, on_delete=models.PROTECT, related_name="targets"
    )
    deployment = models.ForeignKey("Deployment", null=True, on_delete=models.PROTECT, related_name="+")
    due_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=500, blank=True)
    trouble = models.CharField(max_length=10, choices=Trouble, blank=True, default="", db_default="")
    created_at = models.DateTimeField()
    edited_by_user = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    names_by_user = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    """Who changed it last, and who was the last to change what is ordered for it."""
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "deployment target"
        indexes = [models.Index(fields=["bot", "id"], condition=_KNOWN, name="target_of_bot")]

    def __str__(self) -> str:
        return self.name


class Stage(models.TextChoices):
    """Where a deployment stands. The last four are ends."""

    WANTED = "wanted", "Waiting for the bot's request"
    ORDERED = "ordered", "Ordered"
    READY = "ready", "Waiting for the bot"
    DEPLOYING = "deploying", "Deploying"
    DEPLOYED = "deployed", "Deployed"
    ROLLED_BACK = "rolled_back", "Rolled back"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


OPEN = (Stage.WANTED, Stage.ORDERED, Stage.READY, Stage.DEPLOYING)
UNDER_WAY = Q(finished_at__isnull=True, state__in=OPEN)
"""What few deployments are; the first half is what their index is by."""


class Deployment(models.Model):
    """One certificate to one target by one bot, from the wish to what is served.

    `kind` is *issue* (with an order of its own), *again* (the same certificate once more, with the key that the deployment
    `key_of` made) or *rollback*. `served` is the SHA-256 that the bot saw served, '' where nobody could look.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    target = models.ForeignKey(Target, on_delete=models.PROTECT, related_name="deployments", db_index=False)
    kind = models.CharField(max_length=10, default="issue")
    state = models.CharField(max_length=12, choices=Stage, default=Stage.WANTED)
    order = models.ForeignKey("orders.Order", null=True, on_delete=models.PROTECT, related_name="deployments")
    certificate = models.ForeignKey("certificates.Certificate", null=True, on_delete=models.PROTECT, related_name="+")
    key_of = models.UUIDField(null=True)
    asked_by = models.CharField(max_length=200)
    asked_by_user = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    served = models.CharField(max_length=64, blank=True)
    text = models.CharField(max_length=2000, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["target", "id"], name="deployment_of_target"),
            models.Index(fields=["target"], condition=Q(finished_at__isnull=True), name="deployment_open"),
            # With which key was it last issued? Of many deployments few may have brought a certificate.
            models.Index(
                fields=["target", "kind", "id"], condition=Q(certificate__isnull=False), name="deployment_issued"
            ),
            # Is there any that it can be rolled back to?
            models.Index(fields=["target"], condition=Q(state="deployed"), name="deployment_deployed"),
        ]


class DeploymentEvent(models.Model):
    """A line of a deployment's timeline."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="events", db_index=False)
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    level = models.CharField(max_length=10, default="info")
    actor = models.CharField(max_length=200)
    text = models.CharField(max_length=2000, blank=True)

    class Meta:
        indexes = [models.Index(fields=["deployment", "id"], name="event_of_deployment")]


class LogLine(models.Model):
    """A line of a bot's log, as it shipped it; the newest are kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(Bot, on_delete=models.CASCADE, related_name="lines", db_index=False)
    number = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=10)
    text = models.CharField(max_length=2000)

    class Meta:
        indexes = [models.Index(fields=["bot", "id"], name="line_of_bot")]


class Nonce(models.Model):
    """What a bot signed once already; kept for as long as its time would be taken."""

    bot = models.ForeignKey(Bot, on_delete=models.CASCADE, db_index=False)
    text = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bot", "text"], name="nonce_once")]
