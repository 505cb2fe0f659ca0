"""*Test connection*: what a good account shows, and what each trouble looks like; and the warnings of the incident."""

from datetime import timedelta

import pytest

from chancery.authorities.emsign.simulator.hierarchy import Hierarchy
from chancery.authorities.emsign.tests.stand import START, connector, issue, request, scripted
from chancery.authorities.emsign.trust import REMOVED, warnings_of
from chancery.core import keys
from chancery.sdk.finding import Level


def found(ca):
    return {(f.stage, f.code): f for f in ca.check()}


def levels(ca):
    return [(f.stage, f.level) for f in ca.check()]


def test_a_good_account_shows_every_stage(ca, clock):
    issue(ca, request(), clock)
    seen = levels(ca)
    assert {stage for stage, _ in seen} == {"login", "rights", "product", "quota", "chain"}
    assert Level.FAILED not in {level for _, level in seen}
    assert ("chain", Level.OK) in seen


def test_an_account_that_has_issued_nothing_has_no_chain_to_judge(ca):
    assert ("chain", Level.SKIPPED) in levels(ca)


def test_a_group_that_is_not_there_is_a_failure(sim, clock, way):
    ca = connector(sim, clock, way, group_number="999")
    assert found(ca)["rights", "group"].level is Level.FAILED


def test_another_account_is_a_failure():
    ca, _ = scripted(lambda method, path, body: {"accountNumber": "99", "accountName": "Other"})
    first = next(iter(ca.check()))
    assert (first.stage, first.code, first.level) == ("login", "account", Level.FAILED)
    assert first.evidence == "99 Other"


def test_domains_that_are_not_validated_are_a_warning(v2, sim, clock, book):
    service = sim.tick.__self__
    from chancery.authorities.emsign.simulator.book import Check, Domain

    def domain(name, status, days=None, **more):
        check = Check(name, START, status=status)
        until = START + timedelta(days=days) if days else None
        book.domains.append(Domain(f"dom_{name}", name, "2368754851", "dns-txt", START, check, until=until, **more))

    domain("good.example.com", "VERIFIED", 100)
    domain("left.example.com", "PENDING", active=False)
    assert found(v2)["product", "ok"].level is Level.OK
    domain("late.example.com", "VERIFIED", 10)
    domain("open.example.com", "PENDING")
    warned = found(v2)["product", "domains"]
    assert (warned.level, warned.message[:6]) == (Level.WARNING, "2 of 4")
    assert service


def answers(**paths):
    def answer(method, path, body):
        name = path.rsplit("/", 1)[-1]
        usual = {
            "me": {"accountNumber": "1234567890"},
            "groups": {"groups": []},
            "organizations": {"organizations": []},
            "products": {"products": []},
            "domains": {"content": []},
            "orders": {"content": []},
        }
        return paths.get(name, usual[name])

    return scripted(answer)[0]


def test_what_an_account_lacks_is_said_with_its_remedy():
    seen = found(answers())
    assert seen["product", "no_organisation"].level is Level.WARNING
    assert seen["product", "none"].level is Level.FAILED
    assert seen["quota", "not_told"].level is Level.SKIPPED
    assert all(f.remedy for f in seen.values() if f.level in {Level.WARNING, Level.FAILED})
    unvetted = answers(organizations={"organizations": [{"organizationNumber": "1", "organizationName": "A"}]})
    assert found(unvetted)["product", "not_vetted"].level is Level.WARNING


def test_what_may_not_be_read_is_a_warning():
    seen = found(answers(groups=(403, {"detail": "no"}), orders=(501, {"detail": "not wired"})))
    unread = [f for f in seen.values() if f.code == "not_readable"]
    assert unread
    assert all(f.level is Level.WARNING and f.remedy for f in unread)


def test_v1_says_what_an_account_lacks():
    def answer(method, path, body):
        name = path.rsplit("/", 1)[-1]
        lists = {
            "GetGroupDetails": {"groupDetails": []},
            "GetOrganizationDetails": {"organizationDetails": []},
            "GetProductDetails": {"productDetails": []},
        }
        return {"meta": {"status": "1"}, **lists.get(name, {})}

    ca, _ = scripted(answer, transport="v1")
    seen = found(ca)
    assert seen["product", "no_organisation"].level is Level.WARNING
    assert seen["product", "none"].level is Level.WARNING


# The incident of October 2026 ---------------------------------------------------------------------------


@pytest.mark.parametrize(("issuer", "root"), [("compromised", REMOVED[0]), ("removed", REMOVED[1])])
def test_a_compromised_intermediate_warns_on_the_certificate_and_on_the_connector(ca, sim, clock, issuer, root):
    sim.dials.set(issuer=issuer)
    issued = issue(ca, request(), clock)
    assert len(issued.warnings) == 1
    assert root in issued.warnings[0]
    assert "Mozilla removed" in issued.warnings[0]
    warned = found(ca)["chain", "distrusted_root"]
    assert warned.level is Level.WARNING
    assert root in warned.message
    assert warned.remedy


def test_the_compromised_ones_say_that_keys_were_recoverable(ca, sim, clock):
    sim.dials.set(issuer="compromised")
    assert "CVE-2026-111943" in issue(ca, request(), clock).warnings[0]


def test_the_leaf_alone_does_not_tell_and_its_intermediate_does():
    from cryptography.hazmat.primitives.serialization import Encoding

    made = Hierarchy(START)
    bad = made.ca("compromised")
    leaf = made.issue(
        "compromised", keys.generate("EC-P256").public_key(), ["a.example.com"], START, START + timedelta(days=9)
    )
    ders = [c.public_bytes(Encoding.DER) for c in (leaf, bad.intermediate)]
    assert len(warnings_of(ders[0], ders[1:])) == 1
    assert warnings_of(ders[0], ()) == ()
    assert warnings_of(b"garbage", (b"more",)) == ()


def test_the_root_that_was_kept_is_no_trouble(ca, clock):
    assert issue(ca, request(), clock).warnings == ()
