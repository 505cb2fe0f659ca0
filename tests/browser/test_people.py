"""How people get in and agree: a first login that asks for a second factor, a passkey, an approval by a second person."""

import re
import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import expect

from tests.browser.samples import PASSWORD

CODES = "Your recovery codes"


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def log_in(page, url, person):
    page.goto(f"{url}/login")
    page.get_by_label("Login name").fill(person)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


def code(secret, later=0):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + later))


def test_a_first_login_sets_up_an_app_and_the_next_one_asks_for_it(page, where):
    log_in(page, where.url, "tom")
    expect(page.get_by_text("Your role asks for a second factor")).to_be_visible()
    page.goto(where.address("/integrations/ca-connectors"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Second factors")
    secret = page.locator("#secret").inner_text().replace(" ", "")
    page.get_by_label("The code that it shows").fill(code(secret))
    page.get_by_role("button", name="Add the app").click()
    expect(page.get_by_text(CODES)).to_be_visible()
    spare = page.locator(".alert li code").first.inner_text()
    page.goto(where.address("/integrations/ca-connectors"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("CA connectors")
    for shown in (code(secret, 1), spare):
        page.get_by_role("button", name="Log out").click()
        log_in(page, where.url, "tom")
        page.get_by_label("Code of your app, or a recovery code").fill("000000")
        page.get_by_role("button", name="Log in", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        page.get_by_label("Code of your app, or a recovery code").fill(shown)
        page.get_by_role("button", name="Log in", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("What needs you now")


def test_a_passkey_is_made_and_then_lets_in_without_a_password(page, where):
    url = where.url.replace("127.0.0.1", "localhost")  # a passkey belongs to a name, never to an address
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    able = {"isUserVerified": True, "automaticPresenceSimulation": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": {**kind, **able}})
    said = []
    page.on("console", lambda message: said.append(message.text))
    log_in(page, url, "pia")
    page.get_by_label("Name of the key").fill("Blue key")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text(CODES)).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Blue key")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What needs you now")
    page.get_by_role("link", name="My account").click()
    expect(page.get_by_role("listitem").filter(has_text="this one")).to_contain_text("passkey")
    page.get_by_role("button", name="Log out").click()
    log_in(page, url, "pia")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What needs you now")
    assert said == []


def test_a_second_person_approves_what_the_first_proposed(browser, page, where):
    path = where.address("/changes/{change}")
    log_in(page, where.url, "ada")
    page.goto(path)
    expect(page.get_by_text("somebody else has to approve it")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    other = browser.new_context()
    second = other.new_page()
    log_in(second, where.url, "amy")
    second.goto(where.address("/changes"))
    second.get_by_role("link", name=re.compile("Local CA of the laboratory")).click()
    expect(second.get_by_role("row").filter(has_text="Development")).to_be_visible()
    second.get_by_role("button", name="Approve").click()
    expect(second.get_by_text("In force", exact=True)).to_be_visible()
    other.close()
    page.reload()
    expect(page.get_by_role("link", name="Local CA of the laboratory")).to_be_visible()
