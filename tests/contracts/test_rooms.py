"""Who may open sockets, start programs, read the clock and roll dice; import-linter guards the rest."""

import pytest

from tests.contracts.tree import calls, imports, modules

OUTSIDE = {
    "socket",
    "ssl",
    "http",
    "urllib.request",
    "httpx",
    "httpcore",
    "requests",
    "subprocess",
    "smtplib",
    "ftplib",
}
OUTSIDE_ROOMS = ("net/", "protocols/", "sandbox/", "demo/")
OUTSIDE_FILES = {
    "doors/cli/rest.py": "the command line is a client of our own REST",
    "sdk/testing/line.py": "stands on loopback between an authority under test and its simulator; nothing that serves imports it",
    "sdk/testing/watch.py": "connects to nothing: sees to it that an authority under test does not either",
}
CLOCK = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "timezone.now", "timezone.localtime",
}  # fmt: skip
CLOCK_FILES = {"core/clock.py": "is the clock"}
DICE_FILES = {
    "core/breaker.py": "spreads probes with the generator it is given",
    "core/retry.py": "spreads retries with the generator it is given",
    "sdk/testing/lost.py": "chooses faults from a seed",
    "sdk/testing/slices.py": "chooses bytes from a seed",
    "sdk/testing/case.py": "names the type of what it is handed",
    "sandbox/dials.py": "chooses faults from a seed",
    "engine/worker.py": "makes the generator that the worker hands on",
    "engine/record.py": "hands on the generator it is given",
}


def reaches(names, wanted):
    return {name for name in names if any(name == w or name.startswith(f"{w}.") for w in wanted)} - {"http.HTTPStatus"}


def opens_outside(tree):
    found = reaches(imports(tree), OUTSIDE)
    return found - {"http"} if not reaches(found, OUTSIDE - {"http"}) and not any("." in f for f in found) else found


def offenders(look, allowed):
    """Return path → what `look` finds in a module, for those that are not `allowed` it; one test for all of them is quick."""
    found = {path: look(tree) for path, tree in modules().items() if not allowed(path)}
    assert found
    return {path: sorted(names) for path, names in found.items() if names}


def test_sockets_and_programs_only_where_they_are_guarded():
    def allowed(path):
        return path.startswith(OUTSIDE_ROOMS) or "/simulator/" in path or path in OUTSIDE_FILES

    assert offenders(opens_outside, allowed) == {}, "go through chancery.net or sdk.http"


def test_time_comes_from_the_injected_clock():
    found = offenders(lambda tree: calls(tree) & CLOCK, CLOCK_FILES.__contains__)
    assert found == {}, "take a core.clock.Clock instead"


def test_chance_is_injected():
    found = offenders(lambda tree: reaches(imports(tree), {"random"}), DICE_FILES.__contains__)
    assert found == {}, "take a random.Random as an argument"


def test_an_authority_never_sleeps():
    def elsewhere(path):
        return not path.startswith("authorities/") or "/simulator/" in path

    assert offenders(lambda tree: {c for c in calls(tree) if c.split(".")[-1] == "sleep"}, elsewhere) == {}


@pytest.mark.parametrize("path", OUTSIDE_FILES)
def test_no_exception_outlives_its_use_outside(path):
    assert opens_outside(modules()[path])


@pytest.mark.parametrize("path", DICE_FILES)
def test_no_exception_outlives_its_use_dice(path):
    assert reaches(imports(modules()[path]), {"random"})


def test_the_guards_see_what_they_look_for():
    assert opens_outside(modules()["net/connect.py"]) >= {"socket", "ssl", "httpcore"}
    assert calls(modules()["core/clock.py"]) & CLOCK == {"datetime.now"}
