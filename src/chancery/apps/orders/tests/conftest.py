"""An outside CA that nobody calls, and orders put at any point of their life."""

import pytest

from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.tests.account import values
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from tests.cast import request_pem


@pytest.fixture
def account(cast):
    """An active connector at a CA that can cancel and adopt, and the profile *Public* for it."""
    made = connectors.create(cast.ada, "digicert", values())
    product = {"product": "ssl_basic", "organization_id": "1"}
    profiles.create(cast.ada, {"name": "Public", "connector": "Public CA", "product": product})
    return made


@pytest.fixture
def order(cast):
    """Place an order of Rob's and put it into a state."""

    def make(state=None, profile="Internal", name="a.example.com", **columns):
        made = place(cast.rob, PlaceOrder(profile, request_pem(name)))
        if state is not None:
            Order.objects.filter(pk=made.pk).update(state=state, **columns)
        return Order.objects.get(pk=made.pk)

    return make
