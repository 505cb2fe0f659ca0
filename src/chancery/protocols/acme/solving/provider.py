"""Writes TXT records at a DNS provider, in a process of its own.

The library that knows the providers opens its own connections, without a time limit and by the environment's proxies.
So it runs apart (`provider_process`): with an empty environment, a deadline, and every connection judged by the
connector's address guard. docs/egress.md tells it to administrators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chancery.core.secret import Secret
from chancery.net import apart
from chancery.net.addresses import AddressPolicy
from chancery.net.redact import register, scrub
from chancery.protocols.acme.solving.providers import PROVIDERS
from chancery.sdk.errors import AuthFailed, AuthorityError, ProtocolViolation, Unreachable

_MODULE = "chancery.protocols.acme.solving.provider_process"
_WAIT = 60.0
"""Seconds for all records of one zone."""
_REMEDY = "Check 'DNS provider', 'DNS credentials' and 'DNS zone' in the connector's settings."


@dataclass(frozen=True, slots=True)
class Record:
    """A TXT record: whole name, content."""

    name: str
    content: str


class Provider:
    """One account at a DNS provider. `credentials` hold one option a line (`auth_token = …`)."""

    def __init__(self, name: str, credentials: Secret | None, policy: AddressPolicy, *, wait: float = _WAIT) -> None:
        self._name, self._policy, self._wait = name, policy, wait
        self._credentials = credentials or Secret("")

    def create(self, zone: str, records: Sequence[Record]) -> None:
        """Add records beside what is there."""
        self._run("create", zone, records)

    def delete(self, zone: str, records: Sequence[Record]) -> None:
        """Take records away, by their content."""
        self._run("delete", zone, records)

    def check(self, zone: str) -> None:
        """Log in and look the zone up; changes nothing."""
        self._run("check", zone, ())

    def trouble(self) -> tuple[str, str] | None:
        """Return what is missing in the settings, and the remedy."""
        if self._name not in PROVIDERS:
            return "For dns-01 a DNS provider must be chosen.", "Choose it in the connector's settings."
        try:
            options = self._options()
        except AuthFailed as error:
            return error.message, error.remedy
        return None if options else ("The DNS credentials are missing.", _REMEDY)

    def _options(self) -> dict[str, str]:
        found = {}
        for line in self._credentials.reveal().splitlines():
            name, separator, value = line.partition("=")
            if not line.strip():
                continue
            if not separator:
                raise AuthFailed(
                    "A line of the DNS credentials has no '='.",
                    code="dns_credentials",
                    bytes_sent=False,
                    remedy="Write one option a line, as in 'auth_token = …'.",
                )
            found[name.strip().replace("-", "_")] = value.strip()
        return found

    def _run(self, act: str, zone: str, records: Sequence[Record]) -> None:
        trouble = self.trouble()
        if trouble:
            raise AuthFailed(trouble[0], code="dns_credentials", bytes_sent=False, remedy=trouble[1])
        options = self._options()
        secrets = [Secret(value) for value in options.values()]
        register(secrets)
        asked = {
            "act": act,
            "provider": self._name,
            "options": options,
            "zone": zone,
            "records": [[record.name, record.content] for record in records],
            "networks": list(self._policy.allowed),
        }
        told = apart.ask(_MODULE, asked, self._wait)
        if told["kind"] != "ok":
            raise _error(told["kind"], self._name, scrub(told["text"], secrets))


def _error(kind: str, name: str, text: str) -> AuthorityError:
    if kind == "login":
        return AuthFailed(
            f"The DNS provider {name} refused the login.", code="dns_login", text=text, bytes_sent=False, remedy=_REMEDY
        )
    if kind == "away":
        return Unreachable(
            f"The DNS provider {name} does not answer.",
            code="dns_provider",
            text=text,
            bytes_sent=False,
            remedy="Look at the provider's state; for one inside, add its network to the allowed networks.",
        )
    return ProtocolViolation(
        f"The DNS provider {name} did not do it: {text}"[:500],
        code="dns_provider",
        text=text,
        bytes_sent=False,
        remedy=_REMEDY,
    )
