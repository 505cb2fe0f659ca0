"""A home that is thrown away, and a cast of people for every test."""

import os
import tempfile

os.environ["CHANCERY_HOME"] = tempfile.mkdtemp(prefix="chancery-test-")
os.environ.setdefault("CHANCERY_LOG_LEVEL", "ERROR")

pytest_plugins = ["tests.cast"]


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also run what takes minutes")


def pytest_collection_modifyitems(config, items):
    import pytest

    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: make chaos runs it"))
