"""A CA that was set up anew: it has forgotten accounts and orders, and gives their numbers out again."""

import pytest

from chancery.core.effects import Doing, consequence
from chancery.core.order import RevocationReason, State
from chancery.core.secret import Secret
from chancery.protocols.acme.keys import new_account_key
from chancery.protocols.acme.settings import AcmeSettings, Eab
from chancery.protocols.acme.simulator import EAB_KEY, EAB_KEY_ID
from chancery.protocols.acme.tests.stand import KEY, PLAIN, SETTINGS, request, scripted, stand, target
from chancery.sdk.errors import AlreadyDone, AuthFailed, Forbidden, NotFound, RejectedByPolicy, Unreachable

DIRECT = {"preauthorized": True}
BOUND = AcmeSettings(terms_agreed=True, eab=Eab(EAB_KEY_ID, Secret(EAB_KEY)))


def reset(place, *, stranger=False):
    """Set the CA up anew; a stranger then has the first account's number."""
    place.turn(resets=place.simulator.dials.now.resets + 1)
    if stranger:
        place.turn(eab_required=False)
        place.steps(key=new_account_key()).submit(request("stranger.example.com"), PLAIN)


@pytest.mark.parametrize("says", ["", "unauthorized", "badSignatureAlgorithm", "accountDoesNotExist"])
@pytest.mark.parametrize("stranger", [True, False])
@pytest.mark.parametrize("settings", [SETTINGS, BOUND])
def test_an_order_is_placed_by_an_account_of_ours(says, stranger, settings):
    with stand(eab_required=settings is BOUND, **DIRECT) as place:
        steps = place.steps(settings)
        place.issue(steps)
        reset(place, stranger=stranger)
        place.turn(stranger=says, eab_required=settings is BOUND)
        place.issue(steps)
        accounts = place.simulator.state()["accounts"]
        assert [a["bound"] for a in accounts][-1] is (settings is BOUND)
        assert len(accounts) == 1 + stranger
        assert place.ordered() == 2


def test_the_former_key_may_have_the_account():
    with stand(**DIRECT) as place:
        fresh = new_account_key()
        steps = place.steps(AcmeSettings(terms_agreed=True, previous_key=Secret(KEY)), key=fresh)
        place.issue(steps)
        reset(place, stranger=True)
        place.issue()
        place.issue(steps)
        assert len(place.simulator.state()["accounts"]) == 2


def test_a_key_change_that_is_refused_says_nothing_about_the_order():
    def answer(method, path, payload):
        if path == "/keyChange":
            return 409, {"type": "urn:ietf:params:acme:error:malformed", "detail": "no"}
        if path == "/newAccount" and len([1 for row in door.asked if row[1] == path]) == 1:
            return 400, {"type": "urn:ietf:params:acme:error:accountDoesNotExist", "detail": "no"}
        return None

    steps, door = scripted(answer, AcmeSettings(terms_agreed=True, previous_key=Secret(KEY)))
    with pytest.raises(Forbidden) as refused:
        steps.submit(request(), PLAIN)
    assert refused.value.remedy


def refusing(kind, looks):
    """Return steps whose orders are refused, and what the CA says of the account after that."""

    def answer(method, path, payload):
        if path == "/newOrder":
            return 400, {"type": f"urn:ietf:params:acme:error:{kind}", "detail": "no"}
        if path == "/newAccount" and any(row[1] == "/newOrder" for row in door.asked):
            return looks
        return None

    steps, door = scripted(answer)
    return steps, door


@pytest.mark.parametrize(
    ("looks", "error"), [(None, RejectedByPolicy), (Unreachable("away"), Unreachable), ((403, b"<html>"), Forbidden)]
)
def test_a_refusal_is_the_orders_only_where_the_account_is_seen_to_be_ours(looks, error):
    steps, door = refusing("malformed", looks)
    with pytest.raises(error) as refused:
        steps.submit(request(), PLAIN)
    assert type(refused.value) is error
    assert [row[1] for row in door.asked].count("/newOrder") == 1


def test_a_refusal_that_is_none_of_a_signature_asks_nothing_more():
    steps, door = refusing("rejectedIdentifier", None)
    with pytest.raises(RejectedByPolicy):
        steps.submit(request(), PLAIN)
    assert [row[1] for row in door.asked].count("/newAccount") == 1


@pytest.mark.parametrize("says", ["", "unauthorized"])
def test_a_revocation_is_refused_by_the_ca_that_is_there_and_not_for_a_signature(says):
    with stand(**DIRECT) as place:
        steps = place.steps()
        issued = place.issue(steps)
        reset(place, stranger=True)
        place.turn(stranger=says)
        with pytest.raises(NotFound) as refused:
            steps.revoke(target(issued), RevocationReason.SUPERSEDED)
        assert "signature" not in refused.value.text


# Orders that were placed before ------------------------------------------------------------------------


@pytest.mark.parametrize("finished", [True, False])
def test_an_address_with_an_order_for_other_names_is_not_ours(finished):
    with stand(**DIRECT) as place:
        steps, asked, other = place.steps(), request(), request("other.example.com")
        opened = steps.submit(asked, PLAIN)
        reset(place)
        placed = steps.submit(other, PLAIN)
        assert placed.reference == opened.reference
        if finished:
            place.finish(steps, placed, other)
        before = place.ordered()
        with pytest.raises(NotFound) as told:
            steps.poll(opened.state, asked)
        # Neither its certificate is taken nor asked for, and a person decides.
        assert place.ordered() == before
        assert told.value.code == "other_names"
        assert told.value.remedy
        assert consequence(told.value.kind, Doing.POLL, bytes_sent=True).target is State.OUTCOME_UNKNOWN
        with pytest.raises(NotFound):
            steps.withdraw(opened.state, asked)
        if finished:
            with pytest.raises(AlreadyDone):
                steps.withdraw(placed.state, other)


@pytest.mark.parametrize(
    ("stranger", "says"), [(True, ""), (True, "unauthorized"), (True, "badSignatureAlgorithm"), (False, "")]
)
def test_an_order_of_an_account_that_is_anothers_now_is_lost(stranger, says):
    with stand(**DIRECT) as place:
        steps, asked = place.steps(), request()
        opened = steps.submit(asked, PLAIN)
        reset(place, stranger=stranger)
        place.turn(stranger=says)
        accounts = len(place.simulator.state()["accounts"])
        with pytest.raises(NotFound):
            steps.poll(opened.state, asked)
        assert len(place.simulator.state()["accounts"]) == accounts


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ([{"type": "dns", "value": "WWW.Example.com."}], "www.example.com"),
        ([{"type": "ip", "value": "2001:DB8:0:0::1"}], "2001:db8::1"),
        ([], "www.example.com"),
    ],
)
def test_names_are_compared_as_what_they_are(shown, name):
    from chancery.protocols.acme.progress import Progress
    from chancery.sdk.outcome import Pending, PendingKind

    order = {"status": "processing", "identifiers": shown}
    steps, _ = scripted(lambda method, path, payload: order if path == "/order/1" else None)
    opened = Progress("https://ca.example/order/1", "https://ca.example/acct/1").pending(PendingKind.PROCESSING, "")
    assert isinstance(steps.poll(opened.state, request(name)), Pending)
    order["identifiers"] = [{"type": "ip", "value": "no address"}]
    with pytest.raises(NotFound):
        steps.poll(opened.state, request(name))


def test_a_closed_account_is_told_as_one():
    with stand(**DIRECT) as place:
        steps = place.steps()
        place.issue(steps)
        place.turn(refuse_key=True)
        with pytest.raises(AuthFailed) as refused:
            steps.submit(request(), PLAIN)
        assert refused.value.remedy
