"""A cast of people for every test, what runs only when asked for, and what begins first."""

import gc

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.cast", "tests.results", "tests.template"]
# A slow machine is no failure: time is measured by `make bench`, and nowhere else.
settings.register_profile("chancery", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("chancery")
# Some hundred thousand things are loaded that no test throws away; searching them again and again took a tenth of the time.
gc.set_threshold(20_000, 50, 100)
SLOW = (
    "tests/chaos/",
    "tests/browser/",
    "tests/interop/",
    "tests/journeys/test_demo.py",
    "tests/journeys/test_host.py",
)
"""Where one test may take a minute: started last, it would leave the other processes without work for as long."""


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also run what takes minutes")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: make chaos runs it"))
    items[:] = _slow_first(items, getattr(config, "workerinput", {}).get("workercount", 1))


def _slow_first(items, parts):
    """Return the tests so that each of some contiguous parts, which are all as long, begins with its share of the slow ones."""
    slow = [item for item in items if item.nodeid.startswith(SLOW)]
    quick = [item for item in items if not item.nodeid.startswith(SLOW)]
    ends = [[len(some) * n // parts for n in range(parts + 1)] for some in (slow, quick)]
    return [
        item
        for n in range(parts)
        for some, end in zip((slow, quick), ends, strict=True)
        for item in some[end[n] : end[n + 1]]
    ]


def pytest_collection_finish():
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch):
    """What one test makes known to the log filter may be a word of a line that another one waits for."""
    from chancery.net import redact

    monkeypatch.setattr(redact, "_known", set(redact._known))
    monkeypatch.setattr(redact, "_known_frozen", redact._known_frozen)
