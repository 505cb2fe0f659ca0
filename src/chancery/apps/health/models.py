"""What was measured of connectors over time, and whose turn it is to do what comes round."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q

FINE, COARSE, EVER = 300, 3600, 0
"""Widths of buckets in seconds. `EVER` is one bucket without end: what counters and *last success* are read from."""
KEPT = {FINE: timedelta(days=3), COARSE: timedelta(days=90)}
"""Width → how long such buckets are kept."""
BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends (seconds) of the latency's classes; a last class has what took longer."""
CLASSES = tuple(f"b{n}" for n in range(len(BOUNDS) + 1))
"""The columns of those classes; each counts its own, not those below it as well."""
ISSUED, ANSWERED = "issued", "ok"
"""Outcomes that are no error; every other one is the kind of an error."""


class Bucket(models.Model):
    """Calls of one connector, of one operation, with one outcome, that ended within one span of time.

    `outcome` is *issued* where a certificate came back, *ok* for any other answer, else the kind of the error. Seconds are
    those of the call. Every number only grows, so several workers add to one row.
    """

    connector = models.ForeignKey("connectors.Connector", on_delete=models.CASCADE, db_index=False)
    width = models.PositiveIntegerField()
    start = models.DateTimeField()
    operation = models.CharField(max_length=20)
    outcome = models.CharField(max_length=40)
    number = models.PositiveBigIntegerField()
    seconds = models.FloatField()
    slowest = models.FloatField()
    last_at = models.DateTimeField()
    b0 = models.PositiveBigIntegerField(default=0)
    b1 = models.PositiveBigIntegerField(default=0)
    b2 = models.PositiveBigIntegerField(default=0)
    b3 = models.PositiveBigIntegerField(default=0)
    b4 = models.PositiveBigIntegerField(default=0)
    b5 = models.PositiveBigIntegerField(default=0)
    b6 = models.PositiveBigIntegerField(default=0)
    b7 = models.PositiveBigIntegerField(default=0)
    b8 = models.PositiveBigIntegerField(default=0)
    b9 = models.PositiveBigIntegerField(default=0)
    b10 = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connector", "width", "start", "operation", "outcome"], name="bucket_of_connector"
            ),
        ]
        indexes = [
            models.Index(fields=["width", "start"], name="bucket_by_age"),
            models.Index(fields=["connector", "operation"], condition=Q(width=0), name="bucket_without_end"),
        ]

    @property
    def counts(self) -> list[int]:
        """Return how many calls each class of `BOUNDS` has."""
        return [getattr(self, name) for name in CLASSES]


class Vital(models.Model):
    """The newest measure of something that ages: clock skew, CA certificate, CRL, server certificate.

    `seconds` is the measure where it is a duration (skew), `until` where it is a date (the end of a certificate, a CRL's
    next update). `text` says in a sentence what was looked at; `error` why it could not be.
    """

    connector = models.ForeignKey("connectors.Connector", on_delete=models.CASCADE, db_index=False)
    kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=300, blank=True)
    seconds = models.FloatField(null=True)
    until = models.DateTimeField(null=True)
    text = models.CharField(max_length=500, blank=True)
    error = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connector", "kind", "subject"], name="vital_of_connector")]


class Duty(models.Model):
    """Something that comes round for the whole installation: whoever locks its row does it, and sets the next time.

    The lock is the transaction's, so a worker that is killed leaves none behind, and no clock decides who leads. `state` is
    what the duty remembers from one time to the next.
    """

    name = models.CharField(max_length=40, primary_key=True)
    next_at = models.DateTimeField()
    state = models.JSONField(default=dict)


class Lead(models.Model):
    """Which worker sees to what comes round by itself, and until when (by the database's clock) without a new word.

    `fence` grows by one with each new holder: what was begun under an older one is no longer done.
    """

    name = models.CharField(max_length=40, primary_key=True)
    holder = models.UUIDField()
    fence = models.PositiveBigIntegerField()
    until = models.DateTimeField()
