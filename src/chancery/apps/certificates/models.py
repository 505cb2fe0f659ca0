"""What came back from a CA, and its revocation."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from chancery.apps.shared.fields import NameField


class Chain(models.Model):
    """The other certificates of a chain, stored once: `sha256` is over the concatenated DER."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    ders = models.JSONField()
    """Base64 DER, issuer of the leaf first."""


class Origin(models.TextChoices):
    """How a certificate came here."""

    ORDERED = "ordered", "Ordered here"
    IMPORTED = "imported", "Imported"
    ADOPTED = "adopted", "Adopted from the CA's list"


class KeyReport(models.Model):
    """That somebody reported a public key as compromised; there is no certificate that it needs, and none that it goes with.

    `spki_sha256` is over the DER of its SubjectPublicKeyInfo, in hex. Where it was reported says who may read by whom and why.
    `certificate` names the one by which it was reported, in words, since that need not be here for good. It stops orders of its
    own team, or of everybody; `confirmed_by` is the Administrator who made everybody's what was the team's.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    spki_sha256 = models.CharField(max_length=64)
    team = models.ForeignKey("accounts.Team", null=True, on_delete=models.SET_NULL, db_index=False, related_name="+")
    environment = models.ForeignKey(
        "accounts.Environment", null=True, on_delete=models.SET_NULL, db_index=False, related_name="+"
    )
    certificate = models.CharField(max_length=300, blank=True)
    reported_by = models.CharField(max_length=200)
    reported_at = models.DateTimeField()
    note = models.CharField(max_length=500, blank=True)
    for_everybody = models.BooleanField()
    confirmed_by = models.CharField(max_length=200, blank=True)
    confirmed_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=200, blank=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_why = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["spki_sha256", "team"], condition=Q(withdrawn_at__isnull=True), name="one_standing_key_report"
            )
        ]
        indexes = [
            models.Index(fields=["spki_sha256", "id"], name="key_report_by_key"),
            models.Index(fields=["team", "id"], name="key_report_by_team"),
        ]

    def __str__(self) -> str:
        return self.spki_sha256

    @property
    def name(self) -> str:
        """What it is called in the record."""
        return self.certificate or self.spki_sha256

    @property
    def stands(self) -> bool:
        """Say whether it was not withdrawn."""
        return self.withdrawn_at is None

    def stops(self, team: int | None) -> bool:
        """Say whether it is about a team's orders too, as long as it stands."""
        return self.for_everybody or (team is not None and team == self.team_id)


class Certificate(models.Model):
    """An issued certificate. Its status is derived from dates and revocation, not stored.

    One that was not ordered here has no order; it has a connector where one is known to lead to its CA, and a profile
    where somebody chose one for its renewal. `origin_text` says from which file or list it came, and by whom.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.OneToOneField("orders.Order", null=True, on_delete=models.PROTECT, related_name="certificate")
    connector = models.ForeignKey("connectors.Connector", null=True, on_delete=models.PROTECT, db_index=False)
    profile = models.ForeignKey("profiles.Profile", null=True, on_delete=models.PROTECT, db_index=False)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, db_index=False)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT, db_index=False)
    der = models.BinaryField()
    chain = models.ForeignKey(Chain, null=True, on_delete=models.PROTECT, db_index=False)
    serial = models.CharField(max_length=64)
    issuer = models.CharField(max_length=500)
    common_name = NameField(max_length=255)
    names = models.JSONField(default=list)
    key_type = models.CharField(max_length=20)
    spki_sha256 = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64, unique=True)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    ca_reference = models.CharField(max_length=200, blank=True)
    warnings = models.JSONField(default=list)
    """Sentences of the authority about a certificate that is as it was ordered, and yet not well."""
    stored_at = models.DateTimeField()
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.ORDERED)
    origin_text = models.CharField(max_length=300, blank=True)
    owner = models.CharField(max_length=200, blank=True)
    contact = models.CharField(max_length=200, blank=True)
    revocation = models.CharField(max_length=20, blank=True)
    revocation_reason = models.CharField(max_length=40, blank=True)
    revocation_comment = models.CharField(max_length=500, blank=True)
    revocation_text = models.CharField(max_length=1000, blank=True)
    revocation_state = models.JSONField(default=dict)
    revocation_by = models.CharField(max_length=200, blank=True)
    revocation_asked_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.UUIDField(null=True)
    attempt = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["not_after", "id"], name="certificate_by_expiry"),
            models.Index(
                fields=["not_after", "id", "connector"],
                condition=Q(revoked_at__isnull=True),
                name="certificate_not_revoked",
            ),
            models.Index(fields=["connector", "id"], name="certificate_by_connector"),
            models.Index(fields=["team", "id"], name="certificate_by_team"),
            # Beyond the order stands what else may be asked for: looked at in the index, it costs no row.
            models.Index(
                fields=["common_name", "id", "connector", "revoked_at", "not_after"], name="certificate_by_name"
            ),
            models.Index(fields=["serial"], name="certificate_by_serial"),
            # Asked where a key is reported as compromised: which certificates have it?
            models.Index(fields=["spki_sha256"], name="certificate_by_key"),
            models.Index(fields=["connector", "due_at"], condition=Q(due_at__isnull=False), name="revocation_due"),
            models.Index(fields=["id"], condition=Q(revocation="refused"), name="revocation_refused"),
            models.Index(
                fields=["revoked_at", "id", "connector"],
                condition=Q(revoked_at__isnull=False),
                name="certificate_by_revocation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.common_name} {self.serial}"
