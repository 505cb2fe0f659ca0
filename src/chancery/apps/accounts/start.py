"""The first team, environment and administrator of a fresh installation."""

from __future__ import annotations

import secrets

from chancery.apps.accounts import actions
from chancery.apps.accounts.models import Environment, Team, User
from chancery.apps.shared.actor import Actor


def first_administrator(actor: Actor, username: str) -> str | None:
    """Make the first administrator and return the one-time password; None where somebody is there already."""
    if not Team.objects.exists():
        actions.create_team(actor, "Operations")
    if not Environment.objects.exists():
        actions.create_environment(actor, "Production", is_production=True)
        actions.create_environment(actor, "Development")
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(15)
    grants = [("administrator", None, None)]
    actions.create_user(actor, username, password, grants=grants, must_change_password=True)
    return password
