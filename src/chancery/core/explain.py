"""Why an order stands where it stands: facts in, statements out. Pure; the sentences of `reasons` are tables.

Three things are said: what has *decided* so far, what it *waits for* now, and what makes it *go on*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from chancery.core.effects import Doing, consequence
from chancery.core.order import ENDS, State
from chancery.core.reasons import EFFECTS, ERRORS, PENDING, RETRIES, STATES
from chancery.core.spoken import at, lasting, number
from chancery.core.standing import Connector, Error, Explanation, Facts, Statement, Topic

Said = Iterator[Statement]


def explain(facts: Facts) -> Explanation:
    """Return why the order stands where it stands, what it waits for, and what makes it go on."""
    waits, goes_on = _OPEN.get(facts.state, (_nothing, _ahead))
    summary = f"{STATES[facts.state]} {facts.reason}".strip() if facts.state in ENDS else STATES[facts.state]
    waiting = (*waits(facts), *_deadline(facts))
    return Explanation(summary, tuple(_decided(facts)), waiting, tuple(goes_on(facts)))


def _say(topic: Topic, text: str) -> Statement:
    return Statement(topic, text)


def _nothing(facts: Facts) -> Said:
    del facts
    yield from ()


def _ahead(facts: Facts) -> Said:
    if facts.approval_waits:
        text = "The next order of its client for the same is sent at once. Until then the approval can be taken back."
        yield _say(Topic.APPROVAL, text)


# What has decided ------------------------------------------------------------------------------------


def _decided(facts: Facts) -> Said:
    yield from _profile(facts)
    for one in facts.decisions:
        words = f": {one.text}" if one.text else "."
        yield _say(Topic.APPROVAL, f"{one.verb} by {one.who} at {at(one.at)}{words}")
    yield _say(Topic.POOL, _chosen(facts))
    if facts.version is not None:
        yield _say(Topic.SETTINGS, _settings(facts))
    if facts.ordered_again:
        times = number(facts.ordered_again, "time", "times")
        yield _say(Topic.PERSON, f"Two people had it ordered again, {times}; each call has a reference of its own.")
    if facts.error is not None:
        yield _say(Topic.ERROR, _error(facts.error))
        yield _say(Topic.RETRY, _consequence(facts.error, again=facts.attempt > 1))
    elif facts.reason and facts.state not in ENDS:
        yield _say(Topic.STATE, f"Recorded: {facts.reason}")


def _profile(facts: Facts) -> Said:
    changed = " It has been changed since; an order keeps the verdict that it was placed under." * facts.profile_changed
    yield _say(Topic.PROFILE, f"The profile {facts.profile} says what may be ordered.{changed}")
    allowed = [rule.replace("_", " ") for rule, outcome in facts.rules if outcome == "allow" and rule != "approval"]
    if allowed:
        yield _say(Topic.RULES, f"Every rule allowed it: {', '.join(allowed)}.")
    verdict = dict(facts.rules).get("approval")
    if verdict is not None:
        wanted = "The profile wants a second person's approval." if verdict == "hold" else "No approval was wanted."
        yield _say(Topic.APPROVAL, wanted)


def _chosen(facts: Facts) -> str:
    pool, name = facts.pool, facts.connector.name
    if pool.because:
        return f"It goes to {name}: {pool.because}"
    if [n for n, _ in pool.members] == [name]:
        return f"It goes to {name}, the only connector of its pool."
    order = ", ".join(n if takes else f"{n} (takes nothing now)" for n, takes in pool.members)
    if not any(n == name for n, _ in pool.members):
        return (
            f"It goes to {name}, which was in the pool {pool.name} when it was placed. In it now: {order or 'nobody'}."
        )
    return f"It goes to {name}: of the pool {pool.name}, the most preferred one that took orders then. Preference: {order}."


def _settings(facts: Facts) -> str:
    connector = facts.connector
    used = f"The call was made by settings version {facts.version} of {connector.name}"
    if facts.version == connector.version:
        return f"{used}, which is in force."
    return f"{used}; version {connector.version} is in force now, and what is done next is done with that."


_LEFT = {True: " The request had left.", False: " The request had not left.", None: ""}


def _error(error: Error) -> str:
    what = {Doing.SUBMIT: "sending it", Doing.POLL: "asking how it stands", Doing.SETTLE: "searching for it"}[
        error.doing
    ]
    left = _LEFT[error.bytes_sent]
    said = f" {error.text}" if error.text else ""
    return f"The last error was {error.kind}, when {what}: {ERRORS[error.kind]}{left}{said}"


def _consequence(error: Error, *, again: bool) -> str:
    rule = consequence(error.kind, error.doing, bytes_sent=bool(error.bytes_sent), again=again)
    return f"{EFFECTS[rule.effect]} {RETRIES[rule.retry]}"


# What it waits for -----------------------------------------------------------------------------------


def _approval_wait(facts: Facts) -> Said:
    asked = f" {facts.requester} brought it about, so it cannot be them." if facts.requester else ""
    yield _say(Topic.APPROVAL, f"A second person has to approve it.{asked}")


def _queue_wait(facts: Facts) -> Said:
    connector, later = facts.connector, facts.due_at is not None and facts.due_at > facts.now
    if not connector.active:
        yield _say(Topic.CONNECTOR, f"{connector.name} is inactive.")
    yield from _held_up(facts)
    if later and facts.due_at is not None:
        tried = number(facts.attempt, "try", "tries")
        yield _say(Topic.RETRY, f"It is tried again at {at(facts.due_at)}, after {tried} in vain.")
    if _goes(connector) and not later:
        yield _say(Topic.LIMIT, _line(connector))


def _goes(connector: Connector) -> bool:
    """Say whether new orders go out, each when its turn comes."""
    held = connector.stopped or connector.paused_until is not None
    return connector.active and connector.installed and not held


def _line(connector: Connector) -> str:
    ahead = number(connector.ahead, "order of this team is", "orders of this team are") + " more urgent"
    seats = f"{connector.under_way} of {number(connector.seats, 'seat', 'seats')} taken"
    pace = f"at most {connector.per_second:g} calls a second"
    if connector.one_at_a_time:
        pace += ", and one at a time until one has succeeded"
    return f"{connector.name} takes of each team in turn the most urgent first: {ahead}, {seats}, {pace}."


def _held_up(facts: Facts) -> Said:
    """Say what keeps the engine from anything that it has to do for the order."""
    connector = facts.connector
    if not connector.installed:
        yield _say(Topic.CONNECTOR, f"What speaks to the CA of {connector.name} is not installed, or cannot be loaded.")
    if not facts.worker_alive:
        yield _say(Topic.WORKER, "No worker is running, so nothing reaches any CA.")
    said = f" ({connector.health_text.rstrip('.')})" if connector.health_text else ""
    if connector.stopped:
        text = f"{connector.name} was refused its login so often{said} that nothing is tried before a person acts."
        yield _say(Topic.BREAKER, text)
    elif connector.paused_until is not None:
        until = at(connector.paused_until)
        text = f"{connector.name} is {connector.health.lower()}{said}: its breaker is open until {until}."
        yield _say(Topic.BREAKER, text)


def _call_wait(facts: Facts) -> Said:
    if facts.lease_until is not None and facts.lease_until > facts.now:
        yield _say(
            Topic.CONNECTOR, f"A worker is calling {facts.connector.name} and has until {at(facts.lease_until)}."
        )
    else:
        yield _say(Topic.WORKER, "The worker that was calling the CA is silent; another one settles what became of it.")


def _ca_wait(facts: Facts) -> Said:
    asked = " The CA is asked to withdraw it." * facts.cancel_requested
    yield _say(Topic.CONNECTOR, f"{PENDING[facts.pending_kind]}{asked}")
    yield from _held_up(facts)
    if facts.due_at is not None and facts.pending_kind != "confirmation":
        yield _say(Topic.RETRY, f"The engine asks {facts.connector.name} how it stands at {at(facts.due_at)}.")


def _unknown_wait(facts: Facts) -> Said:
    connector = facts.connector
    if facts.second_person:
        text = f"{facts.second_person} wants it ordered again; a second person has to confirm or refuse that."
        yield _say(Topic.PERSON, text)
    if facts.due_at is None:
        yield _say(Topic.PERSON, "A person has to decide: adopt, order again, or give up.")
        return
    tries = f"{facts.searches} of {number(connector.search_tries, 'search', 'searches')} have found nothing"
    text = f"{connector.name} is searched for it at {at(facts.due_at)}; {tries}."
    yield _say(Topic.SEARCH, f"{text} {_lag(connector)}")
    yield from _held_up(facts)


def _lag(connector: Connector) -> str:
    if not connector.search_lag:
        return "Its search knows an order at once."
    return f"Its search may be {lasting(connector.search_lag)} behind, so it is never asked sooner."


def _person_wait(facts: Facts) -> Said:
    del facts
    yield _say(Topic.PERSON, "A person has to look at the certificate that came back.")


def _deadline(facts: Facts) -> Said:
    if facts.state in ENDS or facts.asks:
        return
    left = facts.deadline_at - facts.now
    how = f"in {lasting(left)}" if left > timedelta(0) else f"that was {lasting(-left)} ago"
    yield _say(Topic.DEADLINE, f"It is wanted by {at(facts.deadline_at)}, {how}. It does not fail by waiting.")


# What makes it go on ---------------------------------------------------------------------------------


def _approval_on(facts: Facts) -> Said:
    if facts.asks:
        text = "Its client does not wait: approve it, and the next order of that client for the same is sent at once."
        yield _say(Topic.APPROVAL, text)
        return
    yield _say(Topic.APPROVAL, "Approve it and it is sent at once; deny it and it ends.")


def _queue_on(facts: Facts) -> Said:
    connector = facts.connector
    if not connector.active:
        yield _say(Topic.CONNECTOR, f"Activate {connector.name}.")
    if connector.paused_until is not None and connector.login_refused:
        yield _say(Topic.BREAKER, _login(connector))
    elif connector.paused_until is not None:
        yield _say(
            Topic.BREAKER, "A harmless probe is sent when the pause ends; if it passes, the queue goes on by itself."
        )
    yield from _mend(facts)
    if _goes(connector) and facts.worker_alive:
        yield _say(Topic.LIMIT, "Nobody has to do anything.")


def _login(connector: Connector) -> str:
    return f"Mend the credential or the account of {connector.name} and activate it, which tries it at once."


def _mend(facts: Facts) -> Said:
    if facts.connector.stopped:
        yield _say(Topic.BREAKER, _login(facts.connector))
    if not facts.connector.installed:
        yield _say(
            Topic.CONNECTOR, "Install that type of CA, or mend it: chancery authorities list says what is wrong."
        )
    if not facts.worker_alive:
        yield _say(Topic.WORKER, "Start a worker: chancery worker.")


def _call_on(facts: Facts) -> Said:
    del facts
    text = "The CA's answer. Without one it is never sent again blindly: the CA is searched, or a person decides."
    yield _say(Topic.CONNECTOR, text)


def _ca_on(facts: Facts) -> Said:
    if facts.pending_kind == "confirmation":
        yield _say(Topic.PERSON, "Accept what it warns of and it is sent; cancel it and it ends.")
    elif facts.pending_kind in {"approval", "validation", "action"}:
        yield _say(Topic.PERSON, "What the CA waits for; the engine notices by itself.")
    elif not facts.connector.stopped:
        yield _say(Topic.CONNECTOR, "The CA's answer; nobody has to do anything here.")
    if not facts.connector.cancels:
        yield _say(Topic.PERSON, "If no answer will come: give it up with a reason. It cannot be withdrawn from here.")
    yield from _mend(facts)


def _unknown_on(facts: Facts) -> Said:
    yield from _mend(facts)
    if facts.due_at is not None:
        text = (
            "If the search finds it, it goes on as the CA has it. If it is not there in all searches, it is sent anew."
        )
        yield _say(Topic.SEARCH, text)
    yield _say(
        Topic.PERSON,
        "Adopt it by the CA's order number, have it ordered again by two people, or give it up.",
    )


def _person_on(facts: Facts) -> Said:
    del facts
    yield _say(Topic.PERSON, "Give it up with a reason, have what came revoked at the CA, and place a new order.")


_OPEN: dict[State, tuple[Callable[[Facts], Said], Callable[[Facts], Said]]] = {
    State.AWAITING_APPROVAL: (_approval_wait, _approval_on),
    State.QUEUED: (_queue_wait, _queue_on),
    State.SUBMITTING: (_call_wait, _call_on),
    State.PENDING: (_ca_wait, _ca_on),
    State.OUTCOME_UNKNOWN: (_unknown_wait, _unknown_on),
    State.QUARANTINED: (_person_wait, _person_on),
}
"""Open state → what it waits for, and what makes it go on."""
