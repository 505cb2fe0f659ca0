"""What the ACME server keeps (RFC 8555): which profiles are offered, credentials, accounts, orders, authorizations, nonces."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from chancery.apps.shared.fields import FoldedField, NameField


class Challenge(models.TextChoices):
    """How a client proves that it controls a name."""

    HTTP = "http-01", "http-01: a file on the web server (port 80)"
    DNS = "dns-01", "dns-01: a TXT record"
    TLS = "tls-alpn-01", "tls-alpn-01: a certificate on port 443"


class Offer(models.Model):
    """A profile that ACME clients may order with.

    `challenges` are the kinds offered; none means that every name the profile allows is authorised beforehand. `networks`
    are those beside the public ones in which names may be validated. `any_name` says that no proof is meant although the
    profile names no domains. `listed` shows the profile's name in the directory, which anybody may read. It has ended when
    its profile was deleted; credentials that were revoked still name it.
    """

    profile = models.OneToOneField("profiles.Profile", on_delete=models.PROTECT, primary_key=True, related_name="offer")
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT)
    challenges = models.JSONField(default=list)
    networks = models.JSONField(default=list)
    listed = models.BooleanField(default=False)
    any_name = models.BooleanField(default=False, db_default=False)
    updated_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["profile"], condition=Q(ended_at__isnull=True), name="acme_offer_open"),
            models.Index(fields=["team", "profile"], condition=Q(ended_at__isnull=True), name="acme_offer_by_team"),
        ]

    def __str__(self) -> str:
        return str(self.profile)


class Credential(models.Model):
    """What a client needs for its first account: an external account binding (RFC 8555 section 7.3.4).

    Its id is the key identifier; the MAC key is sealed, and shown once. Accounts made with it order with its profile, in its
    team. `accounts_left` is how many more it is good for.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = NameField(max_length=120)
    name_key = FoldedField("name")
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT)
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="credentials")
    sealed = models.JSONField(default=dict)
    accounts_left = models.PositiveIntegerField(default=1)
    orders_per_hour = models.PositiveIntegerField(default=300)
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    created_by_user = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name_key"], condition=Q(revoked_at__isnull=True), name="acme_credential_name"
            )
        ]
        indexes = [models.Index(fields=["name_key", "id"], name="acme_credential_by_name")]

    def __str__(self) -> str:
        return self.name


class Standing(models.TextChoices):
    """Where an account stands (RFC 8555 section 7.1.2)."""

    VALID = "valid", "Valid"
    DEACTIVATED = "deactivated", "Deactivated by its client"
    REVOKED = "revoked", "Revoked here"


class Account(models.Model):
    """A client's account: its public key, and by which credential it came.

    `thumbprint` is that of the key (RFC 7638). `hour_from` and `hour_orders` count the orders of the present hour.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="accounts")
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT)
    jwk = models.JSONField()
    thumbprint = models.CharField(max_length=43, unique=True)
    spki_sha256 = models.CharField(max_length=64)
    contact = models.JSONField(default=list)
    state = models.CharField(max_length=12, choices=Standing, default=Standing.VALID)
    address = models.CharField(max_length=64, blank=True)
    hour_from = models.DateTimeField()
    hour_orders = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["credential", "id"], name="acme_account_of_credential")]

    def __str__(self) -> str:
        return f"{self.credential.name} {str(self.pk)[:8]}"


class AcmeOrder(models.Model):
    """What a client asked for (RFC 8555 section 7.1.3); once written it never changes.

    `validated` says that there are authorizations, all of which must become valid; without, its names were authorised
    beforehand. Where it stands follows from those, and from the order that finalizing placed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="orders", db_index=False)
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, db_index=False)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, db_index=False)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT, db_index=False)
    names = models.JSONField()
    profile = models.CharField(max_length=120, blank=True)
    validated = models.BooleanField(default=False)
    replaces = models.ForeignKey(
        "certificates.Certificate", null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account", "id"], name="acme_order_of_account"),
            models.Index(fields=["replaces"], condition=Q(replaces__isnull=False), name="acme_order_replaces"),
        ]


class Placement(models.Model):
    """That an ACME order was finalized: the order that it placed. Being one row for each, it is placed once at most."""

    acme_order = models.OneToOneField(AcmeOrder, on_delete=models.CASCADE, primary_key=True, related_name="placement")
    order = models.OneToOneField("orders.Order", on_delete=models.PROTECT, related_name="acme")


class AuthorizationState(models.TextChoices):
    """Where an authorization stands (RFC 8555 section 7.1.4). The last three are ends."""

    PENDING = "pending", "Pending"
    VALID = "valid", "Valid"
    INVALID = "invalid", "Invalid"
    DEACTIVATED = "deactivated", "Deactivated by its client"


class Authorization(models.Model):
    """That a client controls one name of one order, or is to prove it.

    `challenge` is the kind that the client chose ('' before). `due_at` is when a worker looks next, `lease_until` belongs to
    the worker that is looking. `problem` is why it failed, as a problem document.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(AcmeOrder, on_delete=models.CASCADE, related_name="authorizations", db_index=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="authorizations", db_index=False)
    kind = models.CharField(max_length=10)
    value = NameField(max_length=255)
    wildcard = models.BooleanField(default=False)
    token = models.CharField(max_length=43)
    state = models.CharField(max_length=12, choices=AuthorizationState, default=AuthorizationState.PENDING)
    challenge = models.CharField(max_length=12, choices=Challenge, blank=True)
    problem = models.JSONField(default=dict)
    attempt = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    validated_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["order", "id"], name="acme_authz_of_order"),
            models.Index(fields=["account", "kind", "value"], name="acme_authz_by_name"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="acme_authz_due"),
        ]


class SpentNonce(models.Model):
    """A nonce that was used; kept for as long as it would be taken."""

    text = models.CharField(max_length=24, primary_key=True)
    at = models.DateTimeField(db_index=True)
