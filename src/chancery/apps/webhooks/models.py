"""Programs that are told what happened, and how far each has been told."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from chancery.apps.shared.fields import FoldedField, NameField


class Webhook(models.Model):
    """An address of a program that is told of a team's things, of one environment or all, in the order in which they happened.

    What it is told is the record (`apps.audit`): `position` is the place in the tree of the next entry to look at, so nothing
    is told but what was done, nothing is left out, and no second outbox has to be written with every order. `sealed` holds the
    secrets that its messages are signed with: the present one, until `former_until` the one before, and those from before
    that, whose names say their ends (`following.earlier`). `events` are names of events, or `order.*` for all of a kind; none stands for all.

    `fence` belongs to the worker that is sending, and `due_at` is then the end of its lease; NULL is one that is off.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = NameField(max_length=120)
    name_key = FoldedField("name")
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT)
    environment = models.ForeignKey("accounts.Environment", null=True, on_delete=models.PROTECT)
    url = models.CharField(max_length=500)
    sealed = models.JSONField(default=dict)
    former_until = models.DateTimeField(null=True)
    events = models.JSONField(default=list)
    allowed_networks = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)
    revision = models.PositiveIntegerField(default=1)
    position = models.PositiveBigIntegerField()
    due_at = models.DateTimeField(null=True)
    fence = models.UUIDField(null=True)
    test_asked_at = models.DateTimeField(null=True)
    tested_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    last_sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name_key"], name="webhook_name")]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="webhook_due")]

    def __str__(self) -> str:
        return self.name
