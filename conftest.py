"""A cast of people for every test, and what runs only when asked for."""

from pathlib import Path

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.cast", "tests.results", "tests.template"]
# A slow machine is no failure: time is measured by `make bench`, and nowhere else.
settings.register_profile("chancery", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("chancery")


_ROOT = Path(__file__).parent
# Following lines costs half as much again. So it is done where the rooms that must be covered whole are tested: beside
# them, by their doors, by the journeys through them, and by the authorities that the conformance suite is whole with.
_FOLLOWED = tuple(
    _ROOT / place
    for place in (
        *(f"src/chancery/{room}" for room in ("core", "sdk", "apps", "engine", "doors")),
        *(f"src/chancery/authorities/{place}" for place in ("local", "digicert", "acme/tests/test_conformance.py")),
        "src/chancery/authorities/adcs/tests/test_over_services.py",
        "tests/journeys",
        "tests/plugins",
    )
)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also run what takes minutes")


def pytest_collection_modifyitems(config, items):
    import pytest

    for item in items:
        if not any(item.path.is_relative_to(place) for place in _FOLLOWED):
            item.add_marker(pytest.mark.no_cover)
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: make chaos runs it"))
