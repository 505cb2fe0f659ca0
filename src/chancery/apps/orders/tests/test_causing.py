"""Who brought an order about decides nothing about it, is told why, and is named on its page."""

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import User
from chancery.apps.orders import actions, causing
from chancery.apps.orders.causing import How
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.shared.actor import engine_actor
from chancery.core.errors import NotPermitted
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db
DECIDE = {
    "approve": lambda actor, pk: actions.approve(actor, pk),
    "deny": lambda actor, pk: actions.deny(actor, pk, "No."),
    "release": lambda actor, pk: actions.release(actor, pk),
    "confirm_again": lambda actor, pk: actions.confirm_again(actor, pk),
    "refuse_again": lambda actor, pk: actions.refuse_again(actor, pk, "No."),
}


@pytest.fixture
def olga(cast):
    user = people.create_user(cast.host, "olga", PASSWORD, grants=[("administrator", None, None)])
    return who.actor_of(user, how="test")


@pytest.mark.parametrize("how", set(How) - {How.PLACED})
def test_nobody_decides_about_what_they_brought_about_in_whichever_way(cast, local, how):
    people_behind = causing.causes((cast.ada.user, how), (None, How.BOT), (cast.ada.user, how))
    assert people_behind == [[cast.ada.user, str(how)]]
    made = place(engine_actor(), PlaceOrder("Careful", request_pem("a.example.com"), caused_by=people_behind))
    for decide in (DECIDE["approve"], DECIDE["deny"]):
        for actor in (cast.ada, who.actor_of(cast.users["ada"], how="token:nightly", via="api")):
            with pytest.raises(NotPermitted, match="brought about themselves: whoever"):
                decide(actor, made.pk)
    (line,) = causing.told(made)
    assert (line.name, line.words in causing.said_to(made, cast.ada.user)) == ("ada", True)
    # It is the person and not the name.
    User.objects.filter(username="ada").update(username="ada.former")
    User.objects.filter(username="amy").update(username="ada")
    with pytest.raises(NotPermitted):
        actions.approve(who.actor_of(User.objects.get(username="ada.former"), how="test"), made.pk)
    assert actions.approve(who.actor_of(User.objects.get(username="ada"), how="test"), made.pk).state == "queued"


def test_neither_is_it_issued_at_the_ca_nor_ordered_again_by_them(cast, account, olga):
    made = place(engine_actor(), PlaceOrder("Public", request_pem("a.example.com")))
    Order.objects.filter(pk=made.pk).update(
        state="outcome_unknown", caused_by=causing.causes((cast.ada.user, How.REQUEST))
    )
    with pytest.raises(NotPermitted, match="brought about"):
        DECIDE["release"](cast.ada, made.pk)
    actions.order_again(olga, made.pk, "Looked it up there.")
    for decide in ("confirm_again", "refuse_again"):
        with pytest.raises(NotPermitted, match="brought about"):
            DECIDE[decide](cast.ada, made.pk)
        with pytest.raises(NotPermitted, match="asks to order again"):
            DECIDE[decide](olga, made.pk)


def test_all_who_are_behind_it_are_named_and_whoever_placed_it_first(cast, local):
    by_two = causing.causes((cast.amy.user, How.NAMES), (cast.amy.user, How.TARGET), (cast.rob.user, How.ASKED))
    made = place(cast.rob, PlaceOrder("Careful", request_pem("a.example.com"), caused_by=by_two))
    assert [one.name for one in causing.told(made)] == ["rob", "amy", "amy", "rob"]
    assert causing.names(made) == ["rob", "amy"]
    assert causing.behind(made) == {cast.rob.user: How.PLACED, cast.amy.user: How.NAMES}
    assert "placed themselves" in causing.said_to(made, cast.rob.user)
    assert causing.said_to(made, None) == causing.said_to(made, cast.ada.user) == ""
    assert sorted(causing.repeated(made)) == sorted([[cast.amy.user, "repeated"], [cast.rob.user, "repeated"]])
    assert causing.whole(made.caused_by)[0] == {"user": cast.amy.user, "how": "names"}
