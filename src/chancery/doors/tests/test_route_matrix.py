"""Who may do what through which route: generated from the routes and the actions, roles × routes × places.

What a route does is read off its view: the actions that it calls, by name. Routes that call none are listed here with the
permission that reading asks for, and one that is not listed fails. A cell is a role held in a place, a route, and a thing of
the role's own team and environment, of another team, or of another environment.
"""

import ast
import inspect
import textwrap
from functools import cache

import pytest

from chancery.apps.accounts.permissions import EVERYBODYS, ROLES, WHOLE, Permission
from chancery.apps.orders import place
from chancery.apps.shared.action import NAMES, REGISTRY
from chancery.apps.shared.actor import Actor, Grant
from chancery.apps.shared.tests.test_matrix import ORDER, TABLE
from chancery.doors.api.api import api
from chancery.doors.console.urls import urlpatterns

GROUPED = {"POST /orders": {"orders.place"}}
"""What is placed by the thread that writes single requests together, which no view calls."""
PLACED = {place.place: "orders.place", place.place_many: "orders.place", place.place_mixed: "orders.place"}
OWN = (1, 1)
PLACES = {"own": OWN, "another team": (2, 1), "another environment": (1, 2)}
ANYBODY = "anybody"
"""Who is not logged in, or whoever is: what it shows is of nobody, or of the caller alone."""
P = Permission
READS = {
    "api": {
        "/health": ANYBODY, "/me": ANYBODY, "/tokens": ANYBODY, "/sessions": ANYBODY, "/roles": ANYBODY, "/teams": ANYBODY,
        "/environments": ANYBODY, "/authorities": ANYBODY,
        "/users": P.PEOPLE_VIEW, "/providers": P.PEOPLE_VIEW, "/changes": P.CHANGE_VIEW, "/connectors": P.CONNECTOR_VIEW,
        "/connectors.csv": P.CONNECTOR_VIEW, "/calls": P.CONNECTOR_VIEW, "/pools": P.POOL_VIEW, "/profiles": P.PROFILE_VIEW, "/orders": P.ORDER_VIEW,
        "/certificates": P.CERTIFICATE_VIEW, "/renewals": P.CERTIFICATE_VIEW, "/inventory": P.INVENTORY_VIEW,
        "/bots": P.BOT_VIEW, "/targets": P.BOT_VIEW, "/deployments": P.BOT_VIEW, "/notices": P.NOTICE_VIEW,
        "/channels": P.CHANNEL_VIEW, "/webhooks": P.WEBHOOK_VIEW,
        "/posture": P.POSTURE_VIEW,
        "/acme": P.ACME_VIEW,
        "/again-requests": P.ORDER_VIEW, "/key-reports": P.CERTIFICATE_VIEW, "/audit": P.AUDIT_VIEW, "/overview": ANYBODY,
        "/pulls": P.INVENTORY_VIEW, "/findings": P.INVENTORY_VIEW, "/target-kinds": ANYBODY,
    },
}  # fmt: skip
"""First part of an address of the API → what reading below it asks for."""
LOOKS = {
    "POST /inventory/preview": P.INVENTORY_IMPORT,
}
"""Operations that change nothing though they take a body."""


@cache
def tree(function):
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


@cache
def called(view):
    """Return the functions of ours that a view names, through helpers of its module."""
    module = inspect.getmodule(view)
    seen, left, found = set(), [view], set()
    while left:
        one = inspect.unwrap(left.pop())
        if one in seen or not inspect.isfunction(one) or inspect.getmodule(one) is not module:
            continue
        seen.add(one)
        for node in ast.walk(tree(one)):
            name = _resolved(module, node)
            if inspect.isfunction(name):
                found.add(inspect.unwrap(name))
                left.append(name)
            elif isinstance(name, dict):
                found |= {inspect.unwrap(v) for v in name.values() if inspect.isfunction(v)}
    return found


def _resolved(module, node):
    if isinstance(node, ast.Name):
        return getattr(module, node.id, None)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return getattr(getattr(module, node.value.id, None), node.attr, None)
    return None


def does(view):
    """Return the names of the actions that a view calls, also through functions of apps that call one."""
    names, left, seen = set(), list(called(view)), set()
    while left:
        one = left.pop()
        if one in seen:
            continue
        seen.add(one)
        if one in NAMES:
            names.add(NAMES[one])
        elif one in PLACED:
            names.add(PLACED[one])
        elif one.__module__.startswith("chancery.apps."):
            left += called(one)
    return names


def operations():
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for method in operation.methods:
                    yield f"{method} {prefix}{path}", operation.view_func


def read_permission(route):
    method, _, path = route.partition(" ")
    if route in LOOKS:
        return LOOKS[route]
    if method != "GET":
        return None
    return READS["api"].get("/" + path.strip("/").split("/")[0])


@cache
def rows():
    """Return route → permissions, for every route of REST and console; raises for one that nothing is known of."""
    found, unknown = {}, []
    for route, view in operations():
        acts = does(view) or GROUPED.get(route, set())
        asked = {REGISTRY[name] for name in acts} if acts else {read_permission(route)}
        found[route] = (asked, acts)
        if asked == {None}:
            unknown.append(route)
    for pattern in urlpatterns:
        acts = does(pattern.callback)
        found[f"console {pattern.name}"] = ({REGISTRY[name] for name in acts} or {ANYBODY}, acts)
    return found, unknown


def test_every_route_is_known_by_its_actions_or_listed_as_reading():
    found, unknown = rows()
    assert unknown == []
    assert len(found) > 200


def expected(role, permission, action, where):
    """Return what the promised tables say of a role held in Operations and Production."""
    if permission == ANYBODY or permission in EVERYBODYS:
        return True
    marks = TABLE[action][ORDER.index(role)] != "." if action else permission in ROLES[role]
    return marks and permission not in WHOLE and where == "own"


def test_each_role_in_each_place_may_through_each_route_what_the_tables_say(capsys, result):
    cells, wrong, routes = 0, [], rows()[0]
    for route, (permissions, acts) in routes.items():
        for permission in permissions:
            actions = [name for name in acts if REGISTRY[name] == permission] or [""]
            for role in ORDER:
                actor = Actor("pat", 1, "test", grants=(Grant(role, *OWN),))
                for where, thing in PLACES.items():
                    may = permission == ANYBODY or actor.may(permission, *thing)
                    cells += 1
                    if any(may is not expected(role, permission, action, where) for action in actions):
                        wrong.append((route, role, where, str(permission)))
    with capsys.disabled():
        print(f"\nrole matrix: {cells} cells, {len(wrong)} unexpected")
    assert wrong == []
    assert cells > 4000
    unit = f"unexpected of {cells} cells: {len(ORDER)} roles, {len(routes)} routes, things of one's own, of another team and of another environment"
    result("R31", len(wrong), unit)


def test_what_changes_anything_over_rest_calls_an_action():
    left = [route for route, (_, acts) in rows()[0].items() if not route.startswith(("GET", "console")) and not acts]
    assert sorted(left) == sorted(LOOKS)


@pytest.mark.django_db
def test_whoever_has_no_role_reads_nothing_of_anybody(cast):
    from django.test import Client

    from chancery.apps.accounts import actions

    user = actions.create_user(cast.host, "nora", "correct horse battery", grants=[])
    client = Client()
    client.force_login(user)
    for route, (permissions, _) in rows()[0].items():
        method, _, path = route.partition(" ")
        if method != "GET" or permissions == {ANYBODY} or "{" in path:
            continue
        assert client.get(f"/api/v1{path}").status_code in {400, 403}, route
