"""A credential is rotated through every door, with a worker and a CA that answers."""

import pytest

from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors import credentials, queries, rotating
from chancery.apps.shared.action import current_clock
from tests.cast import PASSWORD, digicert_values
from tests.journeys.test_cli import cli, data  # noqa: F401  a fixture
from tests.journeys.working import working

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def made(cast, simulator):
    return connectors.create(cast.ada, "digicert", digicert_values(simulator))


def until(condition):
    import time

    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_from_the_command_line(cli, cast, made, engine, simulator, tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text(simulator.credentials["api_key"])
    bad.write_text("wrong-key-of-a-test")
    with working(engine):
        said = cli("credentials", "stage", made.name, "--secret", f"api_key=@{bad}", "--expires", "2999-01-31").stdout
        assert "A new one was staged by ada: api_key." in said
        assert "LOGIN" in cli("credentials", "test", made.name, code=1).stdout.upper()
        refused = cli("credentials", "switch", made.name, code=1)
        assert "found faults" in refused.stderr
        cli("credentials", "cancel", made.name)
        cli("credentials", "stage", made.name, "--secret", f"api_key=@{good}", "--expires", "2999-01-31")
        cli("credentials", "test", made.name)
        assert "kept until" in cli("credentials", "switch", made.name, "--grace-days", 2).stdout
        # What confirms it is a call with the version in force, as the next probe is.
        until(lambda: _confirmed(made, cast))
        assert "Revoke the old one there" in cli("credentials", "show", made.name).stdout
        state = data(cli, "credentials", "show", made.name)
        assert (state["expires_on"], state["change"]["confirmed_by"]) == ("2999-01-31", "probe")
        assert "Switched at" in cli("credentials", "show", made.name).stdout
        cli("credentials", "revoked", made.name)
        assert data(cli, "credentials", "expires", made.name, "never")["expires_on"] is None
        assert "no day" in cli("credentials", "expires", made.name, "soon", code=2).stderr
        cli("credentials", "stage", made.name, "--secret", f"api_key=@{good}")
        cli("credentials", "switch", made.name, "--untested", "in a hurry", "--grace-days", 0)
        assert "not kept" in cli("credentials", "show", made.name).stdout
        assert "No credential of before" in cli("credentials", "switch-back", made.name, code=1).stderr


def _confirmed(made, cast):
    rotating.tidy(current_clock().now())
    change = credentials.credential(queries.get(cast.ada, made.pk)).change
    return change is not None and change.confirmed_at is not None


def test_in_the_console(cast, made, client):
    client.login(username="ada", password=PASSWORD)
    page = f"/integrations/ca-connectors/{made.pk}/credential"

    def post(what, code=302, **values):
        answer = client.post(f"{page}/{what}", values)
        assert answer.status_code == code, answer.content
        return client.get(page).content.decode() if code == 302 else answer.content.decode()

    assert "1. Stage a new one" in client.get(page).content.decode()
    assert page in client.get(f"/integrations/ca-connectors/{made.pk}").content.decode()
    assert "No credential was given" in post("stage", 422)
    assert "is no day" in post("expiry", 422, expires_on="soon")
    staged = post("stage", api_key="new-key-of-a-test", expires_on="2999-01-31")
    assert "3. Switch" in staged
    assert "new-key-of-a-test" not in staged
    assert "running" in post("test")
    assert "has not passed a test" in post("switch", 422, grace_days="7")
    assert "no whole number" in post("switch", 422, grace_days="x", untested="y")
    assert "not accepted by the CA yet" in post("switch", grace_days="7", untested="y")
    assert "1. Stage a new one" in post("back")
    assert "No rotation" in post("cancel")
    post("stage", api_key="new-key-of-a-test")
    post("switch", grace_days="0", untested="y")
    assert "Switch back" not in client.get(page).content.decode()
    assert "The rotation is over" in post("revoked")
    assert client.post(f"{page}/nonsense").status_code == 422
    post("expiry", expires_on=str(current_clock().now().date()))
    assert "its credential ends on" in client.get("/").content.decode()
    client.login(username="rob", password=PASSWORD)
    assert client.get(page).status_code == 403


@pytest.fixture
def edited(cast, made, simulator):
    values = digicert_values(simulator, reference_field_id="99")
    del values["api_key"]
    return connectors.edit(cast.ada, made.pk, made.revision, values)


def test_versions_from_the_command_line(cli, edited):
    name = edited.name
    assert [v["number"] for v in data(cli, "connectors", "versions", name)["items"]] == [2, 1]
    assert [v["in_force"] for v in data(cli, "connectors", "versions", name)["items"]] == [True, False]
    (found,) = data(cli, "connectors", "difference", name, 1, 2)["items"]
    assert (found["field"], found["after"]) == ("reference_field_id", "99")
    assert "has the settings of version 1 again" in cli("connectors", "roll-back", name, 1).stdout
    assert data(cli, "connectors", "difference", name, 1, 3)["items"] == []
    assert "There is no version" in cli("connectors", "difference", name, 1, 9, code=1).stderr


def test_versions_in_the_console(cast, edited, client):
    client.login(username="ada", password=PASSWORD)
    base = f"/integrations/ca-connectors/{edited.pk}"
    assert f"{base}/versions/2" in client.get(base).content.decode()
    first, second = (client.get(f"{base}/versions/{n}").content.decode() for n in (1, 2))
    assert "It is the first one." in first
    assert f"{base}/edit?version=1" in first
    assert "It is the one in force." in second
    assert "99" in second
    form = client.get(f"{base}/edit?version=1").content.decode()
    assert 'value="99"' not in form
    assert 'value="99"' in client.get(f"{base}/edit").content.decode()
    assert client.get(f"{base}/versions/7").status_code == 404
    assert client.get(f"{base}/edit?version=x").status_code == 422
    client.login(username="rob", password=PASSWORD)
    assert "Go back to it" not in client.get(f"{base}/versions/1").content.decode()


def test_versions_over_rest(cast, edited, client):
    from chancery.apps.accounts import actions as people
    from tests.journeys.api import Api

    api = Api(people.create_token(cast.ada, "test")[1])
    path = f"/connectors/{edited.pk}/versions"
    assert api("POST", f"{path}/1/restore", b"{}").status_code == 428
    assert api("POST", f"{path}/1/restore", b"{}", **{"If-Match": '"1"'}).status_code == 412
    done = api("POST", f"{path}/1/restore", b"{}", **{"If-Match": f'"{edited.revision}"'})
    assert done.status_code == 200
    assert api("GET", f"{path}/difference?old=1&new=3").json()["items"] == []
