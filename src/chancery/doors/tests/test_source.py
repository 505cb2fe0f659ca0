"""X-Forwarded-For is believed from our own proxies only, from right to left."""

from ipaddress import ip_network

import pytest

from chancery.doors.source import client
from chancery.settings.environment import networks

OURS = (ip_network("10.0.0.0/24"), ip_network("fd00::1"))


@pytest.mark.parametrize(
    ("peer", "told", "expected"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("10.0.0.5", "203.0.113.9, 10.0.1.7", "10.0.1.7"),
        ("10.0.0.5", "10.0.0.7, 10.0.0.8", "10.0.0.7"),
        ("10.0.0.5", "203.0.113.9, garbage", "10.0.0.5"),
        ("10.0.0.5", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.5", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.5", "2001:db8::1", "2001:db8::1"),
        ("fd00::1", "203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.5", "::ffff:203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "1.2.3.4\r\nx: y", "10.0.0.5"),
        ("", "203.0.113.9", ""),
    ],
)
def test_client(peer, told, expected):
    assert client(peer, told, OURS) == expected


def test_the_setting():
    assert networks("X", "") == ()
    assert networks("X", "10.0.0.0/24, fd00::1") == OURS
    with pytest.raises(SystemExit, match=r"CHANCERY_TRUSTED_PROXIES.*10\.0\.0\.0/24"):
        networks("CHANCERY_TRUSTED_PROXIES", "10.0.0.1/8")


@pytest.mark.django_db
@pytest.mark.parametrize(("trusted", "expected"), [((), "127.0.0.1"), ((ip_network("127.0.0.1"),), "203.0.113.9")])
def test_the_record_has_the_address(cast, client, settings, trusted, expected):
    from chancery.apps.accounts import actions
    from chancery.apps.audit.models import Entry
    from chancery.apps.audit.queries import content

    settings.TRUSTED_PROXIES = trusted
    token = actions.create_token(cast.ada, "test")[1]
    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9", "Authorization": f"Bearer {token}"}
    client.post("/api/v1/teams", {"name": "Far"}, "application/json", headers=headers)
    entry = Entry.objects.get(action="teams.create", actor="ada")
    assert content(entry)["actor"]["address"] == expected
