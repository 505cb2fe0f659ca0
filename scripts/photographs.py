"""Photographs every page of the console's route table, light and dark, 1280 and 390 wide, into docs/images."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
WIDTHS = {1280: 900, 390: 844}
"""Width → least height of a picture, in CSS pixels."""

sys.path.insert(0, str(ROOT))


def unlisted() -> list[str]:
    """Return the routes that the table of pages does not know, or knows wrongly."""
    import django

    from tests.browser import routes

    with tempfile.TemporaryDirectory() as home:
        os.environ["CHANCERY_HOME"] = home
        os.environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
        django.setup()
        return routes.unlisted()


def photograph() -> int:
    """Write every picture; return how many."""
    from tests.browser import routes, stand

    IMAGES.mkdir(parents=True, exist_ok=True)
    taken = 0
    with stand.stand() as where, stand.chromium() as browser:
        cookies = stand.log_in(browser, where, "ada")
        for scheme in ("light", "dark"):
            for width, height in WIDTHS.items():
                size = {"width": width, "height": height}
                for name, path in routes.PAGES.items():
                    state = None if name in routes.ANONYMOUS else cookies
                    context = browser.new_context(storage_state=state, color_scheme=scheme, viewport=size)
                    page = context.new_page()
                    answer = page.goto(where.address(path))
                    if answer is None or answer.status != 200:
                        raise SystemExit(f"{name}: {path} does not show a page")
                    page.screenshot(path=IMAGES / f"{name}-{scheme}-{width}.png", full_page=True)
                    context.close()
                    taken += 1
    return taken


def main() -> int:
    """Refuse while a page is unlisted; else write the pictures."""
    problems = unlisted()
    if problems:
        print(*problems, sep="\n")
        return 1
    print(f"{photograph()} photographs are in {IMAGES.relative_to(ROOT)}")
    return 0


sys.exit(main())
