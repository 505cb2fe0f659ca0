"""Where the navigation leads, for whom, and that it says where one is."""

import pytest

from chancery.apps.accounts.permissions import Permission
from chancery.doors.console.navigation import PLACES, entries


class Person:
    def __init__(self, *denied):
        self.denied = denied

    def may(self, permission):
        return permission not in self.denied


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/integrations/ca-connectors", "CA connectors"),
        ("/integrations/ca-connectors/type/digicert/create", "CA connectors"),
        ("/integrations/pools/create", "Pools"),
        ("/certificates/renewals", "Renewals"),
        ("/certificates/0b0e", "Certificates"),
        ("/acme-clients", "ACME clients"),
    ],
)
def test_one_line_says_where_one_is(path, label):
    assert [str(entry.label) for entry in entries(Person(), path) if entry.current] == [label]


def test_a_page_beside_the_navigation_marks_nothing():
    assert not any(entry.current for entry in entries(Person(), "/account"))


def test_nobody_is_shown_what_would_refuse_them():
    shown = {str(entry.label) for entry in entries(Person(Permission.AUDIT_VIEW, Permission.POOL_VIEW), "/orders")}
    assert shown == {str(place.label) for place in PLACES} - {"Audit", "Pools"}
