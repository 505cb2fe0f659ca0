"""API tokens: shown once, kept as a digest, ended at once."""

from datetime import UTC, datetime, timedelta

import pytest

from chancery.apps.accounts import actions, queries, roles
from chancery.apps.accounts.models import ApiToken
from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit.models import Entry
from chancery.apps.shared import action
from chancery.apps.shared.tests.looking import conflict, refused
from chancery.core.clock import ManualClock
from chancery.core.errors import Absent, NotPermitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    manual = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    before = action.use_clock(manual)
    yield manual
    action.use_clock(before)


def test_a_token_stands_for_its_owner_with_the_roles_of_this_moment(cast):
    token, text = actions.create_token(cast.rob, " nightly ")
    actor = queries.actor_of_token(text, "192.0.2.1")
    assert (actor.name, actor.user, actor.how) == ("rob", cast.users["rob"].pk, "token:nightly")
    assert (actor.address, actor.via) == ("192.0.2.1", "api")
    assert actor.grants == cast.rob.grants
    actions.set_grants(cast.ada, actor.user, [])
    assert queries.actor_of_token(text).grants == ()
    assert token.hint == text[-4:]


def test_the_text_is_kept_nowhere(cast):
    _, text = actions.create_token(cast.rob, "nightly")
    assert text.startswith("chy_")
    assert text not in str(list(ApiToken.objects.values()))
    assert not any(text.encode() in bytes(b) for b in Entry.objects.values_list("body", flat=True))


def test_a_token_ends_at_its_hour(cast, clock):
    _, text = actions.create_token(cast.rob, "short", 1)
    clock.advance(timedelta(days=1) - timedelta(seconds=1))
    assert queries.actor_of_token(text) is not None
    clock.advance(timedelta(seconds=1))
    assert queries.actor_of_token(text) is None


def test_a_token_without_an_end_lives_on(cast, clock):
    _, text = actions.create_token(cast.rob, "for good", None)
    clock.advance(timedelta(days=5000))
    assert queries.actor_of_token(text) is not None


def test_a_token_ends_when_it_is_revoked_and_only_once(cast, clock):
    token, text = actions.create_token(cast.rob, "nightly")
    actions.revoke_token(cast.rob, token.pk)
    assert queries.actor_of_token(text) is None
    ended = ApiToken.objects.get().revoked_at
    clock.advance(timedelta(hours=1))
    with conflict("ended"):
        actions.revoke_token(cast.rob, token.pk)
    assert ApiToken.objects.get().revoked_at == ended


def test_a_token_of_somebody_kept_out_opens_nothing(cast):
    _, text = actions.create_token(cast.rob, "nightly")
    actions.disable_user(cast.ada, cast.users["rob"].pk)
    assert queries.actor_of_token(text) is None
    assert queries.actor_of_token("chy_unknown") is None


def test_nobody_ends_or_sees_the_tokens_of_another(cast):
    token, _ = actions.create_token(cast.rob, "nightly")
    for other in (cast.cleo, cast.ada, cast.host):
        assert queries.tokens(other).items == []
        with pytest.raises(Absent):
            actions.revoke_token(other, token.pk)
    assert queries.tokens(cast.rob).items == [token]
    assert queries.token_of(cast.ada, cast.users["rob"].pk, token.pk) == token
    with pytest.raises(Absent):
        queries.token_of(cast.ada, cast.users["cleo"].pk, token.pk)


def test_tokens_have_pages_the_newest_first(cast):
    made = [actions.create_token(cast.rob, name)[0] for name in ("one", "two")]
    first = queries.tokens(cast.rob, size=1)
    assert (first.items, first.count_text) == (made[1:], "2")
    assert queries.tokens_of(cast.ada, cast.users["rob"].pk, size=1, cursor=first.next).items == made[:1]


@pytest.mark.parametrize("days", [0, -1, 731])
def test_a_life_out_of_bounds_is_refused(cast, days):
    with refused("days"):
        actions.create_token(cast.rob, "nightly", days)


@pytest.mark.parametrize("name", ["", " ", "a" * 101, "a\x00"])
def test_a_token_has_a_name(cast, name):
    with refused("name"):
        actions.create_token(cast.rob, name)


def test_a_token_belongs_to_a_person_whose_role_has_them(cast):
    with refused("user"):
        actions.create_token(cast.host, "nightly")
    with pytest.raises(NotPermitted):
        actions.create_token(cast.dan, "nightly")


def test_a_token_made_without_a_second_factor_gives_nothing_once_a_role_asks_for_one(cast, client):
    strong = queries.actor_of(cast.users["rob"], how="session", strong=True)
    (_, weak), (_, good) = actions.create_token(cast.rob, "weak"), actions.create_token(strong, "good")
    _, next_one = actions.create_token(queries.actor_of_token(good), "made with it")
    roles.require_factor(cast.ada, "requester", needed=True)
    actor = queries.actor_of_token(weak)
    assert (actor.grants, actor.needs_factor) == ((), True)
    assert not any(actor.may(permission) for permission in Permission)
    refused_at = client.get("/api/v1/tokens", headers={"Authorization": f"Bearer {weak}"})
    assert (refused_at.status_code, refused_at.json()["code"]) == (403, "second_factor")
    for text in (good, next_one):
        assert queries.actor_of_token(text).grants == cast.rob.grants
    roles.require_factor(cast.ada, "requester", needed=False)
    assert queries.actor_of_token(weak).grants == cast.rob.grants


def test_what_a_bound_token_makes_is_bound_as_well(cast):
    _, text = actions.create_token(cast.rob, "bound", networks=["192.0.2.0/24", "2001:db8::/32"])
    bound = queries.actor_of_token(text, "192.0.2.7")
    for wider in ("192.0.0.0/16", "198.51.100.7", "::/0"):
        with refused("networks"):
            actions.create_token(bound, "next", networks=["192.0.2.7", wider])
    _, alike = actions.create_token(bound, "next")
    _, narrower = actions.create_token(bound, "next", networks=["192.0.2.0/28"])
    assert queries.actor_of_token(alike, "198.51.100.7") is None
    assert queries.actor_of_token(alike, "192.0.2.200").bound == bound.bound
    assert queries.actor_of_token(narrower, "192.0.2.200") is None
    assert queries.actor_of_token(narrower, "192.0.2.1") is not None
