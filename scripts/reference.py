"""Writes the reference pages that are made from the code; tests/contracts fails when they are out of date."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PAGES = Path(__file__).parents[1] / "docs" / "reference"


def main() -> None:
    """Write every page; the settings are read in a home that is thrown away."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["CHANCERY_HOME"] = home
        from chancery.settings.environment import reference

        (PAGES / "settings.md").write_text(reference(), encoding="utf-8")


main()
