"""The proof that a connector may stand in, point by point, and the choice among several."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chancery.core.names import Name
from chancery.core.policy import AuthorityFacts, ProfileRules
from chancery.core.standing_in import PUBLIC, SAME_ROOT, VOUCHED, Member, Wanted, choose, out, prove, ranked

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FACTS = AuthorityFacts(key_types=("EC-P256", "RSA-2048"))
HOME = Member("1", "Berlin", 1, FACTS, region="eu", anchor="CN=Root (01)")
OTHER = replace(HOME, key="2", name="Paris", preference=2)
WANTED = Wanted(
    (Name("dns", "www.example.com"),), "EC-P256", 30, ProfileRules(), NOW, NOW + timedelta(hours=24), seed="a"
)  # fmt: skip


def public(**changes):
    return replace(OTHER, public=True, **changes)


def failing(candidate, home=HOME, **changes):
    return [p.what for p in prove(home, candidate, replace(WANTED, **changes)).points if not p.holds]


def test_two_accounts_of_one_ca_stand_in_for_one_another():
    proof = prove(HOME, OTHER, WANTED)
    assert proof.holds
    assert proof.against == ""
    assert {p.what for p in proof.points} == {
        "environment", "trust", "validation", "product", "key_types", "names", "validity",
    }  # fmt: skip
    assert all(line[1] for line in proof.lines())


@pytest.mark.parametrize(
    ("changes", "points"),
    [
        ({"environment": 2}, ["environment"]),
        ({"anchor": "CN=Root (02)"}, ["trust"]),
        ({"anchor": ""}, ["trust"]),
        ({"product": False}, ["product"]),
        ({"facts": AuthorityFacts(key_types=("RSA-2048",))}, ["key_types"]),
        ({"facts": replace(FACTS, name_kinds=("ip",))}, ["names"]),
        ({"facts": replace(FACTS, max_names=0)}, ["names"]),
        ({"facts": replace(FACTS, validity_days_max=10)}, ["validity"]),
    ],
)
def test_each_difference_forbids_it(changes, points):
    assert failing(replace(OTHER, **changes)) == points


def test_a_home_whose_type_of_ca_cannot_be_loaded_is_stood_in_for_by_what_is_said_of_it():
    gone = replace(HOME, known=False)
    assert failing(OTHER, gone) == ["validation"]
    assert failing(replace(OTHER, validation="ov"), replace(gone, validation="ov")) == []
    both = replace(public(validation="ov"), key="3"), replace(gone, validation="ov", public=True)
    assert failing(*both, trust=PUBLIC) == ["trust"]


def test_a_home_that_has_issued_nothing_proves_nothing():
    assert failing(OTHER, replace(HOME, anchor="")) == ["trust"]


def test_public_trust_is_no_matter_of_roots_but_of_the_level_of_validation():
    home = public(key="1", name="Berlin", validation="ov")
    assert failing(public(validation="ov", anchor=""), home, trust=PUBLIC) == []
    assert failing(public(validation="ev"), home, trust=PUBLIC) == []
    assert failing(public(validation="dv"), home, trust=PUBLIC) == ["validation"]
    assert failing(public(), home, trust=PUBLIC) == ["validation"]
    assert failing(public(validation="ev"), public(key="1"), trust=PUBLIC) == ["validation"]
    assert failing(OTHER, home, trust=PUBLIC) == ["trust", "validation"]
    text = "That it is publicly trusted is not known of what this profile orders at Paris."
    assert text in prove(home, OTHER, replace(WANTED, trust=PUBLIC)).against
    assert "at Berlin and at Paris." in prove(HOME, OTHER, replace(WANTED, trust=PUBLIC)).against


def test_somebody_may_vouch_for_the_trust_and_for_nothing_else():
    assert failing(replace(OTHER, anchor="", environment=2), trust=VOUCHED) == ["environment"]


def test_the_region_comes_before_the_preference():
    near = replace(OTHER, region="us")
    assert [m.name for m in ranked([HOME, near], "us")] == ["Paris", "Berlin"]
    assert [m.name for m in ranked([near, HOME], "")] == ["Berlin", "Paris"]


def test_on_a_good_day_an_order_goes_home():
    choice = choose([OTHER, HOME], WANTED)
    assert (choice.member, choice.text, choice.away) == (HOME, "", False)


@pytest.mark.parametrize("why", [{"unavailable": "Berlin is inactive."}, {"sick_since": NOW - timedelta(hours=1)}])
def test_a_member_that_may_stand_in_takes_what_home_cannot(why):
    choice = choose([replace(HOME, **why), OTHER], WANTED)
    assert (choice.member.name, choice.away) == ("Paris", True)
    assert "may stand in" in choice.text
    facts = choice.facts(HOME)
    assert (facts["home"], facts["chosen"], list(facts["tried"])) == ("1", "2", ["Paris"])


def test_an_order_waits_at_home_where_nobody_may_stand_in_and_says_why():
    choice = choose([replace(HOME, unavailable="Berlin is inactive."), replace(OTHER, anchor="CN=Else")], WANTED)
    assert (choice.member.name, choice.away) == ("Berlin", False)
    assert choice.text == "Berlin is inactive. No other member may stand in. Paris: Paris chains to CN=Else."


def test_others_that_are_out_of_order_are_not_asked():
    gone = replace(OTHER, unavailable="Paris is inactive.")
    assert choose([replace(HOME, unavailable="x"), gone], WANTED).member.name == "Berlin"


@pytest.mark.parametrize(
    ("sick", "left", "moves"),
    [(4, 60, False), (5, 60, True), (2, 8, True), (1, 8, False), (1, -1, True)],
    ids=["patience", "patience is over", "a quarter of what is left", "not yet a quarter", "too late already"],
)
def test_how_long_an_order_waits_depends_on_the_time_that_it_has(sick, left, moves):
    home = replace(HOME, sick_since=NOW - timedelta(minutes=sick))
    wanted = replace(WANTED, deadline=NOW + timedelta(minutes=left))
    assert bool(out(home, wanted)) is moves
    assert (choose([home, OTHER], wanted).member.name == "Paris") is moves


def test_a_draining_member_takes_nothing_new_and_keeps_what_it_has():
    draining = replace(HOME, draining=True)
    assert choose([draining, OTHER], WANTED).member.name == "Paris"
    assert choose([draining, OTHER], WANTED, home=draining).member.name == "Berlin"
    assert choose([draining], WANTED) is None


def test_equals_share_by_weight_and_one_order_always_gets_one_answer():
    members = [replace(HOME, weight=3), replace(OTHER, preference=1)]
    picks = [choose(members, replace(WANTED, seed=str(n))).member.name for n in range(400)]
    assert picks == [choose(members, replace(WANTED, seed=str(n))).member.name for n in range(400)]
    assert 240 < Counter(picks)["Berlin"] < 360
    away = [choose(members, replace(WANTED, seed=str(n))) for n in range(20)]
    assert not any(c.away for c in away)
    assert any("share" in c.text for c in away)


def test_trust_is_by_root_unless_said_otherwise():
    assert WANTED.trust == SAME_ROOT
