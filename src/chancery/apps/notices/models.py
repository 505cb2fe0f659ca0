"""What people are to be told, to whom, and whether it has been sent."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from chancery.apps.shared.fields import FoldedField, NameField


class Kind(models.TextChoices):
    """Conditions that are watched."""

    CONNECTOR_SICK = "connector_sick", "A connector does not work"
    NOTHING_ISSUED = "nothing_issued", "Nothing is issued though orders are due"
    DEADLINE_AT_RISK = "deadline_at_risk", "Orders are close to their deadline"
    OUTCOME_UNKNOWN = "outcome_unknown", "An order's outcome is unknown, or its certificate quarantined"
    CERTIFICATE_EXPIRING = "certificate_expiring", "A certificate expires and is not renewed"
    RENEWAL_NEEDS_PERSON = "renewal_needs_person", "A renewal needs a person"
    CREDENTIAL_OLD = "credential_old", "A connector's credential is old"
    CA_STALE = "ca_stale", "A CA certificate or revocation list runs out, or clocks differ"
    REVOCATION_LATE = "revocation_late", "A revocation is not through, and its time runs out"
    REVOCATION_REFUSED = "revocation_refused", "The CA refused to revoke a certificate"
    KEY_COMPROMISED = "key_compromised", "A certificate is valid though its key was reported as compromised"


class Channel(models.Model):
    """Where notices about a team's things go, of one environment or all.

    The address holds tokens and passwords, so it is sealed as a whole; `service` is its scheme, which may be shown. Without
    `kinds` every condition is told. `allowed_networks` are private networks that it may lead into.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = NameField(max_length=120)
    name_key = FoldedField("name")
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT)
    environment = models.ForeignKey("accounts.Environment", null=True, on_delete=models.PROTECT)
    service = models.CharField(max_length=40)
    sealed = models.JSONField(default=dict)
    allowed_networks = models.JSONField(default=list)
    kinds = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)
    revision = models.PositiveIntegerField(default=1)
    last_sent_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name_key"], name="channel_name")]

    def __str__(self) -> str:
        return self.name


class Notice(models.Model):
    """A condition, from when it was first seen until it was over. `key` is what it is about, once per kind while open."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=30, choices=Kind)
    key = models.CharField(max_length=100)
    title = models.CharField(max_length=300)
    text = models.CharField(max_length=1000, blank=True)
    link = models.CharField(max_length=300, blank=True)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, db_index=False)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT, db_index=False)
    opened_at = models.DateTimeField()
    told_at = models.DateTimeField()
    rounds = models.PositiveIntegerField(default=1)
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], condition=Q(resolved_at__isnull=True), name="notice_once"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(resolved_at__isnull=True), name="notice_open"),
            models.Index(fields=["team", "id"], name="notice_by_team"),
            models.Index(fields=["resolved_at"], condition=Q(resolved_at__isnull=False), name="notice_over"),
        ]

    def __str__(self) -> str:
        return self.title


class What(models.TextChoices):
    """Why something is sent."""

    OPENED = "opened", "Seen first"
    AGAIN = "again", "Still so"
    RESOLVED = "resolved", "Over"
    TEST = "test", "Test"


class DeliveryState(models.TextChoices):
    """Where a delivery stands."""

    DUE = "due", "Waits for a worker"
    SENT = "sent", "Sent"
    FAILED = "failed", "Given up"


class Delivery(models.Model):
    """One notice to one channel, once: the outbox. It is written in the transaction that saw the condition.

    `fence` belongs to the worker that is sending it, and `due_at` is then the end of its lease: one whose worker vanished is
    sent again.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False)
    notice = models.ForeignKey(Notice, null=True, on_delete=models.CASCADE, db_index=False)
    what = models.CharField(max_length=10, choices=What)
    round = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.DUE)
    due_at = models.DateTimeField(null=True)
    fence = models.UUIDField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)
    asked_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["notice", "channel", "what", "round"], name="delivery_once"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="delivery_due"),
            models.Index(fields=["channel", "-created_at"], name="delivery_of_channel"),
        ]
