"""One installation for all that use a browser, one Chromium per module."""

import pytest
from playwright.sync_api import expect

from tests.browser import stand as stands

# A busy machine is no failure: what a page is to show is waited for as long as for the page itself.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="package")
def where():
    with stands.stand() as made:
        yield made


# Not for all of them: while Playwright is open its event loop runs in this thread, where other tests use the database.
@pytest.fixture(scope="module")
def browser():
    with stands.chromium() as made:
        yield made
