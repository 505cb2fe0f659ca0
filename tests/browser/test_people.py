"""How people get in and agree: a first login that asks for a second factor, a passkey, somebody else's log-in, an approval."""

import json
import os
import re
import time
from urllib.parse import urlsplit

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import expect

from chancery.net.listening import free_port
from tests.browser import stand
from tests.browser.samples import PASSWORD

CODES = "Your recovery codes"


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture
def provider():
    """An OpenID provider that we did not write, in a process of its own; returns its address."""
    port = free_port()
    claims = json.dumps({"sub": "42", "preferred_username": "olga", "name": "Olga Open", "groups": ["pki"]})
    running = stand.start(
        {**os.environ, "PYTHONWARNINGS": "ignore"},
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--user-claims",
        claims,
    )
    url = f"http://localhost:{port}"
    try:
        stand.wait(lambda: stand.answers(f"{url}/.well-known/openid-configuration"))
        yield url
    finally:
        stand.end([running])


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


def test_somebody_comes_in_by_a_provider_whom_an_administrator_trusts(browser, page, where, provider):
    log_in(page, where.url, "pat")
    page.goto(where.address("/people/providers"))
    told = {
        "Short name": "elsewhere",
        "Name on the log-in page": "Our Keycloak",
        "Address of the provider": provider,
        "Client id": "chancery",
        "Client secret": "what only the two know",
        "Private networks": "127.0.0.0/8\n::1/128",
        "Roles by group": "pki=auditor",
    }
    for label, value in told.items():
        page.get_by_label(label).fill(value)
    page.get_by_label("Let in whoever it knows").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("listitem").filter(has_text="Our Keycloak")).to_be_visible()
    other = browser.new_context()
    # The provider's pages take their looks from elsewhere; tests speak with this machine alone.
    other.route(lambda url: urlsplit(url).hostname not in {"127.0.0.1", "localhost"}, lambda route: route.abort())
    guest = other.new_page()
    guest.goto(where.address("/login"))
    guest.get_by_role("link", name="Log in with Our Keycloak").click()
    expect(guest.get_by_role("heading", name="Authorize Client")).to_be_visible()
    guest.get_by_role("button", name="Deny").click()
    expect(guest.get_by_role("link", name="Log in with Our Keycloak")).to_be_visible()
    guest.get_by_role("link", name="Log in with Our Keycloak").click()
    guest.get_by_role("button", name="42").click()
    expect(guest.get_by_role("heading", level=1)).to_contain_text("What needs you now")
    guest.goto(where.address("/audit"))
    expect(guest.get_by_role("row").filter(has_text="people.sign_on").first).to_contain_text("provider:elsewhere")
    other.close()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete Our Keycloak").click()
    expect(page.get_by_role("listitem").filter(has_text="Our Keycloak")).to_have_count(0)


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
