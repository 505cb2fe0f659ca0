"""What the check says of a connector whose orders did not come through."""

import pytest

from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.demo.check import ORDERS, _judge, line, well
from tests.cast import request_pem

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged(cast, local):
    def judge(*states):
        for number, state in enumerate(states):
            made = place(cast.rob, PlaceOrder("Internal", request_pem(f"{number}.example.com")))
            Order.objects.filter(pk=made.pk).update(state=state)
        return _judge(made.connector, 0, None)

    return judge


def test_what_is_missing_is_explained(judged):
    row = judged("issued", "queued")
    assert not well(row)
    assert (row["issued"], row["lost"]) == (1, ORDERS - 2)
    assert "Its breaker is closed, after 0 failures. The order " in row["missing"]
    assert line(row).splitlines()[1].startswith("  At ")


def test_where_all_came_through_nothing_is_explained(judged):
    row = judged(*["issued"] * ORDERS)
    assert well(row)
    assert row["missing"] == ""
    assert len(line(row).splitlines()) == 1
