"""A moment of the test's choice, channels, and things that go wrong."""

import pytest

from chancery.apps.certificates.tests.conftest import NOW, clock, issued  # noqa: F401  fixtures
from chancery.apps.notices import actions
from chancery.net import notify


@pytest.fixture(autouse=True)
def understood(monkeypatch):
    """Take every address for one that the library knows; what it really knows is tested where it is called."""
    monkeypatch.setattr(notify, "check", lambda url: "")


@pytest.fixture
def channel(cast, local):
    def make(name="Chat", **values):
        given = {"name": name, "team": "Operations", "url": "json://host.example/a-token-of-the-test", **values}
        return actions.create(cast.ada, given)

    return make
