"""Follows lines in some tests alone: `--cov=… --followed PATH …`; following costs half as much again, for protocols twice.

The other tests of the run, and looking for tests, are not followed. What a module does when it is loaded is followed once, in
the process that hands out the tests. Without `--followed`, all is as `--cov` has it.
"""

import pkgutil
from importlib import import_module

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--followed",
        action="append",
        default=[],
        metavar="PATH",
        help="with --cov: only tests below these are followed",
    )


@pytest.hookimpl(trylast=True)  # once --cov has begun
def pytest_sessionstart(session):
    config, paths = session.config, session.config.getoption("--followed")
    cov = config.pluginmanager.getplugin("_cov")
    if cov is None or not paths:
        return
    if not hasattr(config, "workerinput"):
        for name in config.getoption("cov_source"):
            load(import_module(name))
    config.pluginmanager.register(Followed(cov.cov_controller, paths))


def load(package):
    """Load everything that is followed: what is not loaded by a followed test would count as never run."""
    for found in pkgutil.iter_modules(getattr(package, "__path__", []), f"{package.__name__}."):
        if found.name.rpartition(".")[2] not in {"tests", "migrations", "__main__"}:
            load(import_module(found.name))


class Followed:
    """Begins and ends following as tests come that are followed, and others."""

    def __init__(self, controller, paths):
        self.controller, self.paths = controller, paths
        controller.pause()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        wanted = self._wanted(item.nodeid.partition("::")[0])
        if wanted and not self.controller.started:
            self.controller.resume()
        if not wanted and self.controller.started:
            self.controller.pause()
        return (yield)

    def _wanted(self, path):
        return any(path == one or path.startswith(f"{one}/") for one in self.paths)
