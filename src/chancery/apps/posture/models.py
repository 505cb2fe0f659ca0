"""Fingerprints of credentials, and what people decided about findings."""

from __future__ import annotations

from django.db import models


class PrintKey(models.Model):
    """The key that fingerprints are made with, sealed; one row. Without it a fingerprint tells nobody anything."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    sealed = models.JSONField(default=dict)


class Print(models.Model):
    """The fingerprint of one secret of a version in force; `value` is hex of the first half of an HMAC-SHA256."""

    version = models.ForeignKey("connectors.ConnectorVersion", on_delete=models.CASCADE, related_name="prints")
    field = models.CharField(max_length=100)
    value = models.CharField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "field"], name="print_once")]
        indexes = [models.Index(fields=["value"], name="print_value")]


class Decision(models.Model):
    """Who looks after a finding, and until when it is not to be shown as open, and why.

    `key` is the finding's own. `connector` is the one that it is about; None where there are several. `level` is how much it weighed
    then: what weighs more by now is open again. Decisions of before this was kept have none, and last.
    """

    key = models.CharField(max_length=64, primary_key=True)
    connector = models.ForeignKey("connectors.Connector", null=True, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=30)
    level = models.CharField(max_length=10, blank=True, default="", db_default="")
    owner = models.CharField(max_length=200, blank=True)
    until = models.DateField(null=True)
    reason = models.CharField(max_length=500, blank=True)
    by = models.CharField(max_length=200)
    at = models.DateTimeField()
