"""What keeps accounts at CAs safe, by hand: a credential is rotated, and a weakness is mended until the page finds it no more."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_people import log_in

SOON = 30_000
LOOKS = 60


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def shown(page, text):
    """Load the page again until it says something."""
    for _ in range(LOOKS):
        if page.get_by_text(text, exact=True).count():
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError(f"{text!r} never came: {page.get_by_role('main').inner_text()}")


def americas(page, where):
    page.goto(where.address("/integrations/ca-connectors/type/digicert"))
    page.get_by_role("link", name="DigiCert Americas", exact=True).click()


def test_a_credential_is_staged_tested_switched_and_the_old_one_revoked(page, where):
    log_in(page, where.url, "pat")
    # Not the one that other tests look at: what is mended here would be missing there.
    americas(page, where)
    page.get_by_role("link", name="Credential", exact=True).click()
    expect(page.get_by_role("heading", name="1. Stage a new one")).to_be_visible()
    page.locator("#f-api_key").fill("a-key-that-digicert-does-not-know")
    page.get_by_role("button", name="Stage").click()
    page.get_by_role("button", name="Test", exact=True).click()
    shown(page, "found faults")
    page.get_by_role("button", name="Erase it").click()
    key = where.digicert["credentials"]["api_key"]
    page.locator("#f-api_key").fill(key)
    page.get_by_role("button", name="Stage").click()
    assert key not in page.content()
    page.get_by_role("button", name="Test", exact=True).click()
    shown(page, "passed")
    page.get_by_role("button", name="Switch", exact=True).click()
    expect(page.get_by_role("heading", name="4. The new one is in force")).to_be_visible()
    expect(page.get_by_text("The old one is kept until")).to_be_visible()
    page.get_by_role("button", name="It is revoked at the CA").click()
    expect(page.get_by_text("The rotation is over")).to_be_visible()
    expect(page.get_by_role("heading", name="1. Stage a new one")).to_be_visible()


def test_a_weakness_is_mended_and_found_no_more(page, where):
    log_in(page, where.url, "pat")
    americas(page, where)
    page.get_by_role("link", name="Copy", exact=True).click()
    page.get_by_label("Name of the copy").fill("DigiCert Asia")
    page.get_by_role("button", name="Copy", exact=True).click()
    page.goto(where.address("/posture"))
    finding = page.get_by_role("link", name="DigiCert Asia: was never tested as it stands.")
    finding.click()
    expect(page.get_by_text("Test and save.")).to_be_visible()
    page.get_by_role("link", name="DigiCert Asia").click()
    page.get_by_role("link", name="Edit", exact=True).first.click()
    page.locator("#f-api_key").fill(where.digicert["credentials"]["api_key"])
    page.get_by_role("button", name="Test and save").click()
    expect(page.get_by_text("DigiCert Asia was changed.")).to_be_visible(timeout=SOON)
    page.goto(where.address("/posture"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Posture")
    expect(finding).to_have_count(0)
