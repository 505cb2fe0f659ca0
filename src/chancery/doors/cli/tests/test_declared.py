"""A file of connectors that cannot be used is refused whole, by place and remedy, and never quoted."""

import pytest

from chancery.doors.cli.declared import Wrong, plan, read

KINDS = {"x": {"config": {"properties": {"since": {}, "key": {}}}, "secrets": ["key"]}}
FILE = """
version: 1
connectors:
  - authority: x
    name: Berlin
    region: eu
    key: "@vault:berlin#key"
"""
CANARY = "the-key-that-nobody-sees"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no YAML: see line 1"),
        ("- 1", "It is none of ours."),
        ("version: 2\nconnectors: []", "It is none of ours."),
        ("version: 1\nconnectors: []\nprofiles: []", "no part 'profiles'"),
        ("version: 1\nconnectors: [1]", "connector 1: It does not say which it is."),
        ("version: 1\nconnectors: [{authority: moon, name: A}]", "There is no such CA type."),
        (FILE + "    colour: red\n", "no field 'colour'"),
        (FILE + "    status: on\n", "There is no such status."),
        (FILE + "    region: us\n", "no YAML: see line 4"),
        (FILE + f'    key: "{CANARY}\n', "no YAML: see line"),
        (FILE.replace('"@vault:berlin#key"', CANARY), "secrets do not stand in this file"),
        (FILE.replace("@vault:berlin#key", "@env:NOWHERE_KEY"), "There is no NOWHERE_KEY in the environment"),
        (FILE + FILE.partition("connectors:")[2].replace("Berlin", "BERLIN"), "It is declared twice."),
    ],
)
def test_what_is_wrong_is_said_by_its_place(text, said):
    with pytest.raises(Wrong) as caught:
        read(text, KINDS)
    assert said in str(caught.value).replace("there is no N", "There is no N")
    assert CANARY not in str(caught.value.problems)


def test_a_date_stays_a_text():
    text = "version: 1\nconnectors: [{authority: x, name: A, since: 2026-01-02}]"
    assert read(text, KINDS)[0]["since"] == "2026-01-02"


FIELDS = {"host": {"destination": True}, "since": {}, "key": {}, "signs": {"stays": True}}
KIND = {"config": {"properties": FIELDS}, "secrets": ["key", "signs"], "default_base_url": ""}
ENTRY = {"authority": "x", "name": "Berlin", "key": "@file:key", "signs": "@file:signs"}
COMMON = dict.fromkeys(("base_url", "team", "environment", "owner", "contact", "region", "description", "proxy"), "")
LIMITS = dict.fromkeys(("limit_seats", "limit_rate", "limit_burst"))
ROW = {"id": "1", **COMMON, **LIMITS, "trust_pem": "", "tags": [], "allowed_networks": [], "authority": "x", "name": "Berlin",
       "status": "active", "settings": {"host": "dc1", "since": ""}, "secrets_set": ["key", "signs"]}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ({"host": "dc2"}, {"key"}),
        ({"allowed_networks": ["10.1.0.0/16"]}, {"key"}),
        ({"proxy": "http://proxy.example.com"}, {"key"}),
        ({"since": "2026"}, set()),
        ({"host": "dc1"}, set()),
    ],
)
def test_secrets_go_along_where_they_would_be_sent_elsewhere(changed, again):
    (step,) = plan([{**ENTRY, **changed}], [ROW], {"x": KIND})
    assert {"key", "signs"} & {*step.body} == again
    assert {c.field for c in step.changes} == again | (set() if changed == {"host": "dc1"} else {*changed})
