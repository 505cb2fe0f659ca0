"""Changes to connectors that others have to approve, or that come into force later."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class Kind(models.TextChoices):
    """What is to be done; `rule` lowers the number of those who must agree."""

    CREATE = "create", "Create"
    EDIT = "edit", "Edit"
    ACTIVATE = "activate", "Activate"
    DEACTIVATE = "deactivate", "Deactivate"
    DELETE = "delete", "Delete"
    RULE = "rule", "Ask fewer people"


class State(models.TextChoices):
    """Where a change stands. That it has expired is read off its date."""

    WAITING = "waiting", "Waits for approval"
    SCHEDULED = "scheduled", "Comes into force later"
    APPLIED = "applied", "In force"
    DENIED = "denied", "Denied"
    WITHDRAWN = "withdrawn", "Withdrawn"
    STALE = "stale", "The connector was changed meanwhile"
    REFUSED = "refused", "Could not be applied"
    RENEWED = "renewed", "Proposed anew"


OPEN = (State.WAITING, State.SCHEDULED)
ENDED = (State.APPLIED, State.DENIED, State.WITHDRAWN, State.RENEWED)


class Rule(models.Model):
    """How many people must approve a kind of change in an environment; without a row none has to."""

    environment = models.ForeignKey("accounts.Environment", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    needed = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "kind"], name="change_rule_once")]


class Change(models.Model):
    """What somebody wants to do, as the action takes it: `args`, and the credentials among them in `sealed`.

    `revision` is the connector's that it was proposed for. `diff` has field, before and after, never a credential.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    connector = models.ForeignKey("connectors.Connector", null=True, on_delete=models.PROTECT, related_name="changes")
    name = models.CharField(max_length=200)
    team = models.ForeignKey("accounts.Team", null=True, on_delete=models.PROTECT)
    environment = models.ForeignKey("accounts.Environment", on_delete=models.PROTECT)
    revision = models.PositiveIntegerField(null=True)
    args = models.JSONField(default=dict)
    sealed = models.JSONField(default=dict)
    diff = models.JSONField(default=list)
    needed = models.PositiveSmallIntegerField(default=1)
    not_before = models.DateTimeField(null=True)
    proposed_by = models.ForeignKey("accounts.User", null=True, on_delete=models.PROTECT, related_name="+")
    proposer = models.CharField(max_length=200)
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    text = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["environment", "id"], name="change_by_environment"),
            models.Index(fields=["state", "id"], name="change_by_state"),
            models.Index(fields=["not_before"], condition=Q(state="scheduled"), name="change_due"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"


class Vote(models.Model):
    """That somebody approved a change."""

    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="votes")
    user = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "user"], name="change_vote_once")]
