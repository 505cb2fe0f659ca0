"""What a page says of a connector's breaker and pace."""

from datetime import UTC, datetime, timedelta

import pytest

from chancery.apps.connectors import actions, history, pace
from chancery.apps.connectors.models import Connector, Pace
from chancery.apps.orders import queries as orders
from chancery.apps.orders.models import Order

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, "Closed"),
        ({"breaker": "half_open"}, "Half-open: one act"),
        ({"breaker": "open", "breaker_until": NOW, "health_text": "Nobody answers."}, "00:00:00 UTC. Nobody answers."),
        ({"breaker": "stopped", "health_text": "The key is refused."}, "not locked. The key is refused. Mend"),
    ],
)
def test_the_breaker_is_said_in_a_sentence_with_its_reason(columns, said):
    assert said in pace.said(Connector(authority="local", name="x", **columns))


def test_the_administrators_limits_stand_before_those_of_the_type():
    row = Connector(authority="digicert", limit_rate=0.5, slowed=0.5, slowed_at=NOW)
    found = pace.of(row, NOW + timedelta(seconds=60))
    assert (found.calls_per_second, found.share) == (0.5, 1.0)
    assert pace.of(row, NOW).share == 0.5
    assert found.seats == pace.of(Connector(authority="digicert"), NOW).seats


def test_a_type_that_cannot_be_loaded_has_no_pace():
    assert pace.of(Connector(authority="gone"), NOW).as_values() == {
        "seats": 0, "calls_per_second": 0.0, "burst": 0, "share": 0.0,
    }  # fmt: skip


@pytest.mark.django_db
def test_limits_are_kept_noted_and_come_along_when_one_goes_back(cast, local):
    values = {"name": "Local", "team": "Operations", "environment": "Production"}
    actions.edit(cast.ada, local.pk, 1, {**values, "limit_seats": "3", "limit_burst": 7.0})
    row = Connector.objects.get(pk=local.pk)
    assert (row.limit_seats, row.limit_rate, row.limit_burst) == (3, None, 7)
    assert history.values(row, 1)["limit_seats"] == 3
    assert not Pace.objects.filter(connector=local).exists()


def test_an_order_says_that_its_connector_waits_for_a_person():
    stopped = Connector(name="Berlin", status="active", breaker="stopped", health_text="The key is refused.")
    order = Order(state="queued", connector=stopped)
    assert orders.why(order) == "Berlin was refused its login too often; a person must act. The key is refused."
