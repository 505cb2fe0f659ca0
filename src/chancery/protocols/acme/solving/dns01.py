"""dns-01 (RFC 8555 section 8.4): a TXT record at `_acme-challenge.<name>`, written through the DNS provider's API.

Where `_acme-challenge.<name>` is an alias (CNAME), the record is written at the end of it: so one zone, and a credential
for that zone alone, serves all names. An apex and its wildcard need two records at one name, so records are added and
taken away by their content.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from josepy import b64

from chancery.protocols.acme.solving.base import Task
from chancery.protocols.acme.solving.lookup import Lookup
from chancery.protocols.acme.solving.provider import Provider, Record
from chancery.sdk.outcome import HttpAnswer

_LABEL = "_acme-challenge"
_MOST_TOLD = 5
"""Names that are told of at once: looking takes its time where servers are silent."""


class DnsSolver:
    """Writes records at a provider. `zone` is '' where DNS tells it."""

    type = "dns-01"
    local = False
    waits_for_people = False

    def __init__(self, provider: Provider, lookup: Lookup, zone: str) -> None:
        self._provider, self._lookup, self._zone = provider, lookup, zone.strip().strip(".").lower()

    def present(self, tasks: Sequence[Task]) -> tuple[HttpAnswer, ...]:
        """Write the records, zone by zone."""
        for zone, records in self._by_zone(tasks).items():
            self._provider.create(zone, records)
        return ()

    def missing(self, tasks: Sequence[Task]) -> Sequence[str]:
        """Return a sentence for each record, of five at most, that a server does not show yet."""
        found: list[str] = []
        for task in tasks:
            text = self._lookup.missing(f"{_LABEL}.{task.name}", value_of(task).__eq__)
            found += [text] if text else []
            if len(found) == _MOST_TOLD:
                break
        return found

    def clean(self, tasks: Sequence[Task]) -> None:
        """Take the records away."""
        for zone, records in self._by_zone(tasks).items():
            self._provider.delete(zone, records)

    def trouble(self) -> tuple[str, str] | None:
        """Return what is wrong with the settings, as far as it shows without a name; with a zone, log in as well."""
        found = self._provider.trouble() or self._lookup.trouble()
        if found is None and self._zone:
            self._provider.check(self._zone)
        return found

    def _by_zone(self, tasks: Sequence[Task]) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = defaultdict(list)
        for task in tasks:
            name = self._lookup.target(f"{_LABEL}.{task.name}")
            zone = self._zone if self._zone and f".{name}".endswith(f".{self._zone}") else self._lookup.zone(name)
            found[zone].append(Record(name, value_of(task)))
        return found


def value_of(task: Task) -> str:
    """Return what the record holds."""
    return str(b64.b64encode(hashlib.sha256(task.key_authorization.encode()).digest()).decode())
