"""Takes each audit call of the actions away in turn, and runs a test again that made it: `pytest -p tests.muting --muted FILE …`.

A call is a place in the code. Where a test has passed that made it, the test is run once more with this one call silent; the
call counts as missed if a test fails then. FILE gets which were missed by which test, and which by none.
"""

import ast
import json
import sys
from functools import cache
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).resolve().parents[1]
APPS = ROOT / "src" / "chancery" / "apps"
MOST = 40
"""Tests that are run again for one call before it counts as one that nobody misses."""


def calls():
    """Return every audit call of an action, as `path:line`."""
    return sorted(
        {place for path in APPS.rglob("*.py") if "tests" not in path.parts for place in _lines(path).values()}
    )


@cache
def _lines(path):
    """Return line → the call that it belongs to, for one file."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "act.note":
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            found |= dict.fromkeys(lines, f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


class Muting:
    def __init__(self, file):
        self.file, self.silent, self.made = file, "", set()
        self.missed, self.tried = {}, {}
        self.all = calls()

    def install(self):
        from chancery.apps.shared.action import Act
        from tests import remembered

        remembered.anew = True
        plain, mine = Act.note, self

        def note(act, *args, **more):
            frame = sys._getframe(1)
            place = _lines(Path(frame.f_code.co_filename)).get(frame.f_lineno, "")
            mine.made.add(place)
            if not place or place != mine.silent:
                plain(act, *args, **more)

        Act.note = note

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item, nextitem):
        self.made, self.silent = set(), ""
        yield
        if not getattr(item, "passed", False):
            return
        left = sorted(self.made & set(self.all) - set(self.missed))
        # A test that cannot be run twice would fail with every call in its place, and shows nothing.
        if left and self.again(item, nextitem, ""):
            return
        for place in left:
            if self.tried.setdefault(place, 0) < MOST:
                self.tried[place] += 1
                if self.again(item, nextitem, place):
                    self.missed[place] = item.nodeid

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        outcome = yield
        if call.when == "call" and not self.silent:
            item.passed = outcome.get_result().passed

    def again(self, item, nextitem, place):
        """Run a test with one call silent; says whether it fails."""
        self.silent = place
        try:
            item._initrequest()
            return any(report.failed for report in runtestprotocol(item, log=False, nextitem=nextitem))
        finally:
            self.silent = ""

    def pytest_sessionfinish(self):
        left = [place for place in self.all if place not in self.missed]
        told = {"calls": self.all, "missed": self.missed, "by_nobody": left, "tried": self.tried}
        self.file.write_text(json.dumps(told, indent=1), encoding="utf-8")


def pytest_addoption(parser):
    parser.addoption("--muted", type=Path, help="file for what was missed (see tests/muting.py)")


def pytest_configure(config):
    file = config.getoption("--muted")
    if file is not None:
        made = Muting(file)
        made.install()
        config.pluginmanager.register(made)
