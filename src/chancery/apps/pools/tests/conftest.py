"""Two accounts of one CA in a pool, and a third elsewhere; orders placed through a profile of that pool."""

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.pools import actions, queries
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from tests.cast import request_pem

PLACE = {"team": "Operations", "environment": "Production"}


class Site:
    """The pool *Both* of Berlin and Paris, vouched for, and the profile *Web* through it."""

    def __init__(self, cast):
        self.cast = cast
        self.berlin = self.connector("Berlin", region="eu")
        self.paris = self.connector("Paris", region="fr")
        self.pool = self.make("Both")
        self.profile = profiles.create(cast.ada, {"name": "Web", "pool": "Both", "validity_days": 30})

    def connector(self, name, **more):
        return connectors.create(self.cast.ada, "local", {"name": name, **PLACE, **more})

    def values(self, name, members=("Berlin", "Paris"), **more):
        places = [{"connector": m, "preference": i} if isinstance(m, str) else m for i, m in enumerate(members, 1)]
        vouched = {"trust": "vouched", "trust_reason": "Both roots are rolled out."}
        return {"name": name, "patience_minutes": 5, **PLACE, **vouched, "members": places, **more}

    def make(self, name, **more):
        return actions.create(self.cast.ada, self.values(name, **more))

    def edit(self, **more):
        self.pool = queries.get(self.cast.ada, self.pool.pk)
        return actions.edit(self.cast.ada, self.pool.pk, self.pool.revision, self.values("Both", **more))

    def order(self, name="www.example.com", profile="Web", **columns):
        made = place(self.cast.rob, PlaceOrder(profile, request_pem(name)))
        Order.objects.filter(pk=made.pk).update(**columns)
        return Order.objects.select_related("connector").get(pk=made.pk)

    def sick(self, one, since, **columns):
        Connector.objects.filter(pk=one.pk).update(breaker="open", sick_since=since, **columns)

    def use(self, **columns):
        Profile.objects.filter(pk=self.profile.pk).update(**columns)


@pytest.fixture
def site(cast):
    return Site(cast)


@pytest.fixture
def qa(cast):
    return people.create_environment(cast.host, "QA")
