"""Logging in with somebody else's log-in: OpenID Connect and SAML, as django-allauth speaks them."""

from __future__ import annotations

from functools import wraps
from typing import Any

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.openid_connect import views as oidc
from allauth.socialaccount.providers.saml import views as saml
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from chancery.core.errors import ChanceryError
from chancery.doors.console.external import library
from chancery.doors.console.views.base import View, refusal


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


oidc_callback = _inside(oidc.callback)
saml_finish = _inside(saml.finish_acs)
saml_logout = csrf_exempt(_inside(saml.sls))
saml_metadata = _inside(saml.metadata)
# It comes from the provider's page; who answers it is known by its signature and by what it answers.
saml_acs = csrf_exempt(_inside(saml.acs))
