"""Connectors that are never called, and orders put at any point of their life."""

import pytest

from chancery.apps.orders.models import Order
from chancery.engine.jobs import ORIGIN, Job
from chancery.engine.record import Recorder
from chancery.engine.tests.kit import FENCE, asked, rng
from tests.cast import request_pem
from tests.remembered import remembered


@pytest.fixture
def remote(cast):
    """An active DigiCert connector at an address where nobody listens, and its profile."""
    return nobody(cast)


@remembered
def nobody(cast):
    """Make them."""
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.profiles import actions as profiles

    values = {
        "name": "DigiCert",
        "base_url": "http://127.0.0.1:9",
        "allowed_networks": "127.0.0.0/8",
        "team": "Operations",
        "environment": "Production",
        "api_key": "an-api-key-of-the-test",
        "reference_field_id": "11",
    }
    made = connectors.create(cast.ada, "digicert", values)
    product = {"product": "ssl_basic", "organization_id": "112233"}
    profiles.create(cast.ada, {"name": "Public", "connector": "DigiCert", "product": product})
    return made


class Desk:
    """Places orders, moves them anywhere, and records results for them at a moment of the test's choice."""

    def __init__(self, cast, connector, now):
        self.cast, self.connector, self.now = cast, connector, now

    def order(self, state="submitting", profile="Public", **columns):
        from chancery.apps.orders import place

        made = place.place(self.cast.rob, place.PlaceOrder(profile, request_pem("www.example.com")))
        columns = {"fence": FENCE, "state": state, "intended_at": self.now, "due_at": self.now, **columns}
        Order.objects.filter(pk=made.pk).update(**columns)
        return Order.objects.get(pk=made.pk)

    def job(self, order, kind, **changes):
        values = asked(id=order.pk, profile=order.profile_id, team=order.team_id, environment=order.environment_id)
        connector = self.connector
        job = Job(kind, order.pk, FENCE, connector.pk, connector.epoch, connector.current_id, "digicert", values)
        assert changes or order.state == ORIGIN[kind]
        return job

    def record(self, *pairs):
        from django.db import transaction

        with transaction.atomic():
            Recorder(self.now, rng()).record(list(pairs))
        return [Order.objects.get(pk=job.row) if job.asked is not None else None for job, _ in pairs]

    def result(self, result, kind, **columns):
        """Record one result for a fresh order; returns the order and its last event."""
        order = self.order(ORIGIN[kind], **columns)
        after = self.record((self.job(order, kind), result))[0]
        return after, after.events.order_by("id").last()


@pytest.fixture
def desk(cast, remote):
    from datetime import timedelta

    from chancery.core.clock import SYSTEM_CLOCK

    # Later than anything that the fixtures wrote, to the microsecond the same for a whole test.
    return Desk(cast, remote, SYSTEM_CLOCK.now() + timedelta(minutes=1))
