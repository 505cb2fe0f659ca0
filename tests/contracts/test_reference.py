"""The reference pages say what the code does."""

import runpy

import pytest

from tests.contracts.tree import ROOT

NAMES = ["settings.md", "rest.md", "openapi.json", "cli.md"]


@pytest.fixture(scope="module")
def pages():
    return runpy.run_path(str(ROOT / "scripts" / "reference.py"))["pages"]()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_what_the_code_says(pages, name):
    assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == pages[name], (
        "run .venv/bin/python scripts/reference.py"
    )


def test_no_page_is_forgotten(pages):
    assert set(pages) == set(NAMES)


def test_every_command_and_operation_is_on_its_page(pages):
    from chancery.doors.api.api import api
    from chancery.doors.cli.remote import GROUPS

    for path, methods in api.get_openapi_schema()["paths"].items():
        assert all(f"### {method.upper()} {path}\n" in pages["rest.md"] for method in methods)
    for name, group in GROUPS.items():
        for command in group.registered_commands:
            assert f"### chancery {name} {command.name}\n" in pages["cli.md"]
