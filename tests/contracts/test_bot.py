"""The bot is a distribution of its own: it knows nothing of the server, and POSIX has one module."""

import ast
import statistics
import tomllib
from functools import cache

import pytest

from tests.contracts.tree import ROOT, SOURCE, imports

BOT = ROOT / "bot" / "src" / "chancery_bot"
POSIX = {"fcntl", "pwd", "grp", "signal", "subprocess", "ctypes", "resource", "termios"}
POSIX_FILES = {"posix.py": "is the module", "cli.py": "stops on SIGTERM", "testing.py": "ends the bot with SIGKILL"}
NETWORK = {"socket", "ssl", "http.client", "urllib.request"}
NETWORK_FILES = {"web.py": "speaks HTTP", "probe.py": "looks what is served", "posix.py": "asks for the host's name"}
SHARED = {"chancery_bot.wire", "chancery_bot.kinds", "chancery_bot.material"}
"""What the server may read of the bot: the schema, the settings of targets, and which kinds of keys there are."""


@cache
def files():
    return {
        p.relative_to(BOT).as_posix(): ast.parse(p.read_text()) for p in BOT.rglob("*.py") if "tests" not in p.parts
    }


def reaches(tree, wanted):
    return {n for n in imports(tree) if any(n == w or n.startswith(f"{w}.") for w in wanted)}


@pytest.mark.parametrize("path", sorted(files()))
def test_the_bot_stands_alone(path):
    tree = files()[path]
    assert not reaches(tree, {"chancery", "django", "httpx"})
    assert path in POSIX_FILES or not reaches(tree, POSIX), f"{path}: POSIX calls belong into posix.py"
    assert path in NETWORK_FILES or not reaches(tree, NETWORK), f"{path}: connections belong into web.py and probe.py"


def test_it_needs_two_libraries():
    project = tomllib.loads((ROOT / "bot" / "pyproject.toml").read_text())["project"]
    assert sorted(d.partition(">")[0] for d in project["dependencies"]) == ["cryptography", "pydantic"]


@pytest.mark.parametrize("room", ["core", "net", "sdk", "protocols", "authorities", "engine"])
def test_the_inner_rooms_do_not_know_bots(room):
    for path in (SOURCE / room).rglob("*.py"):
        assert not reaches(ast.parse(path.read_text()), {"chancery_bot"}), path


@pytest.mark.parametrize("room", ["apps", "doors"])
def test_server_and_bot_share_the_schema_and_nothing_that_acts(room):
    for path in (p for p in (SOURCE / room).rglob("*.py") if "tests" not in p.parts):
        named = reaches(ast.parse(path.read_text()), {"chancery_bot"}) - {"chancery_bot"}
        assert all(any(n == s or n.startswith(f"{s}.") for s in SHARED) for n in named), (path, named)


def test_its_functions_are_short():
    lengths = [
        n.end_lineno - n.lineno + 1
        for tree in files().values()
        for n in ast.walk(tree)
        if isinstance(n, ast.FunctionDef)
    ]
    assert max(lengths) <= 60
    assert statistics.median(lengths) < 10
    assert sorted(lengths)[len(lengths) * 9 // 10] <= 35


def test_every_kind_of_target_has_its_folder_and_its_suite():
    from chancery_bot.kinds import TITLES

    folders = {p.name for p in (BOT / "targets").iterdir() if (p / "target.py").exists()}
    assert folders == set(TITLES)
    for kind in folders:
        assert "(Conformance)" in (BOT / "targets" / kind / "tests" / f"test_{kind}.py").read_text()
