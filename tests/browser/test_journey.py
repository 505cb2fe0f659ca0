"""From logging in to a refused deletion, by pointer and by keyboard alone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.samples import PASSWORD
from tests.cast import request_pem

SOON = 30_000
_LONG = 100


class Pointer:
    """A person with a mouse."""

    def __init__(self, page):
        self.page = page

    def press(self, target):
        target.click()

    def write(self, target, text):
        target.fill(text)

    def choose(self, target, text):
        target.select_option(label=text)


class Keyboard:
    """A person who has only keys: Tab, Enter, Space, arrows and letters."""

    def __init__(self, page):
        self.page = page

    def reach(self, target):
        expect(target).to_be_visible()
        if target.evaluate("e => document.activeElement === document.body && !!e.closest('main')"):
            # The first thing there is leads past the navigation.
            self.page.keyboard.press("Tab")
            self.page.keyboard.press("Enter")
        for _ in range(120):
            if target.evaluate("e => e === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab never gets to {target}")

    def press(self, target):
        self.reach(target)
        tag = target.evaluate("e => e.tagName + ':' + (e.type || '')")
        self.page.keyboard.press("Space" if tag in {"BUTTON:submit", "BUTTON:button", "INPUT:checkbox"} else "Enter")

    def write(self, target, text):
        self.reach(target)
        self.page.keyboard.press("Control+a")
        # What is long is pasted.
        (self.page.keyboard.insert_text if len(text) > _LONG else self.page.keyboard.type)(text)

    def choose(self, target, text):
        self.reach(target)
        for key in ("Home", *["ArrowDown"] * 50):
            self.page.keyboard.press(key)
            if target.evaluate("e => e.selectedOptions[0].label") == text:
                return
        raise AssertionError(f"{text} cannot be chosen with the arrows")


@pytest.mark.parametrize(("way", "person", "name"), [(Pointer, "pat", "By pointer"), (Keyboard, "kim", "By keyboard")])
def test_journey(browser, where, way, person, name):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    hand = way(page)
    log_in(page, hand, where, person)
    create_connector(page, hand, where, name)
    act(page, hand, name, "Test connection")
    expect(page.get_by_text("The API key is accepted").first).to_be_visible(timeout=SOON)
    hand.press(page.get_by_role("link", name="Back"))
    act(page, hand, name, "Deactivate")
    expect(row(page, name)).to_contain_text("Inactive")
    act(page, hand, name, "Activate")
    expect(row(page, name).get_by_text("Active", exact=True)).to_be_visible()
    create_profile(page, hand, where, name)
    order(page, hand, name, "www.example.com")
    expect(page.get_by_text("Issued", exact=True).first).to_be_visible(timeout=SOON)
    expect(page.get_by_role("link", name=re.compile("^Certificate "))).to_be_visible(timeout=SOON)
    to_connectors(page, hand)
    act(page, hand, name, "Deactivate")
    expect(page.get_by_text("new orders wait")).to_be_visible()
    order(page, hand, name, "held.example.com", "; waits: its connector is inactive")
    stays_held(page)
    to_connectors(page, hand)
    act(page, hand, name, "Delete")
    expect(page.get_by_role("alert")).to_contain_text("cannot be deleted")
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    expect(page.get_by_role("main")).to_contain_text(f"profile {name}: orders with this profile go to this connector")
    expect(page.get_by_role("main")).to_contain_text("order held.example.com: is queued")
    to_connectors(page, hand)
    expect(row(page, name)).to_contain_text("Inactive")
    context.close()


def log_in(page, hand, where, person):
    page.goto(where.address("/login"))
    hand.write(page.get_by_label("Login name"), person)
    hand.write(page.get_by_label("Password"), PASSWORD)
    hand.press(page.get_by_role("button", name="Log in", exact=True))
    expect(page.get_by_role("heading", level=1)).to_contain_text("What needs you now")


def to_connectors(page, hand):
    hand.press(page.get_by_role("link", name="Integrations"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("CA connectors")
    hand.press(page.get_by_role("link", name=re.compile("DigiCert")))
    expect(page.get_by_role("heading", level=1)).to_contain_text("DigiCert")


def row(page, name):
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def act(page, hand, name, action):
    """Select an action of a connector's row."""
    hand.press(row(page, name).locator("summary"))
    hand.press(row(page, name).locator("details").get_by_text(action, exact=True))
    page.wait_for_load_state()


def enter(page, hand, field, value):
    """Give a field its value, whatever kind of input it is."""
    target = page.locator(f"#f-{field}")
    if target.evaluate("e => e.tagName") == "SELECT":
        hand.choose(target, value)
    else:
        hand.write(target, value)


def create_connector(page, hand, where, name):
    to_connectors(page, hand)
    hand.press(page.get_by_role("link", name="+ Create"))
    enter(page, hand, "name", name)
    enter(page, hand, "base_url", where.digicert["url"])
    enter(page, hand, "api_key", where.digicert["credentials"]["api_key"])
    enter(page, hand, "reference_field_id", where.digicert["credentials"]["reference_field_id"])
    hand.press(page.locator("#f-skip_approval"))
    enter(page, hand, "allowed_networks", "127.0.0.0/8")
    enter(page, hand, "environment", "Production")
    hand.press(page.get_by_role("button", name="Test connection"))
    expect(page.get_by_text("The API key is accepted").first).to_be_visible(timeout=SOON)
    enter(page, hand, "api_key", "wrong")
    hand.press(page.get_by_role("button", name="Test and save"))
    expect(page.get_by_role("heading", name="Not saved: the test found faults")).to_be_visible(timeout=SOON)
    enter(page, hand, "api_key", where.digicert["credentials"]["api_key"])
    hand.press(page.get_by_role("button", name="Test and save"))
    expect(page.get_by_text(f"{name} was created.")).to_be_visible(timeout=SOON)


def create_profile(page, hand, where, name):
    hand.press(page.get_by_role("link", name="Profiles"))
    hand.press(page.get_by_role("link", name="+ Create"))
    hand.choose(page.get_by_label("Connector"), f"{name} (Production)")
    expect(page.locator("#f-product")).to_be_visible()
    hand.write(page.get_by_label("Name", exact=True), name)
    enter(page, hand, "product", "ssl_basic")
    enter(page, hand, "organization_id", where.digicert["credentials"]["organization_id"])
    hand.press(page.get_by_role("button", name="Save"))
    expect(page.get_by_text("The profile is saved.")).to_be_visible()


def order(page, hand, name, host, waits=""):
    hand.press(page.get_by_role("link", name="Orders"))
    hand.press(page.get_by_role("link", name="New order"))
    hand.choose(page.get_by_label("Profile", exact=True), f"{name} (Production{waits})")
    hand.write(page.get_by_label("Certificate request (PEM)"), request_pem(host))
    hand.press(page.get_by_role("button", name="Order", exact=True))
    expect(page.get_by_role("heading", level=1)).to_contain_text(host)


def stays_held(page):
    """Look twice, with the page's own update between: the order waits and nothing was sent."""
    for _ in range(2):
        expect(page.get_by_text("Queued", exact=True).first).to_be_visible()
        with page.expect_response(lambda answer: "/orders/" in answer.url):
            pass
    expect(page.get_by_role("link", name=re.compile("^Certificate "))).to_have_count(0)
