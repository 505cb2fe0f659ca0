"""Which role may do what: the table that people are promised, held against what every action really asks for."""

import importlib

import pytest

from chancery.apps.accounts.permissions import ROLES, Permission
from chancery.apps.shared.action import REGISTRY
from chancery.apps.shared.actor import Actor, Grant

for room in (
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
    "posture",
    "renewals",
    "webhooks",
):
    importlib.import_module(f"chancery.apps.{room}.actions")
importlib.import_module("chancery.apps.bots.targets")
for module in (
    "accounts.ending",
    "accounts.factors",
    "accounts.providers",
    "accounts.roles",
    "certificates.reporting",
    "changes.actions",
    "connectors.rotating",
):
    importlib.import_module(f"chancery.apps.{module}")

ORDER = ("administrator", "ca_operator", "requester", "bot_operator", "approver", "auditor", "monitor")
MATRIX = """
acme_accounts.revoke      A O . . . . .
acme_credentials.create   A O . . . . .
acme_credentials.revoke   A O . . . . .
acme_offers.set           A O . . . . .
acme_offers.withdraw      A O . . . . .
bots.create               A . . B . . .
bots.delete               A . . B . . .
bots.edit                 A . . B . . .
bots.start                A . . B . . .
bots.stop                 A . . B . . .
bots.token                A . . B . . .
certificates.leave_request A O R B . . .
certificates.renew        A O R B . . .
certificates.report_key   A O . . . . .
certificates.revoke       A O . . . . .
changes.apply             A . . . P . .
changes.approve           A . . . P . .
changes.deny              A . . . P . .
changes.end_renewed       A O . . . . .
changes.propose           A O R B P D .
changes.rule              A . . . . . .
changes.withdraw          A O . . . . .
channels.create           A . . . . . .
channels.delete           A . . . . . .
channels.edit             A . . . . . .
channels.test             A . . . . . .
connectors.activate       A O . . . . .
connectors.cancel_credential A O . . . . .
connectors.choices        A O . . . . .
connectors.copy           A O . . . . .
connectors.create         A O . . . . .
connectors.credential_expiry A O . . . . .
connectors.deactivate     A O . . . . .
connectors.delete         A O . . . . .
connectors.edit           A O . . . . .
connectors.pull           A O . . . . .
connectors.repoint        A O . . . . .
connectors.revoked_credential A O . . . . .
connectors.stage_credential A O . . . . .
connectors.switch_back    A O . . . . .
connectors.switch_credential A O . . . . .
connectors.test           A O . . . . .
connectors.test_unsaved   A O . . . . .
deployments.again         A . . B . . .
deployments.cancel        A . . B . . .
deployments.issue         A . . B . . .
deployments.roll_back     A . . B . . .
environments.create       A . . . . . .
environments.delete       A . . . . . .
environments.edit         A . . . . . .
factors.add_passkey       A O R B P D M
factors.add_totp          A O R B P D M
factors.new_codes         A O R B P D M
factors.remove            A O R B P D M
findings.adopt            A O . . . . .
findings.ignore           A O . . . . .
findings.reopen           A O . . . . .
findings.revoke           A O . . . . .
inventory.import          A O . . . . .
key_reports.confirm       A . . . . . .
key_reports.withdraw      A . . . . . .
orders.adopt              A O . . . . .
orders.approve            A . . . P . .
orders.cancel             A O R B . . .
orders.confirm            A O . . . . .
orders.confirm_again      A O . . . . .
orders.deny               A . . . P . .
orders.give_up            A O . . . . .
orders.order_again        A O . . . . .
orders.place              A . R B . . .
orders.put_back           A O . . . . .
orders.refuse_again       A O . . . . .
orders.release            A O . . . . .
orders.take_back          A . . . P . .
people.create             A . . . . . .
people.disable            A . . . . . .
people.enable             A . . . . . .
people.end_sessions       A . . . . . .
people.grant              A . . . . . .
people.own_account        A O R B P D M
people.own_password       A O R B P D M
people.password           A . . . . . .
people.remove_factors     A . . . . . .
people.sign_on            A . . . . . .
people.unlock             A . . . . . .
pools.create              A O . . . . .
pools.delete              A O . . . . .
pools.drain               A O . . . . .
pools.edit                A O . . . . .
profiles.create           A O . . . . .
profiles.delete           A O . . . . .
profiles.edit             A O . . . . .
providers.delete          A . . . . . .
providers.save            A . . . . . .
pulls.stop                A O . . . . .
roles.create              A . . . . . .
roles.delete              A . . . . . .
roles.edit                A . . . . . .
roles.require_factor      A . . . . . .
sessions.end              A O R B P D M
targets.create            A . . B . . .
targets.delete            A . . B . . .
targets.edit              A . . B . . .
teams.create              A . . . . . .
teams.delete              A . . . . . .
teams.rename              A . . . . . .
posture.decide            A O . . . . .
tokens.create             A O R B P . M
tokens.end                A . . . . . .
tokens.revoke             A O R B P . M
webhooks.create           A . . . . . .
webhooks.delete           A . . . . . .
webhooks.edit             A . . . . . .
webhooks.rotate           A . . . . . .
webhooks.test             A . . . . . .
"""
TABLE = {name: marks for name, *marks in (line.split() for line in MATRIX.strip().splitlines())}
READING = {
    "administrator": "connectors profiles orders certificates bots audit people inventory notices channels webhooks posture metrics acme pools changes",
    "ca_operator": "connectors profiles orders certificates bots audit inventory notices channels posture metrics acme pools changes",
    "requester": "connectors profiles orders certificates bots inventory notices acme pools changes",
    "bot_operator": "connectors profiles orders certificates bots inventory notices acme pools changes",
    "approver": "connectors profiles orders certificates bots inventory notices acme pools changes",
    "auditor": "connectors profiles orders certificates bots audit people inventory notices channels webhooks posture acme pools changes",
    "monitor": "metrics",
}


def test_every_action_and_every_role_stands_in_the_table():
    assert sorted(REGISTRY) == sorted(TABLE)
    assert tuple(ROLES) == ORDER


@pytest.mark.parametrize("role", ORDER)
@pytest.mark.parametrize("action", sorted(TABLE))
def test_a_role_may_do_what_the_table_says(action, role):
    actor = Actor("pat", 1, "test", grants=(Grant(role),))
    assert actor.may(REGISTRY[action]) is (TABLE[action][ORDER.index(role)] != ".")


@pytest.mark.parametrize("role", ORDER)
def test_only_administrators_say_where_secrets_are_read_from(role):
    assert (Permission.SECRET_REFERENCE in ROLES[role]) is (role == "administrator")


@pytest.mark.parametrize("role", ORDER)
def test_a_role_may_read_what_the_table_says(role):
    views = {p.removesuffix(".view") for p in ROLES[role] if p.endswith(".view")}
    assert views == set(READING[role].split())


def test_no_permission_is_left_that_nothing_asks_for():
    within = {Permission.AUDIT_EXPORT, Permission.SECRET_REFERENCE}
    asked = set(REGISTRY.values()) | {p for p in Permission if p.endswith(".view")} | within
    assert asked == set(Permission)
