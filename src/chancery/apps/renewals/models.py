"""When each certificate is renewed, and how far that has come."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Policy(models.TextChoices):
    """What a profile wants done when a certificate of it is due. The key of a subject is never held here."""

    OFF = "off", "Nothing"
    NOTICE = "notice", "Tell people; renew by itself only with a request left for that"
    SAME_KEY = "same_key", "Renew by itself with the same request, so with the same key"


class PlanState(models.TextChoices):
    """Where a certificate's renewal stands."""

    OFF = "off", "Not planned"
    PLANNED = "planned", "Planned"
    RETRYING = "retrying", "Tried in vain, tried again"
    WAITING = "waiting", "Waits for a person"
    ORDERED = "ordered", "Ordered"
    REPLACED = "replaced", "Replaced"
    ENDED = "ended", "Over"


class Plan(models.Model):
    """The renewal of one certificate; its id is the certificate's.

    `due_at` is when it is renewed (empty: it is not). `revision` is that of the profile by which it was planned.
    `ask_at` is when the CA is asked next for the window that it suggests (empty: it has none to tell). `csr` is a request
    that somebody left for the renewal. `order` is the latest order that replaces the certificate.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    certificate = models.OneToOneField("certificates.Certificate", on_delete=models.CASCADE, related_name="renewal")
    profile = models.ForeignKey("profiles.Profile", on_delete=models.PROTECT, db_index=False)
    connector = models.ForeignKey("connectors.Connector", on_delete=models.PROTECT, db_index=False)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, db_index=False)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT, db_index=False)
    revision = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=PlanState)
    due_at = models.DateTimeField(null=True)
    text = models.CharField(max_length=1000, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    order = models.ForeignKey("orders.Order", null=True, on_delete=models.PROTECT, db_index=False, related_name="+")
    hint_start = models.DateTimeField(null=True)
    hint_end = models.DateTimeField(null=True)
    hint_url = models.CharField(max_length=500, blank=True)
    hint_at = models.DateTimeField(null=True)
    ask_at = models.DateTimeField(null=True)
    csr = models.BinaryField(null=True)
    csr_by = models.CharField(max_length=200, blank=True)
    csr_by_user = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    csr_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at", "id", "connector", "team", "environment"],
                condition=Q(due_at__isnull=False),
                name="plan_due",
            ),
            models.Index(fields=["ask_at"], condition=Q(ask_at__isnull=False), name="plan_to_ask"),
            models.Index(fields=["state", "id"], name="plan_by_state"),
            models.Index(fields=["profile", "revision"], name="plan_of_profile"),
        ]
