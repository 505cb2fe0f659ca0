"""Writes the reference pages that are made from the code; tests/contracts fails when they are out of date."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PAGES = Path(__file__).parents[1] / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return every page by its file name; Django must be set up."""
    import json

    from chancery import catalog
    from chancery.apps.audit import proofs
    from chancery.doors.api import reference as rest
    from chancery.doors.api import target_page, types
    from chancery.doors.api.api import api
    from chancery.doors.cli import reference as cli
    from chancery.settings import environment

    description = api.get_openapi_schema()
    return {
        "settings.md": environment.reference(),
        "rest.md": rest.reference(description),
        "openapi.json": json.dumps(description, indent=1, ensure_ascii=False) + "\n",
        "cli.md": cli.reference(),
        "targets.md": target_page.page(),
        "verify_audit.py": proofs.program().decode(),
        **{f"authorities/{slug}.md": types.page(catalog.get(slug)) for slug in catalog.BUILT_IN},
    }


def main() -> None:
    """Write every page; the settings are read in a home that is thrown away."""
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(CHANCERY_HOME=home, DJANGO_SETTINGS_MODULE="chancery.settings")
        import django

        django.setup()
        for name, text in pages().items():
            (PAGES / name).parent.mkdir(exist_ok=True)
            (PAGES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
