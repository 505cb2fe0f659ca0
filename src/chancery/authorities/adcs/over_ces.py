"""AD CS over its web services: enrolment by CES (MS-WSTEP), templates and rights by CEP (MS-XCEP)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from chancery.authorities.adcs.config import (
    ENTERPRISE,
    IN_MESSAGE,
    AdcsConfig,
    bare_ca_name,
    typed_templates,
)
from chancery.authorities.adcs.hygiene import check_request
from chancery.authorities.adcs.issued import warnings_about
from chancery.authorities.adcs.login import credentials_of
from chancery.authorities.adcs.refusals import explain
from chancery.authorities.adcs.transport import Transport
from chancery.core.secret import Secret
from chancery.protocols.negotiate import Login
from chancery.protocols.wstep.client import WstepClient
from chancery.protocols.wstep.conversation import Door
from chancery.protocols.wstep.policies import Template
from chancery.protocols.wstep.settings import WstepCredentials, WstepSettings
from chancery.sdk.answer import Answer
from chancery.sdk.authority import Context, Request
from chancery.sdk.errors import AuthFailed
from chancery.sdk.finding import Finding
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Choice, Found, Issued, Outcome, PollState

_ADDRESSES = {"kerberos": "Kerberos", "ntlm": "Kerberos", "certificate": "Certificate", IN_MESSAGE: "UsernamePassword"}
"""Login → how Windows calls the address for it; that for Kerberos takes whatever Negotiate holds."""


class OverCes(Transport):
    """One client for each template; a client is nothing but settings."""

    name = "CEP and CES"

    def __init__(self, config: AdcsConfig, context: Context) -> None:
        self._config, self._context = config, context

    def check(self) -> list[Finding]:
        """Login and rights, each typed template, chain."""
        return self._client().check(list(typed_templates(self._config)))

    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate, once."""
        check_request(request, needs_template=self._config.setup_type == ENTERPRISE)
        return warned(self._client(str(getattr(request.settings, "template", ""))).submit(request))

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Ask by the CA's number."""
        return warned(self._client().poll(state, request))

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over a request by the CA's number."""
        found = self._client().adopt(reference, request)
        return replace(found, outcome=warned(found.outcome))

    def choices(self, field: str) -> list[Choice]:
        """Return the templates with the account's rights, those that can be used first.

        Only those typed in, where there is no policy service.
        """
        if field != "template" or self._config.setup_type != ENTERPRISE:
            return []
        typed = typed_templates(self._config)
        if not self._config.policy_path:
            return [Choice(name, label) for name, label in typed.items()]
        told = self._client().policies()
        shown = sorted(
            (_choice(t, typed) for t in told.templates if not t.is_for_cas), key=lambda c: not c.detail["usable"]
        )
        unseen = [n for n in typed if told.template(n) is None]
        return [*shown, *(Choice(n, f"{typed[n]} (not shown to this account)", {"usable": False}) for n in unseen)]

    def _client(self, template: str = "") -> WstepClient:
        config, http = self._config, self._context.http
        word = _ADDRESSES[config.authentication]
        path = config.path or f"{quote(bare_ca_name(config), safe='')}_CES_{word}/service.svc/CES"
        settings = WstepSettings(path, config.policy_path, template)
        credentials, door = WstepCredentials(), http
        if config.authentication == IN_MESSAGE:
            credentials = _in_message(config)
        elif config.authentication != "certificate":
            return WstepClient(_Negotiating(http, config), settings, credentials, self._context.clock, explain)
        return WstepClient(door, settings, credentials, self._context.clock, explain)


class _Negotiating:
    """Logs in over HTTP before each message, on the connection that carries it."""

    def __init__(self, http: HttpDoor, config: AdcsConfig) -> None:
        self._http, self._config, self.base_url = http, config, http.base_url

    def learn(self, secret: Secret) -> None:
        """Keep a secret out of texts."""
        self._http.learn(secret)

    def post(self, path: str, **more: Any) -> Answer:
        """Log in at the service's own address, then send."""
        with Login(self._http, credentials_of(self._config), path).session() as session:
            return session.request("POST", path, **more)


_: type[Door] = _Negotiating


def _in_message(config: AdcsConfig) -> WstepCredentials:
    if not config.username.strip() or config.password is None:
        raise AuthFailed(
            "The connector logs in by user name and password, and one of them is missing.",
            code="missing",
            stage="request",
            bytes_sent=False,
            remedy="Enter the account, as DOMAIN\\user or user@domain, and its password.",
        )
    return WstepCredentials(config.username.strip(), config.password)


def _choice(template: Template, typed: dict[str, str]) -> Choice:
    obstacles = " ".join(template.obstacles)
    label = typed.get(template.name, template.name)
    waits = " (every request waits for a manager)" if template.pends else ""
    detail = {"usable": not obstacles, "why_not": obstacles, "oid": template.oid, "least_bits": template.minimal_key}
    return Choice(template.name, f"{label} ({obstacles})" if obstacles else f"{label}{waits}", detail)


def warned(outcome: Outcome) -> Outcome:
    """Return what was issued with what people must hear of it."""
    return replace(outcome, warnings=warnings_about(outcome.leaf)) if isinstance(outcome, Issued) else outcome
