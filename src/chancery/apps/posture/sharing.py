"""What several connectors share: found by grouping in the database, and told of a bounded number of groups and members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from django.db.models import Case, Count, F, Max, Min, Model, Q, QuerySet, TextField, Value, When, Window
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Concat, Lower, RowNumber, StrIndex, Substr

from chancery.apps.connectors.models import Connector
from chancery.apps.posture.models import Print
from chancery.core.posture import Facts, Finding, Kind, shared_account, shared_credential

M = TypeVar("M", bound=Model)
GROUPS = 100
"""Groups of connectors that are told of at once; further ones follow when these are mended."""
MEMBERS = 20
"""Connectors of one group that are named; of more their number is said."""
ACCOUNTS = ("username", "client_id", "subscriber_id", "account_number", "eab_key_id")
"""Fields of connectors that say as whom one logs in, and are no secret."""
Tell = Callable[[Sequence[Connector]], list[Facts]]


def found(kind: Kind, seen: QuerySet[Connector], tell: Tell) -> list[tuple[Finding, list[Connector]]]:
    """Return the findings of a kind about what connectors share, by their text, each with the first of its connectors.

    `seen` are those that the reader may see, `tell` returns the facts of some.
    """
    groups = list(_credentials(seen) if kind is Kind.SHARED_CREDENTIAL else _accounts(seen))
    rows = seen.in_bulk({ident for _make, idents in groups for ident in idents})
    known = {row.id: row for row in tell(list(rows.values()))}
    told: dict[str, tuple[Finding, list[Connector]]] = {}
    for make, idents in groups:
        some = [ident for ident in idents if ident in rows]
        if len(some) > 1:
            # Two secrets may be shared by the same connectors: that is one thing to do.
            one = make([known[str(ident)] for ident in some])
            told[one.key] = (one, [rows[ident] for ident in some])
    return sorted(told.values(), key=lambda one: (one[0].text, one[0].key))


_Group = tuple[Callable[[Sequence[Facts]], Finding], list[Any]]


def _credentials(seen: QuerySet[Connector]) -> Iterator[_Group]:
    prints = Print.objects.filter(version__in=seen.order_by().values("current"))
    one, other = "version__connector__environment", "version__connector"
    groups = prints.order_by().values("value").annotate(n=Count(other, distinct=True), low=Min(one), high=Max(one))
    numbers = {v: (n, low != high) for v, n, low, high in _first(groups.filter(n__gt=1), "value", "n", "low", "high")}
    members = _ranked(prints.filter(value__in=numbers), ["value"], "version__connector__name_key", other)
    for value, idents in _by(members.values_list("value", other)).items():
        number, across = numbers[value[0]]
        yield partial(shared_credential, number=number, across=across), idents


def _accounts(seen: QuerySet[Connector]) -> Iterator[_Group]:
    """Yield the accounts at one host that connectors of several teams or environments log in as."""
    for field in ACCOUNTS:
        rows = seen.select_related(None).annotate(host=_host(), account=_setting(field))
        rows = rows.exclude(account=None).exclude(account="")
        groups = (
            rows.order_by()
            .values("host", "account")
            .annotate(n=Count("pk"), a=Min("team"), b=Max("team"), c=Min("environment"), d=Max("environment"))
        )
        apart = groups.filter(Q(a__lt=F("b")) | Q(c__lt=F("d")))
        numbers = {(host, account): n for host, account, n in _first(apart, "host", "account", "n")}
        if not numbers:
            continue
        named = rows.filter(account__in={account for _host, account in numbers})
        members = _ranked(named, ["host", "account"], "name_key", "pk")
        for place, idents in _by(members.values_list("host", "account", "pk")).items():
            if place in numbers:
                account, number = place[1], numbers[place]
                yield partial(shared_account, account=account, number=number), idents


def _setting(field: str) -> Cast:
    # As text: what is taken out of JSON is else compared as JSON.
    return Cast(KeyTextTransform(field, "current__settings"), TextField())


def _host() -> Lower:
    """Return the host of an address, with the port where it names one; the whole beginning where it has no scheme."""
    begins = StrIndex("base_url", Value("//"))
    rest = Substr("base_url", Case(When(base_url__contains="//", then=begins + 2), default=Value(1)))
    return Lower(Substr(rest, 1, StrIndex(Concat(rest, Value("/")), Value("/")) - 1))


def _first(groups: QuerySet[Any, Any], *fields: str) -> list[tuple[Any, ...]]:
    return list(groups.order_by(*fields).values_list(*fields)[:GROUPS])


def _ranked(rows: QuerySet[M], group: Sequence[str], *order: str) -> QuerySet[M]:
    """Return the first rows of each group, in order."""
    rank = Window(RowNumber(), partition_by=[F(name) for name in group], order_by=list(order))
    ranked: QuerySet[M] = rows.annotate(rank=rank).filter(rank__lte=MEMBERS).order_by(*order)
    return ranked


def _by(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], list[Any]]:
    """Return group → its distinct members, the last value of each row, as they come."""
    groups: dict[tuple[Any, ...], dict[Any, None]] = {}
    for *group, ident in rows:
        groups.setdefault(tuple(group), {})[ident] = None
    return {group: list(idents) for group, idents in groups.items()}
