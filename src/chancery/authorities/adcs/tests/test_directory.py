"""Templates out of Active Directory: which can be used, who may enrol, and which are dangerous."""

import logging
import struct
from uuid import UUID

import pytest

from chancery.authorities.adcs.authority import Adcs
from chancery.authorities.adcs.directory import descriptor
from chancery.authorities.adcs.directory.descriptor import ENROLL, Unreadable, is_broad, sid_of
from chancery.authorities.adcs.simulator import build
from chancery.authorities.adcs.simulator.directory import _ace, _sid
from chancery.authorities.adcs.tests.stand import SECRETS, START
from chancery.core.clock import ManualClock
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.msrpc.simulator import PASSWORD, USER
from chancery.sdk import Context, HttpDoor, Level
from chancery.sdk.errors import AuthFailed, NotFound

CARELESS = {"AnyPurpose", "AgentForAll", "ChangedByAll", "WithoutSid", "GroupByPolicy"}


@pytest.fixture(scope="module")
def house():
    with build(clock=ManualClock(START)) as made:
        yield made


@pytest.fixture(autouse=True)
def _calm(house):
    yield
    house.dials.reset()


@pytest.fixture
def connector(house):
    doors = []

    def made(number=-1, **more):
        example = house.examples[number]
        settings = {**example.settings, **more}
        given = {k: Secret(v) if k in SECRETS and v else v for k, v in settings.items()}
        door = HttpDoor(
            example.base_url or house.url,
            clock=house.clock,
            policy=AddressPolicy(("127.0.0.0/8",)),
            trust_pem=house.ldap.front.root_pem,
            timeout=5.0,
        )
        doors.append(door)
        return Adcs(Adcs.config(**given), Context(door, house.clock, logging.getLogger("adcs")))

    yield made
    for door in doors:
        door.close()


def told(connector):
    return {finding.code: finding for finding in connector.check() if finding.stage == "product"}


def test_each_template_is_offered_with_what_stands_in_its_way(connector):
    choices = {choice.value: choice for choice in connector().choices("template")}
    assert choices["WebServer30"].detail["usable"]
    assert choices["WebServer30"].label == "Web server, a month"
    assert choices["WebServer30"].detail["days"] == 30
    assert "every request waits" in choices["ApprovedServer"].label
    assert choices["Anybody"].label == "Anybody (dangerous: ESC1)"
    for name, word in (
        ("DirectoryNames", "builds the names"),
        ("ForAdmins", "no right to enrol"),
        ("Agent", "signatures of an enrolment agent"),
        ("Archived", "archives private keys"),
    ):
        assert choices[name].detail["usable"] is False
        assert word in choices[name].label
    assert "Retired" not in choices
    assert "SubCA" not in choices
    usable = [choice.detail["usable"] for choice in choices.values()]
    assert usable == sorted(usable, reverse=True)


@pytest.mark.parametrize("protection", ["ldaps", "starttls", "sealed"])
def test_it_is_read_protected_in_each_way(connector, house, protection):
    port = house.ldap.tls_port if protection == "ldaps" else house.ldap.port
    made = connector(directory_protection=protection, directory_port=port, directory_trust="")
    assert made.choices("template")
    assert made.choices("other") == []


def test_test_connection_names_every_weakness_with_the_templates_that_have_it(connector):
    found = told(connector())
    assert {code for code, one in found.items() if one.level is Level.WARNING} == {
        "esc1", "esc2", "esc3", "esc4", "esc9", "esc13", "esc15",
    }  # fmt: skip
    assert found["esc1"].evidence == "Anybody"
    assert found["esc2"].evidence == "AnyPurpose"
    assert found["esc3"].evidence == "AgentForAll"
    assert found["esc4"].evidence == "ChangedByAll"
    assert found["esc9"].evidence == "WithoutSid"
    assert found["esc13"].evidence == "GroupByPolicy"
    assert found["esc15"].evidence == "WebServer"
    assert all(one.remedy for one in found.values() if one.level is Level.WARNING)
    assert found["esc1"].message.startswith("ESC1: The template Anybody lets nearly everybody")


def test_it_says_how_each_typed_template_stands(connector):
    typed = "\n".join(["WebServer30", "Retired", "ForAdmins", "ApprovedServer"])
    rows = [one for one in connector(templates=typed).check() if one.stage == "product"]
    levels = {one.message.split(" (", maxsplit=1)[0]: one.level for one in rows}
    assert levels["The CA publishes the template WebServer30: the account may enrol."] is Level.OK
    assert any("ApprovedServer" in text and "waits for a manager" in text for text in levels)
    failed = {one.code: one for one in rows if one.level is Level.FAILED}
    assert "does not publish a template Retired" in failed["unknown_template"].message
    assert "no right to enrol" in failed["unusable_template"].message
    assert {one.value: one for one in connector(templates="Retired").choices("template")}["Retired"].detail[
        "usable"
    ] is False
    assert "can be used" in told(connector(templates=""))["ok"].message


def test_a_template_that_the_account_does_not_see_is_told_apart(connector, house, monkeypatch):
    entries = house.ldap.entries
    monkeypatch.setattr(
        house.ldap, "entries", lambda: [one for one in entries() if not one.dn.startswith("CN=WebServer30,")]
    )
    found = told(connector(templates="WebServer30"))
    assert "does not see such a template" in found["unknown_template"].message


def test_rights_that_nobody_shows_are_not_made_up(connector, house):
    house.dials.set(hide_descriptors=True)
    made = connector()
    found = told(made)
    assert found["rights_unseen"].level is Level.SKIPPED
    assert "esc1" not in found
    assert "may not read" in found["ok"].message
    assert {one.value for one in made.choices("template") if one.detail["usable"]} >= {"ForAdmins", "WebServer30"}


def test_a_ca_whose_object_everybody_may_change(connector, house, monkeypatch):
    """ESC5; and with none of the careless templates nothing is said but that."""
    loose = _descriptor(_ace(0, struct.pack("<I", 0x4_0000) + _sid(11)))

    def entries():
        kept = [one for one in house_entries() if ",CN=Certificate Templates," not in one.dn]
        for one in kept:
            if "nTSecurityDescriptor" in one.values:
                one.values["nTSecurityDescriptor"] = [loose]
        return kept

    house_entries = house.ldap.entries
    monkeypatch.setattr(house.ldap, "entries", entries)
    assert told(connector(templates=""))["esc5"].evidence == "S-1-5-11"
    monkeypatch.setattr(
        house.ldap, "entries", lambda: [one for one in house_entries() if ",CN=Certificate Templates," not in one.dn]
    )
    assert told(connector(templates=""))["no_dangers"].level is Level.OK


def test_the_other_transports_take_it_too(connector, house):
    """The pages of Web Enrollment show no rights; the directory does, of the CA that is behind them."""
    pages = connector(
        0,
        template_source="ldap",
        directory_host="localhost",
        directory_port=house.ldap.tls_port,
        templates="WebServer2",
    )
    found = {one.code: one for one in pages.check()}
    assert "Anybody" in found["esc1"].evidence
    assert {one.value for one in pages.choices("template") if one.detail["usable"]} >= {"WebServer2", "WebAndClient"}
    assert [one.stage for one in found.values() if one.code == "unseen"] == ["rights"]
    account = {"username": USER, "password": PASSWORD}
    services = connector(
        1, template_source="ldap", directory_host="localhost", directory_port=house.ldap.tls_port, **account
    )
    assert {one.value for one in services.choices("template") if one.detail["dangers"]} == {
        "Anybody",
        "WebServer",
        *CARELESS,
    }


def test_what_is_wrong_with_the_directory_breaks_no_connector(connector, house):
    def warned(**more):
        made = connector(**more)
        assert not [one for one in made.check() if one.level is Level.FAILED]
        return [one for one in made.check() if one.stage == "product" and one.level is Level.WARNING]

    house.ldap.down()
    try:
        (away,) = (one for one in warned() if one.code == "no_connection")
    finally:
        house.ldap.up()
    assert away.remedy
    assert [one.code for one in warned(directory_trust="no PEM")] == ["trust_bundle"]


def test_a_ca_that_the_directory_does_not_have(connector):
    with pytest.raises(NotFound, match="no CA of the name") as refused:
        connector(ca_name="Standing Alone").choices("template")
    assert "Sandbox" in refused.value.text


def test_the_account_is_asked_for_before_anything_is_sent(connector):
    with pytest.raises(AuthFailed, match="name or password is missing"):
        connector(username="", password=None).choices("template")


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"directory_host": ""}, "domain controller"),
        ({"authentication": "certificate", "transport": "certsrv"}, "read by a user name"),
    ],
)
def test_settings_that_cannot_work_are_refused(more, word):
    base = {"ca_name": "CA", "template_source": "ldap", "directory_host": "dc1.example.test"}
    with pytest.raises(ValueError, match=word):
        Adcs.config(**{**base, **more})
    assert not Adcs.config(**base | {"setup_type": "standalone"}).reads_directory


# Security descriptors ---------------------------------------------------------------------------------


def _descriptor(*aces, control=0x8004, owner=_sid(32, 544)):
    listed = b"".join(aces)
    dacl = struct.pack("<BBHHH", 4, 0, 8 + len(listed), len(aces), 0) + listed
    at = 20 + len(owner)
    return struct.pack("<BBHIIII", 1, 0, control, 20 if owner else 0, 0, 0, at) + owner + dacl


def _object(kind, mask, right, sid, *, inherited=False):
    flags = 1 | (2 if inherited else 0)
    return _ace(kind, struct.pack("<II", mask, flags) + UUID(right).bytes_le + (bytes(16) if inherited else b"") + sid)


ME, OTHER = {"S-1-5-11", "S-1-5-21-1-2-3-1105"}, {"S-1-5-21-1-2-3-1200"}


def test_the_first_entry_that_fits_decides():
    refusing = _object(6, 0x100, ENROLL, _sid(21, 1, 2, 3, 1105))
    granting = _object(5, 0x100, ENROLL, _sid(11), inherited=True)
    assert not descriptor.read(_descriptor(refusing, granting)).lets(ME, ENROLL)
    assert descriptor.read(_descriptor(granting, refusing)).lets(ME, ENROLL)
    assert not descriptor.read(_descriptor(granting)).lets(OTHER, ENROLL)
    assert descriptor.read(_descriptor(granting, refusing)).broad(ENROLL) == ("S-1-5-11",)


@pytest.mark.parametrize(
    ("ace", "may"),
    [
        (_ace(0, struct.pack("<I", 0x100) + _sid(11)), True),
        (_ace(0, struct.pack("<I", 0x1000_0000) + _sid(11)), True),
        (_ace(0, struct.pack("<I", 0x2_0094) + _sid(11)), False),
        (_object(5, 0x100, descriptor.AUTO_ENROLL, _sid(11)), False),
        (_ace(2, struct.pack("<I", 0x100) + _sid(11)), False),
        (struct.pack("<BBH", 0, 8, 8 + len(_sid(11))) + struct.pack("<I", 0x100) + _sid(11), False),
    ],
    ids=["all rights", "generic", "read", "another right", "audit", "for children alone"],
)
def test_which_entries_let_enrol(ace, may):
    assert descriptor.read(_descriptor(ace)).lets(ME, ENROLL) is may


def test_no_list_lets_everybody_do_everything():
    open_to_all = descriptor.read(_descriptor(control=0x8000))
    assert open_to_all.lets(OTHER, ENROLL)
    assert open_to_all.broad(ENROLL) == open_to_all.broadly_changed() == ("S-1-1-0",)
    empty = descriptor.read(_descriptor())
    assert (empty.lets(ME, ENROLL), empty.broad(ENROLL), empty.broadly_changed()) == (False, (), ())


def test_an_owner_may_change_what_is_his():
    owned = descriptor.read(_descriptor(owner=_sid(21, 1, 2, 3, 513)))
    assert owned.broadly_changed() == ("S-1-5-21-1-2-3-513",)
    assert descriptor.read(_descriptor(owner=b"")).owner == ""
    narrow = _object(5, 0x20, ENROLL, _sid(11))
    assert descriptor.read(_descriptor(narrow)).broadly_changed() == ()


def test_what_is_no_descriptor_is_said_so():
    for raw in (b"", b"\1\0", _descriptor(b"\0\0\4\0"), _descriptor(struct.pack("<BBH", 0, 0, 400))):
        with pytest.raises(Unreadable):
            descriptor.read(raw)
    with pytest.raises(Unreadable):
        sid_of(b"\1\4\0\0\0\0\0\5\1")
    assert is_broad("S-1-5-21-1-2-3-515")
    assert not is_broad("S-1-5-32-513")
