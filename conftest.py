"""A cast of people for every test, and what runs only when asked for."""

pytest_plugins = ["tests.cast"]


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also run what takes minutes")


def pytest_collection_modifyitems(config, items):
    import pytest

    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: make chaos runs it"))
