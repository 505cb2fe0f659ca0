"""Second factors: codes that count once, codes for when all is lost, and who may change them."""

from datetime import UTC, datetime, timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value

from chancery.apps.accounts import actions, factors, queries
from chancery.apps.connectors import sealed
from chancery.apps.shared import action
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.clock import ManualClock
from chancery.core.errors import Absent, NotPermitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    manual = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    before = action.use_clock(manual)
    yield manual
    action.use_clock(before)


def code(secret, clock, steps=0):
    return format_hotp_value(hotp_value(secret, int(clock.now().timestamp()) // 30 + steps))


@pytest.fixture
def app(cast, clock):
    secret = generate_totp_secret()
    cast.codes = factors.add_totp(cast.rob, secret, code(secret, clock))
    return secret


def test_an_app_is_added_by_its_code_and_its_secret_is_sealed(cast, clock, app):
    rob = cast.users["rob"]
    assert app not in str(list(Authenticator.objects.values()))
    assert [f.type for f in factors.of(rob)] == ["totp"]
    assert (factors.has_any(rob), factors.has_passkey(rob), factors.codes_left(rob)) == (True, False, 10)
    assert factors.codes_left(cast.users["amy"]) == 0
    with conflict("exists"):
        factors.add_totp(cast.rob, app, code(app, clock))
    with refused("code"):
        factors.add_totp(cast.amy, app, "000000")
    assert [e["detail"]["added"] for e in said("factors.add_totp")] == ["totp"]
    assert {id for id in sealed.key_ids()} == {Authenticator.objects.get(type="totp").data["secret"]["kid"]}


def test_a_code_counts_once_and_only_in_its_time(cast, clock, app):
    rob = cast.users["rob"]
    assert factors.prove(rob, code(app, clock)) == ""  # it added the app
    clock.advance(timedelta(seconds=30))
    typed = code(app, clock)
    assert factors.prove(rob, f" {typed[:3]} {typed[3:]} ") == "totp"
    assert factors.prove(rob, typed) == ""
    assert factors.prove(rob, code(app, clock, 2)) == ""
    assert factors.prove(rob, code(app, clock, 1)) == "totp"
    assert factors.prove(rob, code(app, clock, -1)) == ""
    assert factors.of(rob)[0].last_used_at == clock.now()


def test_a_recovery_code_lets_in_once_and_new_ones_end_the_old(cast, app):
    rob, codes = cast.users["rob"], cast.codes
    assert len(set(codes)) == 10
    assert not any(c.replace("-", "") in str(list(Authenticator.objects.values())) for c in codes)
    assert factors.prove(rob, codes[0].upper()) == "recovery_codes"
    assert factors.prove(rob, codes[0]) == ""
    assert factors.codes_left(rob) == 9
    fresh = factors.new_codes(cast.rob)
    assert factors.prove(rob, codes[1]) == ""
    assert factors.prove(rob, fresh[1]) == "recovery_codes"
    with conflict("no_factor"):
        factors.new_codes(cast.amy)


def test_a_factor_is_removed_by_its_owner_and_with_the_last_its_codes(cast, app):
    row = factors.of(cast.users["rob"])[0]
    with pytest.raises(Absent):
        factors.remove(cast.amy, row.pk)
    Authenticator.objects.create(user=cast.users["rob"], type="webauthn", data={"name": "Key"})
    factors.remove(cast.rob, row.pk)
    assert Authenticator.objects.filter(type="recovery_codes").exists()
    factors.remove(cast.rob, factors.of(cast.users["rob"])[0].pk)
    assert not Authenticator.objects.exists()


def test_who_has_lost_them_asks_an_administrator_and_nobody_helps_themselves_that_way(cast, app):
    with pytest.raises(NotPermitted):
        factors.remove_all(cast.amy, cast.users["rob"].pk)
    with pytest.raises(NotPermitted, match="their own"):
        factors.remove_all(cast.ada, cast.users["ada"].pk)
    with pytest.raises(Absent):
        factors.remove_all(cast.ada, 0)
    factors.remove_all(cast.ada, cast.users["rob"].pk)
    assert not factors.has_any(cast.users["rob"])
    assert said("people.remove_factors")[-1]["changed"] == ["factors"]
    factors.remove_all(cast.host, cast.users["rob"].pk)


def test_no_token_changes_how_its_person_logs_in(cast, clock, app):
    _, text = actions.create_token(cast.rob, "t")
    with pytest.raises(NotPermitted, match="token"):
        factors.new_codes(queries.actor_of_token(text))
    with pytest.raises(Absent):
        factors.new_codes(cast.host)


def test_a_passkey_that_answers_no_challenge_is_none(cast, rf):
    from allauth.core.context import request_context
    from django.contrib.sessions.backends.signed_cookies import SessionStore

    request = rf.get("/")
    request.session = SessionStore()
    with request_context(request):
        assert factors.enrolment(cast.users["rob"])["publicKey"]
        assert factors.challenge(None)["publicKey"]
        for answer in ({}, {"id": "x"}, {"response": {"userHandle": "AA"}}):
            assert factors.answered(answer, None) is None
            with refused("credential"):
                factors.add_passkey(cast.rob, "Key", answer)
    Authenticator.objects.bulk_create(
        Authenticator(user=cast.users["rob"], type="webauthn", data={"name": "k"}) for _ in range(20)
    )
    assert factors.has_passkey(cast.users["rob"])
    with conflict("too_many"):
        factors.add_passkey(cast.rob, "Key", {})
