"""The bots' door with a real bot on the other side: from the token to the certificate that is deployed."""

import re
from datetime import timedelta

import pytest
from chancery_bot import client, posix, wire
from chancery_bot.clock import Clock as BotClock
from chancery_bot.deploy import Deployer
from chancery_bot.errors import Away, Refused, Turned
from chancery_bot.run import Bot as Agent
from chancery_bot.state import State
from chancery_bot.testing import fingerprint, host
from chancery_bot.web import Answer
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chancery.apps.bots import actions, channel, following, queries, targets
from chancery.apps.bots.models import Deployment, Stage, Standing, Target
from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates import reporting
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import Order
from chancery.apps.shared.action import use_clock
from chancery.apps.shared.tests.looking import conflict
from chancery.core.clock import SYSTEM_CLOCK
from chancery.sdk.testing import ManualClock

pytestmark = pytest.mark.django_db(transaction=True)
SERVER = "http://127.0.0.1:1"
HOST = wire.Host(hostname="web-1", os="Debian", machine="ab" * 32, bot_version="0.1", kinds=["pem"])


class Line:
    """What lies between bot and server: everything that was sent, and what a test makes of it."""

    def __init__(self):
        self.sent, self.away, self.lose, self.web = [], False, set(), Client()

    def call(self, url, method, body=b"", headers=None, trust=""):
        path = url.removeprefix(SERVER)
        if self.away:
            raise Away("nobody answers")
        self.sent.append((path, body, dict(headers)))
        answer = self.again(-1)
        if path.rpartition("/")[2] in self.lose:
            self.lose.clear()
            raise Away("the answer was lost")
        return answer

    def again(self, index, *, path="", body=None, **headers):
        """Send something once more, whole or changed."""
        was, raw, given = self.sent[index]
        auth = headers.get("authorization", given["Authorization"])
        found = self.web.post(
            path or was, raw if body is None else body, content_type="application/json", headers={"Authorization": auth}
        )
        return Answer(found.status_code, {k.lower(): v for k, v in found.headers.items()}, found.content)


class Side:
    """One bot on one host, and the server."""

    def __init__(self, folder, line):
        self.folder, self.line = folder, line
        self.local = host(folder)
        self.place = folder / "etc" / "www.pem"
        self.start()

    def start(self, described=HOST, clock=None):
        self.state = State(self.folder / "home")
        self.clock = clock or BotClock()
        self.client = client.Client(self.state, self.clock, described.machine)
        deployer = Deployer(self.state, self.local, self.clock, lambda endpoint, wanted, *_: wanted)
        self.agent = Agent(self.state, self.local, self.clock, client=self.client, deployer=deployer, host=described)
        self.agent._scanned = self.clock.monotonic()

    def enrol(self, token, described=HOST):
        return self.client.enrol(SERVER, token, described)


@pytest.fixture
def line(monkeypatch):
    found = Line()
    monkeypatch.setattr(client, "call", found.call)
    monkeypatch.setattr(posix, "sync", lambda _handle: None)
    return found


@pytest.fixture
def stage(tmp_path, line):
    return Side(tmp_path, line)


def made(cast, **more):
    return actions.create(cast.ada, "web-1", team="Operations", environment="Production", **more)


@pytest.fixture
def enrolled(cast, local, stage):
    bot, token = made(cast)
    stage.enrol(token)
    return bot


def target(cast, bot, stage, **more):
    settings = {"combined": str(stage.place), "service": "shop", "probe_port": 443}
    values = {"name": "www", "kind": "pem", "profile": "Internal", "names": ["www.example.com"], "settings": settings}
    return targets.add(cast.ada, bot.pk, {**values, **more})


def now(row):
    row.refresh_from_db()
    return row


def test_a_setting_goes_to_those_bots_alone_that_know_it(cast, stage, enrolled):
    store = {"file": "/etc/ssl/a.jks", "password_file": "/etc/ssl/a.pass", "patience": 300}
    row = target(cast, enrolled, stage, kind="jks", settings=store)
    actions.issue(cast.ada, row.pk)
    for later, patience in (([], None), (["patience"], 300)):
        about = HOST.model_copy(update={"later": later})
        (task,) = stage.client.ask("poll", wire.Poll(host=about), wire.Work).tasks
        assert task.target.settings.get("patience") == patience
        assert "other_entries" not in task.target.settings
        assert task.target.settings["alias"] == "tls"


def test_from_the_token_to_what_is_served(cast, local, stage, enrolled, engine):
    bot = now(enrolled)
    assert queries.standing(bot, SYSTEM_CLOCK.now()) == Standing.PENDING
    wanted = actions.issue(cast.ada, target(cast, bot, stage).pk)
    assert stage.agent.turn() == 1
    order = now(wanted).order
    assert (order.requested_via, order.requested_by, order.common_name) == ("bot", None, "www.example.com")
    ways = ("asked", "names", "target", "bot", "token")
    assert order.caused_by == [[cast.ada.user, how] for how in ways]
    assert wanted.state == Stage.ORDERED
    assert stage.agent.turn() == 0
    engine.until(lambda: now(wanted).state == Stage.READY)
    assert stage.agent.turn() == 1
    done = now(wanted)
    content = stage.place.read_bytes()
    assert done.state == Stage.DEPLOYED
    assert done.served == fingerprint((content, content)) == done.certificate.sha256
    served = Target.objects.get()
    assert (served.certificate, served.problem) == (done.certificate, "")
    assert served.due_at > SYSTEM_CLOCK.now()
    assert queries.standing(now(bot), SYSTEM_CLOCK.now()) == Standing.ACTIVE
    kinds = [x.kind for x in queries.timeline(done)]
    told = [
        "order.issued",
        "due",
        "fetched",
        "plan",
        "write",
        "back_up",
        "switch",
        "test",
        "reload",
        "prove",
        "deployed",
    ]
    assert [k for k in kinds if k in told] == told
    assert set(kinds) - set(told) - {"order.submitting"} == {"asked", "request", "ordered", "order.placed"}
    assert queries.of_order(cast.ada, order) == done
    assert b"PRIVATE KEY" not in b"".join(raw for _, raw, _ in stage.line.sent)


def test_the_next_one_is_ordered_when_it_is_due_and_replaces_the_last(cast, local, stage, enrolled, engine):
    first = deployed(cast, enrolled, stage, engine)
    row = Target.objects.get()
    Target.objects.update(due_at=SYSTEM_CLOCK.now())
    assert stage.agent.turn() == 1
    second = Deployment.objects.order_by("-id").first()
    assert second != first
    assert second.order.replaces_id == first.certificate_id
    assert second.order.spki_sha256 != first.order.spki_sha256
    engine.until(lambda: now(second).state == Stage.READY)
    stage.agent.turn()
    assert now(row).certificate_id == now(second).certificate_id
    back = actions.roll_back(cast.ada, row.pk)
    stage.agent.turn()
    assert (now(back).state, now(row).certificate_id) == (Stage.ROLLED_BACK, first.certificate_id)
    assert now(row).due_at >= SYSTEM_CLOCK.now() + timedelta(hours=23)
    once_more = actions.again(cast.ada, row.pk)
    stage.agent.turn()
    assert (now(once_more).state, now(row).certificate_id) == (Stage.DEPLOYED, second.certificate_id)


@pytest.mark.parametrize("fails", [False, True])
def test_what_its_bot_was_doing_while_somebody_gave_it_up_is_what_counts(
    cast, local, stage, enrolled, engine, monkeypatch, fails
):
    first = deployed(cast, enrolled, stage, engine)
    row = Target.objects.get()
    second = actions.issue(cast.ada, row.pk)
    stage.agent.turn()
    engine.until(lambda: now(second).state == Stage.READY)
    stage.agent.turn()
    back, given_up = actions.roll_back(cast.ada, row.pk), []

    def give_up(name):
        if name.startswith("run") and not given_up:
            given_up.append(actions.cancel(cast.ada, back.pk))
            (stage.folder / "reload.fails").touch() if fails else None

    monkeypatch.setattr(posix, "step", give_up)
    stage.agent.turn()
    assert given_up[0].state == Stage.CANCELLED
    served, outcome = (second, Stage.FAILED) if fails else (first, Stage.ROLLED_BACK)
    assert (now(back).state, now(row).certificate_id) == (outcome, now(served).certificate_id)
    assert bool(row.problem) == fails
    assert row.due_at > SYSTEM_CLOCK.now(), "what failed was no renewal: the next one comes when it is due"


def test_a_certificate_has_one_renewal_at_a_time_whoever_ordered_it(cast, local, stage, enrolled, engine):
    first = deployed(cast, enrolled, stage, engine)
    theirs = certificates.renew(cast.rob, first.certificate_id)
    Target.objects.update(due_at=SYSTEM_CLOCK.now())
    assert stage.agent.turn() == 0
    asked = actions.issue(cast.ada, Target.objects.get().pk)
    stage.agent.turn()
    assert now(asked).state == Stage.FAILED
    assert f"the order {theirs.pk} is queued" in asked.text
    orders.cancel(cast.rob, theirs.pk)
    Target.objects.update(due_at=SYSTEM_CLOCK.now())
    assert stage.agent.turn() == 1
    assert Order.objects.order_by("-id").first().replaces_id == first.certificate_id


def deployed(cast, bot, stage, engine, **more):
    wanted = actions.issue(cast.ada, target(cast, bot, stage, **more).pk)
    stage.agent.turn()
    engine.until(lambda: now(wanted).state == Stage.READY)
    stage.agent.turn()
    assert now(wanted).state == Stage.DEPLOYED, wanted.text
    return wanted


@pytest.mark.parametrize("problem", ["", "nginx -t failed."])
def test_what_is_revoked_is_replaced_at_once_where_it_is_served(cast, local, stage, enrolled, engine, problem):
    first = deployed(cast, enrolled, stage, engine)
    row = Target.objects.get()
    Target.objects.update(problem=problem, due_at=None if problem else row.due_at)
    certificates.revoke(cast.ada, first.certificate_id, "keyCompromise")
    engine.until(lambda: now(row).due_at is not None and row.due_at <= SYSTEM_CLOCK.now())
    assert row.problem == following.REVOKED
    bot = now(enrolled)
    assert (queries.standing(bot, SYSTEM_CLOCK.now()), bot.problem) == (Standing.FAILED, f"www: {row.problem}")
    stage.agent.turn()
    second = Deployment.objects.order_by("-id").first()
    assert "The certificate that is served was revoked." in [line.text for line in queries.timeline(second)]
    engine.until(lambda: now(second).state == Stage.READY)
    stage.agent.turn()
    assert (now(row).certificate_id, row.problem) == (now(second).certificate_id, "")
    assert second.certificate.spki_sha256 != first.certificate.spki_sha256
    assert queries.standing(now(bot), SYSTEM_CLOCK.now()) == Standing.ACTIVE


def test_the_revocation_of_what_was_replaced_hurries_no_target(cast, local, stage, enrolled, engine):
    first = deployed(cast, enrolled, stage, engine)
    row = Target.objects.get()
    deployed_anew(cast, row, stage, engine)
    due = now(row).due_at
    certificates.revoke(cast.ada, first.certificate_id, "superseded")
    engine.until(lambda: now(first.certificate).revocation == "confirmed")
    assert (now(row).due_at, row.problem, now(enrolled).problem) == (due, "", "")


def deployed_anew(cast, row, stage, engine):
    wanted = actions.issue(cast.ada, row.pk)
    stage.agent.turn()
    engine.until(lambda: now(wanted).state == Stage.READY)
    stage.agent.turn()
    assert now(wanted).state == Stage.DEPLOYED, wanted.text
    return wanted


@pytest.fixture
def stuck(cast, local, stage, enrolled, engine):
    """Return the deployments of what is served and of a newer certificate, which its host could not deploy."""
    first = deployed(cast, enrolled, stage, engine)
    second = actions.issue(cast.ada, first.target_id)
    stage.agent.turn()
    engine.until(lambda: now(second).state == Stage.READY)
    (stage.folder / "reload.fails").touch()
    stage.agent.turn()
    assert now(second).state == Stage.FAILED
    return first, second


def pause(row):
    """Return in how many whole minutes a target is due."""
    return round((now(row).due_at - SYSTEM_CLOCK.now()) / timedelta(minutes=1))


def test_what_could_not_be_deployed_is_deployed_again_by_itself_until_it_is_served(cast, stage, stuck):
    first, second = stuck
    row, orders_before = Target.objects.get(), Order.objects.count()
    assert "deployed again by itself from" in queries.timeline(second)[-1].text
    pauses = [pause(row)]
    for _ in range(3):
        assert stage.agent.turn() == 0, "it is not due yet"
        Target.objects.update(due_at=SYSTEM_CLOCK.now())
        assert stage.agent.turn() == 1
        pauses.append(pause(row))
        assert now(enrolled_bot()).problem.startswith("www: ")
    assert pauses == [10, 60, 360, 360]
    (stage.folder / "reload.fails").unlink()
    Target.objects.update(due_at=SYSTEM_CLOCK.now())
    stage.agent.turn()
    last = Deployment.objects.order_by("-id").first()
    assert (last.kind, last.state, last.asked_by, last.key_of) == ("again", Stage.DEPLOYED, "engine", second.pk)
    assert "The certificate that could not be deployed is deployed again." in [e.text for e in queries.timeline(last)]
    assert (now(row).certificate_id, row.problem, Order.objects.count()) == (second.certificate_id, "", orders_before)
    assert row.due_at > SYSTEM_CLOCK.now() + timedelta(days=1)
    actions.roll_back(cast.ada, row.pk)
    stage.agent.turn()
    assert now(row).certificate_id == first.certificate_id
    assert following.left(row, SYSTEM_CLOCK.now()) is None, "it was served, and somebody took it back"


def enrolled_bot():
    return Target.objects.select_related("bot").get().bot


def test_what_is_deployed_again_by_itself_waits_for_the_window_and_ends_when_it_is_given_up(cast, stage, stuck):
    shut = [(SYSTEM_CLOCK.now() + timedelta(hours=n)).strftime("%H:%M") for n in (5, 6)]
    Target.objects.update(due_at=SYSTEM_CLOCK.now(), window="-".join(shut))
    assert stage.agent.turn() == 0
    waiting = Deployment.objects.get(kind="again")
    assert waiting.state == Stage.READY
    actions.cancel(cast.ada, waiting.pk)
    row = Target.objects.get()
    assert (row.due_at, bool(row.problem)) == (None, True)
    asked = actions.again(cast.ada, row.pk)
    Target.objects.update(due_at=SYSTEM_CLOCK.now())
    actions.cancel(cast.ada, asked.pk)
    assert now(row).due_at is not None, "it was somebody's own"


def test_what_failed_is_tried_at_once_when_its_target_is_edited(cast, stage, stuck):
    first, _ = stuck
    row = Target.objects.get()
    values = {
        "name": "www",
        "kind": "pem",
        "profile": "Internal",
        "names": ["www.example.com"],
        "settings": row.settings,
    }

    def edited(**more):
        return targets.edit(cast.ada, row.pk, now(row).revision, {**values, **more})

    assert edited().due_at <= SYSTEM_CLOCK.now()
    assert stage.agent.turn() == 1
    assert pause(row) == 60
    other = edited(names=["shop.example.com"])
    assert other.due_at == following.due(row, first.certificate, SYSTEM_CLOCK.now()), "what is here is for other names"
    Certificate.objects.filter(pk=first.certificate_id).update(revocation="confirmed")
    assert edited(names=["shop.example.com"]).due_at <= SYSTEM_CLOCK.now()
    Target.objects.update(problem=following.REVOKED, trouble="revoked")
    assert edited(names=["shop.example.com"]).problem == following.REVOKED
    Target.objects.update(certificate=None)
    assert edited(names=["shop.example.com"]).due_at is None, "nobody has ever had one ordered"


def test_a_renewal_that_somebody_gives_up_is_put_off_for_a_day(cast, local, stage, enrolled, engine):
    deployed(cast, enrolled, stage, engine)
    row, placed = Target.objects.get(), Order.objects.count()
    Target.objects.update(due_at=SYSTEM_CLOCK.now())
    assert stage.agent.turn() == 1
    begun = Deployment.objects.order_by("-id").first()
    actions.cancel(cast.ada, begun.pk)
    assert timedelta(hours=23) < now(row).due_at - SYSTEM_CLOCK.now() <= timedelta(days=1)
    assert queries.timeline(begun)[-1].text.startswith("The next certificate is ordered by itself from ")
    hour = SYSTEM_CLOCK.now() + timedelta(hours=1)
    Certificate.objects.filter(pk=row.certificate_id).update(not_after=hour)
    Deployment.objects.filter(pk=begun.pk).update(state=Stage.ORDERED)
    Target.objects.update(due_at=SYSTEM_CLOCK.now())
    actions.cancel(cast.ada, begun.pk)
    assert timedelta(minutes=29) < now(row).due_at - SYSTEM_CLOCK.now() <= timedelta(minutes=30), "before it runs out"
    following.hurry(row, SYSTEM_CLOCK.now())
    assert (stage.agent.turn(), Order.objects.count()) == (0, placed + 1)
    following.hurry(row, SYSTEM_CLOCK.now() + timedelta(days=1, seconds=1))
    assert now(row).due_at <= SYSTEM_CLOCK.now() + timedelta(days=1, seconds=1)
    Deployment.objects.filter(pk=begun.pk).update(state=Stage.ORDERED)
    later = SYSTEM_CLOCK.now() + timedelta(days=3)
    Target.objects.update(due_at=later)
    lines = len(queries.timeline(begun))
    actions.cancel(cast.ada, begun.pk)
    assert (now(row).due_at, len(queries.timeline(begun))) == (later, lines + 1), "it is put off for longer already"
    Target.objects.update(due_at=later)
    actions.cancel(cast.ada, actions.issue(cast.ada, row.pk).pk)
    assert now(row).due_at == later, "whoever asked for it says nothing of the next one"


@pytest.mark.parametrize("changed", ["given up", "profile", "revoked", "expired", "none"])
def test_only_what_may_be_served_is_deployed_again_by_itself(stage, stuck, changed):
    _, second = stuck
    row, moment = Target.objects.get(), SYSTEM_CLOCK.now()
    for state in (Stage.FAILED, Stage.ROLLED_BACK):
        Deployment.objects.filter(pk=second.pk).update(state=state)
        assert following.left(row, moment) == second
    theirs = Certificate.objects.filter(pk=second.certificate_id)
    if changed == "given up":
        Deployment.objects.filter(pk=second.pk).update(state=Stage.CANCELLED)
    elif changed == "profile":
        theirs.update(profile=None)
    elif changed == "revoked":
        theirs.update(revocation="requested")
    elif changed == "expired":
        moment = second.certificate.not_after
    else:
        Deployment.objects.update(certificate=None)
    assert following.left(row, moment) is None


def spoil(row, how):
    """Make a certificate one that may not be served."""
    over = {"not_after": SYSTEM_CLOCK.now() - timedelta(minutes=1)}
    Certificate.objects.filter(pk=row.certificate_id).update(**({"revocation": how} if how != "expired" else over))


def recorded_as_revoked(row):
    """Do what the engine does once a certificate is revoked."""
    spoil(row, "confirmed")
    with transaction.atomic():
        following.settled({}, {}, {row.certificate_id}, SYSTEM_CLOCK.now())


@pytest.mark.parametrize("how", ["requested", "expired"])
def test_what_may_not_be_served_any_more_when_its_turn_comes_is_not_bought_anew_by_itself(cast, stage, stuck, how):
    first, second = stuck
    row, orders_before = Target.objects.get(), Order.objects.count()
    spoil(second, how)
    Target.objects.update(due_at=SYSTEM_CLOCK.now())
    for _ in range(2):
        assert stage.agent.turn() == 0
    assert (now(row).due_at, bool(row.problem), Order.objects.count()) == (None, True, orders_before)
    over = [line for line in queries.timeline(second) if line.kind == "over"]
    assert ["None is ordered by itself" in line.text for line in over] == [True]
    values = {"name": "shop", "kind": "pem", "profile": "Internal", "names": ["www.example.com"]}
    problem = row.problem
    for _ in range(2):
        edited = targets.edit(cast.ada, row.pk, now(row).revision, {**values, "settings": row.settings})
        assert edited.problem == f"Edited since: {problem}"
    assert enrolled_bot().problem == f"shop: {edited.problem}"[:500]
    assert edited.due_at == following.due(row, first.certificate, SYSTEM_CLOCK.now())
    Target.objects.update(due_at=SYSTEM_CLOCK.now())
    assert stage.agent.turn() == 1, "somebody has done something"
    assert Order.objects.count() == orders_before + 1


@pytest.fixture
def waiting(stage, stuck):
    """Return what is deployed again by itself, and waits for its target's window."""
    shut = [(SYSTEM_CLOCK.now() + timedelta(hours=n)).strftime("%H:%M") for n in (5, 6)]
    Target.objects.update(due_at=SYSTEM_CLOCK.now(), window="-".join(shut))
    assert stage.agent.turn() == 0
    Target.objects.update(window="")
    return Deployment.objects.get(kind="again", state=Stage.READY)


def test_what_fails_since_it_may_not_be_served_any_more_is_not_bought_anew_by_itself(stage, stuck, waiting):
    row, orders_before = Target.objects.get(), Order.objects.count()
    spoil(waiting, "requested")
    for _ in range(2):
        stage.agent.turn()
        assert (now(waiting).state, now(row).due_at, Order.objects.count()) == (Stage.FAILED, None, orders_before)
    assert row.problem.startswith("It is revoked, or its revocation was asked for.")


def test_the_one_order_that_a_revocation_is_worth_is_placed_once_whatever_failed_before(stage, stuck, waiting, engine):
    first, _ = stuck
    row, orders_before = Target.objects.get(), Order.objects.count()
    spoil(waiting, "confirmed")
    recorded_as_revoked(first)
    stage.agent.turn()
    assert (now(waiting).state, now(row).problem) == (Stage.FAILED, following.REVOKED)
    stage.agent.turn()
    third = Deployment.objects.order_by("-id").first()
    assert (third.kind, third.state, Order.objects.count()) == ("issue", Stage.ORDERED, orders_before + 1)
    engine.until(lambda: now(third).state == Stage.READY)
    stage.agent.turn()
    assert now(third).state == Stage.FAILED
    assert pause(row) == 10
    spoil(third, "expired")
    Target.objects.update(due_at=SYSTEM_CLOCK.now())
    for _ in range(2):
        stage.agent.turn()
    assert (now(row).due_at, Order.objects.count()) == (None, orders_before + 1)


def test_a_rollback_that_fails_takes_nothing_from_what_a_revocation_is_worth(cast, stage, stuck):
    first, second = stuck
    row, orders_before = Target.objects.get(), Order.objects.count()
    back = actions.roll_back(cast.ada, row.pk)
    spoil(second, "expired")
    recorded_as_revoked(first)
    stage.agent.turn()
    assert (now(back).state, now(row).problem) == (Stage.FAILED, following.REVOKED)
    stage.agent.turn()
    assert Order.objects.count() == orders_before + 1


def test_what_is_revoked_while_it_is_deployed_is_due_as_well(cast, local, stage, enrolled, engine, monkeypatch):
    wanted = actions.issue(cast.ada, target(cast, enrolled, stage).pk)
    stage.agent.turn()
    engine.until(lambda: now(wanted).state == Stage.READY)
    theirs = Certificate.objects.filter(pk=wanted.certificate_id)
    monkeypatch.setattr(
        posix, "step", lambda name: theirs.update(revocation="confirmed") if name.startswith("run") else None
    )
    stage.agent.turn()
    row = Target.objects.get()
    assert (now(wanted).state, row.problem) == (Stage.DEPLOYED, following.REVOKED)
    assert row.due_at <= SYSTEM_CLOCK.now()


@pytest.mark.parametrize("due", [True, False])
def test_what_is_served_and_revoked_though_nobody_told_its_target_is_replaced_once(
    cast, local, stage, enrolled, engine, due
):
    first = deployed(cast, enrolled, stage, engine)
    row, orders_before = Target.objects.get(), Order.objects.count()
    spoil(first, "confirmed")
    Target.objects.update(due_at=row.due_at if due else None)
    stage.agent.turn()
    second = Deployment.objects.order_by("-id").first()
    assert (second.kind, second.state, Order.objects.count()) == ("issue", Stage.ORDERED, orders_before + 1)
    assert (now(row).problem, now(enrolled).problem) == (following.REVOKED, f"www: {following.REVOKED}")
    orders.cancel(cast.ada, second.order_id)
    for _ in range(2):
        stage.agent.turn()
    assert (now(second).state, now(row).due_at, Order.objects.count()) == (Stage.FAILED, None, orders_before + 1)


@pytest.mark.parametrize("whose", ["own", "theirs"])
def test_what_is_served_and_revoked_is_said_though_something_is_under_way(cast, local, stage, enrolled, engine, whose):
    first = deployed(cast, enrolled, stage, engine)
    row = Target.objects.get()
    if whose == "own":
        actions.issue(cast.ada, row.pk)
        stage.agent.turn()
    else:
        certificates.renew(cast.rob, first.certificate_id)
    spoil(first, "confirmed")
    under_way = Deployment.objects.count()
    assert stage.agent.turn() == 0
    assert (now(row).problem, Deployment.objects.count()) == (following.REVOKED, under_way)


def tables(queries):
    """Return which of the tables of bots and what is theirs were read or written, in this order."""
    known = {"bots_bot", "bots_target", "bots_deployment"}
    named = [re.search(r'(?:FROM|UPDATE|INTO) "(\w+)"', query["sql"]) for query in queries]
    return [match[1] for match in named if match is not None and match[1] in known]


@pytest.mark.parametrize("what", ["ask", "fetch"])
def test_a_bots_row_is_locked_before_what_is_its(cast, stage, enrolled, what):
    wanted = actions.issue(cast.ada, target(cast, enrolled, stage).pk)
    with CaptureQueriesContext(connection) as found:
        if what == "ask":
            channel.ask(enrolled, wire.Ask(deployment=wanted.pk, csr="x"), "")
        else:
            channel.fetch(enrolled, wire.Fetch(deployment=wanted.pk))
    assert tables(found.captured_queries)[:2] == ["bots_bot", "bots_deployment"]


def test_what_became_of_many_is_followed_with_their_bots_locked_in_one_order(
    cast, local, stage, enrolled, engine, line, tmp_path
):
    first = deployed(cast, enrolled, stage, engine)
    other, token = actions.create(cast.ada, "web-2", team="Operations", environment="Production")
    (tmp_path / "second").mkdir()
    second = Side(tmp_path / "second", line)
    second.enrol(token)
    wanted = actions.issue(cast.ada, target(cast, other, second).pk)
    second.agent.turn()
    lost = {now(wanted).order_id: ("rejected", "No.")}
    with transaction.atomic(), CaptureQueriesContext(connection) as found:
        following.settled({}, lost, {first.certificate_id}, SYSTEM_CLOCK.now())
    asked = found.captured_queries
    assert tables(asked)[:3] == ["bots_deployment", "bots_target", "bots_bot"]
    (locking,) = [
        query["sql"] for query in asked if query["sql"].startswith("SELECT") and 'FROM "bots_bot"' in query["sql"]
    ]
    assert 'ORDER BY "bots_bot"."id" ASC' in locking
    assert [now(bot).problem for bot in (enrolled, other)] == [
        f"www: {following.REVOKED}",
        "www: The order is rejected. No.",
    ]


def test_lost_answers_order_and_tell_once(cast, local, stage, line, enrolled, engine):
    wanted = actions.issue(cast.ada, target(cast, enrolled, stage).pk)
    line.lose.add("csr")
    stage.agent.turn()
    stage.start()
    stage.agent.turn()
    assert Order.objects.count() == 1
    engine.until(lambda: now(wanted).state == Stage.READY)
    line.lose.add("report")
    stage.agent.turn()
    assert now(wanted).state == Stage.DEPLOYED
    stage.start()
    stage.agent.turn()
    kinds = [e.kind for e in wanted.events.all()]
    assert kinds.count("deployed") == kinds.count("switch") == 1
    assert stage.state.untold(10) == []


def test_what_was_begun_is_finished_while_the_server_is_away(cast, local, stage, line, enrolled, engine, monkeypatch):
    wanted = actions.issue(cast.ada, target(cast, enrolled, stage).pk)
    stage.agent.turn()
    engine.until(lambda: now(wanted).state == Stage.READY)

    class Ended(BaseException):
        pass

    def end(name):
        if name.startswith("run"):
            raise Ended

    monkeypatch.setattr(posix, "step", end)
    with pytest.raises(Ended):
        stage.agent.turn()
    monkeypatch.setattr(posix, "step", lambda name: None)
    line.away = True
    stage.start()
    assert stage.agent.turn() == 0
    assert stage.place.exists()
    assert now(wanted).state == Stage.DEPLOYING
    assert stage.agent.pause < 60
    stage.agent.turn()
    line.away = False
    stage.agent.turn()
    assert now(wanted).state == Stage.DEPLOYED
    assert [x.text for x in queries.log(cast.ada, enrolled.pk).items if x.level == "warning"].count(
        "nobody answers"
    ) == 1


def test_a_refused_order_is_said_and_ends_the_deployment(cast, local, stage, enrolled):
    row = target(cast, enrolled, stage)
    from chancery.apps.profiles.models import Profile

    Profile.objects.filter(name="Internal").update(name_suffixes=["example.org"])
    wanted = actions.issue(cast.ada, row.pk)
    stage.agent.turn()
    assert now(wanted).state == Stage.FAILED
    assert "The order was refused" in wanted.text
    bot = now(enrolled)
    assert queries.standing(bot, SYSTEM_CLOCK.now()) == Standing.FAILED
    assert bot.problem.startswith("www: The order was refused")


def test_a_bot_cannot_order_for_other_names_or_with_another_kind_of_key(cast, local, stage, enrolled):
    from chancery_bot import material

    for names, kind in ((["evil.example.com"], "EC-P256"), (["www.example.com"], "EC-P384")):
        row = target(cast, enrolled, stage, name=f"www {kind} {names[0]}")
        wanted = actions.issue(cast.ada, row.pk)
        csr = material.request(material.new_key(kind), names)
        answer = stage.client.ask("csr", wire.Ask(deployment=wanted.pk, csr=csr), wire.Asked)
        assert (answer.state, Order.objects.count()) == ("refused", 0)
        assert "other names or another key" in answer.text


def test_one_bot_cannot_reach_anothers_job(cast, local, stage, enrolled, tmp_path, line):
    _, token = actions.create(cast.ada, "web-2", team="Operations", environment="Production")
    (tmp_path / "second").mkdir()
    second = Side(tmp_path / "second", line)
    second.enrol(token)
    wanted = actions.issue(cast.ada, target(cast, enrolled, stage).pk)
    for what, body, answer in (
        ("csr", wire.Ask(deployment=wanted.pk, csr="x"), wire.Asked),
        ("certificate", wire.Fetch(deployment=wanted.pk), wire.Issued),
    ):
        with pytest.raises(Refused, match="There is no deployment"):
            second.client.ask(what, body, answer)
    assert second.agent.turn() == 0
    record = {"number": 1, "at": SYSTEM_CLOCK.now(), "kind": "outcome", "outcome": "failed", "deployment": wanted.pk}
    second.client.ask("report", wire.Report(records=[wire.Record.model_validate(record)]), wire.Recorded)
    assert now(wanted).state == Stage.WANTED


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({}, 401, "replayed"),
        ({"body": b'{"v":2}'}, 401, "signature"),
        ({"path": "/api/bot/report"}, 401, "signature"),
        ({"authorization": "Bearer chy_x"}, 401, "unsigned"),
        ({"authorization": ""}, 401, "unsigned"),
        ({"path": "/api/bot/nothing"}, 404, "not_found"),
        ({"body": b"x" * (wire.MOST_BYTES + 1)}, 413, "too_long"),
    ],
)
def test_what_was_sent_before_or_changed_on_its_way_is_refused(stage, line, enrolled, change, status, code):
    import json

    stage.agent.turn()
    answer = line.again(-1, **change)
    assert (answer.status, json.loads(answer.body)["code"]) == (status, code)


def test_a_replay_is_refused_also_much_later(stage, line, enrolled):
    import json

    stage.agent.turn()
    later = ManualClock(SYSTEM_CLOCK.now())
    before = use_clock(later)
    try:
        for minutes, code in ((1, "replayed"), (60, "clock")):
            later.advance(timedelta(minutes=minutes))
            assert json.loads(line.again(-1).body)["code"] == code
    finally:
        use_clock(before)


def test_a_host_whose_clock_is_wrong_follows_the_servers(cast, local, line, stage, enrolled):
    class Wrong(BotClock):
        def now(self):
            return super().now() + timedelta(hours=7)

    stage.start(clock=Wrong())
    stage.agent.turn()
    assert stage.agent.pause == enrolled.poll_seconds
    assert "poll" in line.sent[-1][0]


def test_a_token_works_once_in_its_time_on_its_host(cast, stage, line, tmp_path):
    bot, token = made(cast, host="web-1", days=2)
    with pytest.raises(Refused, match="for the host web-1"):
        stage.enrol(token, HOST.model_copy(update={"hostname": "web-9"}))
    with pytest.raises(Refused, match="unknown, used or expired"):
        stage.enrol("cbt_none")
    line.lose.add("enrol")
    with pytest.raises(Away):
        stage.enrol(token)
    assert stage.enrol(token).bot == str(bot.pk), "the answer that was lost"
    (tmp_path / "thief").mkdir()
    thief = Side(tmp_path / "thief", line)
    with pytest.raises(Refused, match="unknown, used or expired"):
        thief.enrol(token)
    other, late = actions.create(cast.ada, "late", team="Operations", environment="Production", days=1)
    clock = ManualClock(SYSTEM_CLOCK.now() + timedelta(days=1, minutes=1))
    before = use_clock(clock)
    try:

        class Same(BotClock):
            def now(self):
                return clock.now()

        thief.start(clock=Same())
        with pytest.raises(Refused, match="expired"):
            thief.enrol(late)
        assert "expired" in queries.why(now(other), clock.now())
    finally:
        use_clock(before)


def test_a_copy_on_another_machine_is_refused_and_alarmed_until_it_is_enrolled_anew(cast, local, stage, enrolled):
    target(cast, enrolled, stage)
    copy = HOST.model_copy(update={"machine": "cd" * 32})
    stage.start(copy)
    with pytest.raises(Turned, match="another machine"):
        stage.client.ask("poll", wire.Poll(host=copy), wire.Work)
    assert stage.agent.turn() == 0
    bot = now(enrolled)
    assert bot.clone.startswith("cdcdcdcdcdcd from ")
    assert queries.standing(bot, SYSTEM_CLOCK.now()) == Standing.FAILED
    _, token = actions.new_token(cast.ada, bot.pk)
    stage.state.forget_own_key()
    stage.enrol(token, copy)
    stage.agent.turn()
    assert queries.standing(now(bot), SYSTEM_CLOCK.now()) == Standing.ACTIVE


def test_a_stopped_bot_gets_nothing_and_a_deleted_one_is_nobody(cast, local, stage, enrolled):
    actions.issue(cast.ada, target(cast, enrolled, stage).pk)
    actions.stop(cast.ada, enrolled.pk)
    assert stage.agent.turn() == 0
    assert queries.standing(now(enrolled), SYSTEM_CLOCK.now()) == Standing.STOPPED
    actions.start(cast.ada, enrolled.pk)
    assert stage.agent.turn() == 1
    actions.delete(cast.ada, enrolled.pk)
    with pytest.raises(Turned):
        stage.client.ask("poll", wire.Poll(host=HOST), wire.Work)
    assert Deployment.objects.get().state == Stage.CANCELLED


def test_the_version_before_is_read_and_answered(cast, local, stage, line, enrolled):
    import json

    flat = {"v": 1, **HOST.model_dump()}
    body = json.dumps(flat).encode()
    answer = stage.client._post(stage.state.identity(), "poll", body)
    assert answer.status == 200
    assert json.loads(answer.body)["v"] == 1
    for version in (0, 3, "2", True, None):
        refused = stage.client._post(stage.state.identity(), "poll", json.dumps({**flat, "v": version}).encode())
        assert refused.status == 400


def test_a_bot_that_cannot_roll_back_is_not_waited_for(cast, local, stage, enrolled, engine):
    import json

    deployed(cast, enrolled, stage, engine)
    row = Target.objects.get()
    second = actions.issue(cast.ada, row.pk)
    stage.agent.turn()
    engine.until(lambda: now(second).state == Stage.READY)
    stage.agent.turn()
    due = now(row).due_at
    back = actions.roll_back(cast.ada, row.pk)
    old = json.dumps({"v": 1, **HOST.model_dump()}).encode()
    answer = stage.client._post(stage.state.identity(), "poll", old)
    assert json.loads(answer.body)["tasks"] == []
    assert (now(back).state, "too old to roll back" in now(back).text) == (Stage.FAILED, True)
    assert (now(row).problem, now(row).due_at) == ("", due)
    assert actions.roll_back(cast.ada, row.pk).state == Stage.READY


def test_a_window_keeps_a_deployment_until_it_opens(cast, local, stage, enrolled, engine):
    shut = (SYSTEM_CLOCK.now() + timedelta(hours=5)).strftime("%H:%M")
    end = (SYSTEM_CLOCK.now() + timedelta(hours=6)).strftime("%H:%M")
    row = target(cast, enrolled, stage, window=f"{shut}-{end}")
    wanted = actions.issue(cast.ada, row.pk)
    stage.agent.turn()
    engine.until(lambda: now(wanted).state == Stage.READY)
    assert stage.agent.turn() == 0
    assert now(wanted).state == Stage.READY
    Deployment.objects.update(kind="again")
    assert stage.agent.turn() == 1, "what a person asks for does not wait"


def test_a_certificate_whose_key_was_reported_is_not_given_to_its_bot(cast, local, stage, enrolled, engine):
    row = target(cast, enrolled, stage)
    first = actions.issue(cast.ada, row.pk)
    stage.agent.turn()
    engine.until(lambda: now(first).state == Stage.READY)
    reporting.report_key(cast.ada, first.certificate_id)
    assert stage.client.ask("certificate", wire.Fetch(deployment=first.pk), wire.Issued).chain_pem == ""
    assert now(first).state == Stage.FAILED
    assert first.text == "Its key was reported as compromised. It is not deployed. Order a new certificate."
    assert now(row).problem == first.text
    with conflict("key_compromised"):
        actions.again(cast.ada, row.pk)


def test_a_certificate_whose_key_was_reported_is_not_put_back(cast, local, stage, enrolled, engine):
    first = deployed(cast, enrolled, stage, engine)
    row = Target.objects.get()
    assert queries.before(row) is None
    second = actions.issue(cast.ada, row.pk)
    stage.agent.turn()
    engine.until(lambda: now(second).state == Stage.READY)
    stage.agent.turn()
    assert queries.before(row) == first.certificate
    actions.roll_back(cast.ada, row.pk)
    stage.agent.turn()
    assert queries.before(row) == now(second).certificate
    actions.again(cast.ada, row.pk)
    stage.agent.turn()
    reporting.report_key(cast.ada, first.certificate_id)
    with conflict("key_compromised"):
        actions.roll_back(cast.ada, row.pk)


@pytest.mark.parametrize(
    ("code", "changed"),
    [("revoked", {"revocation": "requested"}), ("expired", {"not_after": SYSTEM_CLOCK.now() - timedelta(days=1)})],
)
def test_what_nobody_may_take_any_more_is_neither_given_to_a_bot_nor_put_back(
    cast, local, stage, enrolled, engine, code, changed
):
    first = deployed(cast, enrolled, stage, engine)
    row = Target.objects.get()
    second = actions.issue(cast.ada, row.pk)
    stage.agent.turn()
    engine.until(lambda: now(second).state == Stage.READY)
    theirs = Certificate.objects.filter(pk=second.certificate_id)
    # The engine has nothing to do for it, so that it stays as it is set here.
    before = {name: getattr(second.certificate, name) for name in changed}
    theirs.update(**changed)
    stage.agent.turn()
    assert (now(second).state, now(row).certificate_id) == (Stage.FAILED, first.certificate_id)
    assert second.text.endswith("It is not deployed. Order a new certificate.")
    with conflict(code):
        actions.again(cast.ada, row.pk)
    theirs.update(**before)
    actions.again(cast.ada, row.pk)
    stage.agent.turn()
    assert now(row).certificate_id == second.certificate_id
    Certificate.objects.filter(pk=first.certificate_id).update(**changed)
    with conflict(code):
        actions.roll_back(cast.ada, row.pk)


def test_a_question_is_answered_alike_however_often_it_is_asked(cast, local, stage, enrolled, engine):
    from chancery_bot import material

    wanted = actions.issue(cast.ada, target(cast, enrolled, stage, renew_days=10).pk)
    ask = wire.Ask(deployment=wanted.pk, csr=material.request(material.new_key("EC-P256"), ["www.example.com"]))
    first, second = (stage.client.ask("csr", ask, wire.Asked) for _ in range(2))
    assert first == second
    assert stage.client.ask("certificate", wire.Fetch(deployment=wanted.pk), wire.Issued).chain_pem == ""
    engine.until(lambda: now(wanted).state == Stage.READY)
    fetched = [stage.client.ask("certificate", wire.Fetch(deployment=wanted.pk), wire.Issued) for _ in range(2)]
    assert fetched[0] == fetched[1]
    assert [e.kind for e in wanted.events.all()].count("fetched") == 1
    tell(stage, wanted, 7, outcome="deployed", served="")
    tell(stage, wanted, 8, outcome="failed")
    assert now(wanted).state == Stage.DEPLOYED
    row = Target.objects.get()
    assert row.certificate == wanted.certificate
    assert row.due_at == row.certificate.not_after - timedelta(days=10)
    refused = Deployment.objects.create(target=row, state=Stage.READY, asked_by="x", created_at=SYSTEM_CLOCK.now())
    answer = stage.client.ask("csr", wire.Ask(deployment=refused.pk, csr=ask.csr), wire.Asked)
    assert (answer.state, answer.text) == ("refused", "This deployment is waiting for the bot.")
    tell(stage, refused, 9, outcome="rolled_back", text="nginx -t failed")
    assert (now(refused).state, now(row).problem, now(row).due_at) == (Stage.ROLLED_BACK, "nginx -t failed", None)
    unknown = Deployment.objects.create(target=row, state=Stage.READY, asked_by="x", created_at=SYSTEM_CLOCK.now())
    tell(stage, unknown, 10, outcome="deployed", served="ab" * 32)
    assert (now(row).certificate, now(row).due_at, now(row).problem) == (None, None, "")


def tell(stage, deployment, number, **said):
    record = {"number": number, "at": SYSTEM_CLOCK.now(), "kind": "outcome", "deployment": deployment.pk, **said}
    report = wire.Report(records=[wire.Record.model_validate(record)])
    assert stage.client.ask("report", report, wire.Recorded).recorded == number


def test_what_a_host_found_is_kept_for_the_form(stage, enrolled):
    found = wire.Found(kind="nginx", title="nginx, shop", settings={"key": "/etc/nginx/k"}, names=["shop.example.com"])
    stage.client.ask("poll", wire.Poll(host=HOST, found=[found]), wire.Work)
    stage.client.ask("poll", wire.Poll(host=HOST), wire.Work)
    assert now(enrolled).found == [found.model_dump()]
    for odd in ({"title": "a\0b"}, {"names": ["a\u202eb"]}, {"settings": {"key": "/a\nb"}}, {"settings": {"\0": 1}}):
        both = [found.model_copy(update=odd), found]
        stage.client.ask("poll", wire.Poll(host=HOST, found=both), wire.Work)
        assert now(enrolled).found == [found.model_dump()]


def test_only_the_holder_of_a_key_enrols_it(cast, stage, line):
    import json

    _, token = made(cast)
    for change in (
        {"public_key": "AAAA"},
        {"public_key": wire.public_text(State(stage.folder / "x").own_key(make=True))},
    ):
        body = {"v": 2, "token": token, "public_key": "", "host": HOST.model_dump(), **change}
        stage.state.own_key(make=True)
        from chancery_bot.state import Identity

        answer = stage.client._post(Identity(SERVER, "", ""), "enrol", json.dumps(body).encode())
        assert (answer.status, json.loads(answer.body)["code"]) in {(400, "malformed"), (401, "signature")}
    assert line.web.get("/api/bot/poll", headers={"authorization": "ChanceryBot x"}).status_code == 405
