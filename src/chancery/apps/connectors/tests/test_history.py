"""Versions are compared without their secrets, and gone back to by an edit like any other."""

import pytest

from chancery.apps.audit.models import Entry
from chancery.apps.audit.queries import content
from chancery.apps.connectors import actions, history, queries
from chancery.apps.connectors.versions import unsealed_version
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted
from tests.cast import digicert_values

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(cast, simulator):
    """Three versions: as made, with another field, at another address with another key."""
    row = actions.create(cast.ada, "digicert", digicert_values(simulator, api_key="first-key"))
    values = digicert_values(simulator, reference_field_id="99")
    del values["api_key"]
    row = actions.edit(cast.ada, row.pk, row.revision, values)
    moved = {**values, "base_url": "https://elsewhere.example", "api_key": "second-key"}
    return actions.edit(cast.ada, row.pk, row.revision, moved)


def test_what_changed_is_named_and_no_secret_is_shown(made):
    (found,) = history.difference(made, 1, 2)
    assert (found.field, found.after) == ("reference_field_id", "99")
    fields = {d.field for d in history.difference(made, 1, 3)}
    assert fields == {"reference_field_id", "base_url", "credential"}
    assert "key" not in str([d.after for d in history.difference(made, 1, 3) if d.field == "credential"])
    assert history.difference(made, 3, 3) == []
    assert [v.number for v in history.versions(made)] == [3, 2, 1]
    with pytest.raises(Absent):
        history.difference(made, 1, 4)


def test_back_to_another_address_asks_for_the_credential_and_says_where_it_came_from(made, cast):
    with pytest.raises(Invalid, match="not carried over"):
        history.roll_back(cast.ada, made.pk, made.revision, 1, {})
    row = history.roll_back(cast.ada, made.pk, made.revision, 1, {"api_key": "third-key"})
    assert (row.current.number, history.difference(row, 1, 4)[0].field) == (4, "credential")
    assert unsealed_version(row.current)["api_key"].reveal() == "third-key"
    said = content(Entry.objects.filter(action="connectors.edit").latest("id"))
    assert said["detail"] == {"untested": "Back to version 1."}
    assert "base_url" in said["changed"]


def test_at_the_same_address_the_credential_in_force_stays(cast, simulator):
    values = digicert_values(simulator, api_key="first-key")
    row = actions.create(cast.ada, "digicert", values)
    row = actions.edit(cast.ada, row.pk, row.revision, {**values, "api_key": "second-key", "reference_field_id": "99"})
    row = history.roll_back(cast.ada, row.pk, row.revision, 1, {}, untested="it was better")
    assert (unsealed_version(row.current)["api_key"].reveal(), row.current.untested_reason) == (
        "second-key",
        "it was better",
    )


def test_it_is_an_edit_like_any_other(made, cast):
    with pytest.raises(NotPermitted):
        history.roll_back(cast.rob, made.pk, made.revision, 1, {"api_key": "x"})
    with pytest.raises(Conflict, match="was changed by ada"):
        history.roll_back(cast.ada, made.pk, made.revision - 1, 1, {"api_key": "x"})
    with pytest.raises(Invalid, match="no credential of this CA type"):
        history.roll_back(cast.ada, made.pk, made.revision, 1, {"base_url": "https://x"})
    with pytest.raises(Absent):
        history.roll_back(cast.ada, made.pk, made.revision, 9, {})
    assert queries.get(cast.ada, made.pk).current.number == 3
