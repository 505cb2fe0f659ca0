"""Holds a part of a CA's list against our certificates, and writes down where the two disagree."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from chancery.apps.audit.record import Note
from chancery.apps.certificates.models import Certificate, Origin
from chancery.apps.inventory.adopting import leads_home
from chancery.apps.inventory.models import Decision, Finding, Pull, Sighting
from chancery.core.ids import new_id
from chancery.core.inventory import Difference, FindingKind, Marks, Match, difference, forms, match
from chancery.engine.jobs import Entry

_FIELDS = (
    "id",
    "connector",
    "connector__team",
    "connector__environment",
    "connector__authority",
    "connector__deleted_at",
    "ca_reference",
    "serial",
    "issuer",
    "spki_sha256",
    "sha256",
    "common_name",
    "names",
    "not_after",
    "revocation",
    "team_id",
    "environment_id",
    "origin",
)
_RENEWED = [
    "pull", "team", "environment", "certificate", "common_name", "names", "serial", "issuer", "reference", "spki_sha256",
    "not_after", "revoked_at", "difference", "der", "chain", "last_at",
]  # fmt: skip
"""What a finding that is there already takes from the newest pull."""
_DECIDED = [Decision.GONE, Decision.ADOPTED, Decision.REVOKED]


class Comparing:
    """One pull's look at a part; used inside one transaction."""

    def __init__(self, pull: Pull, now: datetime) -> None:
        self._pull, self._now = pull, now

    def page(self, entries: Sequence[Entry], notes: list[Note]) -> dict[str, int]:
        """Compare a part of the list, and return by how much the pull's counts grow."""
        ours = self._ours(entries)
        seen: dict[Any, Certificate] = {}
        drafts: list[Finding] = []
        ended = 0
        for entry in entries:
            row, sure = _best(entry, ours)
            if row is not None and self._counts(row, sure):
                seen[row.pk] = row
                if sure is Match.CERTAIN:
                    self._attach(row, entry, notes)
                drafts += self._differing(row, entry)
            elif self._is_over(entry):
                ended += 1
            else:
                drafts.append(self._at_ca_only(entry, row if sure is Match.CERTAIN else None))
        self._sight(seen.values())
        self.put(drafts)
        unknown = sum(d.kind == FindingKind.AT_CA_ONLY for d in drafts)
        grown = {"entries": len(entries), "ended": ended, "matched": len(seen)}
        return {**grown, "at_ca_only": unknown, "state_differs": len(drafts) - unknown}

    def _ours(self, entries: Sequence[Entry]) -> dict[str, list[Certificate]]:
        serials = {form for entry in entries for form in forms(entry.marks.serial)}
        found: dict[str, list[Certificate]] = {}
        rows = Certificate.objects.filter(serial__in=serials).select_related("connector").only(*_FIELDS)
        # Of two that are as sure, the first is taken: one of this place goes before one of another.
        for row in sorted(rows, key=self._elsewhere):
            found.setdefault(row.serial, []).append(row)
        return found

    def _counts(self, row: Certificate, sure: Match) -> bool:
        """Say whether a certificate is known here: one of another place is where that place's own connector leads to it."""
        if not self._elsewhere(row):
            return True
        return sure is Match.CERTAIN and leads_home(row, self._pull.connector)

    def _elsewhere(self, row: Certificate) -> bool:
        """Say whether another team or environment brought it in a file: that proves nothing, and says nothing here."""
        if row.origin != Origin.IMPORTED or row.connector_id == self._pull.connector_id:
            return False
        return (row.team_id, row.environment_id) != (self._pull.team_id, self._pull.environment_id)

    def _is_over(self, entry: Entry) -> bool:
        expired = entry.not_after is not None and entry.not_after <= self._now
        return expired or entry.state == "revoked"

    def _attach(self, row: Certificate, entry: Entry, notes: list[Note]) -> None:
        """Let an imported certificate know the connector that leads to its CA, and what the CA calls it."""
        columns: dict[str, Any] = {}
        if row.connector_id is None:
            columns["connector_id"] = self._pull.connector_id
        if not row.ca_reference and row.connector_id in {None, self._pull.connector_id}:
            columns["ca_reference"] = entry.reference
        columns = {name: value for name, value in columns.items() if value}
        if columns:
            Certificate.objects.filter(pk=row.pk).update(**columns)
            changed = tuple(name.removesuffix("_id") for name in columns)
            notes.append(Note("certificate", str(row.pk), row.common_name, changed=changed, team=row.team_id))

    def _sight(self, rows: Iterable[Certificate]) -> None:
        pull = self._pull
        made = [Sighting(connector_id=pull.connector_id, certificate=row, pull=pull, at=self._now) for row in rows]
        Sighting.objects.bulk_create(
            made, update_conflicts=True, unique_fields=["connector", "certificate"], update_fields=["pull", "at"]
        )

    # Findings -----------------------------------------------------------------------------------------

    def _at_ca_only(self, entry: Entry, elsewhere: Certificate | None) -> Finding:
        return Finding(
            kind=FindingKind.AT_CA_ONLY,
            certificate=elsewhere,
            subject=f"{entry.reference}|{entry.marks.serial}",
            team_id=self._pull.team_id,
            environment_id=self._pull.environment_id,
            common_name=entry.common_name,
            names=list(entry.names),
            serial=entry.marks.serial,
            issuer=entry.marks.issuer,
            reference=entry.reference,
            spki_sha256=entry.marks.spki_sha256,
            not_after=entry.not_after,
            der=entry.der,
            chain=[base64.b64encode(der).decode() for der in entry.chain],
        )

    def _differing(self, row: Certificate, entry: Entry) -> list[Finding]:
        found = difference(entry.state, row.revocation)
        if found is Difference.NONE or row.not_after <= self._now:
            return []
        made = _of_ours(row, FindingKind.STATE_DIFFERS)
        made.difference, made.revoked_at, made.reference = found, entry.revoked_at, entry.reference
        return [made]

    def put(self, drafts: Iterable[Finding]) -> None:
        """Write findings down. One that is there is the same one still; one that had been settled is open again."""
        pull, now = self._pull, self._now
        once = {(d.kind, d.subject): d for d in drafts}
        for draft in once.values():
            draft.id, draft.connector_id, draft.pull = new_id(now), pull.connector_id, pull
            draft.first_at = draft.last_at = now
        Finding.objects.bulk_create(
            list(once.values()),
            update_conflicts=True,
            unique_fields=["connector", "kind", "subject"],
            update_fields=_RENEWED,
        )
        subjects = [subject for _, subject in once]
        again = Finding.objects.filter(connector=pull.connector_id, pull=pull, subject__in=subjects, state__in=_DECIDED)
        again.update(state=Decision.OPEN, reason="", decided_by="", decided_at=None, then={}, text="")


def ours_only(row: Certificate) -> Finding:
    """Return the finding that a certificate of ours is not in the CA's list."""
    made = _of_ours(row, FindingKind.OURS_ONLY)
    made.reference = row.ca_reference
    return made


def _of_ours(row: Certificate, kind: FindingKind) -> Finding:
    return Finding(
        kind=kind,
        subject=str(row.pk),
        certificate=row,
        team_id=row.team_id,
        environment_id=row.environment_id,
        common_name=row.common_name,
        names=[value for _, value in row.names],
        serial=row.serial,
        issuer=row.issuer,
        spki_sha256=row.spki_sha256,
        not_after=row.not_after,
    )


def _best(entry: Entry, ours: dict[str, list[Certificate]]) -> tuple[Certificate | None, Match]:
    """Return the certificate of ours that an entry is most surely, and how sure that is."""
    best: tuple[Certificate | None, Match] = (None, Match.NONE)
    for serial in forms(entry.marks.serial):
        for row in ours.get(serial, ()):
            sure = match(entry.marks, Marks(row.serial, row.issuer, row.spki_sha256, row.sha256))
            if sure > best[1]:
                best = (row, sure)
    return best
