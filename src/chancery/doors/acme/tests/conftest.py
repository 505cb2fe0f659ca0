"""An ACME client on the other side of the door, without a network between."""

import pytest
from django.db import connections
from django.test import Client as Web

from bench.acme_client import Answer, Client
from chancery.apps.acme import actions, arriving, finalizing, ordering
from chancery.apps.acme.jose import decode
from chancery.doors.acme import waiting
from chancery.doors.acme.tests.proofs import Looker
from chancery.protocols.acme.tests.zone import Zone

SERVER = "https://pki.example.com"


def send(method, url, body, headers):
    """Hand a request over to the door."""
    web = Web(headers={"host": "localhost"})
    found = web.generic(
        method, url.removeprefix(SERVER), body or b"", headers.get("Content-Type", ""), REMOTE_ADDR="192.0.2.9"
    )
    headers = {}
    for name, value in found.items():
        headers[name.lower()] = f"{headers[name.lower()]}, {value}" if name.lower() in headers else value
    return Answer(found.status_code, headers, found.content)


def aside(call, *given):
    """Make a call that runs on a thread of its own; its connection to the database ends with it."""
    try:
        return call(*given)
    finally:
        connections.close_all()


@pytest.fixture
def served(settings, cast, local):
    settings.ACME_URL = SERVER
    yield local
    for part in (arriving, finalizing, ordering, waiting):
        part.close()


class Door:
    """Makes clients, with what they need."""

    def __init__(self, cast):
        self.cast = cast

    def offer(self, profile="Internal", **more):
        return actions.offer(self.cast.ada, profile, **{"any_name": True, **more})

    def credential(self, name="web-1", profile="Internal", **more):
        made, secret = actions.create_credential(self.cast.ada, name, profile=profile, **more)
        return made, decode(secret, "mac")

    def client(self, key=None):
        return Client(f"{SERVER}/acme/directory", send, key)

    def registered(self, name="web-1", profile="Internal", **more):
        credential, secret = self.credential(name, profile, **more)
        made = self.client()
        assert made.register(str(credential.pk), secret).status == 201
        return made


@pytest.fixture
def door(served, cast):
    return Door(cast)


@pytest.fixture
def zone(settings):
    made = Zone("example.test")
    made.every_name = "127.0.0.1"
    with made.served() as where:
        host, _, port = where.partition(":")
        settings.ACME_RESOLVERS = ((host, int(port)),)
        yield made


@pytest.fixture
def looker():
    made = Looker()
    yield made
    made.validations.close()
