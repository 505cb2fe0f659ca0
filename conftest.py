"""A cast of people for every test, and what runs only when asked for."""

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.cast", "tests.results", "tests.template"]
# Compiled code is kept, whatever the machine is set to: hundreds of processes are started here, and compiling anew what each
# of them loads would be half of its start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A slow machine is no failure: time is measured by `make bench`, and nowhere else.
settings.register_profile("chancery", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("chancery")


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also run what takes minutes")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: make chaos runs it"))


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch):
    """What one test makes known to the log filter may be a word of a line that another one waits for."""
    from chancery.net import redact

    monkeypatch.setattr(redact, "_known", set(redact._known))
    monkeypatch.setattr(redact, "_known_frozen", redact._known_frozen)
