"""Ada administers, Rob requests, Amy approves, Dan audits; Cleo requests for another team."""

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import pytest

from chancery.core import csr, keys, pem
from chancery.core.names import parse_name
from tests.remembered import remembered

PASSWORD = "correct horse battery"


@cache
def request_pem(*names):
    key = keys.generate("EC-P256")
    return pem.encode("CERTIFICATE REQUEST", csr.build(key, [parse_name(n) for n in names], names[0]))


@dataclass
class Cast:
    host: object
    users: dict = field(default_factory=dict)
    actors: dict = field(default_factory=dict)

    def __getattr__(self, name):
        try:
            return self.__dict__["actors"][name]
        except KeyError:
            raise AttributeError(name) from None


@contextmanager
def lasting(blocker):
    """Keep what the block writes for every test inside it, and nothing afterwards.

    For fixtures of a module that take long to fill its tables: each test still has a savepoint of its own, so it finds
    them as they were filled. Only for modules without tests that commit.
    """
    from django.db import transaction

    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def cast(db):
    return gathered()


@remembered
def gathered():
    """Make the cast, two teams and an environment."""
    from chancery.apps.accounts import actions, queries
    from chancery.apps.shared.actor import host_actor

    host = host_actor("tester")
    ops, other = actions.create_team(host, "Operations"), actions.create_team(host, "Other")
    actions.create_environment(host, "Production", is_production=True)
    made = Cast(host)
    roles = {
        "ada": ("administrator", None),
        "rob": ("requester", ops.pk),
        "amy": ("approver", ops.pk),
        "dan": ("auditor", None),
        "cleo": ("requester", other.pk),
    }
    for name, (role, team) in roles.items():
        user = actions.create_user(host, name, PASSWORD, grants=[(role, team, None)])
        made.users[name] = user
        made.actors[name] = queries.actor_of(user, how="test")
    return made


@pytest.fixture
def local(cast):
    """An active local CA and a profile for it."""
    return local_ca(cast)


@remembered
def local_ca(cast):
    """Make the connector *Local* and the profiles *Internal* and *Careful* for it."""
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.profiles import actions as profiles

    common = {"team": "Operations", "environment": "Production"}
    made = connectors.create(cast.ada, "local", {"name": "Local", **common})
    profiles.create(cast.ada, {"name": "Internal", "connector": "Local", "validity_days": 30})
    profiles.create(cast.ada, {"name": "Careful", "connector": "Local", "needs_approval": True})
    return made


@pytest.fixture
def simulator():
    from chancery.authorities.digicert.simulator import build

    with build(limits=((5.0, 100_000),)) as sim:
        yield sim


@pytest.fixture
def digicert(cast, simulator):
    """An active connector at the simulated DigiCert and a profile for it."""
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.profiles import actions as profiles

    made = connectors.create(cast.ada, "digicert", digicert_values(simulator))
    product = {"product": "ssl_basic", "organization_id": "112233"}
    profiles.create(cast.ada, {"name": "Public", "connector": "DigiCert", "product": product})
    return made


def digicert_values(simulator, **more):
    account = simulator.credentials
    return {
        "name": "DigiCert",
        "base_url": simulator.url,
        "allowed_networks": "127.0.0.0/8",
        "team": "Operations",
        "environment": "Production",
        "api_key": account["api_key"],
        "reference_field_id": account["reference_field_id"],
        "skip_approval": True,
        **more,
    }


class Engine:
    """A worker whose turns the test takes; signing happens in this process."""

    def __init__(self):
        from concurrent.futures import ThreadPoolExecutor

        from chancery.engine.worker import Worker

        self.worker = Worker()
        self.worker._signers = ThreadPoolExecutor(1)

    def until(self, done, seconds=60.0):
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, "the engine did not get there in time"
            if not self.worker.turn():
                self.worker._wait(0.02)

    def close(self):
        self.worker._signers.shutdown()
        self.worker.close()


@pytest.fixture
def engine(transactional_db):
    made = Engine()
    yield made
    made.close()
