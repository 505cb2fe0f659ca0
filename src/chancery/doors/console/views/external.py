"""Logging in with somebody else's log-in: OpenID Connect and SAML, as django-allauth speaks them."""

from __future__ import annotations

from functools import wraps
from typing import Any

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.openid_connect import views as oidc
from allauth.socialaccount.providers.saml import views as saml
from allauth.socialaccount.providers.saml.utils import build_saml_config, get_app_or_404
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from onelogin.saml2.settings import OneLogin_Saml2_Settings

from chancery.apps.accounts import providers
from chancery.core.errors import ChanceryError
from chancery.doors.console.external import library
from chancery.doors.console.views.base import View, refusal
from chancery.doors.problems import Refusal


def _inside(view: View) -> View:
    @wraps(view)
    def run(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            with library(request):
                return view(request, **kwargs)
        except ChanceryError as error:
            return refusal(request, error, None)

    return run


@_inside
def begin(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send somebody to their provider. What comes back counts in this session alone, once, and for ten minutes."""
    provider = get_adapter().get_provider(request, provider_id)
    wanted = request.GET.get("next", "")
    found: HttpResponse = provider.redirect(
        request, process="login", next_url=wanted if wanted.startswith("/") else None
    )
    return found


@_inside
def saml_logout(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Refuse a provider's log-out: what the library takes for one needs no signature, so any link could end a session.

    The profile asks for messages that both sides sign (SAML 2.0 profiles, section 4.4.4), and we have no key to sign with.
    """
    del request
    text = f"Log-outs of {providers.get(organization_slug).title} end no session here."
    raise Refusal(403, "no_single_logout", "", text, "Log out here as well.")


@_inside
def saml_metadata(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Tell a provider what we are, without the address for log-outs that the library names."""
    app = get_app_or_404(request, organization_slug)
    told = build_saml_config(request, app.settings, organization_slug)
    del told["sp"]["singleLogoutService"]
    document = OneLogin_Saml2_Settings(told, sp_validation_only=True).get_sp_metadata()
    return HttpResponse(document, content_type="application/samlmetadata+xml")


oidc_callback = _inside(oidc.callback)
saml_finish = _inside(saml.finish_acs)
# It comes from the provider's page; who answers it is known by its signature and by what it answers.
saml_acs = csrf_exempt(_inside(saml.acs))
