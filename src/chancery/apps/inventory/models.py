"""What a CA has and what we have: pulls of a CA's list, what was seen in it, and what the two sides disagree about."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from chancery.apps.shared.fields import NameField
from chancery.core.inventory import FindingKind


class PullState(models.TextChoices):
    """Where a pull stands: it reads the CA's list, then goes through ours."""

    LISTING = "listing", "Reading the CA's list"
    COMPARING = "comparing", "Comparing with ours"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    STOPPED = "stopped", "Stopped"


PULL_OPEN = (PullState.LISTING, PullState.COMPARING)


class Pull(models.Model):
    """One reading of a CA's list, page by page. It is itself the durable call of kind *list*.

    `cursor` is the authority's own (empty before the first page), `compare_from` the last of our certificates that was
    gone through. `due_at`, `lease_until`, `fence` and `attempt` are the engine's, as of an order; `text` says what it
    waits for or why it ended. The counts grow while it runs and are exact when it is done.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connector = models.ForeignKey("connectors.Connector", on_delete=models.PROTECT, db_index=False)
    version = models.ForeignKey("connectors.ConnectorVersion", on_delete=models.PROTECT, db_index=False)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, db_index=False)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT, db_index=False)
    state = models.CharField(max_length=10, choices=PullState, default=PullState.LISTING)
    cursor = models.JSONField(default=dict)
    compare_from = models.UUIDField(null=True)
    total = models.PositiveIntegerField(null=True)
    pages = models.PositiveIntegerField(default=0)
    entries = models.PositiveIntegerField(default=0)
    ended = models.PositiveIntegerField(default=0)
    """Entries that we do not have and that have expired or are revoked: they can do no harm, and nobody is asked."""
    matched = models.PositiveIntegerField(default=0)
    at_ca_only = models.PositiveIntegerField(default=0)
    ours_only = models.PositiveIntegerField(default=0)
    state_differs = models.PositiveIntegerField(default=0)
    text = models.CharField(max_length=1000, blank=True)
    asked_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.UUIDField(null=True)
    attempt = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connector"], condition=Q(state__in=["listing", "comparing"]), name="pull_one_at_a_time"
            ),
        ]
        indexes = [
            models.Index(fields=["connector", "due_at"], condition=Q(due_at__isnull=False), name="pull_due"),
            models.Index(fields=["connector", "id"], name="pull_by_connector"),
            models.Index(fields=["team", "id"], name="pull_by_team"),
        ]

    def __str__(self) -> str:
        return f"Inventory of {self.connector}"

    @property
    def name(self) -> str:
        """What the record calls it: as its connector."""
        return self.connector.name


class Sighting(models.Model):
    """Which pull of a connector has last seen a certificate of ours in the CA's list."""

    connector = models.ForeignKey("connectors.Connector", on_delete=models.PROTECT, db_index=False)
    certificate = models.ForeignKey("certificates.Certificate", on_delete=models.CASCADE, related_name="sightings")
    pull = models.ForeignKey(Pull, on_delete=models.CASCADE)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connector", "certificate"], name="sighting_once")]


class Decision(models.TextChoices):
    """What became of a finding."""

    OPEN = "open", "Open"
    FETCHING = "fetching", "Fetched from the CA"
    ADOPTED = "adopted", "Adopted"
    REVOKED = "revoked", "Revocation asked for"
    IGNORED = "ignored", "Ignored"
    GONE = "gone", "No longer so"


class Finding(models.Model):
    """One thing that a CA and we disagree about; there is one for each, however often the list is pulled.

    `subject` is what it is about: our certificate's id, or the CA's reference and serial. It belongs to the team of our
    certificate, else to the connector's. `der` is the certificate where the CA's list brought it. While it is *fetching*
    the engine asks the CA for the certificate; `then` says what follows: where it is to belong, and a revocation.
    A certificate that another team or environment has brought in a file is *at the CA only* until it is decided about here.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=14)
    state = models.CharField(max_length=10, choices=Decision, default=Decision.OPEN)
    subject = models.CharField(max_length=300)
    connector = models.ForeignKey("connectors.Connector", on_delete=models.PROTECT, db_index=False)
    pull = models.ForeignKey(Pull, null=True, on_delete=models.PROTECT, related_name="findings")
    """The pull that saw it last; none where a search found it, and no list has shown it yet."""
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, db_index=False)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT, db_index=False)
    certificate = models.ForeignKey("certificates.Certificate", null=True, on_delete=models.PROTECT, related_name="+")
    common_name = NameField(max_length=255, blank=True)
    names = models.JSONField(default=list)
    serial = models.CharField(max_length=64, blank=True)
    issuer = models.CharField(max_length=500, blank=True)
    reference = models.CharField(max_length=200, blank=True)
    spki_sha256 = models.CharField(max_length=64, blank=True)
    not_after = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    difference = models.CharField(max_length=20, blank=True)
    text = models.CharField(max_length=1000, blank=True)
    der = models.BinaryField(default=bytes)
    chain = models.JSONField(default=list)
    """Base64 DER, issuer of the leaf first, where the CA's list brought it."""
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    reason = models.CharField(max_length=1000, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)
    then = models.JSONField(default=dict)
    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.UUIDField(null=True)
    attempt = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connector", "kind", "subject"], name="finding_once"),
            models.CheckConstraint(condition=Q(kind__in=[str(k) for k in FindingKind]), name="finding_kind"),
        ]
        indexes = [
            models.Index(fields=["connector", "due_at"], condition=Q(due_at__isnull=False), name="finding_due"),
            models.Index(fields=["state", "kind"], name="finding_counted"),
            # With the columns of other filters, so that looking along reads no row.
            models.Index(fields=["state", "id", "kind"], name="finding_by_state"),
            models.Index(fields=["kind", "id", "state"], name="finding_by_kind"),
            models.Index(fields=["connector", "id", "state", "kind"], name="finding_by_connector"),
            models.Index(fields=["connector", "state", "id", "kind"], name="finding_open_of_connector"),
            models.Index(fields=["team", "id"], name="finding_by_team"),
            models.Index(fields=["common_name", "id", "state", "kind", "connector"], name="finding_by_name"),
            models.Index(fields=["serial", "id"], name="finding_by_serial"),
        ]

    def __str__(self) -> str:
        return f"{self.common_name or self.serial} ({self.kind})"

    @property
    def elsewhere(self) -> bool:
        """Say whether its certificate was imported for another team or environment, and nobody has decided here yet."""
        settled = self.state in {Decision.ADOPTED, Decision.REVOKED}
        return self.kind == FindingKind.AT_CA_ONLY and self.certificate_id is not None and not settled
