"""People, teams, environments, roles and API tokens."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils.translation import gettext_lazy as _

from chancery.apps.shared.texts import unfit


class Team(models.Model):
    """Who owns connectors, profiles, orders and bots."""

    name = models.CharField(max_length=100, unique=True)

    def __str__(self) -> str:
        return self.name


class Environment(models.Model):
    """Production, QA, Development, …: connectors, profiles and bots each belong to one."""

    name = models.CharField(max_length=60, unique=True)
    is_production = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Looks people up by their login name."""

    def get_by_natural_key(self, username: str | None) -> User:
        """Return the user with this login name, ignoring case; raises `DoesNotExist` also for what no name can be."""
        if unfit({"username": username}):
            raise User.DoesNotExist
        return self.get(username=(username or "").lower())


class User(AbstractBaseUser):
    """A person who may log in. Rights come from `Grant` rows only; there is no superuser flag."""

    username = models.CharField(_("login name"), max_length=150, unique=True)
    full_name = models.CharField(_("name"), max_length=200, blank=True)
    email = models.EmailField(blank=True)
    is_active = models.BooleanField(default=True)
    must_change_password = models.BooleanField(default=False)
    time_zone = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    USERNAME_FIELD = "username"
    objects = UserManager()

    def __str__(self) -> str:
        return self.username


class Role(models.Model):
    """A role of this installation's own, or what is asked beyond its permissions of a built-in one, which has none here.

    `needs_factor`: only for whoever logged in with a second factor.
    """

    name = models.CharField(max_length=40, unique=True)
    description = models.CharField(max_length=300, blank=True)
    permissions = models.JSONField(default=list)
    needs_factor = models.BooleanField(default=False)


class Grant(models.Model):
    """A role given to a person, for all teams and environments or for one of each."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=40)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE)
    environment = models.ForeignKey(Environment, null=True, blank=True, on_delete=models.CASCADE)

    class Meta:
        verbose_name = "role"
        indexes = [models.Index(fields=["user", "role"], name="grant_user")]

    def __str__(self) -> str:
        return f"{self.role} of {self.user}"


class ApiToken(models.Model):
    """A bearer token. Only its SHA-256 is kept; the text is shown once, when it is made.

    It gives what its person has at that moment, and of that no more than `permissions` (null: all), in `team` and
    `environment` (null: all), to whoever calls from one of `networks` (empty: from anywhere). `strong` says that whoever made
    it had shown a second factor; without, it gives nothing once a role of its person asks for one.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=12)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    permissions = models.JSONField(null=True, blank=True)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="limited_tokens")
    environment = models.ForeignKey(
        Environment, null=True, blank=True, on_delete=models.PROTECT, related_name="limited_tokens"
    )
    networks = models.JSONField(default=list)
    strong = models.BooleanField(default=False)

    class Meta:
        verbose_name = "token"
        indexes = [models.Index(fields=["user", "id"], name="token_of_user")]

    def __str__(self) -> str:
        return self.name


class Session(AbstractBaseSession):
    """A session of the console. `ident` names it on pages; the key opens it, and is shown nowhere."""

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="sessions")
    ident = models.UUIDField(default=uuid.uuid4, db_index=True)
    started_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=64, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    how = models.CharField(max_length=60, blank=True)

    @classmethod
    def get_session_store_class(cls) -> type:
        """Return the class that reads and writes these rows."""
        from chancery.apps.accounts.sessions import SessionStore

        return SessionStore


class LoginTry(models.Model):
    """A log-in that was tried and did not succeed, for as long as it counts against the next."""

    name = models.CharField(max_length=150)
    address = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["name", "at"], name="login_try"), models.Index(fields=["at"], name="login_old")]


class KnownAddress(models.Model):
    """An address from which a person has logged in: guesses from elsewhere do not keep them out there."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_addresses")
    address = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "address"], name="known_address_once")]


class Provider(models.Model):
    """Somebody else's log-in that is trusted here: OpenID Connect (`oidc`) or SAML 2.0 (`saml`).

    `settings` are as `providers.Settings` has them; `sealed` is the client's secret, if there is one. `mapping` has the
    values of the groups claim that give roles: where there is any, it alone decides, at each log-in.
    """

    slug = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=4)
    title = models.CharField(max_length=100)
    settings = models.JSONField(default=dict)
    sealed = models.JSONField(default=dict)
    mapping = models.JSONField(default=list)
    makes_people = models.BooleanField(default=False)
    is_factor = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.title
