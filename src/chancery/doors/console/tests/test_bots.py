"""Bots in the console: made with a token that is shown once, given targets, watched, stopped and taken back."""

import re
from datetime import timedelta

import pytest
from django.db import transaction
from django.urls import reverse

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import roles
from chancery.apps.accounts.queries import actor_of
from chancery.apps.bots import actions, channel, targets
from chancery.apps.bots.models import Bot, Deployment, Stage, Target
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.orders.place import PlaceOrder, place
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.errors import Conflict
from chancery.core.ids import new_id
from chancery.doors.console.tests.test_console import logged_in, text
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db
PLACE = {"team": "Operations", "environment": "Production"}
FILES = {"certificate": "/etc/nginx/www.pem", "key": "/etc/nginx/www.key"}
FORM = {"name": "web-1", "purpose": "both", "poll_seconds": "5", "days": "30", "tags": "rack=7\n\nold", **PLACE}
TARGET = {"kind": "nginx", "name": "www", "names": "www.example.com", "key_type": "EC-P256", "window": "", **FILES}


@pytest.fixture
def ada(cast, local):
    return logged_in("ada")


@pytest.fixture
def bot(cast, local):
    return actions.create(cast.ada, "web-1", **PLACE)[0]


@pytest.fixture
def profile(local):
    from chancery.apps.profiles.models import Profile

    return str(Profile.objects.get(name="Internal").pk)


def test_a_bot_is_made_and_its_token_is_shown_this_once(ada):
    assert "Make the bot and its token" in text(ada.get(reverse("bot_create")))
    page = ada.post(reverse("bot_create"), FORM)
    token = re.search(r"cbt_[A-Za-z0-9_-]+", text(page))[0]
    made = Bot.objects.get()
    assert made.token_digest == actions.digest(token)
    assert made.tags == {"rack": "7", "old": ""}
    for address in (reverse("bot", args=[made.pk]), reverse("bots"), reverse("bot_edit", args=[made.pk])):
        assert token not in raw(ada.get(address))
    refused = ada.post(reverse("bot_create"), {**FORM, "poll_seconds": "x"})
    assert refused.status_code == 422
    assert "no whole number" in text(refused)
    fresh = ada.post(reverse("bot_act", args=[made.pk, "token"]), {"days": "2", "host": "web-1"})
    assert "Only the host web-1 may use it." in text(fresh)
    assert 'name="host" maxlength="200" value="web-1"' in raw(ada.get(reverse("bot", args=[made.pk])))


def test_a_bot_is_edited_stopped_started_and_deleted(ada, bot):
    edited = ada.post(reverse("bot_edit", args=[bot.pk]), {**FORM, "name": "web one"})
    assert edited.status_code == 302
    assert "web one" in text(ada.get(reverse("bots") + "?status=configuration_pending"))
    assert ada.post(reverse("bot_edit", args=[bot.pk]), {**FORM, "name": ""}).status_code == 422
    for what, says in (("stop", "gets nothing more to do"), ("start", "gets work again"), ("delete", "is deleted")):
        answer = ada.post(reverse("bot_act", args=[bot.pk, what]), follow=True)
        assert says in text(answer)
    assert "None yet." in text(ada.get(reverse("bots")))
    assert ada.post(reverse("bot_act", args=[bot.pk, "sing"])).status_code == 404


def test_a_target_is_made_from_what_the_bot_found(ada, bot, profile):
    Bot.objects.filter(pk=bot.pk).update(
        found=[{"kind": "nginx", "title": "nginx, shop", "settings": FILES, "names": ["shop.example.com"]}]
    )
    page = raw(ada.get(reverse("target_create", args=[bot.pk]) + "?found=0"))
    assert all(word in page for word in ("shop.example.com", "/etc/nginx/www.pem", "nginx, shop", "optgroup"))
    assert "Keystore file" in text(ada.get(reverse("target_create", args=[bot.pk]) + "?kind=jks&found=9"))
    assert ada.get(reverse("target_create", args=[bot.pk]) + "?kind=iis").status_code == 404
    for odd in ("²", "٣", "9" * 5000, "-1"):
        answer = ada.get(reverse("target_create", args=[bot.pk]), {"found": odd})
        assert (odd, answer.status_code) == (odd, 422)
    made = ada.post(reverse("target_create", args=[bot.pk]), {**TARGET, "profile": profile, "probe_port": "8443"})
    assert made.status_code == 302
    row = Target.objects.get()
    assert (row.settings["probe_port"], row.names) == (8443, [["dns", "www.example.com"]])
    wrong = ada.post(reverse("target_create", args=[bot.pk]), {**TARGET, "profile": profile, "key": "relative"})
    assert wrong.status_code == 422
    assert "settings.key" in text(wrong)


def test_a_target_is_edited_by_whoever_saw_its_present_state(ada, bot, profile, cast):
    row = targets.add(cast.ada, bot.pk, {**_values(), "profile": profile})
    address = reverse("target_edit", args=[row.pk])
    assert "www.example.com" in text(ada.get(address))
    sent = {**TARGET, "profile": profile, "revision": "1", "window": "sat 01:00-02:00", "renew_days": "10"}
    assert ada.post(address, sent).status_code == 302
    late = ada.post(address, sent)
    assert late.status_code == 422
    assert "was changed while you were editing" in text(late)
    row.refresh_from_db()
    assert (row.revision, row.window, row.renew_days) == (2, "sat 01:00-02:00", 10)


def raw(answer):
    return answer.content.decode()


def _values():
    return {"kind": "nginx", "name": "www", "names": ["www.example.com"], "settings": FILES, "profile": "Internal"}


def test_only_usable_connectors_are_offered_and_the_present_one_stays(ada, bot, profile, cast, local):
    row = targets.add(cast.ada, bot.pk, _values())
    connectors.deactivate(cast.ada, local.pk)
    assert profile not in raw(ada.get(reverse("target_create", args=[bot.pk])))
    assert profile in raw(ada.get(reverse("target_edit", args=[row.pk])))


def test_what_is_begun_for_a_target_is_followed_and_given_up(ada, bot, cast):
    row = targets.add(cast.ada, bot.pk, _values())
    for what, says in (
        ("again", "no certificate yet"), ("roll-back", "Nothing was deployed"), ("issue", "next look"), ("issue", "under way"),
        ("delete", "under way"),
    ):  # fmt: skip
        assert says in text(ada.post(reverse("target_act", args=[row.pk, what]), follow=True))
    wanted = Deployment.objects.get()
    page = text(ada.get(reverse("deployment", args=[wanted.pk])))
    assert "A new certificate is wanted." in page
    assert "Give up" in page
    part = ada.get(reverse("deployment", args=[wanted.pk]), headers={"HX-Request": "true"})
    assert "<html" not in raw(part)
    assert "It is given up" in text(ada.post(reverse("deployment_cancel", args=[wanted.pk]), follow=True))
    assert "is deleted" in text(ada.post(reverse("target_act", args=[row.pk, "delete"]), follow=True))
    assert ada.post(reverse("target_act", args=[row.pk, "issue"])).status_code == 404


def test_only_what_would_be_done_is_offered(ada, bot, cast):
    row = targets.add(cast.ada, bot.pk, _values())
    acts = {"issue": actions.issue, "again": actions.again, "roll-back": actions.roll_back, "delete": targets.remove}

    def offered():
        page = raw(ada.get(reverse("bot", args=[bot.pk])))
        assert reverse("target_edit", args=[row.pk]) in page
        return {what for what in acts if reverse("target_act", args=[row.pk, what]) in page}

    def done():
        return {what for what, act in acts.items() if _does(lambda act=act: act(cast.ada, row.pk))}

    assert offered() == done() == {"issue", "delete"}
    wanted = actions.issue(cast.ada, row.pk)
    assert offered() == done() == set()
    brought = Deployment.objects.filter(pk=wanted.pk)
    fresh = _certificate(cast)
    brought.update(state=Stage.FAILED, finished_at=fresh.not_before, certificate=fresh)
    assert offered() == done() == {"issue", "delete", "again"}
    brought.update(state=Stage.DEPLOYED)
    assert offered() == done() == set(acts)
    changed = Certificate.objects.filter(pk=fresh.pk)
    for column, value, was in (
        ("revocation", "requested", ""), ("revocation", "confirmed", "refused"), ("not_after", fresh.not_before, fresh.not_after),
    ):  # fmt: skip
        changed.update(**{column: value})
        assert offered() == done() == set(acts) - {"again"}
        changed.update(**{column: was})
    # Served before another one, it is what would be put back.
    brought.update(served=fresh.sha256)
    later = {
        "finished_at": fresh.not_before,
        "state": Stage.DEPLOYED,
        "served": "1" * 64,
        "created_at": fresh.not_before,
    }
    Deployment.objects.create(target=row, asked_by="ada", id=new_id(SYSTEM_CLOCK.now()), **later)
    assert offered() == done() == set(acts)
    changed.update(revocation="confirmed")
    assert offered() == done() == {"issue", "delete"}
    changed.update(revocation="")
    keys.record(fresh.spki_sha256, row, "ada", fresh.not_before)
    assert offered() == done() == {"issue", "delete"}


def test_a_certificate_says_where_it_is_served_to_whoever_may_see_the_bot(ada, bot, cast, client):
    row, found = targets.add(cast.ada, bot.pk, _values()), _certificate(cast)
    page = reverse("certificate", args=[found.pk])
    assert "Served by" not in text(ada.get(page))
    given = {"target": row, "asked_by": "ada", "created_at": found.not_before, "finished_at": found.not_before}
    done = Deployment.objects.create(id=new_id(SYSTEM_CLOCK.now()), state=Stage.DEPLOYED, served=found.sha256, **given)
    Target.objects.update(certificate=found)
    bare = raw(ada.get(page))
    assert reverse("bot", args=[bot.pk]) in bare
    assert reverse("deployment", args=[done.pk]) not in bare
    Target.objects.update(deployment=done)
    Bot.objects.update(hostname="web-1.example.com")
    shown = raw(ada.get(page))
    assert reverse("deployment", args=[done.pk]) in shown
    assert "(web-1.example.com), www" in " ".join(shown.split())

    def told(actor):
        token = people.create_token(actor, "test")[1]
        answer = client.get(f"/api/v1/certificates/{found.pk}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.json()["detail"]
        return answer.json()

    (place_,) = told(cast.ada)["served_at"]
    assert (place_["bot"], place_["hostname"], place_["target"]) == (str(bot.pk), "web-1.example.com", str(row.pk))
    assert place_["since"][:16] == found.not_before.isoformat()[:16]
    wanted = ["certificates.view", "profiles.view", "tokens.create"]
    roles.create(cast.host, "reader", wanted)
    kim = people.create_user(cast.host, "kim", PASSWORD, grants=[("reader", None, None)])
    assert told(actor_of(kim, how="test"))["served_at"] == []
    Bot.objects.update(deleted_at=SYSTEM_CLOCK.now())
    assert told(cast.ada)["served_at"] == []


def _does(act):
    try:
        with transaction.atomic():
            act()
            transaction.set_rollback(True)
    except Conflict:
        return False
    return True


def _certificate(cast):
    order = place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    copied = ("connector_id", "profile_id", "team_id", "environment_id", "common_name", "names", "spki_sha256")
    ends = order.placed_at + timedelta(days=90)
    days = {"not_before": order.placed_at, "not_after": ends, "stored_at": order.placed_at}
    own = {"der": b"x", "serial": "1", "issuer": "CN=x", "sha256": "0" * 64, "order": order}
    return Certificate.objects.create(**{n: getattr(order, n) for n in copied}, **days, **own)


def test_the_log_comes_by_itself_and_the_page_anew_when_something_changed(ada, bot, cast):
    import uuid

    from chancery_bot import wire

    from chancery.core.clock import SYSTEM_CLOCK

    line = wire.Record(number=1, at=SYSTEM_CLOCK.now(), level="warning", text="It rains.")
    channel.report(bot, [line], "192.0.2.7")
    live = {"HX-Request": "true"}
    part = ada.get(reverse("bot", args=[bot.pk]) + "?seen=configuration_pending", headers=live)
    assert "It rains." in text(part)
    assert "HX-Refresh" not in part.headers
    row = targets.add(cast.ada, bot.pk, _values())
    actions.issue(cast.ada, row.pk)
    assert "HX-Refresh" in ada.get(reverse("bot", args=[bot.pk]) + "?seen=configuration_pending", headers=live).headers
    assert ada.get(reverse("bot", args=[uuid.uuid4()])).status_code == 404


def test_an_order_of_a_bot_shows_the_whole_timeline(ada, bot, cast):
    row = targets.add(cast.ada, bot.pk, _values())
    wanted = actions.issue(cast.ada, row.pk)
    order = place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    Deployment.objects.filter(pk=wanted.pk).update(order=order, state=Stage.ORDERED)
    page = raw(ada.get(reverse("order", args=[order.pk])))
    assert "A new certificate is wanted." in page
    assert reverse("deployment", args=[wanted.pk]) in page
    Bot.objects.update(problem="www: no", configured=True, enrolled_at=order.placed_at)
    assert "www: no" in text(ada.get(reverse("home")))


def test_who_may_only_look_finds_no_buttons(bot, cast, local):
    targets.add(cast.ada, bot.pk, _values())
    dan = logged_in("dan")
    page = text(dan.get(reverse("bot", args=[bot.pk])))
    assert "Select action" not in page
    assert "New token" not in page
    for address in (reverse("bot_create"), reverse("bot_edit", args=[bot.pk]), reverse("target_create", args=[bot.pk])):
        assert dan.get(address).status_code == 403
    assert dan.post(reverse("bot_act", args=[bot.pk, "token"])).status_code == 403
