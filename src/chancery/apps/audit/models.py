"""The record of who did what. Rows are added, never changed."""

from __future__ import annotations

import uuid

from django.db import models


class Entry(models.Model):
    """One audit entry. `body` is the truth: canonical JSON bytes; the columns only help to find it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=60)
    target_kind = models.CharField(max_length=30)
    target_id = models.CharField(max_length=40)
    outcome = models.CharField(max_length=10)
    team_id = models.BigIntegerField(null=True)
    tree_index = models.BigIntegerField(null=True)
    body = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(fields=["action", "id"], name="audit_by_action"),
            models.Index(fields=["actor", "id"], name="audit_by_actor"),
            models.Index(fields=["target_id", "id"], name="audit_by_target"),
        ]
