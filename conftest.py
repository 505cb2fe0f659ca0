"""A cast of people for every test, what runs only when asked for, and what may not come last."""

import gc
import itertools
import os
import sys
from collections import defaultdict
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from zlib import crc32

import pytest

from tests import trying

pytest_plugins = ["tests.cast", "tests.results", "tests.template"]
# Compiled code is kept, whatever the machine is set to: hundreds of processes are started here, and compiling anew what each
# of them loads would be half of its start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Searching what tests make again and again took a tenth of the time.
gc.set_threshold(20_000, 50, 100)
BROWSER = "tests/browser/"
SLOW = (
    "tests/contracts/test_audit_calls.py",
    BROWSER,
    "tests/chaos/test_canaries.py",
    "tests/interop/test_acme_clients.py",
    "tests/journeys/test_demo.py",
    "tests/interop/test_bots.py",
    "tests/chaos/",
    "tests/interop/",
    "tests/journeys/test_host.py",
)
"""Where one test may wait for a minute, the longest first: begun last, it leaves the other processes without work for as long."""

WIRE = ("src/chancery/authorities/", "src/chancery/protocols/")
"""Where the same checks are made of each of two dozen ways to talk with a CA."""
VALUES, OF_THE_WIRE = 2, 1
"""So many of a test's values are run, if it has more: on PostgreSQL, and of what is about the wire alone."""


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also run what takes minutes")


def pytest_configure(config):
    trying.start(long=config.getoption("--long"))


@pytest.hookimpl(trylast=True)  # of what was asked for by name
def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        on = "postgresql" if os.environ.get("CHANCERY_DATABASE_URL") else "sqlite"
        for item in items:
            for mark in item.iter_markers("long"):
                if mark.kwargs.get("on", on) == on:
                    why = "the other database shows the same" if mark.kwargs else "takes minutes"
                    item.add_marker(pytest.mark.skip(reason=f"{why}: make chaos and make interop run it"))
        _few(config, items, *((WIRE, OF_THE_WIRE) if on == "sqlite" else ((), VALUES)))
    items[:] = _spread(items, getattr(config, "workerinput", {}).get("workercount", 1))


def _few(config, items, where, most):
    """Keep of each test there that has many values a few, from all over; what was asked for by its own name is kept.

    Another few of each test: what one suite leaves out of the checks that it shares with others, another one runs. What is
    skipped is none of them.
    """
    alike = defaultdict(list)
    for item in items:
        name = item.nodeid.partition("[")[0]
        runs = not any(item.iter_markers("skip"))
        if runs and item.nodeid.startswith(where or "") and not any("::" in arg for arg in config.args):
            alike[name].append(item)
    dropped = set()
    for name, some in alike.items():
        some.sort(key=lambda one: one.nodeid)
        first, number = crc32(name.encode()) % len(some), min(most, len(some))
        dropped |= {*some} - {some[(first + n * len(some) // number) % len(some)] for n in range(number)}
    config.hook.pytest_deselected(items=[item for item in items if item in dropped])
    items[:] = [item for item in items if item not in dropped]


def _load_a_share(config):
    """Load each nth module of those asked for first: in a fresh clone, n processes would all compile each of them at one time."""
    mine = getattr(config, "workerinput", None)
    if mine is None:
        return
    asked = {Path(config.invocation_params.dir, arg.partition("::")[0]) for arg in config.args}
    found = sorted(path.relative_to(config.rootpath) for one in asked for path in one.rglob("test_*.py"))
    left_out = tuple(map(str, config.getoption("ignore") or ()))
    for path in found[int(mine["workerid"].removeprefix("gw")) :: mine["workercount"]]:
        if not str(path).startswith(left_out):
            with suppress(Exception, pytest.skip.Exception):  # looking for its tests says why
                import_module(".".join(path.with_suffix("").parts).removeprefix("src.").removeprefix("bot.src."))


def _spread(items, parts):
    """Return the tests so that each of some contiguous parts, all as long, has its share of slow modules, and none at its end."""
    slow = sorted(_modules([item for item in items if item.nodeid.startswith(SLOW)]), key=_rank)
    quick = [item for item in items if not item.nodeid.startswith(SLOW)]
    spread, taken = [], 0
    for n in range(parts):
        mine = slow[n::parts]
        size = max(0, len(items) * (n + 1) // parts - len(items) * n // parts - sum(map(len, mine)))
        spread += _mixed(mine, _modules(quick[taken : taken + size]))
        taken += size
    return spread + quick[taken:]


def _modules(items):
    # Wherever they stand: in random order, the modules of one group are not side by side.
    found = defaultdict(list)
    for item in items:
        found[_module(item)].append(item)
    return list(found.values())


def _module(item):
    # All that use a browser go on with one installation, which works as long as it stands.
    return BROWSER if item.nodeid.startswith(BROWSER) else item.nodeid.partition("::")[0]


def _rank(module):
    return next(n for n, start in enumerate(SLOW) if module[0].nodeid.startswith(start))


def _mixed(slow, quick):
    """Return all tests of some modules: a slow one first, the others in even distances in the first four fifths."""
    places = [len(quick) * 4 * n // (5 * len(slow)) for n in range(len(slow))]
    for place, some in reversed(list(zip(places, slow, strict=True))):
        quick.insert(place, some)
    return itertools.chain.from_iterable(quick)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Whatever is made while tests are looked for stays: it is not searched for garbage, neither then nor later."""
    gc.disable()
    try:
        _load_a_share(session.config)
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch):
    """What one test makes known to the log filter may be a word of a line that another one waits for."""
    from chancery.net import redact

    monkeypatch.setattr(redact, "_known", set(redact._known))
    monkeypatch.setattr(redact, "_known_frozen", redact._known_frozen)


@pytest.fixture(scope="session", autouse=True)
def _an_address_for_notices_is_looked_at_once():
    """A process that takes seconds to load says whether it is understood, and of the same one always the same."""
    from chancery.net import notify, redact

    known, plain = {}, notify.check

    def check(url):
        redact.register(notify.secrets_of(url))
        if url.reveal() not in known:
            known[url.reveal()] = plain(url)
        return known[url.reveal()]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notify, "check", check)
        yield
