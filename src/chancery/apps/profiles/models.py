"""What may be asked of whom."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from chancery.apps.shared.fields import FoldedField, NameField


class Profile(models.Model):
    """Rules for orders: keys, names, validity, approval; and which pool serves them.

    `products` maps authority slug → that authority's profile settings (product, organisation, …).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = NameField(max_length=120)
    name_key = FoldedField("name")
    description = models.TextField(blank=True)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT)
    pool = models.ForeignKey("connectors.Pool", on_delete=models.PROTECT, related_name="profiles")
    region = models.CharField(max_length=60, blank=True, default="")
    """Members of a pool that are in this region come first, whatever their preference."""
    key_types = models.JSONField(default=list)
    name_kinds = models.JSONField(default=list)
    name_suffixes = models.JSONField(default=list)
    wildcard = models.BooleanField(default=False)
    max_names = models.PositiveIntegerField(default=100)
    validity_days = models.PositiveIntegerField(default=90)
    validity_days_max = models.PositiveIntegerField(default=397)
    deadline_hours = models.PositiveIntegerField(default=24)
    needs_approval = models.BooleanField(default=False)
    approvals = models.PositiveSmallIntegerField(default=1)
    """How many people have to approve an order, where any has to."""
    renewal = models.CharField(max_length=10, default="notice")
    """What is done when a certificate is due: *off*, *notice*, or *same_key*, as `renewals.Policy` explains."""
    renewal_share = models.PositiveIntegerField(default=67)
    """Percent of a certificate's lifetime that pass before."""
    products = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name_key"], condition=Q(deleted_at__isnull=True), name="profile_name"),
        ]

    def __str__(self) -> str:
        return self.name
