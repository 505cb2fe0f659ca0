"""From facts about connectors to findings."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chancery.core.posture import Facts, Kind, Level, Limits, findings, is_test_place, is_wide

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LIMITS = Limits(365, 35, NOW, "192.0.2.10")
SOUND = Facts("1", "digicert", "Berlin", "Operations", "Production", production=True,
              base_url="https://www.digicert.com/services/v2", place="United States", owner="Platform team")  # fmt: skip


def kinds(*rows, limits=LIMITS):
    return [str(one.kind) for one in findings(rows, limits)]


def test_what_is_sound_has_no_finding():
    assert kinds(SOUND, replace(SOUND, id="2", outside=False, base_url="", tested=False)) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"base_url": "https://sandbox-us-api.ca.example"}, [Kind.TEST_IN_PRODUCTION]),
        ({"place": "Sandbox"}, [Kind.TEST_IN_PRODUCTION]),
        ({"place": "Sandbox", "production": False}, []),
        ({"production": False}, [Kind.PRODUCTION_IN_TEST]),
        ({"production": False, "place": ""}, []),
        ({"prints": (("key", "a"),)}, [Kind.NO_ADDRESS_LIMIT]),
        ({"prints": (("key", "a"),), "credential_days": 365}, [Kind.OLD_CREDENTIAL, Kind.NO_ADDRESS_LIMIT]),
        ({"networks": ("10.0.0.0/8", "10.1.0.0/16", "fd00::/8")}, [Kind.WIDE_NETWORKS]),
        ({"untested": "The CA was away."}, [Kind.UNTESTED]),
        ({"tested": False}, [Kind.UNTESTED]),
        ({"owner": ""}, [Kind.NOBODY]),
        ({"lists": True}, [Kind.NEVER_COMPARED]),
        ({"lists": True, "compared_at": NOW - timedelta(days=36)}, [Kind.NEVER_COMPARED]),
        ({"lists": True, "compared_at": NOW, "unknown": 3}, [Kind.UNKNOWN_AT_CA]),
        ({"lists": True, "compared_at": NOW}, []),
    ],
)
def test_each_weakness_is_found_and_says_what_to_do(changed, expected):
    found = findings([replace(SOUND, **changed)], LIMITS)
    assert [one.kind for one in found] == expected
    assert all(one.remedy and one.text.startswith("Berlin: ") and one.about == ("1",) for one in found)


def test_without_limits_nothing_is_old_and_our_address_is_asked_for():
    row = replace(SOUND, prints=(("key", "a"),), credential_days=9999)
    (found,) = findings([row], Limits(0, 35, NOW))
    assert "CHANCERY_EGRESS_ADDRESSES" in found.remedy
    assert "192.0.2.10" in findings([row], LIMITS)[1].remedy


def test_one_credential_in_two_places():
    limited = Limits(365, 35, NOW)
    a = replace(SOUND, prints=(("key", "x"), ("second", "x"), ("third", "y")))
    b = replace(a, id="2", name="Tokyo", environment="Test", place="")
    shared = [one for one in findings([a, b], limited) if one.kind is Kind.SHARED_CREDENTIAL]
    assert [(one.level, one.about) for one in shared] == [(Level.SERIOUS, ("1", "2"))]
    assert shared[0].text == "Berlin, Tokyo share a credential across Production, Test."
    same = [one for one in findings([a, replace(b, environment="Production")], limited) if one.kind == shared[0].kind]
    assert (same[0].level, same[0].text) == (Level.WARNING, "Berlin, Tokyo share a credential.")
    assert same[0].key == shared[0].key
    assert findings([a, b], limited)[0].level is Level.SERIOUS


def test_one_account_of_two_teams():
    a = replace(SOUND, accounts=("svc-pki",))
    assert kinds(a, replace(a, id="2", name="Tokyo")) == []
    assert kinds(a, replace(a, id="2", team="Web")) == [Kind.SHARED_ACCOUNT]
    assert kinds(a, replace(a, id="2", team="Web", base_url="https://other.example/")) == []


def test_places_and_networks():
    assert is_test_place("https://acme-staging-v02.api.letsencrypt.org/directory", "")
    assert not is_test_place("https://contest.example", "Greatest")
    assert [is_wide(n) for n in ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "::/0", "127.0.0.0/8")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
