"""What an account that manages the CA adds to any transport: search, list, cancellation, revocation (MS-CSRA, RPC)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from chancery.authorities.adcs.config import AdcsConfig
from chancery.authorities.adcs.issued import warnings_about
from chancery.authorities.adcs.over_ces import warned
from chancery.authorities.adcs.over_rpc import client_of
from chancery.core.order import RevocationReason
from chancery.protocols.msrpc.client import MsrpcClient
from chancery.protocols.negotiate import Credentials, Way
from chancery.sdk.authority import Context, Request, Target
from chancery.sdk.errors import Forbidden
from chancery.sdk.finding import STAGES, Finding
from chancery.sdk.inventory import InventoryPage
from chancery.sdk.outcome import Absence, Found, Issued, PollState, Revoked


class Managing:
    """The managing account of one connector; `able` says whether it has one."""

    def __init__(self, config: AdcsConfig, context: Context) -> None:
        self._config, self._context = config, context
        self.able = bool(config.manager_username.strip())

    def joined(self, found: Iterable[Finding]) -> list[Finding]:
        """Return the findings of *Test connection* with those of the managing account among them, by stage."""
        every = [*found, *(self._client().check_manager() if self.able else [])]
        return sorted(every, key=lambda finding: STAGES.index(finding.stage))

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search the CA's database, by our reference or by the request itself."""
        found = self._client().find(request, since)
        return replace(found, outcome=warned(found.outcome)) if isinstance(found, Found) else found

    def cancel(self, state: PollState) -> None:
        """Deny a request that waits."""
        self._client().cancel(state)

    def release(self, state: PollState) -> None:
        """Have a request issued that waits."""
        self._client().release(state)

    def revoke(self, target: Target, reason: RevocationReason) -> Revoked:
        """Revoke one certificate."""
        return self._client().revoke(target, reason)

    def inventory(self, cursor: PollState | None) -> InventoryPage:
        """Return a part of what the CA has issued, whoever asked for it."""
        return self._client().inventory(cursor)

    def fetch(self, reference: str) -> Issued:
        """Return the certificate of a request, with what people must hear of it."""
        issued = self._client().fetch(reference)
        return replace(issued, warnings=warnings_about(issued.leaf))

    def _client(self) -> MsrpcClient:
        if not self.able:
            raise Forbidden(
                "This connector has no managing account.",
                code="no_manager",
                stage="request",
                bytes_sent=False,
                remedy="Enter an account with the right Issue and Manage Certificates, or do it in the CA's console.",
            )
        config = self._config
        way = Way.KERBEROS if config.authentication == Way.KERBEROS else Way.NTLM
        account = Credentials(way, config.manager_username.strip(), config.manager_password)
        return client_of(config, self._context, account, account)
