"""AD CS over RPC: orders by MS-ICPR or MS-WCCE, straight at the CA."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from chancery.authorities.adcs.config import ENTERPRISE, AdcsConfig, bare_ca_name, typed_templates
from chancery.authorities.adcs.hygiene import check_request
from chancery.authorities.adcs.login import credentials_of
from chancery.authorities.adcs.over_ces import warned
from chancery.authorities.adcs.refusals import explain
from chancery.authorities.adcs.transport import Transport
from chancery.protocols.msrpc.channel import Wire
from chancery.protocols.msrpc.client import MsrpcClient
from chancery.protocols.msrpc.settings import EnrollBy, MsrpcCredentials, MsrpcSettings
from chancery.protocols.negotiate import Credentials
from chancery.sdk.authority import Context, Request
from chancery.sdk.finding import Finding
from chancery.sdk.outcome import Choice, Found, Outcome, PollState


class OverRpc(Transport):
    """One client for each template; a client is nothing but settings."""

    name = "RPC"

    def __init__(self, config: AdcsConfig, context: Context) -> None:
        self._config, self._context = config, context

    def reach(self) -> list[Finding]:
        """Name, endpoint mapper, and the port behind it."""
        return self._client().reach()

    def check(self) -> list[Finding]:
        """Login, each typed template, chain."""
        found = self._client().check(list(typed_templates(self._config)))
        return [finding for finding in found if finding.code != "no_manager"]

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
        """Return the templates that the CA publishes; the account's rights on them RPC does not tell."""
        if field != "template" or self._config.setup_type != ENTERPRISE:
            return []
        typed = typed_templates(self._config)
        return [Choice(name, typed.get(name, name), {"oid": oid}) for name, oid in self._client().templates().items()]

    def _client(self, template: str = "") -> MsrpcClient:
        return client_of(self._config, self._context, credentials_of(self._config), template=template)


def client_of(
    config: AdcsConfig, context: Context, enroll: Credentials, manage: Credentials | None = None, *, template: str = ""
) -> MsrpcClient:
    """Return a client of the CA itself: at the CA host, or where the base URL leads."""
    http = context.http
    settings = MsrpcSettings(
        config.ca_host.strip() or urlsplit(http.base_url).hostname or "",
        bare_ca_name(config),
        template=template,
        port=config.rpc_port,
        enroll_by=EnrollBy(config.rpc_interface),
        send_reference=config.send_reference,
    )
    wire = Wire(http.policy, timeout=http.timeout, before_send=http.before_send)
    return MsrpcClient(wire, settings, MsrpcCredentials(enroll, manage), context.clock, explain)
