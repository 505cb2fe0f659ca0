"""Why an order stands where it stands: every state and every error has its sentence, and each fact is said where it decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from chancery.core.effects import KINDS, Doing, Effect, Retry, consequence
from chancery.core.explain import explain
from chancery.core.order import ENDS, MOVES, OPEN, State
from chancery.core.reasons import EFFECTS, ERRORS, PENDING, RETRIES, STATES
from chancery.core.standing import Connector, Decided, Error, Explanation, Facts, Pool, Topic

NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
SOON, PAST = NOW + timedelta(minutes=5), NOW - timedelta(minutes=5)
CONNECTOR = Connector(
    name="DigiCert",
    active=True,
    installed=True,
    health="Healthy",
    health_text="",
    paused_until=None,
    login_refused=False,
    seats=4,
    per_second=5.0,
    finds=True,
    search_lag=timedelta(seconds=60),
    search_tries=3,
    version=2,
)


def facts(state: State = State.QUEUED, connector: dict[str, object] | None = None, **changes: object) -> Facts:
    made = Facts(
        now=NOW,
        state=state,
        connector=replace(CONNECTOR, **(connector or {})),  # type: ignore[arg-type]  # each test names fields that there are
        pool=Pool("Public", (("DigiCert", True),)),
        profile="Public TLS",
        deadline_at=NOW + timedelta(hours=2),
        requester="rob",
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # as above


def texts(found: Explanation) -> str:
    parts = (found.decided, found.waits_for, found.goes_on)
    return " ".join([found.summary, *(s.text for part in parts for s in part)])


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_sentence_and_every_open_one_says_what_it_waits_for(state: State) -> None:
    found = explain(facts(state))
    assert found.summary == STATES[state]
    assert bool(found.waits_for) is bool(found.goes_on) is (state in OPEN)
    said = texts(found)
    assert "  " not in said
    assert "None" not in said


def test_the_tables_have_a_sentence_for_each_row_and_no_other() -> None:
    assert set(STATES) == set(State) == {m.target for m in MOVES}
    assert set(ERRORS) == set(KINDS)
    assert (set(EFFECTS), set(RETRIES)) == (set(Effect), set(Retry))
    for table in (STATES, ERRORS, EFFECTS, RETRIES, PENDING):
        assert len(set(table.values())) == len(table)


CELLS = list(product(KINDS, Doing, (True, False, None)))


@pytest.mark.parametrize(("kind", "doing", "sent"), CELLS)
def test_every_error_is_said_with_what_the_engine_does_about_it(kind: str, doing: Doing, sent: object) -> None:
    assert sent is None or isinstance(sent, bool)
    rule = consequence(kind, doing, bytes_sent=bool(sent))
    error = Error(kind, doing, bytes_sent=sent, text="503 Busy")
    said = [s.text for s in explain(facts(rule.target, error=error)).decided if s.topic in {Topic.ERROR, Topic.RETRY}]
    assert len(said) == 2
    assert kind in said[0]
    assert ERRORS[kind] in said[0]
    assert [words in said[0] for words in ("had left", "had not left", "  ")] == [sent is True, sent is False, False]
    assert said[0].endswith("503 Busy")
    assert said[1] == f"{EFFECTS[rule.effect]} {RETRIES[rule.retry]}"


def test_what_was_recorded_is_said_where_no_error_was() -> None:
    assert "Recorded: The CA has it." in texts(explain(facts(State.PENDING, reason="The CA has it.")))
    ended = explain(facts(State.DENIED, reason="Not this one."))
    assert ended.summary.endswith("Not this one.")
    assert "Recorded" not in texts(ended)


WAITS = {
    "inactive": (facts(connector={"active": False}), Topic.CONNECTOR, "inactive", "Activate DigiCert"),
    "not installed": (facts(connector={"installed": False}), Topic.CONNECTOR, "not installed", "authorities list"),
    "paused": (
        facts(connector={"paused_until": SOON, "health": "Unreachable", "health_text": "No route."}),
        Topic.BREAKER,
        "unreachable (No route): its breaker is open until 2026-11-26 02:05:00 UTC",
        "probe",
    ),
    "login refused": (
        facts(connector={"paused_until": SOON, "health": "Login refused", "login_refused": True}),
        Topic.BREAKER,
        "login refused: its",
        "credential",
    ),
    "stopped": (
        facts(connector={"stopped": True, "health": "Login refused", "health_text": "No such key."}),
        Topic.BREAKER,
        "refused its login so often (No such key) that nothing is tried before a person acts",
        "Mend the credential",
    ),
    "at a CA whose connector is stopped": (
        facts(State.PENDING, {"stopped": True}),
        Topic.BREAKER,
        "before a person acts",
        "Mend the credential",
    ),
    "unknown at a CA whose connector is stopped": (
        facts(State.OUTCOME_UNKNOWN, {"stopped": True}, due_at=SOON),
        Topic.BREAKER,
        "before a person acts",
        "Mend the credential",
    ),
    "one at a time": (
        facts(connector={"one_at_a_time": True}),
        Topic.LIMIT,
        "5 calls a second, and one at a time until one has succeeded",
        "Nobody has to",
    ),
    "no worker": (facts(worker_alive=False), Topic.WORKER, "No worker", "chancery worker"),
    "tried in vain": (facts(due_at=SOON, attempt=2), Topic.RETRY, "02:05:00 UTC, after 2 tries", "Nobody has to"),
    "in line": (
        facts(connector={"ahead": 1, "under_way": 4}),
        Topic.LIMIT,
        "1 order of this team is more urgent, 4 of 4 seats taken, at most 5 calls a second",
        "Nobody has to",
    ),
    "on its way": (facts(State.SUBMITTING, lease_until=SOON), Topic.CONNECTOR, "until 2026-11-26 02:05:00", "blindly"),
    "its worker is silent": (facts(State.SUBMITTING, lease_until=PAST), Topic.WORKER, "silent", "blindly"),
    "at the CA": (facts(State.PENDING, due_at=SOON), Topic.RETRY, "how it stands at", "The CA's answer"),
    "at a CA that cannot withdraw it": (facts(State.PENDING), Topic.CONNECTOR, "The CA has it", "give it up with"),
    "to be withdrawn": (facts(State.PENDING, cancel_requested=True), Topic.CONNECTOR, "withdraw", "The CA's answer"),
    "validation": (facts(State.PENDING, pending_kind="validation"), Topic.CONNECTOR, "validate", "by itself"),
    "a warning": (facts(State.PENDING, pending_kind="confirmation"), Topic.CONNECTOR, "nothing has been", "Accept"),
    "a search": (
        facts(State.OUTCOME_UNKNOWN, due_at=SOON, searches=1),
        Topic.SEARCH,
        "1 of 3 searches have found nothing. Its search may be 1 minute behind",
        "sent anew",
    ),
    "a search that knows": (
        facts(State.OUTCOME_UNKNOWN, {"search_lag": timedelta(0)}, due_at=SOON),
        Topic.SEARCH,
        "at once",
        "sent anew",
    ),
    "a person": (facts(State.OUTCOME_UNKNOWN), Topic.PERSON, "adopt, order again, or give up", "two people"),
    "a second person": (facts(State.OUTCOME_UNKNOWN, second_person="ada"), Topic.PERSON, "ada wants", "two people"),
    "an approval": (facts(State.AWAITING_APPROVAL), Topic.APPROVAL, "rob brought it about", "Approve it"),
    "somebody's approval": (facts(State.AWAITING_APPROVAL, requester=""), Topic.APPROVAL, "A second", "Approve it"),
}


@pytest.mark.parametrize("name", WAITS)
def test_what_it_waits_for_and_what_makes_it_go_on(name: str) -> None:
    given, topic, waits, goes_on = WAITS[name]
    found = explain(given)
    assert any(s.topic is topic and waits in s.text for s in found.waits_for), found.waits_for
    assert any(goes_on in s.text for s in found.goes_on), found.goes_on


@pytest.mark.parametrize("state", [State.QUEUED, State.PENDING])
def test_where_a_person_has_to_act_nobody_is_told_that_there_is_nothing_to_do(state: State) -> None:
    said = texts(explain(facts(state, {"stopped": True})))
    assert "obody has to do anything" not in said
    assert "takes of each team" not in said


def test_where_the_ca_can_withdraw_it_nobody_is_told_to_give_it_up() -> None:
    assert "give it up" not in texts(explain(facts(State.PENDING, {"cancels": True})))


@pytest.mark.parametrize("state", sorted(OPEN))
def test_an_open_order_says_its_deadline_also_when_it_is_over(state: State) -> None:
    assert "by 2026-11-26 04:00:00 UTC, in 2 hours" in texts(explain(facts(state)))
    late = explain(facts(state, deadline_at=PAST))
    assert "that was 5 minutes ago" in texts(late)
    assert late.waits_for[-1].topic is Topic.DEADLINE


@pytest.mark.parametrize("state", sorted(ENDS))
def test_an_order_that_has_ended_has_no_deadline(state: State) -> None:
    assert "wanted by" not in texts(explain(facts(state)))


def test_rules_approvals_and_people_are_said_in_their_order() -> None:
    rules = (("key_type", "allow"), ("max_names", "allow"), ("approval", "hold"))
    decisions = (Decided("Approved", "amy", PAST), Decided("Accepted", "ada", PAST, "It is meant."))
    found = explain(facts(rules=rules, decisions=decisions, profile_changed=True, ordered_again=2))
    said = texts(found)
    for part in (
        "The profile Public TLS says what may be ordered. It has been changed since",
        "Every rule allowed it: key type, max names.",
        "The profile wants a second person's approval.",
        "Approved by amy at 2026-11-26 01:55:00 UTC. Accepted by ada at 2026-11-26 01:55:00 UTC: It is meant.",
        "ordered again, 2 times",
    ):
        assert part in said
    assert "No approval was wanted." in texts(explain(facts(rules=(("approval", "allow"),))))


POOLS = {
    "the only connector of its pool": Pool("P", (("DigiCert", True),)),
    "the most preferred one that took orders then. Preference: Other (takes nothing now), DigiCert.": Pool(
        "P", (("Other", False), ("DigiCert", True))
    ),
    "was in the pool P when it was placed. In it now: Other.": Pool("P", (("Other", True),)),
    "In it now: nobody.": Pool("P", ()),
    "It goes to DigiCert: Other was away.": Pool("P", (("DigiCert", True),), "Other was away."),
}


@pytest.mark.parametrize("part", POOLS)
def test_why_this_connector_of_the_pool(part: str) -> None:
    assert part in texts(explain(facts(pool=POOLS[part])))


def test_by_which_settings_it_was_sent() -> None:
    assert "settings version 2 of DigiCert, which is in force" in texts(explain(facts(version=2)))
    assert "version 1 of DigiCert; version 2 is in force now" in texts(explain(facts(version=1)))
    assert "settings version" not in texts(explain(facts()))
