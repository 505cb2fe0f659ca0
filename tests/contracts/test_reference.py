"""The reference pages say what the code does."""

import runpy

import pytest

from chancery import catalog
from tests.contracts.tree import ROOT

FOLDER = ROOT / "docs" / "reference"
NAMES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.*"))


@pytest.fixture(scope="module")
def pages():
    return runpy.run_path(str(ROOT / "scripts" / "reference.py"))["pages"]()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_what_the_code_says(pages, name):
    assert (FOLDER / name).read_text(encoding="utf-8") == pages.get(name), "run .venv/bin/python scripts/reference.py"


def test_no_page_is_forgotten(pages):
    assert set(pages) == set(NAMES)
    assert {f"authorities/{slug}.md" for slug in catalog.BUILT_IN} <= set(NAMES)


def test_every_command_and_operation_is_on_its_page(pages):
    from chancery.doors.api.api import api
    from chancery.doors.cli.remote import GROUPS

    for path, methods in api.get_openapi_schema()["paths"].items():
        assert all(f"### {method.upper()} {path}\n" in pages["rest.md"] for method in methods)
    for name, group in GROUPS.items():
        for command in group.registered_commands:
            assert f"### chancery {name} {command.name}\n" in pages["cli.md"]
