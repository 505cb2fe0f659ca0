"""Secrets that stay elsewhere: who may say where, how far a reference leads, and what is said when it leads nowhere."""

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.connectors import actions, credentials, references
from chancery.apps.connectors.versions import unsealed_version
from chancery.apps.shared.action import use_clock
from chancery.core.errors import Absent, Invalid, NotPermitted, Unavailable
from chancery.core.secret import Secret
from chancery.keystores.simulator.vault import Simulator
from chancery.sdk.testing import START, ManualClock
from chancery.settings import environment
from tests.cast import PASSWORD, digicert_values

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def server():
    with Simulator() as simulator:
        simulator.vault.tokens["s.token"] = ("secret/",)
        simulator.vault.secrets["secret", "ca/digicert"] = {"api_key": "from-vault"}
        yield simulator


@pytest.fixture(autouse=True)
def outside(tmp_path, settings, monkeypatch, server):
    """A folder and a Vault that references may lead to, and something beside the folder that they may not."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "digicert").write_text("from-file\n")
    (tmp_path / "kek").write_text("not yours")
    (folder / "link").symlink_to(tmp_path / "kek")
    settings.SECRET_FILES, settings.SECRET_VAULT = str(folder), f"vault+{server.url}/secret"
    monkeypatch.setenv("VAULT_TOKEN", "s.token")
    references._refused.clear()
    return folder


def read(text):
    return references.resolve(Secret(text)).reveal()


def test_a_secret_is_itself_and_a_reference_leads_to_one(outside):
    assert read("plain@file") == "plain@file"
    assert read("@file:digicert") == "from-file"
    assert read("@vault:ca/digicert#api_key") == "from-vault"
    (outside / "digicert").write_text("changed")
    assert read("@file:digicert") == "changed"


@pytest.mark.parametrize("name", ["absent", "link", "empty", "binary", ".", "../kek", "deeper/../../kek"])
def test_a_file_that_is_none_of_these_is_not_read(outside, name):
    (outside / "deeper").mkdir()
    (outside / "empty").touch()
    (outside / "binary").write_bytes(b"\xff")
    with pytest.raises(Unavailable) as refused:
        read(f"@file:{name}")
    assert refused.value.remedy
    assert "not yours" not in str(refused.value)


def test_a_vault_that_does_not_answer_is_not_asked_again_at_once(server, monkeypatch):
    clock = ManualClock(START)
    before = use_clock(clock)
    try:
        server.vault.sealed = True
        number = len(server.vault.requests)
        for _ in range(3):
            with pytest.raises(Unavailable, match="sealed"):
                read("@vault:ca/digicert#api_key")
        assert len(server.vault.requests) == number + 1
        server.vault.sealed = False
        from datetime import timedelta

        clock.advance(timedelta(seconds=references.AGAIN))
        assert read("@vault:ca/digicert#api_key") == "from-vault"
        with pytest.raises(Unavailable, match="has no text"):
            read("@vault:ca/digicert#other")
        assert read("@vault:ca/digicert#api_key") == "from-vault", "a wrong name is no fault of the server"
    finally:
        server.vault.sealed = False
        use_clock(before)


@pytest.mark.parametrize(
    "text",
    ["@file:", "@file:../kek", "@file:/etc/passwd", "@file:a/../../kek", "@vault:path", "@vault:#x", "@vault:a#b#c",
     "@vault:../sys/x#y", "@vault:a?b#c", "@file:a\x1fb"],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_when_it_is_given(cast, simulator, text):
    with pytest.raises(Invalid) as refused:
        actions.create(cast.ada, "digicert", digicert_values(simulator, api_key=text))
    assert {p.field for p in refused.value.problems} == {"api_key"}


def test_what_is_not_set_up_is_refused_and_named(cast, simulator, settings):
    settings.SECRET_FILES = settings.SECRET_VAULT = ""
    for text, name in (("@file:x", "CHANCERY_SECRET_FILES"), ("@vault:x#y", "CHANCERY_SECRET_VAULT")):
        with pytest.raises(Invalid) as refused:
            actions.create(cast.ada, "digicert", digicert_values(simulator, api_key=text))
        assert name in refused.value.problems[0].remedy
    with pytest.raises(Unavailable):
        read("@file:digicert")


def test_a_key_that_signs_here_is_no_reference():
    found = references.problem("issuing_key", Secret("@file:digicert"), outside=False)
    assert "signs here" in found.message


def test_only_whoever_may_gives_references_in_every_way_there_is(cast, simulator):
    user = people.create_user(cast.host, "oli", PASSWORD, grants=[("ca_operator", None, None)])
    oli = who.actor_of(user, how="test")
    values = digicert_values(simulator, api_key="@file:digicert")
    made = actions.create(cast.ada, "digicert", values)
    assert unsealed_version(made.current)["api_key"].reveal() == "@file:digicert", (
        "the reference is stored, not the secret"
    )
    other = {**values, "name": "Other", "api_key": "@vault:ca/digicert#api_key"}
    for doing in (
        lambda: actions.create(oli, "digicert", other),
        lambda: actions.test_unsaved(oli, "digicert", other),
        lambda: actions.edit(oli, made.pk, made.revision, other),
    ):
        with pytest.raises(NotPermitted):
            doing()
    kept = {name: value for name, value in values.items() if name != "api_key"}
    edited = actions.edit(oli, made.pk, made.revision, {**kept, "description": "new"})
    assert unsealed_version(edited.current)["api_key"].reveal() == "@file:digicert"
    with pytest.raises(Invalid, match="not carried over"):
        actions.edit(oli, made.pk, edited.revision, {**kept, "base_url": "https://elsewhere.example"})


def test_whoever_may_give_references_reads_them_and_no_secret(cast, local, simulator):
    user = people.create_user(cast.host, "oli", PASSWORD, grants=[("ca_operator", None, None)])
    values = digicert_values(simulator, api_key="@vault:ca/digicert#api_key")
    made = actions.create(cast.ada, "digicert", values)
    assert credentials.referred(cast.ada, made.pk) == {"api_key": "@vault:ca/digicert#api_key"}
    with pytest.raises(NotPermitted, match="secrets.reference"):
        credentials.referred(who.actor_of(user, how="test"), made.pk)
    actions.edit(cast.ada, made.pk, made.revision, {**values, "api_key": "a-secret"})
    assert credentials.referred(cast.ada, made.pk) == {}
    assert credentials.referred(cast.ada, local.pk) == {}
    with pytest.raises(Absent):
        credentials.referred(cast.ada, "nothing")


@pytest.mark.parametrize(
    "text", ["https://vault.example/secret", "vault+https://vault.example", "vault+https://u:p@v/secret"]
)
def test_what_is_no_vault_stops_the_start_with_the_settings_name(text):
    with pytest.raises(SystemExit, match="CHANCERY_SECRET_VAULT") as refused:
        environment.secret_vault("CHANCERY_SECRET_VAULT", text)
    assert "u:p" not in str(refused.value)
    assert environment.secret_vault("X", "") == ""
    assert environment.secret_vault("X", "vault+https://vault.example/secret") == "vault+https://vault.example/secret"
