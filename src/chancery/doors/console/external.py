"""Where django-allauth's protocols end and our log-in begins: it is told of our providers, and we take who it has proved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from allauth.core.context import request_context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.http import HttpRequest
from django.utils.translation import gettext as _
from onelogin.saml2.errors import OneLogin_Saml2_Error

from chancery.apps.accounts import factors, providers
from chancery.apps.accounts.models import Provider
from chancery.core.errors import Absent, ChanceryError, Unavailable
from chancery.doors.console.views import login
from chancery.doors.console.views.base import show
from chancery.doors.problems import Refusal
from chancery.net.sessions import NoAnswer, session

_ALIKE = {providers.OIDC: "openid_connect", providers.SAML: "saml"}


class Adapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # the library carries no types
    """What the library asks of its surroundings."""

    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """Return our providers as the library knows them: by its kind, our slug, or for SAML the slug as client."""
        found = [_app(row) for row in providers.rows()]
        fits = [a for a in found if provider in {None, a.provider, a.provider_id}]
        return [a for a in fits if client_id in {None, a.client_id}]

    def get_requests_session(self) -> Any:
        """Return a session that the guard watches, open inside where the administrator says so of this provider."""
        request = self.request
        match = request.resolver_match
        slug = match.kwargs.get("provider_id", "") if match else ""
        return session(providers.get(slug).settings["allowed_networks"])

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Take over: the library has proved who it is at the provider, and what they are here is ours to say."""
        account = sociallogin.account
        row = providers.get(str(account.provider))
        try:
            user = providers.sign_on(row, account.uid, _claims(account.extra_data), request.META.get("REMOTE_ADDR", ""))
        except ChanceryError as refusal:
            text = f"{refusal} {refusal.remedy}".strip()
            raise ImmediateHttpResponse(_login(request, text)) from None
        wanted = str(sociallogin.state.get("next") or "")
        if factors.has_any(user) and not row.is_factor:
            login.begin_half(request, user, f"{row.kind}:{row.slug}", wanted)
            raise ImmediateHttpResponse(login.to_second())
        login.enter(request, user, f"{row.kind}:{row.slug}", strong=row.is_factor)
        raise ImmediateHttpResponse(login.after(request, wanted))

    def on_authentication_error(self, request: HttpRequest, provider: Any, **_more: Any) -> None:
        """Say that it did not work, in our own page; what exactly was wrong is for the log of the provider."""
        raise ImmediateHttpResponse(_login(request, _("The provider did not let you in, or its answer does not fit.")))


@contextmanager
def library(request: HttpRequest) -> Iterator[None]:
    """Give the library the request that it asks for, and its refusals a way out as our own."""
    request.allauth = SimpleNamespace()  # type: ignore[attr-defined]  # where the library keeps what it notes
    with request_context(request):
        try:
            yield
        except SocialApp.DoesNotExist:
            raise Absent("provider", request.path) from None
        except (SyntaxError, OneLogin_Saml2_Error) as error:
            text, remedy = f"The answer is no SAML that can be read: {type(error).__name__}.", "Log in once more."
            raise Refusal(403, "sign_on", "SAMLResponse", text, remedy) from None
        except (NoAnswer, KeyError) as error:
            text = f"The provider cannot be spoken with: {error}."
            raise Unavailable(text, remedy="Log in another way; its settings stand under People.") from None


def _login(request: HttpRequest, wrong: str) -> Any:
    context = {"wrong": wrong, "next": "", "providers": providers.rows()}
    return show(request, None, "login", context, 403)


def _claims(data: Any) -> dict[str, Any]:
    """Return what a provider says of somebody: of OpenID Connect the id token's claims and the user's information."""
    known = dict(data or {})
    if "id_token" in known or "userinfo" in known:
        return {**(known.get("id_token") or {}), **(known.get("userinfo") or {})}
    return known


def _app(row: Provider) -> SocialApp:
    known = row.settings
    if row.kind == providers.SAML:
        idp = {"entity_id": known["entity_id"], "sso_url": known["sso_url"], "x509cert": known["certificate"]}
        advanced = {
            "want_assertion_signed": True,
            "reject_idp_initiated_sso": True,
            "strict": True,
            "allow_single_label_domains": True,
        }
        settings: dict[str, Any] = {"idp": idp, "advanced": advanced, "attribute_mapping": {}}
        client = row.slug
    else:
        settings = {"server_url": known["server_url"], "oauth_pkce_enabled": True, "scope": known["scopes"]}
        client = known["client_id"]
    return SocialApp(
        provider=_ALIKE[row.kind],
        provider_id=row.slug,
        name=row.title,
        client_id=client,
        secret=providers.secret_of(row),
        settings=settings,
    )
