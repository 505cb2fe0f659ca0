"""Each kind of finding about one connector as a condition on its row, so that a page of them reads no other connector.

What is said of a row that meets one is worked out from its facts all the same (`core.posture`), which have the last word.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, TextField
from django.db.models.functions import Cast

from chancery import catalog
from chancery.apps.connectors.models import ConnectorVersion
from chancery.apps.inventory.models import Finding as Difference
from chancery.apps.inventory.models import Pull, PullState
from chancery.apps.posture.models import Print
from chancery.apps.shared.paging import any_of
from chancery.core.inventory import FindingKind
from chancery.core.posture import TRIAL_HOST, WIDE_NETWORK, Kind, Level, Limits, is_test_place


def condition(level: Level, kind: Kind, limits: Limits) -> Q:
    """Return what connectors meet that a finding of this weight and kind is about; `Kind` of several are no conditions."""
    return _CONDITIONS[level, kind](limits)


def _outside() -> Q:
    return ~Q(authority__in=[d.slug for d in catalog.descriptors() if not d.outside])


def _lists() -> Q:
    return Q(authority__in=[d.slug for d in catalog.descriptors() if "lists" in d.powers])


def _in_earnest(url: str, title: str) -> bool:
    return bool(title) and not is_test_place(url, title)


def _places(wanted: Callable[[str, str], bool]) -> Q:
    """Return the condition that a connector's address is one of those that authorities name, and that are `wanted`."""
    found = {d.slug: [url for url, title in d.base_urls if wanted(url, title)] for d in catalog.descriptors()}
    return any_of([Q(pk__in=[]), *(Q(authority=slug, base_url__in=urls) for slug, urls in found.items() if urls)])


def _in_production(_limits: Limits) -> Q:
    trial = Q(base_url__iregex=TRIAL_HOST) | _places(is_test_place)
    return _outside() & Q(environment__is_production=True) & trial


def _in_test(_limits: Limits) -> Q:
    earnest = _places(_in_earnest)
    return _outside() & Q(environment__is_production=False) & earnest


def _printed() -> Q:
    return Q(Exists(Print.objects.filter(version=OuterRef("current"))))


def _old(limits: Limits) -> Q:
    if not limits.credential_days:
        return Q(pk__in=[])
    since = limits.now - timedelta(days=limits.credential_days)
    same = ConnectorVersion.objects.filter(connector=OuterRef("pk"), account=OuterRef("current__account"))
    return _outside() & _printed() & Q(Exists(same.filter(created_at__lte=since)))


def _not_compared(limits: Limits) -> Q:
    since = limits.now - timedelta(days=limits.compare_days + 1)
    read = Pull.objects.filter(connector=OuterRef("pk"), state=PullState.DONE, finished_at__gt=since)
    return _lists() & ~Q(Exists(read))


def _unknown(_limits: Limits) -> Q:
    rows = Difference.objects.filter(connector=OuterRef("pk"), kind=FindingKind.AT_CA_ONLY, state="open")
    return _lists() & Q(Exists(rows))


def _wide(_limits: Limits) -> Q:
    rows = ConnectorVersion.objects.filter(pk=OuterRef("current"))
    listed = rows.annotate(listed=Cast("allowed_networks", TextField()))
    return Q(Exists(listed.filter(listed__iregex=WIDE_NETWORK)))


def _excused(_limits: Limits) -> Q:
    return Q(current__untested_reason__gt="")


def _never_tested(limits: Limits) -> Q:
    return _outside() & Q(current__tested_at=None) & ~_excused(limits)


def _unlimited(_limits: Limits) -> Q:
    return _outside() & _printed()


def _nobodys(_limits: Limits) -> Q:
    return Q(owner="", contact="")


_CONDITIONS: dict[tuple[Level, Kind], Callable[[Limits], Q]] = {
    (Level.SERIOUS, Kind.TEST_IN_PRODUCTION): _in_production,
    (Level.WARNING, Kind.OLD_CREDENTIAL): _old,
    (Level.WARNING, Kind.UNKNOWN_AT_CA): _unknown,
    (Level.WARNING, Kind.UNTESTED): _excused,
    (Level.WARNING, Kind.WIDE_NETWORKS): _wide,
    (Level.ADVICE, Kind.NEVER_COMPARED): _not_compared,
    (Level.ADVICE, Kind.NO_ADDRESS_LIMIT): _unlimited,
    (Level.ADVICE, Kind.NOBODY): _nobodys,
    (Level.ADVICE, Kind.PRODUCTION_IN_TEST): _in_test,
    (Level.ADVICE, Kind.UNTESTED): _never_tested,
}
