"""No text becomes script: hostile texts in every field that is shown, looked at in a real browser."""

import json

import pytest

from tests.browser import routes, stand
from tests.browser.payloads import payloads
from tests.browser.poison import SHOWN

TURNS = 2
"""Each gives every field other texts."""
WATCH = """
window.pwned = () => window.told('a script ran');
window.alert = window.confirm = window.prompt = () => window.told('a script ran');
document.addEventListener('securitypolicyviolation', e => window.told(`CSP: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`));
"""


def test_there_are_two_hundred():
    assert len(payloads()) == len(set(payloads())) == 200


@pytest.fixture
def own():
    """Return an installation of this test's own: nothing else looks at it afterwards."""
    with stand.stand() as made:
        yield made


@pytest.mark.long
def test_no_text_becomes_script(browser, own, result):
    state, told, pairs, looks = stand.log_in(browser, own, "ada"), [], set(), 0
    context = browser.new_context(storage_state=state)
    context.expose_function("told", lambda text: told.append(text))  # a method of a list cannot be wrapped
    context.add_init_script(WATCH)
    page = context.new_page()
    page.on("dialog", lambda dialog: (told.append("a dialog opened"), dialog.dismiss()))
    page.on("request", lambda request: "evil.example" in request.url and told.append(f"asked for {request.url}"))
    wrong = []
    for turn in range(TURNS):
        pairs |= {tuple(pair) for pair in json.loads(stand.run(own.environ, "-m", "tests.browser.poison", str(turn)))}
        for name, path in sorted(routes.PAGES.items()):
            answer = page.goto(own.address(path), wait_until="load")
            wrong += [(name, turn, answer.status)] if answer.status != 200 else []
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            looks += 1
            wrong += [(name, turn, text) for text in told]
            told.clear()
    context.close()
    assert wrong == []
    fields = len({field for field, _ in pairs})
    assert fields >= sum(len(names.split()) for names in SHOWN.values()) * 0.9, "some rows of each kind are there"
    what = f"scripts run and policy reports, of {len(payloads())} hostile texts in {fields} fields ({len(pairs)} pairs)"
    result("R35", 0, f"{what}; {looks} looks at {len(routes.PAGES)} pages in Chromium")
