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
    of the person that the entry is about). `salt` opens what the bytes say of those texts (see `record`); whoever erases a
    text erases its half. `refusal` is the code of a refusal, NULL for what was done. `tree_index` is the place in the
    tree, NULL until the sequencer comes by.
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
    salt = models.BinaryField(null=True)
    body = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tree_index"], condition=Q(tree_index__isnull=False), name="audit_tree_index_once"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(tree_index__isnull=True), name="audit_not_in_tree"),
            models.Index(fields=["action", "id"], name="audit_by_action"),
            models.Index(fields=["actor", "id"], name="audit_by_actor"),
            models.Index(fields=["target_id", "id"], name="audit_by_target"),
            models.Index(fields=["address", "id"], condition=Q(address__isnull=False), name="audit_by_address"),
            models.Index(fields=["id"], condition=Q(refusal__isnull=False), name="audit_refused"),
        ]


class Log(models.Model):
    """The tree as a whole, one row: its name, its size, and the public key in force ('' before the first checkpoint).

    `keys` are the public keys that no other one named as its successor: the first, and what followed one that was lost.

    `generation` counts how often the tables were put back from a backup: what is signed afterwards has an origin of its
    own, since a log never signs two different trees of one size under one origin.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    name = models.CharField(max_length=80)
    generation = models.PositiveIntegerField(default=1)
    size = models.PositiveBigIntegerField(default=0)
    key = models.CharField(max_length=200, blank=True, default="")
    keys = models.JSONField(default=list)

    @property
    def origin(self) -> str:
        """What its checkpoints call it."""
        return self.name if self.generation == 1 else f"{self.name}/{self.generation}"


class Tile(models.Model):
    """Up to 256 neighbouring hashes of the tree, as C2SP tlog-tiles cuts it: `level` L has those of height 8·L."""

    level = models.PositiveSmallIntegerField()
    index = models.PositiveBigIntegerField()
    hashes = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["level", "index"], name="audit_tile_once")]


class Checkpoint(models.Model):
    """A signed statement of size and root, kept as it was signed (C2SP tlog-checkpoint)."""

    size = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    note = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["size", "id"], name="audit_checkpoint_by_size")]


class Anchor(models.Model):
    """A place outside that checkpoints are brought to.

    `done` is the id of the last checkpoint that it has, `size` that one's size and `at` when it got it.
    """

    place = models.CharField(max_length=300, primary_key=True)
    done = models.BigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)
    at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, default="")
