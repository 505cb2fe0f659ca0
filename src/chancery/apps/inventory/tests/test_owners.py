"""A CSV of owners, as spreadsheets write it."""

import pytest

from chancery.apps.inventory import owners
from chancery.apps.inventory.owners import Owners
from chancery.apps.inventory.tests.conftest import made
from chancery.core.certificate import facts
from chancery.core.errors import Invalid

ONE = facts(made().der)


@pytest.mark.parametrize(
    "text",
    [
        f"serial,team,owner\n{ONE.serial},Operations,Web team\n",
        f"\ufeffSerial;Team;Owner\r\n{ONE.serial.upper()};Operations;Web team\r\n",
        f"sha256,team,owner\n{ONE.sha256.upper()},Operations,Web team\n",
        "Common Name,team,owner\n\nWWW.example.com,Operations, Web team \n",
        f"common_name,serial,team,owner\nno.example.com,{ONE.serial},Operations,Web team\n",
    ],
    ids=["serial", "semicolons", "digest", "name", "name and serial"],
)
def test_a_line_is_found_by_what_it_names(text):
    found = Owners.read(text.encode())
    line = found.of(ONE)
    assert (line.team, line.owner, line.contact, line.profile) == ("Operations", "Web team", "", "")
    assert found.unused() == []


def test_a_hash_counts_more_than_a_number_and_a_number_more_than_a_name():
    table = "sha256,serial,common_name,owner\n"
    for line in (",,www.example.com,by name", f",{ONE.serial},,by number", f"{ONE.sha256},,,by hash"):
        table += f"{line}\n"
        assert Owners.read(table.encode()).of(ONE).owner == line.rpartition(",")[2]


def test_lines_that_no_certificate_was_found_by_are_named():
    found = Owners.read(f"serial,owner\n{ONE.serial},a\n99,b\n".encode())
    found.of(ONE)
    assert [(line.number, line.value) for line in found.unused()] == [(3, "99")]
    assert Owners.read(b"").lines == []
    assert Owners.read(b"serial\n").of(ONE) is None


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"serial,owner\n1,\xff\n", "no CSV in UTF-8"),
        (b'serial,owner\n1,"a\n', "no CSV in UTF-8"),
        (b"serial,boss\n1,a\n", "'boss' is none"),
        (b"serial,,owner\n1,a\n", "'(empty)' is none"),
        (b"serial,serial\n1,a\n", "not all there once"),
        (b"team,owner\n1,a\n", "not all there once"),
        (b"serial,owner\n,a\n", "Line 2: It names no certificate"),
        (b"serial,owner\nno number,a\n", "Line 2: It names no certificate"),
        (b"serial,owner\n1,a\n01,b\n", "Line 3: It is about the same certificate as line 2"),
        (b"serial,owner\n1,a\x07\n", "Line 2: owner is too long"),
        (b"serial,owner\n1," + b"a" * 201 + b"\n", "Line 2: owner is too long"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_line(data, told):
    with pytest.raises(Invalid) as caught:
        Owners.read(data)
    problem = caught.value.problems[0]
    assert problem.field == "owners"
    assert told in problem.message
    assert problem.remedy


def test_it_is_bounded(monkeypatch):
    monkeypatch.setattr(owners, "MOST_ROWS", 2)
    with pytest.raises(Invalid, match="more than 2 lines"):
        Owners.read(b"serial\n1\n2\n3\n")
    monkeypatch.setattr(owners, "MOST_BYTES", 5)
    with pytest.raises(Invalid, match="5 are the limit"):
        Owners.read(b"serial\n")
