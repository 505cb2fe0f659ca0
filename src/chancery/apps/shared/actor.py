"""Who acts. Every action and every query takes one; there is no anonymous default."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.apps.accounts.permissions import EVERYBODYS, MACHINES, ROLES, WHOLE, Permission


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, for every team and environment (None) or for one of each."""

    role: str
    team: int | None = None
    environment: int | None = None
    permissions: frozenset[str] | None = None
    """What it gives where that is not what the built-in role of this name gives: a role of one's own, or less by a token."""

    def gives(self, permission: str) -> bool:
        """Say whether this grant gives a permission for anything at all."""
        given = self.permissions
        if given is None:
            given = ROLES.get(self.role) or MACHINES.get(self.role) or frozenset()
        if permission not in given:
            return False
        return permission not in WHOLE or (self.team is None and self.environment is None)

    def within(self, permissions: frozenset[str] | None, team: int | None, environment: int | None) -> Grant | None:
        """Return what is left of this grant inside a token's limits, None where nothing is."""
        if self.team not in {None, team} and team is not None:
            return None
        if self.environment not in {None, environment} and environment is not None:
            return None
        whole = self.permissions if self.permissions is not None else ROLES.get(self.role, frozenset())
        given = self.permissions if permissions is None else frozenset(whole) & permissions
        return Grant(self.role, self.team or team, self.environment or environment, given)

    def covers(self, permission: str, team: int | None, environment: int | None) -> bool:
        """Say whether this grant gives a permission for a thing of a team in an environment."""
        if not self.gives(permission):
            return False
        return self.team in {None, team} and self.environment in {None, environment}


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, how they proved it, and from where.

    `user` is the id of a person, or None for the engine and the host's operator, who hold every right, and for a `machine`,
    which holds what its grants give. `limited` says that a token gives less than the person has, `needs_factor` that one of
    the roles is only for whoever logged in with a second factor, and `strong` that they did. `bound` are the networks to which
    alone the token answers.
    """

    name: str
    user: int | None
    how: str
    address: str = ""
    via: str = "console"
    grants: tuple[Grant, ...] = ()
    machine: bool = False
    limited: bool = False
    needs_factor: bool = False
    strong: bool = False
    bound: tuple[str, ...] = ()

    @property
    def rights(self) -> tuple[object, ...]:
        """Return all that decides what this actor may: where it is alike, two may the same."""
        return self.user, self.machine, self.limited, self.needs_factor, self.grants

    def may(self, permission: Permission, team: int | None = None, environment: int | None = None) -> bool:
        """Say whether this actor has a permission for a thing of a team in an environment.

        Without a team and environment the question is whether it holds anywhere at all.
        """
        if not self.machine and (self.user is None or (permission in EVERYBODYS and not self.limited)):
            return True
        if team is None and environment is None:
            return any(g.gives(permission) for g in self.grants)
        return any(g.covers(permission, team, environment) for g in self.grants)

    def scopes(self, permission: Permission) -> tuple[Grant, ...] | None:
        """Return the grants that give a permission, or None where it holds everywhere."""
        if self.user is None and not self.machine:
            return None
        giving = tuple(g for g in self.grants if g.gives(permission))
        if any(g.team is None and g.environment is None for g in giving):
            return None
        return giving


def engine_actor() -> Actor:
    """Return the actor of a worker."""
    return Actor(name="engine", user=None, how="process", via="engine")


def host_actor(login: str) -> Actor:
    """Return the actor of a command that runs on the host: the operating-system user."""
    return Actor(name=f"os:{login}", user=None, how="host", via="cli")
