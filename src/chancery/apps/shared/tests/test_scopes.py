"""Nobody reads or changes what belongs to another team or environment: every reader and every action, one by one."""

import inspect
import uuid
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.acme import actions as acme_actions
from chancery.apps.acme import queries as acme
from chancery.apps.acme.models import Account, AcmeOrder, Credential, Offer, Placement
from chancery.apps.audit import queries as audit
from chancery.apps.audit.models import Entry
from chancery.apps.bots import actions as bot_actions
from chancery.apps.bots import queries as bots
from chancery.apps.bots import targets as bot_targets
from chancery.apps.bots.models import Bot, Deployment, Target
from chancery.apps.certificates import actions as certificate_actions
from chancery.apps.certificates import keys, reporting
from chancery.apps.certificates import queries as certificates
from chancery.apps.certificates.models import Certificate, KeyReport
from chancery.apps.connectors import actions as connector_actions
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors import rotating
from chancery.apps.connectors.models import Connector
from chancery.apps.connectors.tests.account import values
from chancery.apps.inventory import actions as inventory_actions
from chancery.apps.inventory import queries as inventory
from chancery.apps.inventory.models import Finding
from chancery.apps.notices import actions as channel_actions
from chancery.apps.notices import queries as notices
from chancery.apps.notices.models import Channel, Delivery, Notice
from chancery.apps.orders import actions as order_actions
from chancery.apps.orders import queries as orders
from chancery.apps.orders.models import AgainRequest, Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.pools import actions as pool_actions
from chancery.apps.pools import impact, repointing
from chancery.apps.pools import queries as pools
from chancery.apps.posture import actions as posture_actions
from chancery.apps.posture import queries as posture
from chancery.apps.profiles import actions as profile_actions
from chancery.apps.profiles import queries as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals import actions as renewal_actions
from chancery.apps.renewals import planning
from chancery.apps.renewals import queries as renewals
from chancery.apps.shared.action import REGISTRY, current_clock, use_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.webhooks import actions as webhook_actions
from chancery.apps.webhooks import queries as webhooks
from chancery.core.clock import ManualClock
from chancery.core.errors import Absent, ChanceryError, NotPermitted
from tests.cast import PASSWORD, gathered, lasting, local_ca, request_pem

pytestmark = pytest.mark.django_db
ROOMS = (
    "accounts",
    "acme",
    "bots",
    "certificates",
    "connectors",
    "inventory",
    "notices",
    "orders",
    "pools",
    "profiles",
    "renewals",
    "webhooks",
)


MODELS = (Order, AgainRequest, Profile, Certificate, Finding, Bot, Target, Deployment, Offer, Credential, Account)


class Things:
    """One of everything, in Operations and Production."""

    def __init__(self, cast, local):
        self.cast, self.connector = cast, local
        self.order = place(cast.rob, PlaceOrder("Careful", request_pem("a.example.com")))
        self.profile = Profile.objects.get(name="Internal")
        place_of = {"team": "Operations", "environment": "Production"}
        self.pool = pool_actions.create(cast.ada, {"name": "Both", "members": [{"connector": "Local"}], **place_of})
        self.call = connector_actions.test_saved(cast.ada, local.pk)
        self.bot = bot_actions.create(cast.ada, "web-1", team="Operations", environment="Production")[0]
        files = {"certificate": "/etc/nginx/a.pem", "key": "/etc/nginx/a.key"}
        about = {"name": "www", "kind": "nginx", "profile": "Internal", "names": ["a.example.com"], "settings": files}
        self.target = bot_targets.add(cast.ada, self.bot.pk, about)
        self.deployment = bot_actions.issue(cast.ada, self.target.pk)
        Deployment.objects.filter(pk=self.deployment.pk).update(order=self.order)
        now = datetime(2030, 1, 1, tzinfo=UTC)
        self.certificate = Certificate.objects.create(
            id=uuid.uuid4(),
            order_id=self.order.pk,
            connector=local,
            profile=self.profile,
            team_id=local.team_id,
            environment_id=local.environment_id,
            der=b"",
            serial="1" * 16,
            issuer="CN=x",
            common_name="a.example.com",
            names=[["dns", "a.example.com"]],
            key_type="EC-P256",
            spki_sha256="",
            sha256="0" * 64,
            not_before=now,
            not_after=now + timedelta(days=90),
            stored_at=now,
        )
        Target.objects.update(certificate=self.certificate)
        held = place(cast.rob, PlaceOrder("Internal", request_pem("held.example.com")))
        Order.objects.filter(pk=held.pk).update(state="pending", pending_kind="confirmation")
        self.unknown = place(cast.rob, PlaceOrder("Internal", request_pem("unknown.example.com")))
        Order.objects.filter(pk=self.unknown.pk).update(state="outcome_unknown", due_at=None)
        order_actions.order_again(cast.ada, self.unknown.pk, "The CA does not know it.")
        self.lister = connector_actions.create(cast.ada, "digicert", values())
        self.pull = inventory_actions.pull(cast.ada, self.lister.pk)
        self.finding = Finding.objects.create(
            kind="at_ca_only",
            subject="1|1",
            connector=self.lister,
            pull=self.pull,
            team_id=local.team_id,
            environment_id=local.environment_id,
            common_name="b.example.com",
            serial="2" * 16,
            first_at=now,
            last_at=now,
        )
        keys.record("3" * 64, local, "ada", now)
        self.report = KeyReport.objects.get()
        mine = {"team_id": local.team_id, "environment_id": local.environment_id}
        planning.cover(now, {})
        self.offer = acme_actions.offer(cast.ada, "Internal", any_name=True)
        self.credential = acme_actions.create_credential(cast.ada, "web-1", profile="Internal")[0]
        owned = {"team_id": local.team_id, "environment_id": local.environment_id, "created_at": now}
        self.account = Account.objects.create(credential=self.credential, jwk={}, hour_from=now, **owned)
        asked = AcmeOrder.objects.create(account=self.account, offer=self.offer, names=[], expires_at=now, **owned)
        Placement.objects.create(acme_order=asked, order=self.order)
        self.channel = Channel.objects.create(name="Chat", team_id=local.team_id, created_at=now, updated_at=now)
        self.weak = next(w.finding.key for w in posture.listing(cast.ada).items if self.connector in w.connectors)
        self.webhook, _ = webhook_actions.create(
            cast.ada, {"name": "Tickets", "team": "Operations", "url": "https://x.example"}
        )
        self.delivery = Delivery.objects.create(channel=self.channel, what="test", created_at=now)
        Notice.objects.create(kind="connector_sick", key="1", title="x", **mine, opened_at=now, told_at=now)


@pytest.fixture(scope="module")
def things(django_db_setup, django_db_blocker):
    """Made once: four hundred tests look at them, and none may change them."""
    with lasting(django_db_blocker):
        cast = gathered()
        yield Things(cast, local_ca(cast))


@pytest.fixture
def cast(db, things):
    return things.cast


OUTSIDERS = {
    "of another team": lambda: ("administrator", Team.objects.get(name="Other").pk, None),
    "of another environment": lambda: ("administrator", None, people_environment("QA")),
    "of the other environment in this team": lambda: (
        "administrator",
        Team.objects.get(name="Operations").pk,
        people_environment("QA"),
    ),
}


def people_environment(name):
    return Environment.objects.get_or_create(name=name)[0].pk


@pytest.fixture(params=sorted(OUTSIDERS))
def outsider(request, cast, things):
    user = people.create_user(cast.host, "olga", PASSWORD, grants=[OUTSIDERS[request.param]()])
    return who.actor_of(user, how="test")


LISTINGS = {
    "connectors.visible_to": lambda a, t: list(connectors.visible_to(a)),
    "connectors.names": lambda a, t: connectors.names(a),
    "connectors.usable_connectors": lambda a, t: list(connectors.usable_connectors(a)),
    "connectors.listing": lambda a, t: connectors.listing(a, "local").items,
    "connectors.listing by status": lambda a, t: connectors.listing(a, "local", status="active").items,
    "connectors.listing by search": lambda a, t: connectors.listing(a, "local", search="Lo").items,
    "connectors.listing_all": lambda a, t: connectors.listing_all(a).items,
    "connectors.listing_all by name": lambda a, t: connectors.listing_all(a, name="Local").items,
    "connectors.overview": lambda a, t: [s for s in connectors.overview(a) if s.total],
    "pools.visible_to": lambda a, t: list(pools.visible_to(a)),
    "pools.listing": lambda a, t: pools.listing(a).items,
    "pools.usable": lambda a, t: pools.usable(a),
    "profiles.visible_to": lambda a, t: list(profiles.visible_to(a)),
    "profiles.listing": lambda a, t: profiles.listing(a).items,
    "profiles.listing by search": lambda a, t: profiles.listing(a, search="In").items,
    "profiles.offered": lambda a, t: list(profiles.offered(a)),
    "profiles.usable": lambda a, t: list(profiles.usable(a)),
    "orders.visible_to": lambda a, t: list(orders.visible_to(a)),
    "orders.listing": lambda a, t: orders.listing(a).items,
    "orders.listing by state": lambda a, t: orders.listing(a, state="awaiting_approval").items,
    "orders.listing by connector": lambda a, t: orders.listing(a, connector=str(t.connector.pk)).items,
    "orders.listing by search": lambda a, t: orders.listing(a, search="a").items,
    "orders.held": lambda a, t: list(orders.held(a)),
    "orders.unknown": lambda a, t: list(orders.unknown(a)),
    "orders.asked_again": lambda a, t: orders.asked_again(a, current_clock().now()),
    "orders.waiting_for_people": lambda a, t: list(orders.waiting_for_people(a)),
    "certificates.visible_to": lambda a, t: list(certificates.visible_to(a)),
    "certificates.key_reports_visible_to": lambda a, t: list(certificates.key_reports_visible_to(a)),
    "certificates.key_reports": lambda a, t: certificates.key_reports(a).items,
    "certificates.key_reports of one key": lambda a, t: certificates.key_reports(a, key="3" * 64).items,
    "certificates.listing": lambda a, t: certificates.listing(a).items,
    "certificates.alive_with_key": lambda a, t: certificates.alive_with_key(a, t.certificate.spki_sha256),
    "notices.listing": lambda a, t: notices.listing(a).items,
    "notices.channels": lambda a, t: list(notices.channels(a)),
    "webhooks.listing": lambda a, t: webhooks.listing(a).items,
    "webhooks.visible_to": lambda a, t: list(webhooks.visible_to(a)),
    "notices.channel_listing": lambda a, t: notices.channel_listing(a).items,
    "renewals.visible_to": lambda a, t: list(renewals.visible_to(a)),
    "renewals.listing": lambda a, t: renewals.listing(a).items,
    "renewals.listing by state": lambda a, t: renewals.listing(a, state="planned").items,
    "renewals.forecast": lambda a, t: forecast_of(a, t),
    "certificates.listing by serial": lambda a, t: certificates.listing(a, search="1" * 16).items,
    "certificates.listing by connector": lambda a, t: certificates.listing(a, connector=str(t.connector.pk)).items,
    "bots.visible_to": lambda a, t: list(bots.visible_to(a)),
    "bots.listing": lambda a, t: bots.listing(a).items,
    "bots.listing by status": lambda a, t: bots.listing(a, status="configuration_pending").items,
    "bots.serving": lambda a, t: bots.serving(a, t.certificate.pk),
    "bots.of_order": lambda a, t: [d for d in [bots.of_order(a, t.order.pk)] if d],
}
LISTINGS |= {
    "inventory.visible_to": lambda a, t: list(inventory.visible_to(a)),
    "inventory.pulls_visible_to": lambda a, t: list(inventory.pulls_visible_to(a)),
    "inventory.listing": lambda a, t: inventory.listing(a).items,
    "inventory.listing by kind": lambda a, t: inventory.listing(a, kind="at_ca_only", state="open").items,
    "inventory.listing by serial": lambda a, t: inventory.listing(a, search="2" * 16).items,
    "inventory.listing by search": lambda a, t: inventory.listing(a, search="b.").items,
    "inventory.pulls": lambda a, t: inventory.pulls(a).items,
    "inventory.pulls by connector": lambda a, t: inventory.pulls(a, connector=str(t.lister.pk)).items,
    "inventory.waiting": lambda a, t: list(inventory.waiting(a)),
    "inventory.can_list": lambda a, t: inventory.can_list(a),
}
LISTINGS |= {
    "acme.visible_offers": lambda a, t: list(acme.visible_offers(a)),
    "acme.offer_listing": lambda a, t: acme.offer_listing(a).items,
    "acme.visible_to": lambda a, t: list(acme.visible_to(a)),
    "acme.listing": lambda a, t: acme.listing(a).items,
    "acme.listing by search": lambda a, t: acme.listing(a, search="web").items,
    "acme.accounts_visible_to": lambda a, t: list(acme.accounts_visible_to(a)),
    "acme.of_order": lambda a, t: [o for o in [acme.of_order(a, t.order)] if o],
}
BY_ID = {
    "acme.offer": lambda a, t: acme.offer(a, t.offer.pk),
    "acme.get": lambda a, t: acme.get(a, t.credential.pk),
    "acme.account": lambda a, t: acme.account(a, t.account.pk),
    "acme.accounts": lambda a, t: acme.accounts(a, t.credential.pk).items,
    "acme.orders": lambda a, t: acme.orders(a, t.account.pk).items,
    "inventory.get": lambda a, t: inventory.get(a, t.finding.pk),
    "inventory.get_pull": lambda a, t: inventory.get_pull(a, t.pull.pk),
    "connectors.get": lambda a, t: connectors.get(a, t.connector.pk),
    "connectors.delete_preview": lambda a, t: connectors.delete_preview(a, t.connector.pk),
    "connectors.call": lambda a, t: connectors.call(a, t.call.pk),
    "pools.get": lambda a, t: pools.get(a, t.pool.pk),
    "pools.impact": lambda a, t: impact.of(a, t.connector.pk),
    "pools.repointing": lambda a, t: repointing.preview(a, t.connector.pk, "Both"),
    "profiles.get": lambda a, t: profiles.get(a, t.profile.pk),
    "profiles.get by name": lambda a, t: profiles.get(a, "Internal"),
    "profiles.orderable": lambda a, t: profiles.orderable(a, "Internal"),
    "profiles.orderable by id": lambda a, t: profiles.orderable(a, str(t.profile.pk)),
    "orders.get": lambda a, t: orders.get(a, t.order.pk),
    "orders.wait": lambda a, t: orders.wait(a, t.order.pk, 0),
    "certificates.get": lambda a, t: certificates.get(a, t.certificate.pk),
    "notices.channel": lambda a, t: notices.channel(a, t.channel.pk),
    "notices.channel by name": lambda a, t: notices.channel(a, "Chat"),
    "webhooks.get": lambda a, t: webhooks.get(a, t.webhook.pk),
    "webhooks.get by name": lambda a, t: webhooks.get(a, "Tickets"),
    "notices.delivery": lambda a, t: notices.delivery(a, t.channel.pk, t.delivery.pk),
    "renewals.of": lambda a, t: renewals.of(a, t.certificate.pk),
    "bots.get": lambda a, t: bots.get(a, t.bot.pk),
    "bots.target": lambda a, t: bots.target(a, t.target.pk),
    "bots.deployments": lambda a, t: bots.deployments(a, t.bot.pk),
    "bots.deployment": lambda a, t: bots.deployment(a, t.deployment.pk),
    "bots.log": lambda a, t: bots.log(a, t.bot.pk),
}
FOR_AUDITORS = (
    "notices.channel",
    "notices.channels",
    "notices.channel_listing",
    "notices.delivery",
    "webhooks.get",
    "webhooks.listing",
    "webhooks.visible_to",
)
"""What requesters do not see even of their own team."""


def forecast_of(actor, things):
    before = use_clock(ManualClock(things.certificate.not_before))
    try:
        return renewals.forecast(actor).loads
    finally:
        use_clock(before)


def reader(cast, name):
    return cast.dan if name.partition(" ")[0] in FOR_AUDITORS else cast.rob


ACTIONS = {
    "connectors.edit": lambda a, t: connector_actions.edit(a, t.connector.pk, 1, {}),
    "connectors.copy": lambda a, t: connector_actions.copy(a, t.connector.pk, "Twin"),
    "connectors.activate": lambda a, t: connector_actions.activate(a, t.connector.pk),
    "connectors.deactivate": lambda a, t: connector_actions.deactivate(a, t.connector.pk),
    "connectors.delete": lambda a, t: connector_actions.delete(a, t.connector.pk),
    "connectors.test": lambda a, t: connector_actions.test_saved(a, t.connector.pk),
    "connectors.test_unsaved": lambda a, t: connector_actions.test_unsaved(a, "local", {}, t.connector.pk),
    "connectors.choices": lambda a, t: connector_actions.ask_choices(a, "", "server", {}, t.connector.pk),
    "connectors.stage_credential": lambda a, t: rotating.stage(a, t.connector.pk, {"issuing_key": "x"}),
    "connectors.switch_credential": lambda a, t: rotating.switch(a, t.connector.pk),
    "connectors.switch_back": lambda a, t: rotating.switch_back(a, t.connector.pk),
    "connectors.revoked_credential": lambda a, t: rotating.revoked(a, t.connector.pk),
    "connectors.cancel_credential": lambda a, t: rotating.cancel(a, t.connector.pk),
    "connectors.credential_expiry": lambda a, t: rotating.expires(a, t.connector.pk, None),
    "connectors.repoint": lambda a, t: pool_actions.repoint(a, t.connector.pk, "Both", ""),
    "pools.edit": lambda a, t: pool_actions.edit(a, t.pool.pk, 1, {}),
    "pools.drain": lambda a, t: pool_actions.drain(a, t.pool.pk, t.connector.pk, draining=True),
    "pools.delete": lambda a, t: pool_actions.delete(a, t.pool.pk),
    "profiles.edit": lambda a, t: profile_actions.edit(a, t.profile.pk, 1, {}),
    "profiles.delete": lambda a, t: profile_actions.delete(a, t.profile.pk),
    "orders.place": lambda a, t: place(a, PlaceOrder("Internal", request_pem("a.example.com"))),
    "orders.approve": lambda a, t: order_actions.approve(a, t.order.pk),
    "orders.deny": lambda a, t: order_actions.deny(a, t.order.pk, "No."),
    "orders.take_back": lambda a, t: order_actions.take_back(a, t.order.pk, "No."),
    "orders.cancel": lambda a, t: order_actions.cancel(a, t.order.pk),
    "orders.release": lambda a, t: order_actions.release(a, t.order.pk),
    "posture.decide": lambda a, t: posture_actions.decide(a, t.weak),
    "orders.confirm": lambda a, t: order_actions.confirm(a, t.order.pk),
    "orders.adopt": lambda a, t: order_actions.adopt(a, t.order.pk, "1"),
    "orders.give_up": lambda a, t: order_actions.give_up(a, t.order.pk, "No."),
    "orders.order_again": lambda a, t: order_actions.order_again(a, t.unknown.pk, "No."),
    "orders.confirm_again": lambda a, t: order_actions.confirm_again(a, t.unknown.pk),
    "orders.refuse_again": lambda a, t: order_actions.refuse_again(a, t.unknown.pk, "No."),
    "certificates.revoke": lambda a, t: certificate_actions.revoke(a, t.certificate.pk, "superseded"),
    "certificates.report_key": lambda a, t: reporting.report_key(a, t.certificate.pk),
    "certificates.renew": lambda a, t: certificate_actions.renew(a, t.certificate.pk),
    "certificates.leave_request": lambda a, t: renewal_actions.leave_request(a, t.certificate.pk, ""),
    "channels.edit": lambda a, t: channel_actions.edit(a, t.channel.pk, 1, {}),
    "channels.delete": lambda a, t: channel_actions.delete(a, t.channel.pk),
    "channels.test": lambda a, t: channel_actions.test(a, t.channel.pk),
    "webhooks.edit": lambda a, t: webhook_actions.edit(a, t.webhook.pk, 1, {}),
    "webhooks.delete": lambda a, t: webhook_actions.delete(a, t.webhook.pk),
    "webhooks.rotate": lambda a, t: webhook_actions.rotate(a, t.webhook.pk),
    "webhooks.test": lambda a, t: webhook_actions.test(a, t.webhook.pk),
}
ACTIONS |= {
    "acme_offers.set": lambda a, t: acme_actions.offer(a, "Internal", any_name=True),
    "acme_offers.withdraw": lambda a, t: acme_actions.withdraw(a, t.offer.pk),
    "acme_credentials.create": lambda a, t: acme_actions.create_credential(a, "x", profile="Internal"),
    "acme_credentials.revoke": lambda a, t: acme_actions.revoke_credential(a, t.credential.pk),
    "acme_accounts.revoke": lambda a, t: acme_actions.revoke_account(a, t.account.pk),
    "bots.edit": lambda a, t: bot_actions.edit(a, t.bot.pk, name="x", purpose="both"),
    "bots.token": lambda a, t: bot_actions.new_token(a, t.bot.pk),
    "bots.stop": lambda a, t: bot_actions.stop(a, t.bot.pk),
    "bots.start": lambda a, t: bot_actions.start(a, t.bot.pk),
    "bots.delete": lambda a, t: bot_actions.delete(a, t.bot.pk),
    "targets.create": lambda a, t: bot_targets.add(a, t.bot.pk, {}),
    "targets.edit": lambda a, t: bot_targets.edit(a, t.target.pk, 1, {}),
    "targets.delete": lambda a, t: bot_targets.remove(a, t.target.pk),
    "deployments.issue": lambda a, t: bot_actions.issue(a, t.target.pk),
    "deployments.again": lambda a, t: bot_actions.again(a, t.target.pk),
    "deployments.roll_back": lambda a, t: bot_actions.roll_back(a, t.target.pk),
    "deployments.cancel": lambda a, t: bot_actions.cancel(a, t.deployment.pk),
    "connectors.pull": lambda a, t: inventory_actions.pull(a, t.lister.pk),
    "pulls.stop": lambda a, t: inventory_actions.stop(a, t.pull.pk),
    "findings.adopt": lambda a, t: inventory_actions.adopt(a, t.finding.pk),
    "findings.revoke": lambda a, t: inventory_actions.revoke(a, t.finding.pk, "superseded", confirmed=True),
    "findings.ignore": lambda a, t: inventory_actions.ignore(a, t.finding.pk, "No."),
    "findings.reopen": lambda a, t: inventory_actions.reopen(a, t.finding.pk),
}
NEW_THINGS = {
    "inventory.import": lambda a: imported(a, team="Operations", environment="Production"),
    "bots.create": lambda a: bot_actions.create(a, "x", team="Operations", environment="Production"),
    "connectors.create": lambda a: connector_actions.create(a, "digicert", values()),
    "connectors.test_unsaved": lambda a: connector_actions.test_unsaved(a, "digicert", values()),
    "connectors.choices": lambda a: connector_actions.ask_choices(a, "digicert", "container_id", values()),
    "pools.create": lambda a: pool_actions.create(
        a, {"name": "Mine", "team": "Operations", "environment": "Production"}
    ),
    "webhooks.create": lambda a: webhook_actions.create(
        a, {"name": "Mine", "team": "Operations", "url": "https://x.example"}
    ),
    "channels.create": lambda a: channel_actions.create(a, {"name": "Mine", "team": "Operations"}),
}


def imported(actor, **where):
    """Import what nothing stands in the way of but a missing right."""
    from chancery.apps.inventory.planning import Import
    from tests.pki import self_signed_pem

    asked = Import(self_signed_pem("c.example.com").encode(), **where)
    return inventory_actions.import_certificates(actor, asked, asked.digest())


@pytest.mark.parametrize("name", sorted(LISTINGS))
def test_a_listing_shows_an_outsider_nothing(things, outsider, name):
    assert LISTINGS[name](outsider, things) == []


@pytest.mark.parametrize("name", sorted(LISTINGS))
def test_the_same_listing_shows_it_to_those_it_belongs_to(cast, things, name):
    assert LISTINGS[name](reader(cast, name), things)


@pytest.mark.parametrize("name", sorted(BY_ID))
def test_by_id_it_is_absent_for_an_outsider_and_there_for_its_team(cast, things, outsider, name):
    with pytest.raises(Absent):
        BY_ID[name](outsider, things)
    assert BY_ID[name](reader(cast, name), things)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_outsider_who_may_all_of_it_elsewhere_changes_nothing_here(things, outsider, name):
    before = [list(model.objects.order_by("pk").values()) for model in MODELS]
    entries = Entry.objects.count()
    with pytest.raises(Absent):
        ACTIONS[name](outsider, things)
    assert [list(model.objects.order_by("pk").values()) for model in MODELS] == before
    assert Entry.objects.count() == entries


@pytest.mark.parametrize("name", sorted(NEW_THINGS))
def test_an_outsider_makes_nothing_here(things, outsider, name):
    with pytest.raises(NotPermitted):
        NEW_THINGS[name](outsider)


def test_a_new_profile_needs_a_connector_that_one_sees(things, outsider):
    with pytest.raises(ChanceryError) as caught:
        profile_actions.create(outsider, {"name": "Web", "connector": "Local"})
    assert [p.field for p in caught.value.problems] == ["connector"]


def test_the_record_of_a_team_is_read_by_that_team_alone(cast, things):
    other = people.create_user(
        cast.host, "olga", PASSWORD, grants=[("auditor", Team.objects.get(name="Other").pk, None)]
    )
    assert audit.listing(who.actor_of(other, how="test")).items == []


def readers(room):
    module = import_module(f"chancery.apps.{room}.queries")
    found = inspect.getmembers(module, inspect.isfunction)
    own = [(n, f) for n, f in found if f.__module__ == module.__name__ and not n.startswith("_")]
    return [f"{room}.{n}" for n, f in own if "actor" in inspect.signature(f).parameters]


OF_THE_UNUSABLE = ("connectors.title", "connectors.unusable")
"""About CA types that do not load, which nothing here has; what is seen of them is the test below."""


def test_what_is_seen_of_a_type_that_does_not_load_is_ones_own(cast, things, outsider):
    Connector.objects.filter(pk=things.connector.pk).update(authority="gone")
    assert [(u.slug, u.total) for u in connectors.unusable(cast.ada)] == [("gone", 1)]
    assert connectors.title(cast.ada, "gone") == "gone"
    assert connectors.unusable(outsider) == []
    with pytest.raises(Absent):
        connectors.title(outsider, "gone")


def test_no_reader_that_takes_an_actor_is_left_out():
    tried = {name.partition(" ")[0] for name in (*LISTINGS, *BY_ID)}
    left = {r for room in ROOMS[1:] for r in readers(room)} - tried - set(OF_THE_UNUSABLE)
    assert left == set()


def test_no_action_on_a_teams_things_is_left_out():
    # What is of persons, or of everybody; changes have their tests beside them.
    of_all = (
        "people.",
        "teams.",
        "environments.",
        "tokens.",
        "roles.",
        "providers.",
        "sessions.",
        "factors.",
        "changes.",
        "key_reports.",
    )
    # Of the whole installation, and no door but the host's command leads to it.
    of_all = {n for n in REGISTRY if n.startswith(of_all)} | {"orders.put_back"}
    assert set(REGISTRY) - of_all == set(ACTIONS) | set(NEW_THINGS) | {"profiles.create"}


def each_action():
    modules = [import_module(f"chancery.apps.{room}.actions") for room in ROOMS]
    rest = ("accounts.places", "bots.targets", "connectors.rotating")
    modules += [import_module(f"chancery.apps.{name}") for name in rest]
    found = [f for m in modules for _, f in inspect.getmembers(m, inspect.isfunction) if f.__module__ == m.__name__]
    return [f for f in found if hasattr(f, "__wrapped__")]


@pytest.mark.parametrize("run", each_action(), ids=lambda f: f"{f.__module__.split('.')[2]}.{f.__name__}")
def test_without_any_role_no_action_begins(db, run):
    wanted = [p for p in inspect.signature(run).parameters.values() if p.default is p.empty][1:]
    nobody = Actor("nobody", 0, "test")
    arguments = ["x" for p in wanted if p.kind is not p.KEYWORD_ONLY]
    by_name = {p.name: "x" for p in wanted if p.kind is p.KEYWORD_ONLY}
    expected = Absent if run.__name__ in {"change_own_password", "change_own_account"} else NotPermitted
    with pytest.raises(expected):
        run(nobody, *arguments, **by_name)
