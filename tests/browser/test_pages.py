"""Every page of the route table, light and dark, wide and narrow."""

import os
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser import routes
from tests.browser.stand import ROOT, log_in

AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
"""It is put in by the debugger, so the page's own policy stays on."""
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 390, "height": 844}
BETWEEN = (768, 1024, WIDE["width"])

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("CHANCERY_DATABASE_URL")), reason="what a page looks like does not depend on the database"
)


@pytest.fixture(scope="module")
def cookies(browser, where):
    return log_in(browser, where, "ada")


@pytest.fixture(scope="module")
def looked(browser, cookies):
    """Return a page of somebody who is logged in, or is not, with what it said and asked for since the last time."""
    made = {}

    def look(*, logged_in):
        if logged_in not in made:
            # Colours that fade would be judged on their way.
            context = browser.new_context(storage_state=cookies if logged_in else None, reduced_motion="reduce")
            page, said, asked = context.new_page(), [], []
            page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            made[logged_in] = page, said, asked
        page, said, asked = made[logged_in]
        page.goto("about:blank")
        said.clear()
        asked.clear()
        return page, said, asked

    yield look
    for page, *_ in made.values():
        page.context.close()


def test_every_route_is_listed():
    assert routes.unlisted() == []


@pytest.mark.parametrize("name", sorted(routes.FORMS))
def test_what_only_forms_send_to_is_no_page(where, name):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(where.address(routes.FORMS[name]))
    refused.value.close()
    assert refused.value.code == 405


def test_files_are_downloads(browser, where, cookies):
    context = browser.new_context(storage_state=cookies)
    for path in routes.FILES.values():
        answer = context.request.get(where.address(path))
        assert answer.status == 200
        assert answer.headers["content-disposition"].startswith("attachment")
    context.close()


@pytest.mark.parametrize("name", sorted(routes.PAGES))
def test_page(looked, where, name, pytestconfig):
    """Axe judges it light where it is narrow and dark where it is wide; in the long form, both of both."""
    whole = pytestconfig.getoption("--long")
    page, said, asked = looked(logged_in=name not in routes.ANONYMOUS)
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    answer = page.goto(where.address(routes.PAGES[name]), wait_until="load")
    # What a page fetches of itself when it is loaded is there; to wait for silence on the line would cost half a second each.
    page.locator("[hx-trigger=load]").wait_for(state="detached")
    assert answer.status == 200
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert urlsplit(page.url).path == where.address(routes.PAGES[name]).removeprefix(where.url)
    open_menus(page)
    page.evaluate(AXE)
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    for width in (NARROW["width"], *BETWEEN):
        page.set_viewport_size({"width": width, "height": 900})
        assert wider_than_the_screen(page, width) == []
        if width == NARROW["width"] or whole:
            assert serious(page) == []
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    assert serious(page) == []
    if whole:
        page.set_viewport_size({"width": NARROW["width"], "height": 900})
        assert serious(page) == []
    assert said == []
    assert [u for u in asked if urlsplit(u).scheme != "data" and not u.startswith(where.url + "/")] == []


def test_a_narrow_page_is_left_by_its_menu(browser, where, cookies):
    context = browser.new_context(storage_state=cookies, color_scheme="dark", viewport=NARROW)
    page = context.new_page()
    page.goto(where.address("/orders"))
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    expect(page.get_by_role("link", name="Audit")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Audit")).to_be_visible()
    page.evaluate(AXE)
    assert serious(page) == []
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Audit")
    context.close()


def open_menus(page):
    """Open what is folded, so that it is judged too."""
    for summary in page.locator("details:not([open]) > summary").all()[:1]:
        summary.click()


def serious(page):
    """Return what axe finds serious or critical."""
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
    return [
        (v["id"], v["help"], [n["html"][:200] for n in v["nodes"]][:5])
        for v in found
        if v["impact"] in {"serious", "critical"}
    ]


def wider_than_the_screen(page, width):
    """Return the elements that make the page scroll sideways."""
    return page.evaluate(
        """w => document.documentElement.scrollWidth <= window.innerWidth && window.innerWidth === w ? []
          : [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > w)
            .map(e => e.outerHTML.slice(0, 120)).slice(0, 10).concat(['width ' + window.innerWidth])""",
        width,
    )
