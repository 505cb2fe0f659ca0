from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chancery.core.names import Name, parse_name
from chancery.core.policy import (
    PUBLIC_TLS_CEILINGS,
    RULES,
    Allow,
    Ask,
    AuthorityFacts,
    Deny,
    Hold,
    ProfileRules,
    decide,
    public_tls_ceiling,
    validity_ceiling,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ANY = ("dns", "ip", "email", "uri")
SECOND = timedelta(seconds=1)


def names(*texts: str) -> tuple[Name, ...]:
    return tuple(parse_name(text) for text in texts)


def ask(**changes: Any) -> Ask:
    fresh = Ask(
        names=names("www.example.com"),
        key_type="EC-P256",
        validity_days=90,
        rules=ProfileRules(wildcard=True),
        authority=AuthorityFacts(key_types=("EC-P256", "RSA-2048"), name_kinds=ANY),
        now=NOW,
    )
    return replace(fresh, **changes)


def codes(asked: Ask) -> list[str]:
    return [p.code for p in decide(asked).problems]


def test_what_breaks_no_rule_is_allowed_and_the_trail_names_every_rule() -> None:
    decision = decide(ask())
    assert decision.verdict == Allow()
    assert (decision.problems, decision.hold) == ((), "")
    assert [(s.rule, s.outcome) for s in decision.trail] == [(n, "allow") for n, _ in RULES] + [("approval", "allow")]


def test_a_profile_that_wants_approval_holds() -> None:
    decision = decide(ask(rules=ProfileRules(needs_approval=True)))
    assert isinstance(decision.verdict, Hold)
    assert decision.hold == decision.verdict.reason != ""
    assert decision.trail[-1].outcome == "hold"


def test_a_denial_wins_over_a_hold_and_tells_all_that_is_wrong() -> None:
    decision = decide(
        ask(rules=ProfileRules(needs_approval=True), key_type="DSA", validity_days=0, names=names("*.example.com"))
    )
    assert isinstance(decision.verdict, Deny)
    assert [p.code for p in decision.problems] == ["key_type", "wildcard", "validity_too_short"]
    assert {p.field for p in decision.problems} == {"csr", "names", "validity_days"}
    assert all(p.remedy for p in decision.problems)
    assert [s.rule for s in decision.trail if s.outcome == "deny"] == ["key_type", "wildcard", "validity"]
    assert decision.hold == ""


def test_a_request_without_names_is_denied() -> None:
    assert codes(ask(names=())) == ["no_names"]


@pytest.mark.parametrize(
    ("profile", "authority", "expected"),
    [
        ((), ("EC-P256",), ""),
        (("EC-P256",), ("EC-P256",), ""),
        (("RSA-2048",), ("EC-P256",), "profile"),
        (("EC-P256",), ("RSA-2048",), "authority"),
        (("RSA-2048",), (), "authority"),
        ((), (), "authority"),
    ],
)
def test_the_key_must_suit_authority_and_profile(
    profile: tuple[str, ...], authority: tuple[str, ...], expected: str
) -> None:
    asked = ask(rules=ProfileRules(key_types=profile), authority=AuthorityFacts(key_types=authority))
    problems = decide(asked).problems
    assert [p.code for p in problems] == (["key_type"] if expected else [])
    assert all(expected in p.message for p in problems)


def test_a_kind_of_name_must_suit_authority_and_profile() -> None:
    asked = ask(names=names("10.0.0.1", "a@example.com", "www.example.com"))
    assert codes(asked) == []
    assert codes(replace(asked, rules=ProfileRules(name_kinds=("dns", "ip")))) == ["name_kind"]
    narrow = replace(asked, authority=AuthorityFacts(key_types=("EC-P256",)))
    assert codes(narrow) == ["name_kind", "name_kind"]
    none = decide(replace(narrow, names=names("www.example.com"), rules=ProfileRules(name_kinds=("ip",))))
    assert "none" in none.problems[0].remedy


@pytest.mark.parametrize("suffix", ["example.com", ".example.com", "*.example.com", "EXAMPLE.com"])
@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("example.com", True),
        ("a.b.example.com", True),
        ("*.example.com", True),
        ("badexample.com", False),
        ("example.com.evil.net", False),
        ("anna@example.com", True),
        ("anna@mail.example.com", True),
        ("anna@evil.net", False),
        ("https://www.example.com:8443/x", True),
        ("https://example.com@evil.net/", False),
        ("urn://", False),
        ("10.0.0.1", True),
    ],
)
def test_a_name_must_lie_in_the_domains_of_the_profile(text: str, suffix: str, *, inside: bool) -> None:
    name = Name("uri", text) if "://" in text else parse_name(text)
    asked = ask(names=(name,), rules=ProfileRules(name_suffixes=("example.org", suffix), wildcard=True))
    assert codes(asked) == ([] if inside else ["name_suffix"])


@pytest.mark.parametrize(
    ("authority", "profile", "whose"),
    [(True, True, ""), (True, False, "profile"), (False, True, "authority"), (False, False, "authority")],
)
def test_a_wildcard_needs_both(whose: str, *, authority: bool, profile: bool) -> None:
    asked = ask(
        names=names("*.example.com", "www.example.com"),
        authority=AuthorityFacts(key_types=("EC-P256",), wildcard=authority),
        rules=ProfileRules(wildcard=profile),
    )
    problems = decide(asked).problems
    assert [p.code for p in problems] == (["wildcard"] if whose else [])
    assert all(whose in p.message for p in problems)


def test_the_smaller_number_of_names_counts() -> None:
    three = names("a.example.com", "b.example.com", "c.example.com")
    assert codes(ask(names=three, rules=ProfileRules(max_names=3))) == []
    assert codes(ask(names=three, rules=ProfileRules(max_names=2))) == ["too_many_names"]
    assert codes(ask(names=three, authority=AuthorityFacts(("EC-P256",), max_names=2))) == ["too_many_names"]


@pytest.mark.parametrize(
    ("profile", "authority", "public", "days", "whose"),
    [
        (None, None, False, 10_000, ""),
        (90, None, False, 90, ""),
        (89, None, False, 90, "the profile"),
        (365, 89, False, 90, "the authority"),
        (365, 365, True, 200, ""),
        (365, 365, True, 201, "publicly trusted"),
        (None, None, True, 201, "publicly trusted"),
    ],
)
def test_the_shortest_ceiling_counts_and_is_named(
    profile: int | None, authority: int | None, days: int, whose: str, *, public: bool
) -> None:
    asked = ask(
        validity_days=days,
        rules=ProfileRules(validity_days_max=profile),
        authority=AuthorityFacts(("EC-P256",), validity_days_max=authority, public_tls=public),
    )
    problems = decide(asked).problems
    assert [p.code for p in problems] == (["validity_too_long"] if whose else [])
    assert all(whose in p.message for p in problems)


def test_the_ceiling_of_two_equal_limits_is_the_same() -> None:
    rules, authority = ProfileRules(validity_days_max=90), AuthorityFacts(("EC-P256",), validity_days_max=90)
    assert validity_ceiling(rules, authority, NOW) == 90
    assert validity_ceiling(ProfileRules(), AuthorityFacts(()), NOW) is None


def test_the_public_ceiling_falls_on_its_days() -> None:
    walked = [(public_tls_ceiling(start - SECOND), public_tls_ceiling(start)) for start, _ in PUBLIC_TLS_CEILINGS]
    assert walked == [(825, 398), (398, 200), (200, 100), (100, 47)]
    assert [start.date().isoformat() for start, _ in PUBLIC_TLS_CEILINGS] == [
        "2020-09-01",
        "2026-03-15",
        "2027-03-15",
        "2029-03-15",
    ]
    assert public_tls_ceiling(datetime(2035, 1, 1, tzinfo=UTC)) == 47


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("www.example.com", True),
        ("*.example.com", True),
        ("intranet", False),
        ("8.8.8.8", True),
        ("10.0.0.1", False),
        ("224.0.0.1", False),
        ("2606:4700::1", True),
        ("fd00::1", False),
        ("anna@example.com", True),
    ],
)
def test_a_public_ca_certifies_no_internal_name(text: str, *, public: bool) -> None:
    authority = AuthorityFacts(("EC-P256",), name_kinds=ANY, public_tls=True)
    assert codes(ask(names=names(text), authority=authority)) == ([] if public else ["internal_name"])
    assert codes(ask(names=names(text))) == []
