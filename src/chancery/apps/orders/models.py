"""Orders: the table is the queue. And their timeline."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from chancery.apps.shared.fields import NameField
from chancery.core.order import OPEN, State

DUE_STATES = [State.QUEUED, State.SUBMITTING, State.PENDING, State.OUTCOME_UNKNOWN]


class Order(models.Model):
    """One request for one certificate.

    `due_at` is when the engine looks next (empty: it does not look); `lease_until` and `fence` belong
    to the worker that claimed the order: a result is recorded only while the fence is still its own.
    `reference` towards the CA is the id, or made from it and `again` (`core.again`): how often two people had it ordered
    again. `intended_at` is the first intent of that reference and never changes while the order stays with its connector.
    `bound` says that this connector's CA has the order or may have it, so that it stays there for good; any other queued
    order can be moved to a connector that may stand in (`core.standing_in`). `caused_by` are the people behind a machine that
    placed it, each as an id and how (`causing.How`).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=20)
    profile = models.ForeignKey("profiles.Profile", on_delete=models.PROTECT, db_index=False)
    connector = models.ForeignKey("connectors.Connector", on_delete=models.PROTECT, db_index=False)
    version = models.ForeignKey("connectors.ConnectorVersion", null=True, on_delete=models.PROTECT, db_index=False)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, db_index=False)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT, db_index=False)
    requested_by = models.ForeignKey("accounts.User", null=True, on_delete=models.PROTECT, db_index=False)
    requested_via = models.CharField(max_length=20)
    caused_by = models.JSONField(default=list)
    comment = models.CharField(max_length=500, blank=True)
    csr = models.BinaryField()
    spki_sha256 = models.CharField(max_length=64)
    common_name = NameField(max_length=255)
    names = models.JSONField(default=list)
    key_type = models.CharField(max_length=20)
    validity_days = models.PositiveIntegerField()
    product = models.JSONField(default=dict)
    replaces = models.ForeignKey(
        "certificates.Certificate", null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    placed_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.UUIDField(null=True)
    attempt = models.PositiveIntegerField(default=0)
    searches = models.PositiveIntegerField(default=0)
    again = models.PositiveSmallIntegerField(default=0)
    intended_at = models.DateTimeField(null=True)
    submitted_at = models.DateTimeField(null=True)
    approvals = models.PositiveSmallIntegerField(default=0)
    """How many people have to approve it, as its profile said when it was placed."""
    cancel_requested = models.BooleanField(default=False)
    bound = models.BooleanField(default=False)
    poll_state = models.JSONField(default=dict)
    pending_kind = models.CharField(max_length=20, blank=True)
    ca_reference = models.CharField(max_length=200, blank=True)
    reason_code = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    idem_route = models.CharField(max_length=60, blank=True)
    idem_key = models.CharField(max_length=200, null=True)  # noqa: DJ001  NULL keeps orders without a key out of the unique index
    idem_digest = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["requested_by", "idem_route", "idem_key"],
                condition=Q(idem_key__isnull=False),
                name="order_idempotency",
            ),
            models.UniqueConstraint(
                fields=["replaces"],
                condition=Q(replaces__isnull=False, state__in=sorted(map(str, OPEN))),
                name="order_one_renewal",
            ),
        ]
        indexes = [
            models.Index(fields=["connector", "due_at"], condition=Q(due_at__isnull=False), name="order_due"),
            # A hundred thousand that are queued and due would be read for the few that the CA has, or may have.
            models.Index(
                fields=["connector", "due_at"],
                condition=Q(state__in=["submitting", "pending", "outcome_unknown"], due_at__isnull=False),
                name="order_begun",
            ),
            # Written out in the engine's claim, word by word: a parameter would keep SQLite from using it.
            models.Index(
                fields=["connector", "deadline_at", "id"], condition=Q(state="queued"), name="order_by_urgency"
            ),
            # Teams take turns at a connector, and each team's most urgent order goes first.
            models.Index(
                fields=["connector", "team", "deadline_at", "id"], condition=Q(state="queued"), name="order_by_turn"
            ),
            models.Index(fields=["state", "id"], name="order_by_state"),
            models.Index(fields=["replaces", "id"], condition=Q(replaces__isnull=False), name="order_of_renewal"),
            models.Index(fields=["connector", "id"], name="order_by_connector"),
            models.Index(fields=["profile", "id"], name="order_by_profile"),
            models.Index(fields=["team", "id"], name="order_by_team"),
            # Beyond the order stands what else may be asked for: looked at in the index, it costs no row.
            models.Index(fields=["common_name", "id", "state", "connector", "profile"], name="order_by_name"),
        ]

    def __str__(self) -> str:
        return f"{self.common_name} ({self.id})"

    @property
    def asks(self) -> bool:
        """Whether it is held and only there to be approved: its client does not wait, and it does not go ahead itself (`anew`)."""
        return self.state == State.AWAITING_APPROVAL and self.requested_via == "acme"


class Approval(models.Model):
    """That somebody approved an order, or one before it that `of` names: then it was remembered for this one (`anew`)."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="given")
    user = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    at = models.DateTimeField()
    of = models.ForeignKey(Order, null=True, on_delete=models.PROTECT, db_index=False, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "user"], name="order_approved_once")]


class OrderEvent(models.Model):
    """One line of an order's timeline. `detail` holds only what may be shown to whoever sees the order."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events", db_index=False)
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    actor = models.CharField(max_length=200)
    text = models.CharField(max_length=1000, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["order", "id"], name="event_of_order")]


class PublishedAnswer(models.Model):
    """What Chancery answers over HTTP for an order that waits for validation; gone with the order's end."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="published", db_index=False)
    token = models.CharField(max_length=200, db_index=True)
    text = models.CharField(max_length=400)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "token"], name="published_once")]


class AgainRequest(models.Model):
    """Somebody wants an order with an unknown outcome ordered again, and a second person has to agree.

    It is about one call: `call_at` is when that call was made (`Order.submitted_at`), so that it cannot be confirmed for a
    later one. `outcome` is empty while it is open; else *confirmed*, *refused*, *expired*, or *overtaken* where the order
    went on by itself. `answer` is what the second person said.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="again_requests", db_index=False)
    call_at = models.DateTimeField(null=True)
    asked_by = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    reason = models.CharField(max_length=1000)
    expires_at = models.DateTimeField()
    outcome = models.CharField(max_length=10, blank=True, default="")
    decided_by = models.ForeignKey("accounts.User", null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=1000, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order"], condition=Q(outcome=""), name="again_request_once"),
        ]
        indexes = [models.Index(fields=["order", "id"], name="again_request_of_order")]


class Later(models.TextChoices):
    """What has become known of an earlier call since its order was ordered again."""

    WATCHED = "watched", "Searched for"
    WAITING = "waiting", "Waiting at the CA"
    FOUND = "found", "Turned up"
    SAME = "same", "It is the order's own"
    GONE = "gone", "Never turned up"
    UNSEEN = "unseen", "Cannot be searched for"


class EarlierCall(models.Model):
    """A call whose outcome was unknown when its order was ordered again. What the CA made of it is not to be lost.

    `number` is the order's `again` of that call, from which its reference is made. The engine searches for it at
    `due_at`, in growing intervals; a certificate that turns up becomes an inventory finding.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="earlier_calls", db_index=False)
    number = models.PositiveSmallIntegerField()
    version = models.ForeignKey("connectors.ConnectorVersion", null=True, on_delete=models.PROTECT, related_name="+")
    intended_at = models.DateTimeField(null=True)
    submitted_at = models.DateTimeField(null=True)
    ca_reference = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    decided_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=Later, default=Later.WATCHED)
    looks = models.PositiveSmallIntegerField(default=0)
    looked_at = models.DateTimeField(null=True)
    text = models.CharField(max_length=1000, blank=True)
    due_at = models.DateTimeField(null=True)
    finding = models.ForeignKey("inventory.Finding", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "number"], name="earlier_call_once")]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="earlier_call_due")]
