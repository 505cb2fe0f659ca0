"""What changes no table stands in the record all the same."""

import pytest

from chancery.apps.audit.occasions import note
from chancery.apps.shared.actor import host_actor
from chancery.apps.shared.tests.looking import said

pytestmark = pytest.mark.django_db


def test_an_occasion_is_an_entry_like_every_other():
    note(host_actor("root"), "host.backup", "backup", "monday.tar.gz", {"database": "sqlite"})
    (entry,) = said("host.backup")
    assert (entry["actor"]["name"], entry["actor"]["how"], entry["via"]) == ("os:root", "host", "cli")
    assert entry["target"] == {"kind": "backup", "id": "", "name": "monday.tar.gz"}
    assert (entry["outcome"], entry["detail"]) == ("done", {"database": "sqlite"})
