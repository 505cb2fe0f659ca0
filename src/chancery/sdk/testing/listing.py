"""Checks of the power *Lists*: nothing that the CA has is missing, nothing is made up, and nothing is changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chancery.core.certificate import facts
from chancery.core.inventory import canonical_serial
from chancery.sdk.errors import AuthorityError, NotFound
from chancery.sdk.inventory import MOST_ENTRIES, InventoryPage, Listed, ListedState
from chancery.sdk.outcome import Issued, Revoked
from chancery.sdk.testing.base import Base
from chancery.sdk.testing.bench import Bench, aware, reason_of
from chancery.sdk.testing.spoil import CUT, GARBLED, Spoil, page

_MOST_PAGES = 200


class Listing(Base):
    """Part of `Conformance`; skipped for an authority that cannot list."""

    def test_the_inventory_names_what_was_issued(self, bench: Bench) -> None:
        """By serial number and with a reference that fetches it; what is told of it besides is true."""
        self._can(bench, "lists")
        request, other = bench.request(), bench.request()
        issued = bench.issue(request)
        bench.issue(other)
        entry = self._entry(self._whole(bench), issued)
        known = facts(issued.leaf)
        assert entry.state is ListedState.VALID, f"it is listed as {entry.state}"
        assert entry.reference == issued.reference, "by this reference it could not be revoked"
        assert entry.spki_sha256 in {"", known.key.spki_sha256}, "the key is another one"
        assert entry.certificate in {b"", issued.leaf}, "the certificate is another one"
        assert not entry.names or set(entry.names) == {n.value for n in request.names}
        ends = entry.not_after is None or entry.not_after.date() == known.not_after.date()
        assert ends, "it ends on another day"
        fetched = bench.ask("fetch", entry.reference)
        assert isinstance(fetched, Issued)
        assert fetched.leaf == issued.leaf, "another certificate was fetched"
        bench.once(request)

    def test_an_order_that_waits_is_no_certificate(self, bench: Bench) -> None:
        """Only what has been issued can be compared with what we have."""
        self._can(bench, "lists")
        with self._pending(bench, bench.request()):
            assert self._whole(bench) == []

    def test_a_revoked_certificate_is_listed_as_revoked(self, bench: Bench) -> None:
        """That is what the list is read for, more than for anything else."""
        self._can(bench, "lists")
        self._can(bench, "revokes")
        request = bench.request()
        issued = bench.issue(request)
        answer = bench.revoke(bench.target(issued, request), reason_of(bench.about))
        assert isinstance(answer, Revoked)
        entry = self._entry(self._whole(bench), issued)
        assert entry.state is ListedState.REVOKED, f"it is listed as {entry.state}"

    def test_what_the_ca_does_not_have_is_not_fetched(self, bench: Bench) -> None:
        """Else a wrong certificate would be adopted."""
        self._can(bench, "lists")
        assert isinstance(bench.refused("fetch", "999999999/999999999"), NotFound)

    @pytest.mark.parametrize("spoil", [GARBLED, CUT, page(200), page(503)], ids=str)
    def test_a_list_that_cannot_be_read_is_never_taken_for_its_end(self, bench: Bench, spoil: Spoil) -> None:
        """Whatever the list leaves out is reported as lost: an empty one would report everything."""
        self._can(bench, "lists")
        bench.issue(bench.request())
        bench.rest()
        with bench.line.spoiled(spoil):
            assert isinstance(bench.tried("inventory", None), AuthorityError), f"{spoil} was taken for a list"

    def test_reading_the_list_changes_nothing(self, bench: Bench) -> None:
        """It is read at any time, by anybody who may look."""
        self._can(bench, "lists")
        line, request = bench.line, bench.request()
        bench.issue(request)
        before = len(line.passed)
        self._whole(bench)
        declared = [f"{call.method} {call.target}" for call in line.passed[before:] if call.effect or call.acted]
        assert not declared, f"reading the list did: {', '.join(declared)}"
        bench.once(request)

    # How it is read ------------------------------------------------------------------------------------

    def _whole(self, bench: Bench) -> list[Listed]:
        """Read the list to its end as the engine does: the cursor goes through the database, perhaps to another process."""
        bench.rest()
        bench.pass_lag()
        found: list[Listed] = []
        cursor: dict[str, Any] | None = None
        for _ in range(_MOST_PAGES):
            answer = bench.ask("inventory", cursor)
            self._readable(answer)
            found += answer.entries
            if answer.cursor is None:
                return found
            bench.case.clock.advance(answer.next_page)
            bench.live = bench.fresh()
            cursor = json.loads(json.dumps(answer.cursor))
        msg = f"no end after {_MOST_PAGES} parts"
        raise AssertionError(msg)

    @staticmethod
    def _readable(answer: object) -> None:
        assert isinstance(answer, InventoryPage), f"{type(answer).__name__} is no InventoryPage"
        assert len(answer.entries) <= MOST_ENTRIES, "a part is too long for one commit"
        assert answer.cursor is None or "v" in answer.cursor, "the cursor has no schema version"
        for entry in answer.entries:
            assert entry.reference, "an entry has no reference"
            assert len(entry.reference) <= 200, "the reference does not fit its column"
            assert entry.certificate or canonical_serial(entry.serial), "an entry has neither serial nor certificate"
            for moment in (entry.not_after, entry.revoked_at):
                assert moment is None or aware(moment), "a moment without its time zone"

    @staticmethod
    def _entry(found: list[Listed], issued: Issued) -> Listed:
        serial = facts(issued.leaf).serial
        mine = [e for e in found if canonical_serial(e.serial) == serial or e.certificate == issued.leaf]
        assert mine, f"the list of {len(found)} certificates lacks one that the CA has issued"
        return mine[-1]
