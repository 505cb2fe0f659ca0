"""The record of who did what. Rows are added, never changed."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from chancery.apps.shared.fields import NameField


class Entry(models.Model):
    """One audit entry. `body` is the truth: canonical JSON bytes; the other columns help to find it.

    Three of them also hold what the bytes only refer to, since it is about persons and may have to be erased while the
    bytes stay: `actor` (login name), `address` (where the request came from, NULL for none) and `subject` (login name
    of the person that the entry is about). `refusal` is the code of a refusal, NULL for what was done.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    address = models.CharField(max_length=64, null=True)  # noqa: DJ001  NULL keeps the engine's out of the index
    action = NameField(max_length=60)
    target_kind = models.CharField(max_length=30)
    target_id = models.CharField(max_length=40)
    subject = models.CharField(max_length=200, default="")
    refusal = models.CharField(max_length=60, null=True)  # noqa: DJ001  NULL keeps what was done out of the index
    team_id = models.BigIntegerField(null=True)
    tree_index = models.BigIntegerField(null=True)
    body = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(fields=["action", "id"], name="audit_by_action"),
            models.Index(fields=["actor", "id"], name="audit_by_actor"),
            models.Index(fields=["target_id", "id"], name="audit_by_target"),
            models.Index(fields=["address", "id"], condition=Q(address__isnull=False), name="audit_by_address"),
            models.Index(fields=["id"], condition=Q(refusal__isnull=False), name="audit_refused"),
        ]
