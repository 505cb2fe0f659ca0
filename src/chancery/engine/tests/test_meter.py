"""What is counted in memory reaches the tables once, also when a transaction is taken back."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from chancery.apps.health.models import EVER, Bucket
from chancery.core.clock import SYSTEM_CLOCK
from chancery.engine.jobs import Answered, Bad, Failed, Job, Kind, Missing, Stopped, Waiting
from chancery.engine.meter import EVERY, Meter
from chancery.engine.tests.kit import FENCE
from chancery.engine.tests.test_record import GOOD
from chancery.sdk.outcome import Pending, Revoked

NOW = SYSTEM_CLOCK.now()
DOWN = Failed("Unreachable", "Nobody answers.")


@pytest.fixture
def meter():
    return Meter()


def done(connector, kind, result, *, call="probe"):
    return Job(kind, uuid4(), FENCE, connector, 1, None, "toy", extra={"kind": call}), result


def ever():
    rows = Bucket.objects.filter(width=EVER).order_by("operation", "outcome")
    return [(row.operation, row.outcome, row.number) for row in rows]


@pytest.mark.django_db
def test_each_result_is_counted_under_what_it_was(meter, local):
    for kind, result in (
        (Kind.SUBMIT, GOOD),
        (Kind.SUBMIT, GOOD),
        (Kind.SUBMIT, DOWN),
        (Kind.SUBMIT, Bad(("wrong key",))),
        (Kind.SUBMIT, Failed("SomethingOfThePlugIn", "What?")),
        (Kind.SUBMIT, Stopped()),
        (Kind.POLL, Waiting(Pending({"v": 1}))),
        (Kind.SETTLE, Missing("Searched.")),
        (Kind.REVOKE, Revoked()),
        (Kind.CALL, Answered({})),
        (Kind.CALL, Answered({}, DOWN)),
    ):
        meter.seen([done(local.pk, kind, result)], 0.5)
    meter.seen([done(None, Kind.CALL, Answered({}))], 0.5)
    meter.flush(NOW, 0.0)
    assert ever() == [
        ("poll", "ok", 1),
        ("probe", "Unreachable", 1),
        ("probe", "ok", 1),
        ("revoke", "ok", 1),
        ("settle", "ok", 1),
        ("submit", "Bug", 1),
        ("submit", "Mismatch", 1),
        ("submit", "Unreachable", 1),
        ("submit", "issued", 2),
    ]


@pytest.mark.django_db
def test_a_batch_is_one_measure_for_all_of_it(meter, local):
    meter.seen([done(local.pk, Kind.SUBMIT, GOOD) for _ in range(100)], 0.2)
    meter.flush(NOW, 0.0)
    row = Bucket.objects.get(width=EVER)
    assert (row.number, row.slowest, row.b3) == (100, 0.2, 100)
    assert row.seconds == pytest.approx(20.0)


@pytest.mark.django_db(transaction=True)
def test_it_is_written_every_few_seconds_and_only_then(meter, local):
    meter.seen([done(local.pk, Kind.SUBMIT, GOOD)], 0.5)
    meter.flush(NOW, 100.0)
    meter.seen([done(local.pk, Kind.SUBMIT, GOOD)], 0.5)
    meter.flush(NOW, 100.0 + EVERY / 2)
    assert ever() == [("submit", "issued", 1)]
    meter.flush(NOW + timedelta(seconds=EVERY), 100.0 + EVERY)
    assert ever() == [("submit", "issued", 2)]
    meter.flush(NOW, 100.0 + 2 * EVERY)
    assert ever() == [("submit", "issued", 2)]


@pytest.mark.django_db(transaction=True)
def test_what_a_rolled_back_transaction_took_along_is_written_by_the_next(meter, local):
    meter.seen([done(local.pk, Kind.SUBMIT, GOOD)], 0.5)
    with pytest.raises(RuntimeError), transaction.atomic():
        meter.flush(NOW, 0.0)
        raise RuntimeError
    assert ever() == []
    meter.seen([done(local.pk, Kind.SUBMIT, GOOD), done(UUID(int=3), Kind.SUBMIT, GOOD)], 0.5)
    meter.flush(NOW, EVERY)
    meter.flush(NOW, 2 * EVERY)
    assert ever() == [("submit", "issued", 2)]
