"""Forms of CA types that are spoken to in several ways show what belongs to the chosen one, and all of it without scripts."""

import base64
import os

import pytest

from tests.browser.stand import log_in

CREATE = "/integrations/ca-connectors/type/emca/create"
OF_EACH = {
    "cmp": "cmp_secret",
    "est": "est_label",
    "acme": "acme_terms",
    "scep": "scep_authorization",
    "rest": "client_id",
}

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("CHANCERY_DATABASE_URL")), reason="what a page looks like does not depend on the database"
)


@pytest.fixture
def opened(browser, where):
    contexts = []

    def make(path, **more):
        contexts.append(browser.new_context(storage_state=log_in(browser, where, "ada"), **more))
        page = contexts[-1].new_page()
        page.goto(where.address(path))
        return page

    yield make
    for context in contexts:
        context.close()


def seen(page):
    names = "form#connector fieldset [name]"
    return set(page.eval_on_selector_all(names, "all => all.filter(e => e.offsetParent).map(e => e.name)"))


def test_a_form_shows_what_belongs_to_the_chosen_protocol(opened):
    page = opened(CREATE)
    for chosen, own in OF_EACH.items():
        page.select_option("[name=transport]", chosen)
        assert seen(page) & set(OF_EACH.values()) == {own}
        legends = page.eval_on_selector_all("legend", "all => all.filter(e => e.offsetParent).map(e => e.textContent)")
        assert {"CMP", "EST", "ACME", "SCEP", "REST"} & set(legends) == {chosen.upper()}
    # What depends on a choice inside the choice goes with both.
    page.select_option("[name=transport]", "cmp")
    assert "cmp_secret" in seen(page)
    page.select_option("[name=cmp_protection]", "certificate")
    assert "cmp_secret" not in seen(page)
    page.select_option("[name=transport]", "scep")
    assert "scep_challenge" in seen(page)


def starred(page):
    stars = "form#connector label .text-red"
    return set(
        page.eval_on_selector_all(stars, "all => all.filter(e => e.offsetParent).map(e => e.closest('label').htmlFor)")
    )


def test_stars_stand_at_what_the_chosen_protocol_needs(opened):
    page = opened(CREATE.replace("emca", "emsign"))
    v2 = starred(page)
    assert {"f-client_secret", "f-requestor_email"} <= v2
    page.select_option("[name=transport]", "v1")
    assert starred(page) - v2 == {"f-access_key", "f-requestor_isd", "f-requestor_phone"}
    page.select_option("[name=transport]", "acme")
    assert starred(page) - v2 == {"f-eab_key_id", "f-eab_hmac_key"}
    assert not starred(page) & {"f-requestor_email", "f-client_secret"}
    page.select_option("[name=transport]", "v2")
    assert starred(page) == v2


def test_without_scripts_every_field_is_there_and_says_what_it_is_for(opened):
    page = opened(CREATE, java_script_enabled=False)
    for folded in page.locator("form#connector details > summary").all():
        folded.click()
    shown = page.locator("form#connector fieldset :is(input, select, textarea):visible")
    names = {shown.nth(n).get_attribute("name") for n in range(shown.count())}
    assert set(OF_EACH.values()) <= names
    assert "Only for Protocol: CMP or EST or SCEP." in page.locator("#h-credential_file").inner_text()
    assert page.locator("input[type=file]:visible").count() == 0


def test_a_file_becomes_the_text_of_its_field(opened):
    page = opened(CREATE)
    field = page.locator("#f-credential_file")
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    for raw, expected in ((pem.encode(), pem), (b"\x30\x82\x00\xff", base64.b64encode(b"\x30\x82\x00\xff").decode())):
        page.set_input_files("#u-credential_file", {"name": "given", "mimeType": "text/plain", "buffer": raw})
        page.wait_for_function("value => document.getElementById('f-credential_file').value === value", arg=expected)
        assert field.input_value() == expected
